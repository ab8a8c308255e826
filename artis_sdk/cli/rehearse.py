"""`artis rehearse`."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Annotated

import typer

from artis_sdk.cli.moments import moment
from artis_sdk.cli.options import Tools
from artis_sdk.cli.output import Json, console, errors, next_step, print_json
from artis_sdk.cli.plan import check_writable, save_plan
from artis_sdk.cli.run_options import (
    Agent,
    Attempts,
    SamplingOption,
    Save,
    Simulator,
    Strategy,
    StyleOption,
    command,
    settings_of,
)
from artis_sdk.cli.run_report import print_notes, print_usage
from artis_sdk.records import Plan
from artis_sdk.session import Session
from artis_sdk.settings import Settings
from artis_sdk.view.live import LiveView
from artis_sdk.view.plan_rows import unrehearsed
from artis_sdk.view.text import plain


def rehearse(
    task: Annotated[str, typer.Argument(help="Task of the agent.")],
    tools: Tools = None,
    agent: Agent = None,
    simulator: Simulator = None,
    strategy: Strategy = None,
    attempts: Attempts = None,
    sampling: SamplingOption = None,
    style: StyleOption = None,
    save: Save = None,
    expires: Annotated[
        str | None,
        typer.Option(
            help="When the plan ends: in 12h, 90d or 8w, or a date and time. No commit begins later."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Attempt a task several times in simulation. Nothing real happens.

    What is left out comes from ARTIS_* variables and artis.toml. Exit code 1 when every attempt ended
    early, unless the judge found one's calls right.
    """
    given = {
        "tools": tools,
        "agent": agent,
        "simulator": simulator,
        "strategy": strategy,
        "attempts": attempts,
        "sampling": sampling,
        "style": style,
    }
    settings = settings_of(given)
    until = None if expires is None else datetime.fromtimestamp(moment(expires, "--expires", ahead=True), UTC)
    if save is not None:
        check_writable(save)
    kept = save is not None or as_json
    plan = asyncio.run(_rehearse(settings, task, until, as_json, kept=kept))
    if save is not None:
        save_plan(plan, save)
    failed = unrehearsed(plan)
    if as_json:
        print_json(plan)
    else:
        print_usage(plan.usage)
        print_notes(plan.notes)
        if failed:
            errors.print(
                plain(("nothing was rehearsed: ", "red"), "every attempt ended early, see the notes")
            )
        elif save is None:
            errors.print(plain("the plan is kept nowhere: --save plan.json keeps it", style="dim"))
            next_step(command("artis", "run", task, given=given))
        else:
            next_step(command("artis", "run", "--plan", str(save), given=given))
    if failed:
        raise SystemExit(1)


async def _rehearse(
    settings: Settings, task: str, until: datetime | None, as_json: bool, *, kept: bool
) -> Plan:
    view = LiveView(console)
    listener = None if as_json else view.on_event
    with nullcontext() if as_json else view:
        async with Session.from_settings(settings, on_event=listener) as session:
            return session.saved(await session.rehearse(task, expires=until, keep_changes=kept))
