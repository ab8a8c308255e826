"""After a crash: real calls that were begun and whose outcome nobody saw. None is made again."""

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
    """A reconcile hook's answer: the call had no effect, and cannot have one any more."""


class Unset(Enum):
    """Of a value: there is none, which is not the value None."""

    UNSET = "unset"


UNSET = Unset.UNSET

Answer = Outcome | NotExecuted | None
"""What a tool's `reconcile` hook gives back, sync or async.

The hook is called with the call, its arguments redacted as the journal holds them, and its idempotency
key or None; a hook whose first parameter is called `self` gets the tool's object first. It looks and
changes nothing: it may be asked again, by several processes at once. None is "cannot tell".
"""


class Recovered(JournaledCall):
    """A call that was unknown, as it stands after a look at it."""

    problem: str | None = None
    """Why it is still unknown."""


def unknown_calls(journal: CommitJournal) -> list[JournaledCall]:
    """The calls whose outcome is not known, oldest first; nothing is changed, no tool is asked.

    The calls of a process that is still alive are not among them.

    Raises:
        JournalError: the journal cannot be read.
    """
    open_calls = journal.calls(states=OPEN)
    return [call for call in open_calls if not call.running]


async def recover(
    journal: CommitJournal, tools: Iterable[ReconcilableTool], *, redact: Redact
) -> list[Recovered]:
    """Settle what can be settled of the calls whose outcome is not known.

    An intent that a dead process left becomes `unknown`. Then each unknown call's tool is asked by its
    `reconcile` hook, all at once. Doing it again, or in two processes at once, changes nothing more.

    Args:
        journal: the journal.
        tools: the tools that may be asked, by name.
        redact: takes secrets out of the outcomes that the journal gets.

    Returns:
        The calls that were unknown, with what is known now.

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
    """Settle by hand a call whose outcome is not known, where its tool has no hook or the hook cannot tell.

    Args:
        journal: the journal.
        call_id: the call's name in it, `JournaledCall.id`.
        done: whether the call took effect; False where it did not and no longer can.
        by: the person who says so; stands in the journal.
        why: how that person knows; stands in the journal.
        redact: takes secrets out of the value that the journal gets.
        value: what the call returned, where that is known; only with `done`. Without it the plan's commit
            cannot go on, as its agent would be given a value that nobody saw.

    Returns:
        The call as it stands in the journal now.

    Raises:
        ConfigurationError: there is no such call, it goes on, or it has an outcome; `by` or `why` is empty.
        JournalError: the journal cannot be read or written.
    """
    if not (by.strip() and why.strip()):
        raise ConfigurationError("settling a call by hand takes who says so (by) and how they know (why)")
    if not done and value is not UNSET:
        raise ConfigurationError("a call that did not take effect has no value")
    call = await _read(journal, call_id)
    if call.running:
        raise ConfigurationError(
            f"{call.tool} ({call_id}) goes on in process {call.process} on {call.host}; wait for its end"
        )
    if call.state not in OPEN:
        raise ConfigurationError(f"{call.tool} ({call_id}) is settled already: {call.state}")
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
    raise ConfigurationError(
        f"the journal has no call {call_id!r}; `artis recover` lists those that are unknown"
    )


async def _ask(call: JournaledCall, tool: ReconcilableTool | None) -> Outcome | NotExecuted | str:
    """The hook's answer, or why there is none."""
    if tool is None:
        return f"its tool {call.tool!r} is not among the tools given"
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
        return "its reconcile hook cannot tell"
    if isinstance(answer, Outcome) and answer.provenance is not Provenance.REAL:
        raise ConfigurationError(
            f"a reconcile hook tells what happened: provenance real, not {answer.provenance}"
        )
    if not isinstance(answer, Outcome | NotExecuted):
        raise ConfigurationError(
            f"a reconcile hook returns an Outcome, NotExecuted() or None, not {answer!r}"
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
