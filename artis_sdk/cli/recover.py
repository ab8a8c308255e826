"""`artis recover`: real calls that were begun and whose outcome is not known."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table

from artis_sdk.cli.output import console, next_step, print_json
from artis_sdk.commit.journal import CallState
from artis_sdk.session import Session
from artis_sdk.settings import load_settings


def recover(
    tools: Annotated[
        str | None, typer.Option(help="Where the tools are; their reconcile hooks are used.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """List calls whose outcome is unknown after a crash, and reconcile those whose tool can.

    Nothing is executed again. Exit code 1 when calls stay unknown.
    """
    settings = load_settings({} if tools is None else {"tools": tools})
    found = asyncio.run(Session.recover_from(settings))
    unknown = [call for call in found if call.state is CallState.UNKNOWN]
    if as_json:
        print_json(found)
    elif not found:
        console.print(f"{settings.journal}: every call that was begun has an outcome")
    else:
        table = Table("call", "begun", "plan", "state", title=str(settings.journal))
        for call in found:
            begun = datetime.fromtimestamp(call.begun).isoformat(" ", "seconds")
            state = f"{call.state.value}: {call.problem}" if call.problem else call.state.value
            table.add_row(f"{call.tool} {call.arguments}", begun, call.plan, state)
        console.print(table)
    if unknown:
        if not as_json:
            next_step("look at the system each call went to; a reconcile= hook on the tool does it for you")
        raise SystemExit(1)
