"""A plan whose calls somebody edited: some removed, some with other arguments, the others as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic import JsonValue

from artis_sdk.commit.approver import EditPlan
from artis_sdk.errors import ConfigurationError, InvalidArguments
from artis_sdk.loop.advice import calls_verbatim
from artis_sdk.loop.identifiers import MadeUp, references
from artis_sdk.prompts import Prompts
from artis_sdk.records import (
    ForeseenCall,
    Plan,
    PlanEdit,
    Recommendation,
    Reference,
    ToolCall,
    ToolSpec,
    plan_digest,
)
from artis_sdk.records.places import value_at
from artis_sdk.records.same_call import canonical, with_defaults
from artis_sdk.tools.guarded import Invocation


class EditableTool(Protocol):
    """A tool, as far as an edit needs it."""

    @property
    def spec(self) -> ToolSpec: ...

    def parse(self, call: ToolCall) -> Invocation: ...


class EditableTools(Protocol):
    """The session's tools, by name."""

    def get(self, name: str) -> EditableTool | None: ...


def edited(plan: Plan, edit: EditPlan, tools: EditableTools, prompts: Prompts, *, at: float) -> Plan:
    """The plan with its calls edited. It has a digest of its own and no approvals.

    Its advice is the calls as they are now, so that an agent reads nothing of what was taken out. Other
    attempts and the judges' words stay as they were rehearsed.

    Args:
        plan: plan with a digest.
        edit: the edit.
        tools: the session's tools; the new arguments must fit their schemas.
        prompts: templates, of which `advice` writes the advice.
        at: when it was edited, in seconds since the epoch.

    Raises:
        ConfigurationError: the edit changes nothing, leaves no call, names a call that is not there, gives
            arguments that do not fit, or takes away a call that gives another one its identifier.
    """
    _check_indices(plan, edit)
    changed = {
        n: _changed(plan, n, arguments, tools)
        for n, arguments in edit.arguments.items()
        if not _is_same(plan.foreseen[n], arguments, tools)
    }
    if not changed and not edit.removed:
        raise ConfigurationError("the edit changes nothing; approve the plan, or reject it")
    kept = {n: changed.get(n, call) for n, call in enumerate(plan.foreseen) if n not in edit.removed}
    if not any(not call.nested for call in kept.values()):
        raise ConfigurationError("the edit leaves no call of the plan; reject the plan instead")
    for n, call in kept.items():
        for reference in call.references:
            if reference.call not in kept:
                raise ConfigurationError(
                    f"{_name(plan, n)} takes an identifier from {_name(plan, reference.call)}, which is "
                    "removed: remove both, or give it another argument"
                )
    places = {old: new for new, old in enumerate(kept)}
    foreseen = tuple(_moved(call, places) for call in kept.values())
    gone = sorted({*edit.removed, *changed})
    made = PlanEdit(
        by=edit.by,
        at=at,
        gone=tuple(plan.foreseen[n] for n in gone),
        removed=tuple(plan.foreseen[n].call for n in sorted(edit.removed)),
    )
    own = {
        n: (call.call, call.references)
        for n, call in enumerate(foreseen)
        if not call.nested and (call.prediction is None or call.prediction.ok)
    }
    advice = calls_verbatim(prompts, own, "")
    plan = plan.model_copy(
        update={
            "foreseen": foreseen,
            "edits": (*plan.edits, made),
            "recommendation": Recommendation(recommendation=advice, attempt=plan.follows),
            "guidance": advice,
            "approvals": (),
        }
    )
    return plan.model_copy(update={"digest": plan_digest(plan)})


def _check_indices(plan: Plan, edit: EditPlan) -> None:
    for n in (*edit.removed, *edit.arguments):
        if not 0 <= n < len(plan.foreseen):
            raise ConfigurationError(f"the plan has {len(plan.foreseen)} calls, and none with the index {n}")
    if both := set(edit.removed) & edit.arguments.keys():
        raise ConfigurationError(f"{_name(plan, min(both))} is removed and has new arguments: do one of them")


def _is_same(call: ForeseenCall, arguments: Mapping[str, JsonValue], tools: EditableTools) -> bool:
    tool = tools.get(call.call.tool)
    spec = None if tool is None else tool.spec
    old, new = (canonical(with_defaults(spec, given)) for given in (call.call.arguments, arguments))
    return old == new


def _changed(plan: Plan, n: int, arguments: dict[str, JsonValue], tools: EditableTools) -> ForeseenCall:
    """The n-th call with other arguments.

    Raises:
        ConfigurationError: they do not fit, or refer to an identifier that no call before it gives.
    """
    old = plan.foreseen[n]
    tool = tools.get(old.call.tool)
    if tool is None:
        raise ConfigurationError(f"{_name(plan, n)}: this session has no tool of that name")
    call = ToolCall(tool=old.call.tool, arguments=arguments)
    try:
        tool.parse(call)
    except InvalidArguments as error:
        raise ConfigurationError(f"{_name(plan, n)} cannot have these arguments: {error}") from error
    made_up = _made_up(plan)
    refers = tuple(references(len(plan.foreseen), arguments, made_up))
    for reference in refers:
        if reference.call >= n:
            raise ConfigurationError(
                f"{_name(plan, n)} refers to an identifier that the simulator made up and only "
                f"{_name(plan, reference.call)} will give: no call before it has one"
            )
    return old.model_copy(
        update={
            "call": call,
            "agreed": 0,
            "references": refers,
            "edited_from": old.edited_from or old.call,
        }
    )


def _made_up(plan: Plan) -> list[MadeUp]:
    found = []
    for n, call in enumerate(plan.foreseen):
        for place in call.made_up:
            assert call.predicted is not None
            value = value_at(call.predicted.value, place)
            assert isinstance(value, str | int)
            found.append(MadeUp(n, place, value))
    return found


def _moved(call: ForeseenCall, places: Mapping[int, int]) -> ForeseenCall:
    """The call, its references by the new indices."""
    moved: tuple[Reference, ...] = tuple(
        one.model_copy(update={"call": places[one.call]}) for one in call.references
    )
    return call if moved == call.references else call.model_copy(update={"references": moved})


def _name(plan: Plan, n: int) -> str:
    """A call as the page names it."""
    return f"call {n + 1} ({plan.foreseen[n].call.tool})"
