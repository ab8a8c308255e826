"""What the gateway answers to a client: plans, results, refusals, as JSON and plain sentences."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from mcp import types

from artis_sdk.commit.journal import CallState, JournaledCall
from artis_sdk.errors import ArtisError, NotApproved, UnknownOutcome
from artis_sdk.gateway.holding import Held
from artis_sdk.gateway.plans import Committed
from artis_sdk.integrations.mcp import result_of
from artis_sdk.records import Outcome, Plan, ToolCall
from artis_sdk.records.same_call import canonical
from artis_sdk.view.plan_rows import plan_rows

_STATES = {
    CallState.INTENT: "began and has no outcome: it may have been made",
    CallState.UNKNOWN: "began, and its outcome is UNKNOWN: it may have been made",
    CallState.DONE: "was made, and its outcome is known",
    CallState.RECONCILED: "was unknown, and somebody settled it since",
    CallState.NOT_EXECUTED: "was not made",
}


def value(said: Any) -> types.CallToolResult:
    """A JSON value as a result."""
    return result_of(json.dumps(said, ensure_ascii=False, indent=1), structured=said)


def failure(error: ArtisError) -> str:
    """An error, with what an agent is to do about it."""
    if isinstance(error, UnknownOutcome):
        name = "" if error.journal_id is None else f" (in the journal: {error.journal_id})"
        return (
            f"UNKNOWN outcome: {error}{name}. It may have been made, and is not repeated. Tell the person, "
            "who looks and settles it: `artis recover`. Do not make the call another way."
        )
    if isinstance(error, NotApproved):
        return f"Not made: {error}. Nothing happened."
    return f"Not made: {error}"


def waiting(held: Held) -> str:
    """That a plan waits for a person."""
    return (
        f"Held, and not made: plan {held.plan.id} waits for a person's approval on the gateway's page, whose "
        "address the gateway told them. Ask them to look there; then call `commit` with this plan id. Do not "
        "make the call another way."
    )


def plan_line(held: Held) -> dict[str, Any]:
    """A plan in short."""
    return {"plan_id": held.plan.id, "status": held.status, "for": held.plan.task.query}


def plan_value(held: Held) -> dict[str, Any]:
    """A plan in full: its calls, what is predicted of them, and where it stands."""
    calls = [
        {
            "tool": one.call.tool,
            "arguments": one.call.arguments,
            "risk": one.risk.value,
            "predicted": None if one.predicted is None else _outcome(one.predicted),
            "notes": list(one.notes),
        }
        for one in plan_rows(held.plan)
    ]
    shown: dict[str, Any] = {**plan_line(held), "calls": calls, "notes": list(held.plan.notes)}
    if held.answer is not None:
        shown["answered_by"] = held.answer.by
    if held.status == "committed":
        assert held.commit is not None
        shown["result"] = _result(held.commit.result())
    return shown


def committed(done: Committed, *, already: bool) -> types.CallToolResult:
    """The result of a commit."""
    said = {"already_committed": already, **_result(done)}
    answer = value(said)
    return answer.model_copy(update={"is_error": not said["complete"]})


def answer_of(done: Committed) -> types.CallToolResult:
    """The server's own answer to a single call."""
    if done.answers:
        return done.answers[-1]
    if done.result.calls:
        outcome = done.result.calls[-1].outcome
        return result_of(outcome.message or outcome.text(), is_error=True)
    return result_of("Not made: " + "; ".join(done.result.notes), is_error=True)


def journaled(plan: str, calls: Sequence[JournaledCall]) -> str:
    """What the journal has of a plan that this process does not know."""
    if not calls:
        return (
            f"There is no plan {plan}: it was lost with an earlier process, before any call. Rehearse again."
        )
    lines = [f"{one.tool} ({one.id}) {_STATES[one.state]}" for one in calls]
    end = (
        "It is not committed again. Tell the person about calls that are unknown; rehearse only what is left."
    )
    return "\n".join([f"Plan {plan} was begun before this gateway was started:", *lines, end])


def is_of(plan: Plan, call: ToolCall) -> bool:
    """Whether a plan is this one call, with exactly these arguments."""
    calls = [canonical([one.call.tool, one.call.arguments]) for one in plan.foreseen]
    return calls == [canonical([call.tool, call.arguments])]


def _result(done: Committed) -> dict[str, Any]:
    result = done.result
    calls = [
        {
            "tool": made.call.tool,
            "arguments": made.call.arguments,
            "outcome": _outcome(made.outcome),
            "as_predicted": None if made.diverged is None else not made.diverged,
        }
        for made in result.calls
    ]
    left = [call.model_dump(include={"tool", "arguments"}) for call in done.not_made]
    return {
        "plan_id": result.plan.id,
        "complete": not left,
        "calls": calls,
        "not_made": left,
        "notes": list(result.notes),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {"type": outcome.type, "value": outcome.content(), "provenance": outcome.provenance.value}
