"""Checks before a commit does anything: its journal's name, and calls without a known outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Literal, cast

from pydantic import JsonValue

from artis_sdk.commit.alike import Arguments
from artis_sdk.commit.approver import Asking, Settle, Unanswered, UnknownRequest
from artis_sdk.commit.foreseen import ForeseenCalls
from artis_sdk.commit.journal import OPEN, CallState, CommitJournal, JournaledCall
from artis_sdk.commit.journal.queries import read
from artis_sdk.commit.recover import UNSET, settle
from artis_sdk.commit.redaction import Redact
from artis_sdk.errors import CommitRefused
from artis_sdk.records import Plan, ToolSpec
from artis_sdk.records.redacted import may_be_same
from artis_sdk.records.same_call import with_defaults

OnUnknown = Literal["refuse", "ask", "note"]
"""Treatment of a call whose twin (same tool, same arguments) in another plan has no known outcome.

`refuse`: the call is not made, and the commit ends there. `ask`: the approver settles the twin; the call is
made only if the twin was not done. `note`: it is made, and a note names the twin.
"""
NO_JOURNAL = "(none: it was made inside a rehearsal)"
"""Journal name of a plan made inside a rehearsal; no journal has it."""
IsOne = Callable[[Arguments, Arguments], bool]
_NAMED = 5
"""Number of calls that a note names; the others are counted."""


async def look_around(
    plan: Plan, journal: CommitJournal, on_unknown: OnUnknown, asking: Asking, redact: Redact
) -> UnsettledCalls:
    """Check a plan against its journal before its commit: the journal's name and other plans' calls.

    Args:
        plan: plan to commit.
        journal: journal of the commit; nothing in it is changed but what the approver settles.
        on_unknown: treatment of twins.
        asking: the approver.
        redact: remover of secrets from what the approver says.

    Raises:
        CommitRefused: the plan belongs to another journal, or it predicts a call that would be refused.
        JournalError: the journal cannot be read.
    """
    check_journal(plan, await journal.identity())
    found = await read_unsettled(journal)
    others = [call for call in found if call.plan != plan.id]

    async def ask(twin: JournaledCall) -> Settle | Unanswered:
        answer = await asking.ask(UnknownRequest(plan=plan, twin=twin), Settle)
        if isinstance(answer, Settle):
            value = answer.value if answer.done and "value" in answer.model_fields_set else UNSET
            await settle(
                journal, twin.id, done=answer.done, by=answer.by, why=answer.why, value=value, redact=redact
            )
        return cast(Settle | Unanswered, answer)

    unsettled = UnsettledCalls(plan.id, others, on_unknown, ask)
    specs = {spec.name: spec for spec in plan.task.tools}
    for foreseen in ForeseenCalls(plan).calls:
        if not foreseen.nested:
            call = foreseen.call
            await unsettled.check_twin(call.tool, partial(_same, specs.get(call.tool)), call.arguments)
    return unsettled


def _same(spec: ToolSpec | None, one: Arguments, other: Arguments) -> bool:
    """As `may_be_one`, where the tool is not at hand: by what is written."""
    return may_be_same(with_defaults(spec, one), with_defaults(spec, other))


def check_journal(plan: Plan, here: str) -> None:
    """Refuse a plan of another journal.

    Args:
        plan: the plan.
        here: name of the journal of the commit.

    Raises:
        CommitRefused: the plan belongs to another journal.
    """
    if plan.journal not in (None, here):
        raise CommitRefused(
            plan.id,
            f"it was rehearsed for the journal {plan.journal}, and this session uses {here}; it could be "
            "committed once in each. Open the session with the plan's journal, or rehearse again",
        )


async def read_unsettled(journal: CommitJournal) -> list[JournaledCall]:
    """The calls without a known outcome that no commit waits for, oldest first.

    Calls of a commit that is still running, in this process or another, are left out.

    Raises:
        JournalError: the journal cannot be read.
    """
    found = await read(journal, partial(journal.calls, states=OPEN))
    return [call for call in found if call.state is CallState.UNKNOWN or call.left_behind]


class UnsettledCalls:
    """Calls of other plans that began and have no known outcome.

    Args:
        plan: id of the plan being committed.
        calls: the journaled calls, oldest first.
        on_unknown: treatment of their twins.
        ask: asks the approver about a call, and settles it by the answer.
    """

    def __init__(
        self,
        plan: str,
        calls: Iterable[JournaledCall],
        on_unknown: OnUnknown,
        ask: Callable[[JournaledCall], Awaitable[Settle | Unanswered]],
    ) -> None:
        self._plan = plan
        self._calls = list(calls)
        self._on_unknown = on_unknown
        self._ask = ask

    @property
    def notes(self) -> tuple[str, ...]:
        """See `unsettled_notes`."""
        return unsettled_notes(self._calls)

    async def check_twin(self, tool: str, is_one: IsOne, arguments: Mapping[str, JsonValue]) -> None:
        """Refuse a call that may be the same as one of these, or ask about it.

        Args:
            tool: name of its tool.
            is_one: whether arguments of two calls of the tool may be one and the same.
            arguments: arguments, redacted or not; a placeholder in the journal matches any value.

        Raises:
            CommitRefused: one of these has the same tool and may have the same arguments.
            JournalError: the approver's answer could not be written.
        """
        if self._on_unknown == "note" or not self._calls:
            return
        for call in list(self._calls):
            if call.tool != tool or not is_one(call.arguments, arguments):
                continue
            why = "with on_unknown note (--on-unknown note) the call is made anyway"
            if self._on_unknown == "ask":
                answer = await self._ask(call)
                if isinstance(answer, Settle):
                    self._calls.remove(call)
                    if not answer.done:
                        continue
                    raise CommitRefused(
                        self._plan,
                        f"{tool} was not called: {answer.by} says that {call.id} in the journal, the same "
                        "call, was done. Rehearse what is left",
                    )
                why = answer.reason
            raise CommitRefused(
                self._plan,
                f"{tool} was not called: the journal has the same call ({call.id}, begun "
                f"{call.begun_at}), and it is not known whether that one took effect. Run "
                f"`artis recover` or session.recover(); {why}",
            )


def unsettled_notes(calls: Iterable[JournaledCall]) -> tuple[str, ...]:
    """One note that names calls without a known outcome, for a plan or a result; empty without calls."""
    calls = tuple(calls)
    if not calls:
        return ()
    names = ", ".join(f"{call.tool} ({call.id})" for call in calls[:_NAMED])
    others = f" and {len(calls) - _NAMED} more" if len(calls) > _NAMED else ""
    return (f"the journal has calls whose outcome is not known: {names}{others}; run `artis recover`",)
