"""`artis journal`: show the commit journal, and remove old plans from it."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from artis_sdk.cli.journaled import call_json, call_lines, without_secrets
from artis_sdk.cli.moments import moment
from artis_sdk.cli.options import Journal
from artis_sdk.cli.output import Json, console, print_json
from artis_sdk.commit.journal import Decision, JournaledCall
from artis_sdk.records.brief import outcome_line
from artis_sdk.session_recovery import check_exists
from artis_sdk.session_stores import open_journal
from artis_sdk.settings import Settings, load_settings
from artis_sdk.store_address import shown_address
from artis_sdk.view.text import plain

app = typer.Typer(help="Look at the commit journal, and prune it.", no_args_is_help=True)


@app.command("show")
def show(
    journal: Journal = None,
    plan: Annotated[str | None, typer.Option(help="Only the calls of this plan.")] = None,
    last: Annotated[int, typer.Option(help="How many of the newest calls.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest real calls and their states, oldest first.

    What one of them names as secret is hidden in all of them; a value that no call here names is shown as the
    journal has it.
    """
    settings = _settings(journal)
    calls = without_secrets(deque(asyncio.run(_calls(settings, plan)), maxlen=last))
    if as_json:
        print_json([call_json(call) for call in calls])
        return
    console.print(plain(shown_address(settings.journal), style="bold"))
    for call in calls:
        by = f" by {call.settled_by}: {call.settled_why}" if call.settled_by else ""
        outcome = "" if call.outcome is None else f" → {outcome_line(call.outcome)}"
        state = "running" if call.running else call.state.value
        console.print(call_lines(call, f"{state}{by}{outcome}"))


@app.command("decisions")
def decisions(
    journal: Journal = None,
    plan: Annotated[str | None, typer.Option(help="Only the decisions about this plan.")] = None,
    as_json: Json = False,
) -> None:
    """Show who approved, rejected or stopped what, oldest first."""
    settings = _settings(journal)
    found = asyncio.run(_decisions(settings, plan))
    if as_json:
        print_json(found)
        return
    table = Table(
        "when", "plan", "about", "decision", "by", "reason", title=plain(shown_address(settings.journal))
    )
    for one in found:
        about = one.about if one.tool is None else f"{one.about}: {one.tool} {one.arguments or one.call}"
        when = datetime.fromtimestamp(one.at).isoformat(" ", "seconds")
        texts = (when, one.plan, about, one.verdict.value, one.by, one.reason or "")
        table.add_row(*map(plain, texts))
    console.print(table)


@app.command("prune")
def prune(
    before: Annotated[
        str,
        typer.Option(help="A date such as 2026-01-31, or an age such as 12h, 90d or 8w.", show_default=False),
    ],
    journal: Journal = None,
    as_json: Json = False,
) -> None:
    """Remove plans that were over before then, with their calls.

    Keeps plans that have an open or unknown call or are being committed. The ids of removed plans stay: no
    removed plan is ever committed again.
    """
    settings = _settings(journal)
    removed = asyncio.run(_prune(settings, moment(before, "--before")))
    if as_json:
        print_json({"removed": removed})
    else:
        plans = "1 plan" if removed == 1 else f"{removed:,} plans"
        console.print(plain(f"{plans} removed from {shown_address(settings.journal)}"))


def _settings(journal: str | None) -> Settings:
    return load_settings({} if journal is None else {"journal": journal})


async def _calls(settings: Settings, plan: str | None) -> list[JournaledCall]:
    await check_exists(settings)
    async with AsyncExitStack() as stack:
        return await asyncio.to_thread(open_journal(settings, stack).calls, plan=plan)


async def _decisions(settings: Settings, plan: str | None) -> list[Decision]:
    await check_exists(settings)
    async with AsyncExitStack() as stack:
        return await asyncio.to_thread(open_journal(settings, stack).decisions, plan=plan)


async def _prune(settings: Settings, before: float) -> int:
    await check_exists(settings)
    async with AsyncExitStack() as stack:
        return await open_journal(settings, stack).prune(before)
