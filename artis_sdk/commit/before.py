"""Checks before a commit does anything: its journal's name, and calls without a known outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import JsonValue

from artis_sdk.commit.call_identity import with_defaults
from artis_sdk.commit.journal import OPEN, CallState, CommitJournal, JournaledCall
from artis_sdk.errors import CommitRefused
from artis_sdk.records import Plan, Provenance, ToolSpec
from artis_sdk.records.redacted import may_be_same

OnUnknown = Literal["refuse", "note"]
"""Treatment of a call whose twin (same tool, same arguments) in another plan has no known outcome.

`refuse`: the call is not made, and the commit ends there. `note`: it is made, and a note names the twin.
"""
NO_JOURNAL = "(none: it was made inside a rehearsal)"
"""Journal name of a plan made inside a rehearsal; no journal has it."""
_NAMED = 5
"""Number of calls that a note names; the others are counted."""


async def look_around(plan: Plan, journal: CommitJournal, on_unknown: OnUnknown) -> UnsettledCalls:
    """Check a plan against its journal before its commit: the journal's name and other plans' calls.

    Args:
        plan: plan to commit.
        journal: journal of the commit; nothing in it is changed.
        on_unknown: treatment of twins.

    Raises:
        CommitRefused: the plan belongs to another journal, or it predicts a call that would be refused.
        JournalError: the journal cannot be read.
    """
    here = await journal.identity()
    if plan.journal not in (None, here):
        raise CommitRefused(
            plan.id,
            f"it belongs to the journal {plan.journal}, and this session has {here}: it could be committed "
            "once in each. Give the session that journal, or rehearse again",
        )
    found = await read_unsettled(journal)
    unsettled = UnsettledCalls((call for call in found if call.plan != plan.id), on_unknown)
    specs = {spec.name: spec for spec in plan.task.tools}
    for step in plan.predicted:
        if step.outcome.provenance is not Provenance.FORCED:  # a forced one never reached a world
            tool = step.call.tool
            unsettled.refuse_twin(plan.id, tool, specs.get(tool), step.call.arguments)
    return unsettled


async def read_unsettled(journal: CommitJournal) -> list[JournaledCall]:
    """The calls without a known outcome that no commit waits for, oldest first.

    Calls of a commit that is going on, in this process or another, are left out.

    Raises:
        JournalError: the journal cannot be read.
    """
    found = await asyncio.to_thread(journal.calls, states=OPEN)
    return [call for call in found if call.state is CallState.UNKNOWN or call.left_behind]


class UnsettledCalls:
    """Calls of other plans that began and have no known outcome.

    Args:
        calls: the journaled calls, oldest first.
        on_unknown: treatment of their twins.
    """

    def __init__(self, calls: Iterable[JournaledCall] = (), on_unknown: OnUnknown = "refuse") -> None:
        self._calls = tuple(calls)
        self._refuses = on_unknown == "refuse"

    @property
    def notes(self) -> tuple[str, ...]:
        """See `unsettled_notes`."""
        return unsettled_notes(self._calls)

    def refuse_twin(
        self, plan: str, tool: str, spec: ToolSpec | None, arguments: Mapping[str, JsonValue]
    ) -> None:
        """Refuse a call that may be the same as one of these.

        Args:
            plan: id of the plan that makes the call.
            tool: name of its tool.
            spec: spec of the tool, for the defaults of omitted arguments; None for an unknown tool.
            arguments: arguments, redacted or not; a placeholder in the journal matches any value.

        Raises:
            CommitRefused: one of these has the same tool and may have the same arguments.
        """
        for call in self._calls if self._refuses else ():
            if call.tool == tool and may_be_same(
                with_defaults(spec, call.arguments), with_defaults(spec, arguments)
            ):
                raise CommitRefused(
                    plan,
                    f"{tool} was not called: whether {call.id} in the journal, the same call, begun "
                    f"{call.begun_at}, took effect is not known. Run `artis recover`, or session.recover(); "
                    'on_unknown="note" makes the call all the same',
                )


def unsettled_notes(calls: Iterable[JournaledCall]) -> tuple[str, ...]:
    """One note that names calls without a known outcome, for a plan or a result; empty without calls."""
    calls = tuple(calls)
    if not calls:
        return ()
    names = ", ".join(f"{call.tool} ({call.id})" for call in calls[:_NAMED])
    others = f" and {len(calls) - _NAMED} more" if len(calls) > _NAMED else ""
    return (f"the journal has calls whose outcome is not known: {names}{others}; run `artis recover`",)
