"""`artis doctor`: what is installed and fits, which backends answer, what a journal leaves open, what to do
next."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

import typer
from rich.table import Table

from artis_sdk.backends import resolve
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.registry import known_prefixes, takes
from artis_sdk.cli.extras import Extra, installed_extras
from artis_sdk.cli.named_parts import load_named, named_backends
from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.commit.journal.call import OPEN
from artis_sdk.errors import ArtisError, ConfigurationError
from artis_sdk.records import Message, Request
from artis_sdk.session_recovery import exists
from artis_sdk.session_stores import open_journal
from artis_sdk.settings import Settings, load_settings
from artis_sdk.store_address import journal_address, shown_address
from artis_sdk.view.text import plain


def doctor(
    backend: Annotated[
        list[str] | None, typer.Option(help="Backend to ask for one token; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is installed, whether settings hold, which backends answer, which calls are open.

    Backends named in the settings and with --backend generate one token each; tools, agents and other objects
    that the settings name are loaded as a session loads them.
    """
    extras = installed_extras()
    settings, problem = _read_settings()
    parts = [] if settings is None else asyncio.run(load_named(settings))
    configured = [] if settings is None else named_backends(settings)
    names = list(dict.fromkeys([*(backend or []), *configured]))
    answers = asyncio.run(_ask_all(names, settings))
    journal = None if settings is None else asyncio.run(_look_at_journal(settings))
    found = _Findings(extras, problem, parts, answers, journal)
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)
    if not found.healthy:
        raise SystemExit(1)


@dataclass(frozen=True, slots=True)
class _Findings:
    """What was looked at, and what was found."""

    extras: list[Extra]
    problem: str | None
    """Why the settings do not hold."""
    parts: list[dict[str, Any]]
    """Whether each object that the settings name loads."""
    answers: list[dict[str, Any]]
    """How each backend answered."""
    journal: dict[str, Any] | None
    """The journal's state; None where the settings do not hold."""

    @property
    def healthy(self) -> bool:
        return (
            self.problem is None
            and all(one["ok"] for one in [*self.parts, *self.answers])
            and not (self.journal and (self.journal["open"] or self.journal["problem"]))
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "artis_sdk": version("artis-sdk"),
            "extras": [{**extra._asdict(), "install": extra.install} for extra in self.extras],
            "known_backends": known_prefixes(),
            "settings": {"ok": self.problem is None, "problem": self.problem},
            "parts": self.parts,
            "backends": self.answers,
            "journal": self.journal,
            "ok": self.healthy,
        }


def _read_settings() -> tuple[Settings | None, str | None]:
    try:
        return load_settings(), None
    except ConfigurationError as error:
        return None, str(error)


async def _ask_all(names: list[str], settings: Settings | None) -> list[dict[str, Any]]:
    return [await _ask(name, settings) for name in names]


async def _ask(name: str, settings: Settings | None) -> dict[str, Any]:
    options = {**settings.backends.get(name, {})} if settings is not None else {}
    began = time.perf_counter()
    try:
        if takes(name, "retry"):  # a person waits for the answer
            options["retry"] = RetryPolicy(attempts=1)
        backend = resolve(name, **options)
        try:
            request = Request(messages=(Message(role="user", content="Say ok."),), max_tokens=1)
            await backend.complete(request)
        finally:
            await backend.aclose()
    except ArtisError as error:
        return {"backend": name, "ok": False, "error": str(error), "seconds": None}
    return {"backend": name, "ok": True, "error": None, "seconds": round(time.perf_counter() - began, 3)}


async def _look_at_journal(settings: Settings) -> dict[str, Any]:
    """The journal's address, how many of its calls have no known end, and why it cannot be read."""
    found: dict[str, Any] = {"journal": None, "exists": False, "open": 0, "problem": None}
    try:
        found["journal"] = shown_address(journal_address(settings.journal))
        found["exists"] = await exists(settings)
        if not found["exists"]:
            return found
        async with AsyncExitStack() as stack:
            calls = await asyncio.to_thread(open_journal(settings, stack).calls)
    except ArtisError as error:
        return {**found, "problem": str(error)}
    return {**found, "open": sum(call.state in OPEN for call in calls)}


def _print(found: _Findings) -> None:
    table = Table("extra", "installed", "for", title=plain(f"artis_sdk {version('artis-sdk')}"))
    for extra in found.extras:
        versions = ", ".join(f"{name} {number}" for name, number in extra.versions.items())
        fit = plain(("; ".join(extra.unfit), "red")) if extra.unfit else plain(versions)
        here = extra.installed or extra.unfit
        table.add_row(extra.extra, fit if here else plain(("no", "dim")), extra.purpose)
    console.print(table)
    for part in found.parts:
        if part["ok"]:
            console.print(plain(("loads   ", "green"), f"{part['setting']} {part['name']}"))
        else:
            console.print(plain(("fails   ", "red"), part["error"], lines=True))
    for answer in found.answers:
        if answer["ok"]:
            console.print(plain(("answers ", "green"), f"{answer['backend']} in {answer['seconds']} s"))
        else:
            console.print(plain(("fails   ", "red"), answer["error"], lines=True))
    if found.problem is not None:
        console.print(plain(("settings: ", "red"), found.problem, lines=True))
    if found.journal is not None:
        _print_journal(found.journal)
    next_step(_next(found))


def _print_journal(journal: dict[str, Any]) -> None:
    if journal["problem"]:
        console.print(plain(("journal: ", "red"), journal["problem"], lines=True))
    elif not journal["exists"]:
        console.print(plain(f"journal: none yet; the first commit writes {journal['journal']}"))
    elif journal["open"]:
        left = f"calls without a known end: {journal['open']}, in {journal['journal']}"
        console.print(plain(("journal: ", "red"), left))
    else:
        console.print(plain(f"journal: nothing open in {journal['journal']}"))


def _next(found: _Findings) -> str:
    unfit = next((extra for extra in found.extras if extra.unfit), None)
    if found.problem is not None:
        return "correct the setting named above, then run artis doctor again"
    if found.journal is not None and found.journal["open"]:
        return "artis recover"
    if unfit is not None:
        return f"{unfit.install} --upgrade"
    broken = next((part for part in found.parts if not part["ok"]), None)
    if broken is not None:
        return f"correct the setting {broken['setting']}, {broken['name']}, then run artis doctor again"
    if not found.answers and not found.parts:
        return "artis doctor --backend openai:MODEL asks a backend for one token"
    failed = next((answer for answer in found.answers if not answer["ok"]), None)
    if failed is not None:
        return f"see to {failed['backend']}, then run artis doctor again"
    has_tools = any(part["setting"] == "tools" for part in found.parts)
    return 'artis rehearse "a task"' + ("" if has_tools else " --tools your_module:toolset")
