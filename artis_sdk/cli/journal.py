"""`artis journal`: show the commit journal, and remove old plans from it."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from artis_sdk.cli.output import console, print_json
from artis_sdk.commit.journal import JournaledCall
from artis_sdk.errors import ConfigurationError
from artis_sdk.session_parts import open_journal
from artis_sdk.settings import Settings, load_settings

app = typer.Typer(help="Look at the commit journal, and prune it.", no_args_is_help=True)

Journal = Annotated[Path | None, typer.Option(help="The journal; ARTIS_JOURNAL when left out.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
_AGE = re.compile(r"(\d+)\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


@app.command("show")
def show(
    journal: Journal = None,
    plan: Annotated[str | None, typer.Option(help="Only the calls of this plan.")] = None,
    last: Annotated[int, typer.Option(help="How many of the newest calls.", min=1)] = 20,
    as_json: Json = False,
) -> None:
    """Show the newest real calls and their states, oldest first."""
    settings = _settings(journal)
    calls = list(deque(asyncio.run(_calls(settings, plan)), maxlen=last))
    if as_json:
        print_json(calls)
        return
    table = Table("call", "id", "begun", "state", "outcome", title=str(settings.journal))
    for call in calls:
        by = f" by {call.settled_by}: {call.settled_why}" if call.settled_by else ""
        outcome = "" if call.outcome is None else call.outcome.text()
        state = "running" if call.running else call.state.value
        table.add_row(f"{call.tool} {call.arguments}", call.id, call.begun_at, f"{state}{by}", outcome)
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
    removed = asyncio.run(_prune(settings, _seconds(before)))
    if as_json:
        print_json({"removed": removed})
    else:
        console.print(f"{removed:,} plans removed from {settings.journal}")


def _seconds(before: str) -> float:
    """A date or an age, in seconds since the epoch."""
    age = _AGE.fullmatch(before.strip())
    if age is not None:
        return time.time() - int(age[1]) * _HOURS[age[2]] * 3600
    try:
        return datetime.fromisoformat(before).timestamp()
    except ValueError:
        raise ConfigurationError(
            f"--before {before!r} is no date such as 2026-01-31 and no age such as 12h, 90d or 8w"
        ) from None


def _settings(journal: Path | None) -> Settings:
    return load_settings({} if journal is None else {"journal": journal})


async def _calls(settings: Settings, plan: str | None) -> list[JournaledCall]:
    async with AsyncExitStack() as stack:
        return await asyncio.to_thread(open_journal(settings, stack).calls, plan=plan)


async def _prune(settings: Settings, before: float) -> int:
    async with AsyncExitStack() as stack:
        return await open_journal(settings, stack).prune(before)
