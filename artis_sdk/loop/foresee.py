"""What a rehearsed plan binds: the calls that it foresees, the tools that it was made with, its digest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from pydantic import JsonValue

from artis_sdk.contracts import ObservedTool
from artis_sdk.loop.identifiers import MadeUp, made_up_identifiers, references
from artis_sdk.records import (
    Attempt,
    BoundTool,
    ForeseenCall,
    Plan,
    Reference,
    Risk,
    Step,
    Task,
    ToolSpec,
    plan_digest,
)
from artis_sdk.records.digest import spec_hash
from artis_sdk.records.places import replaced
from artis_sdk.records.remembered import Remembered
from artis_sdk.records.same_call import canonical, with_defaults

_Specs = Mapping[str, ToolSpec]


def bound(plan: Plan, tools: Iterable[ObservedTool]) -> Plan:
    """The plan with all that a commit is held to: foreseen calls, tools, digest.

    Args:
        plan: plan with its attempts.
        tools: the session's tools; the plan binds those that its task offers.
    """
    offered = {spec.name for spec in plan.task.tools}
    followed = plan.followed
    binding = {
        "follows": None if followed is None else followed.index,
        "foreseen": foreseen_calls(plan),
        "tools": tuple(tool for tool in map(bound_tool, tools) if tool.name in offered),
    }
    plan = plan.model_copy(update=binding)
    return plan.model_copy(update={"digest": plan_digest(plan)})


def bound_tool(tool: ObservedTool) -> BoundTool:
    """A tool as it is now. Its spec, which does not change, is read once: each plan binds all its tools."""
    spec, source_hash = tool.spec, tool.source_hash
    by_source = _bound(spec)
    if source_hash not in by_source:
        by_source[source_hash] = BoundTool(
            name=spec.name, risk=spec.risk, spec_hash=spec_hash(spec), source_hash=source_hash
        )
    return by_source[source_hash]


@partial(Remembered, most=4096)
def _bound(spec: ToolSpec) -> dict[str | None, BoundTool]:
    """The bound tools of a spec, by the hash of their source."""
    return {}


def foreseen_calls(plan: Plan) -> tuple[ForeseenCall, ...]:
    """The calls that a plan stands for: those of the followed attempt that reached its world."""
    followed = plan.followed
    if followed is None:
        return ()
    specs = {spec.name: spec for spec in plan.task.tools}
    usable = [attempt for attempt in plan.attempts if attempt.steps or attempt.answer is not None]
    views = {attempt.index: FollowedSteps.of(plan.task, attempt, specs) for attempt in (*usable, followed)}
    counts = [Counter(views[attempt.index].identities) for attempt in usable]
    seen: Counter[str] = Counter()
    found = []
    view = views[followed.index]
    for n, (step, identity) in enumerate(zip(view.steps, view.identities, strict=True)):
        seen[identity] += 1
        call, spec = step.call, specs.get(step.call.tool)
        found.append(
            ForeseenCall(
                call=call,
                risk=Risk.IRREVERSIBLE if spec is None else spec.risk,
                predicted=step.outcome,
                agreed=sum(count[identity] >= seen[identity] for count in counts),
                attempts=len(usable),
                nested=n >= view.own,
                made_up=tuple(one.place for one in view.made_up if one.call == n),
                references=view.references[n],
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class FollowedSteps:
    """The steps of an attempt that reached its world; other outcomes are our own answers."""

    steps: tuple[Step, ...]
    """The agent's own steps, then those within tools' bodies."""
    own: int
    """Number of the agent's own."""
    made_up: list[MadeUp]
    references: list[tuple[Reference, ...]]
    """References of each step."""
    identities: list[str]
    """A text for each step, equal for the same call of another attempt, whatever identifiers the simulator
    made up there."""

    @classmethod
    def of(cls, task: Task, attempt: Attempt, specs: _Specs) -> FollowedSteps:
        own = [step for step in attempt.steps if step.outcome.reached_world]
        nested = [step for step in attempt.nested if step.outcome.reached_world]
        steps = (*own, *nested)
        made_up = made_up_identifiers(task, steps, specs)
        found = [tuple(references(n, step.call.arguments, made_up)) for n, step in enumerate(steps)]
        identities = []
        for n, step in enumerate(steps):
            arguments: JsonValue = with_defaults(specs.get(step.call.tool), step.call.arguments)
            for reference in found[n]:
                arguments = replaced(arguments, reference.argument, [reference.call, *reference.outcome])
            identities.append(canonical([n >= len(own), step.call.tool, arguments]))
        return cls(steps, len(own), made_up, found, identities)
