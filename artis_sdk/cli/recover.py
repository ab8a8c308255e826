"""`artis recover`: real calls that were begun and whose outcome is not known."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Annotated, Any, Literal, cast, get_args

import typer
from pydantic import JsonValue

from artis_sdk.cli.options import Journal
from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.commit import Recovered
from artis_sdk.commit.journal import CallState, JournaledCall
from artis_sdk.commit.recover import UNSET, Unset, settle
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import Redactor
from artis_sdk.records import ToolCall
from artis_sdk.records.brief import call_text
from artis_sdk.session import Session
from artis_sdk.session_stores import open_journal
from artis_sdk.settings import Settings, load_settings
from artis_sdk.store_address import shown_address
from artis_sdk.view.text import plain

How = Literal["done", "not-executed"]


def recover(
    tools: Annotated[
        str | None, typer.Option(help="Where the tools are; their reconcile hooks are used.")
    ] = None,
    journal: Journal = None,
    settled: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--settle",
            metavar="CALL done|not-executed",
            help="Settle this call by hand: whether it took effect. Needs --by and --why; asks no hook.",
        ),
    ] = None,
    by: Annotated[str, typer.Option(help="Who settles it; stands in the journal.")] = "",
    why: Annotated[str, typer.Option(help="How they know; stands in the journal.")] = "",
    value: Annotated[
        str | None,
        typer.Option(
            help="With done: what the call returned, as JSON. Without it its plan cannot be resumed."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """List calls whose outcome is unknown after a crash, and reconcile those whose tool can.

    Nothing is executed again. Exit code 1 when calls stay unknown.
    """
    settings = load_settings({k: v for k, v in {"tools": tools, "journal": journal}.items() if v is not None})
    if settled is not None:
        _settle(settings, settled, by, why, value, as_json)
        return
    if by or why or value is not None:
        raise ConfigurationError("--by, --why and --value belong to --settle CALL done|not-executed")
    _show(settings, asyncio.run(Session.recover_from(settings)), as_json)


def _show(settings: Settings, found: list[Recovered], as_json: bool) -> None:
    unknown = [call for call in found if call.state is CallState.UNKNOWN]
    if as_json:
        print_json(found)
    elif not found:
        console.print(plain(f"{shown_address(settings.journal)}: every call that was begun has an outcome"))
    else:
        console.print(plain(shown_address(settings.journal), style="bold"))
        for call in found:
            begun = datetime.fromtimestamp(call.begun).isoformat(" ", "seconds")
            state = f"{call.state.value}: {call.problem}" if call.problem else call.state.value
            made = ToolCall(tool=call.tool, arguments=call.arguments)
            console.print(
                plain((call_text(made), "bold"), f"\n  {state}\n  begun {begun}, id {call.id}", lines=True)
            )
    if unknown:
        if not as_json:
            next_step(
                "look at the system each call went to; a reconcile= hook on the tool does it for you, or "
                "artis recover --settle ID done|not-executed --by NAME --why TEXT"
            )
        raise SystemExit(1)


def _settle(
    settings: Settings, settled: tuple[str, str], by: str, why: str, value: str | None, as_json: bool
) -> None:
    call_id, how = settled
    if how not in get_args(How):
        raise ConfigurationError(f"--settle {call_id} {how}: a call is settled as done or as not-executed")
    known: Any = UNSET
    if value is not None:
        try:
            known = json.loads(value)
        except ValueError as error:
            raise ConfigurationError(f"--value is not JSON: {error}") from error
    call = asyncio.run(_settle_in(settings, call_id, cast(How, how), by, why, known))
    if as_json:
        print_json(call)
    elif call.settled_by == by and call.settled_why == why:
        console.print(plain(f"{call.tool} ({call.id}) is {call.state.value}"))
    else:
        console.print(
            plain(f"{call.tool} ({call.id}) has been settled by someone else as {call.state.value}")
        )


async def _settle_in(
    settings: Settings, call_id: str, how: How, by: str, why: str, value: JsonValue | Unset
) -> JournaledCall:
    async with AsyncExitStack() as stack:
        journal = open_journal(settings, stack)
        return await settle(
            journal, call_id, done=how == "done", by=by, why=why, value=value, redact=Redactor()
        )
