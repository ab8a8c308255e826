"""What the journal has about one plan: whether it may be committed, and the calls that were made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.text import Text

from artis_sdk.cli.journaled import without_secrets
from artis_sdk.commit.before import check_journal
from artis_sdk.commit.journal import OPEN, JournaledCall
from artis_sdk.errors import CommitRefused
from artis_sdk.records import Plan, ToolCall
from artis_sdk.records.brief import call_text, outcome_line
from artis_sdk.session_stores import open_journal
from artis_sdk.settings import Settings
from artis_sdk.view.text import plain


@dataclass(frozen=True, slots=True)
class PlanInJournal:
    """What the journal has about one plan."""

    calls: tuple[JournaledCall, ...] = ()
    """The agent's real calls, oldest first, without secrets and without calls within calls."""
    refusal: CommitRefused | None = None
    """Why it is not committed, or not resumed; None where it may be."""
    is_unknown: bool = False
    """Whether a call of its commit, those within calls included, has no known outcome."""


async def look_up(settings: Settings, plan: Plan, *, resume: bool) -> PlanInJournal:
    """Look a plan up. One with calls, or to be resumed, is claimed and released at once: only a claim says
    whether it is free.

    Args:
        settings: settings with the journal.
        plan: the plan.
        resume: whether an interrupted commit of it is to be resumed.

    Raises:
        CommitRefused: the plan belongs to another journal.
        JournalError: the journal cannot be read or written.
    """
    if isinstance(settings.journal, Path) and not settings.journal.exists():
        check_journal(plan, f"{settings.journal}, which is new")
        return PlanInJournal()
    refusal: CommitRefused | None = None
    async with AsyncExitStack() as stack:
        journal = open_journal(settings, stack)
        check_journal(plan, await journal.identity())
        calls = await asyncio.to_thread(journal.calls, plan=plan.id)
        if not calls and not resume:
            return PlanInJournal()
        try:
            await journal.begin_plan(plan.id, resume=resume)
        except CommitRefused as error:
            refusal = error
        else:
            await journal.end_plan(plan.id, "stopped")
    own = tuple(call for call in without_secrets(calls) if call.within is None)
    return PlanInJournal(own, refusal, any(call.state in OPEN for call in calls))


def made_lines(calls: Iterable[JournaledCall]) -> Iterator[Text]:
    """Each call with its outcome in a line, for the terminal."""
    for call in calls:
        made = call_text(ToolCall(tool=call.tool, arguments=call.arguments))
        if call.outcome is not None:
            yield plain(("made for real: ", "bold"), f"{made} → {outcome_line(call.outcome)}")
        elif call.state in OPEN:
            yield plain(("UNKNOWN whether it was made: ", "bold red"), f"{made}  ({call.id})")
        else:
            yield plain(("not made: ", "dim"), made)
