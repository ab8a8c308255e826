"""A plan replayed: exactly its foreseen calls, in their order, without a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import JsonValue

from artis_sdk.commit.commit import RealWorld
from artis_sdk.contracts import Meter
from artis_sdk.errors import CommitRefused, CommitStopped, ConfigurationError
from artis_sdk.loop.actor import NO_BRIEFING, Briefing, Trajectory
from artis_sdk.loop.calls import Table, carry_out
from artis_sdk.records import Plan, Provenance, Step, Task, ToolCall
from artis_sdk.records.redacted import is_redacted
from artis_sdk.tools import Toolset
from artis_sdk.tools.world import World, entered


class NoAgent:
    """The agent of a session that only replays plans, and so has none."""

    runs_code = False

    async def act(
        self, task: Task, world: World, meter: Meter, briefing: Briefing = NO_BRIEFING
    ) -> Trajectory:
        """Refuse.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError("this session has no agent, and commits plans by mode='replay' only")


def replaying(plan: Plan, tools: Toolset) -> ReplayActor:
    """The actor that replays a plan.

    Raises:
        CommitRefused: the plan binds nothing, follows no attempt, or holds a call without its secrets.
    """
    if plan.digest is None or plan.follows is None:
        why = "binds nothing" if plan.digest is None else "follows no attempt"
        raise CommitRefused(plan.id, f"it {why}, so there is nothing to replay; commit it another way")
    own = [call.call for call in plan.foreseen if not call.nested and not call.references]
    unfilled = [call.tool for call in own if is_redacted(call.arguments)]
    if unfilled:
        raise CommitRefused(
            plan.id,
            f"placeholders stand for secrets in its calls ({', '.join(unfilled)}), and nothing fills them "
            "in: commit the plan itself, or the one from Session.saved, and not the one that was shown",
        )
    return ReplayActor(plan, tools)


class ReplayActor:
    """Makes the foreseen calls of a plan. Identifiers that the simulator made up are those that the real
    calls gave.

    Its answer is that of the followed attempt, with the real identifiers, if nobody edited a call and every
    outcome was as predicted; else it has none.

    Args:
        plan: plan being committed.
        tools: the session's tools.
    """

    runs_code = False
    repeats = True
    """Whether a commit that goes on makes its calls again, and gets its answers from the journal."""

    def __init__(self, plan: Plan, tools: Toolset) -> None:
        self._plan = plan
        self._tools = tools
        self._schemas = {t.name: t.spec.parameters.get("properties", {}) for t in tools}

    async def act(
        self, task: Task, world: World, meter: Meter, briefing: Briefing = NO_BRIEFING
    ) -> Trajectory:
        """See `Actor.act`.

        Raises:
            CommitStopped: the next call cannot be made as foreseen.
        """
        assert isinstance(world, RealWorld)
        foreseen = world.guard.foreseen
        table = Table(self._tools, task.tools)
        steps: list[Step] = []
        with entered(world, self._tools):
            for index in range(foreseen.planned):
                expected = foreseen.calls[index]
                if expected.nested:
                    continue
                tool = expected.call.tool
                arguments = foreseen.arguments(index)
                if arguments is None:
                    raise CommitStopped(
                        tool, "not made: it refers to an identifier that no real outcome before it gave"
                    )
                if is_redacted(arguments):
                    why = "it was edited, and the journal" if index in foreseen.changed else "the plan"
                    raise CommitStopped(tool, f"not made: {why} has its arguments without their secrets")
                schemas = self._schemas.get(tool, {})
                unshown = [n for n, one in arguments.items() if _may_stand_in(one, schemas.get(n, {}))]
                if unshown:
                    raise CommitStopped(
                        tool,
                        f"not made: {', '.join(unshown)} has no JSON form, so the plan does not hold its "
                        "value; commit in another mode",
                    )
                (step,) = await carry_out([ToolCall(tool=tool, arguments=arguments)], table, world)
                if step.outcome.provenance is Provenance.FORCED:
                    raise CommitStopped(tool, f"not made: {step.outcome.message}")
                steps.append(step)
        return Trajectory(steps=tuple(steps), messages=(), answer=self._answer(world))

    def _answer(self, world: RealWorld) -> str | None:
        followed, foreseen = self._plan.followed, world.guard.foreseen
        if followed is None or followed.answer is None or self._plan.edits or foreseen.changed:
            return None
        return None if any(call.diverged for call in world.calls) else foreseen.told(followed.answer)


def _may_stand_in(value: JsonValue, schema: Mapping[str, Any]) -> bool:
    """Whether a part of an argument may be an object that is shown as `<its type>` alone, see
    `records.jsonable`. Where the schema wants a text of any form it is a text.

    Args:
        value: the argument.
        schema: its schema; of a part, too.
    """
    inner = schema.get("items")
    if isinstance(value, list):
        return any(_may_stand_in(one, inner if isinstance(inner, dict) else {}) for one in value)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties")
        left = others if isinstance(others, dict) else {}
        return any(_may_stand_in(one, known.get(name, left)) for name, one in value.items())
    kinds = [schema, *schema.get("anyOf", ())]
    if any(kind.get("type") == "string" and "format" not in kind for kind in kinds):
        return False
    return isinstance(value, str) and _STAND_IN.fullmatch(value) is not None


_STAND_IN = re.compile(r"<[A-Za-z_][\w.]*>")
