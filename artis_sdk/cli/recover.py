"""`artis recover`: real calls that were begun and whose outcome is not known."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args

import typer
from pydantic import JsonValue

from artis_sdk.cli.journaled import call_json, call_lines
from artis_sdk.cli.options import Journal
from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.commit import Recovered
from artis_sdk.commit.journal import OPEN, CallState, JournaledCall
from artis_sdk.commit.recover import UNSET, Unset, settle
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import Redactor
from artis_sdk.session import Session
from artis_sdk.session_recovery import check_exists
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
        typer.Option(help="With done: what the call returned, as JSON; a resumed commit gets it."),
    ] = None,
    no_value: Annotated[
        bool,
        typer.Option(
            "--no-value",
            help="With done: nobody knows what the call returned. Its commit cannot be resumed then.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """List calls whose outcome is unknown after a crash, and reconcile those whose tool can.

    Nothing is executed again. Exit code 1 when calls stay unknown.
    """
    settings = load_settings({k: v for k, v in {"tools": tools, "journal": journal}.items() if v is not None})
    if settled is not None:
        _settle(settings, _answer(settled, by, why, value, no_value), as_json)
        return
    if by or why or value is not None or no_value:
        raise ConfigurationError(
            "--by, --why, --value and --no-value belong to --settle CALL done|not-executed"
        )
    asyncio.run(check_exists(settings))
    _show(settings, asyncio.run(Session.recover_from(settings)), as_json)


def _show(settings: Settings, found: list[Recovered], as_json: bool) -> None:
    unknown = [call for call in found if call.state is CallState.UNKNOWN]
    if as_json:
        print_json([call_json(call) for call in found])
    elif not found:
        console.print(plain(f"{shown_address(settings.journal)}: every call that was begun has an outcome"))
    else:
        console.print(plain(shown_address(settings.journal), style="bold"))
        for call in found:
            state = f"{call.state.value}: {call.problem}" if call.problem else call.state.value
            console.print(call_lines(call, state))
    if unknown:
        if not as_json:
            settling = f"artis recover --settle {unknown[0].id}"
            said = "--by NAME --why TEXT"
            next_step(
                "look at the system each call went to; a reconcile= hook on the tool does it for you, or",
                f"{settling} done --value JSON {said}",
                f"{settling} not-executed {said}",
            )
        raise SystemExit(1)


class _Answer(NamedTuple):
    """What a person says about a call."""

    call: str
    done: bool
    by: str
    why: str
    value: JsonValue | Unset


def _answer(settled: tuple[str, str], by: str, why: str, value: str | None, no_value: bool) -> _Answer:
    """The answer in the options.

    Raises:
        ConfigurationError: the options do not fit together, or one is missing.
    """
    call, how = settled
    if how not in get_args(How):
        raise ConfigurationError(f"--settle {call} {how}: a call is settled as done or as not-executed")
    if how == "not-executed" and (no_value or value is not None):
        raise ConfigurationError(
            "a call that was not executed has no value: leave --value and --no-value out"
        )
    if how == "done" and no_value is (value is not None):
        raise ConfigurationError(
            f"--settle {call} done takes either --value JSON, what the call returned, which its commit needs "
            "to be resumed; or --no-value where nobody knows: its commit can then not be resumed"
        )
    if not (by.strip() and why.strip()):
        raise ConfigurationError("--settle needs --by NAME (who says so) and --why TEXT (how they know)")
    known: Any = UNSET
    if value is not None:
        try:
            known = json.loads(value)
        except ValueError as error:
            raise ConfigurationError(f"--value is not JSON: {error}") from error
    return _Answer(call, how == "done", by, why, known)


def _settle(settings: Settings, answer: _Answer, as_json: bool) -> None:
    call, still_open = asyncio.run(_settle_in(settings, answer))
    ours = call.settled_by == answer.by and call.settled_why == answer.why
    if as_json:
        print_json(call_json(call))
        return
    how = "is" if ours else "has been settled by someone else as"
    console.print(plain(f"{call.tool} ({call.id}) {how} {call.state.value}"))
    if still_open:
        next_step("artis recover lists the calls of this plan that are still unknown")
    elif ours and answer.done and answer.value is UNSET:
        next_step('artis rehearse "what is left": the commit cannot be resumed without the value')
    else:
        file = _file_of(call.plan)
        where = "" if file else f", where FILE holds the plan {call.plan}"
        next_step(f"artis run --plan {file or 'FILE'} --resume{where}")


async def _settle_in(settings: Settings, answer: _Answer) -> tuple[JournaledCall, bool]:
    """The call as it stands now, and whether another call of its plan has no outcome."""
    await check_exists(settings)
    async with AsyncExitStack() as stack:
        journal = open_journal(settings, stack)
        call = await settle(
            journal,
            answer.call,
            done=answer.done,
            by=answer.by,
            why=answer.why,
            value=answer.value,
            redact=Redactor(),
        )
        return call, any(one.state in OPEN for one in await asyncio.to_thread(journal.calls, plan=call.plan))


def _file_of(plan: str) -> Path | None:
    """The file in the working directory that holds this plan; a saved plan begins with its id."""
    for file in sorted(Path().glob("*.json")):
        with suppress(OSError), file.open("rb") as opened:
            if f'"id": "{plan}"'.encode() in opened.read(100):
                return file
    return None
