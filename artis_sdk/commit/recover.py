"""After a crash: real calls that began and whose outcome nobody saw. No call is made again."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from pydantic import JsonValue

from artis_sdk.commit.journal import OPEN, CallState, CommitJournal, JournaledCall
from artis_sdk.commit.redaction import Redact
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools.protocols import ReconcilableTool


@dataclass(frozen=True, slots=True)
class NotExecuted:
    """Answer of a reconcile hook: the call had no effect, and no longer can."""


class Unset(Enum):
    """A missing value, as distinct from the value None."""

    UNSET = "unset"


UNSET = Unset.UNSET

Answer = Outcome | NotExecuted | None
"""Return value of a tool's `reconcile` hook, sync or async.

The hook gets the call, with its arguments redacted as in the journal, and its idempotency key or None; a
hook whose first parameter is named `self` gets the tool's object first. It only reads and changes nothing:
several processes may call it, more than once and at the same time. None means "cannot tell".
"""


class Recovered(JournaledCall):
    """A call that was unknown, as the journal has it after recovery."""

    problem: str | None = None
    """Reason why it is still unknown."""


def unknown_calls(journal: CommitJournal) -> list[JournaledCall]:
    """The calls without a known outcome, oldest first; changes nothing and calls no tool.

    Calls of a process that is still alive are left out.

    Raises:
        JournalError: the journal cannot be read.
    """
    open_calls = journal.calls(states=OPEN)
    return [call for call in open_calls if not call.running]


async def recover(
    journal: CommitJournal, tools: Iterable[ReconcilableTool], *, redact: Redact
) -> list[Recovered]:
    """Settle calls without a known outcome, where their tools' hooks can tell.

    An intent that a dead process left becomes `unknown`. Then the `reconcile` hooks of all unknown calls'
    tools run at once. A second recovery, or one in another process at once, changes nothing more.

    Args:
        journal: the journal.
        tools: tools whose hooks may be called, found by name.
        redact: remover of secrets from outcomes for the journal.

    Returns:
        The calls that were unknown, in their present state.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    found = await asyncio.to_thread(unknown_calls, journal)
    by_name = {tool.name: tool for tool in tools}
    for call in found:
        if call.state is CallState.INTENT:
            await journal.abandon(call)
    answers = await asyncio.gather(
        *(_ask(call, by_name.get(call.tool)) for call in found), return_exceptions=True
    )
    problems: dict[str, str] = {}
    for call, answer in zip(found, answers, strict=True):
        if isinstance(answer, str):
            problems[call.id] = answer
        elif isinstance(answer, Exception):
            problems[call.id] = f"the reconcile hook failed: {answer!r}"
        elif isinstance(answer, BaseException):
            raise answer
        elif isinstance(answer, NotExecuted):
            await journal.reconcile(call, None)
        else:
            outcome = redact.redact_outcome(by_name[call.tool].spec, answer, call.arguments)
            await journal.reconcile(call, outcome)
    return await asyncio.to_thread(_as_it_stands, journal, found, problems)


async def settle(
    journal: CommitJournal,
    call_id: str,
    *,
    done: bool,
    by: str,
    why: str,
    redact: Redact,
    value: JsonValue | Unset = UNSET,
) -> JournaledCall:
    """Settle by hand a call without a known outcome, whose tool has no hook or a hook that cannot tell.

    Args:
        journal: the journal.
        call_id: name of the call in the journal, `JournaledCall.id`.
        done: whether the call took effect; False if it did not and no longer can.
        by: name of the person who says so; the journal keeps it.
        why: that person's evidence; the journal keeps it.
        redact: remover of secrets from the value for the journal.
        value: return value of the call, if known; only with `done`. Without it the plan's commit cannot go
            on, as its agent would get a value that nobody saw.

    Returns:
        The call as the journal has it now.

    Raises:
        ConfigurationError: no such call exists, it is running, or it is settled; `by` or `why` is empty.
        JournalError: the journal cannot be read or written.
    """
    if not (by.strip() and why.strip()):
        raise ConfigurationError("settling a call by hand needs by= (who says so) and why= (how they know)")
    if not done and value is not UNSET:
        raise ConfigurationError("a call that did not take effect has no value; leave value= out")
    call = await _read(journal, call_id)
    if call.running:
        raise ConfigurationError(
            f"{call.tool} ({call_id}) is still running in process {call.process} on {call.host}; wait until "
            "it ends"
        )
    if call.state not in OPEN:
        raise ConfigurationError(f"{call.tool} ({call_id}) is already settled: {call.state}")
    if call.state is CallState.INTENT:
        await journal.abandon(call)
    outcome = None
    if done:
        known = (
            {"value": value}
            if value is not UNSET
            else {"message": f"settled by {by}; its value is not known"}
        )
        outcome = Outcome(ok=True, provenance=Provenance.REAL, **known)
        outcome = redact.redact_outcome(call.tool, outcome, call.arguments)
    await journal.reconcile(call, outcome, by=by, why=why)
    return await _read(journal, call_id)


async def _read(journal: CommitJournal, call_id: str) -> JournaledCall:
    plan = call_id.rpartition(":")[0]
    for call in await asyncio.to_thread(journal.calls, plan=plan):
        if call.id == call_id:
            return call
    raise ConfigurationError(f"the journal has no call {call_id!r}; `artis recover` lists the unknown ones")


async def _ask(call: JournaledCall, tool: ReconcilableTool | None) -> Outcome | NotExecuted | str:
    """The hook's answer, or the reason why it is missing."""
    if tool is None:
        return f"its tool {call.tool!r} is not among the given tools"
    if tool.reconcile is None:
        return "its tool has no reconcile hook"
    hook = tool.reconcile
    made = ToolCall(id=call.id, tool=call.tool, arguments=call.arguments)
    given: tuple[object, ...] = (made, call.idempotency_key)
    if next(iter(inspect.signature(hook).parameters), None) == "self":
        given = (tool.owner, *given)
    answer: Answer
    if inspect.iscoroutinefunction(hook):
        answer = await hook(*given)
    else:
        answer = await asyncio.to_thread(hook, *given)
    if answer is None:
        return "its reconcile hook does not know the outcome"
    if isinstance(answer, Outcome) and answer.provenance is not Provenance.REAL:
        raise ConfigurationError(
            f"the outcome of a reconcile hook must have provenance real, not {answer.provenance}"
        )
    if not isinstance(answer, Outcome | NotExecuted):
        raise ConfigurationError(
            f"a reconcile hook must return an Outcome, NotExecuted() or None, not {answer!r}"
        )
    return answer


def _as_it_stands(
    journal: CommitJournal, found: list[JournaledCall], problems: dict[str, str]
) -> list[Recovered]:
    now = {call.id: call for plan in {call.plan for call in found} for call in journal.calls(plan=plan)}
    return [
        Recovered(
            **dict(now[call.id]),
            problem=problems.get(call.id) if now[call.id].state is CallState.UNKNOWN else None,
        )
        for call in found
    ]
