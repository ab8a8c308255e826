"""`artis rehearse` and `artis run`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import JsonValue
from rich.table import Table

from artis_sdk.cli.output import console, errors, next_step, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Plan, Result, Role, Usage
from artis_sdk.records.events import Event
from artis_sdk.session import Session
from artis_sdk.settings import Settings, load_settings
from artis_sdk.view.live import LiveView
from artis_sdk.view.text import call_text

Tools = Annotated[str | None, typer.Option(help="Where the tools are: `module:name` or `module`.")]
Agent = Annotated[str | None, typer.Option(help="Backend of the agent, such as openai:gpt-5-mini.")]
Simulator = Annotated[str | None, typer.Option(help="sandbox, replay:FILE, retrieval:FILE, or a backend.")]
Strategy = Annotated[
    str | None, typer.Option(help="sequential, parallel, hybrid, direct, best_of_n or revision.")
]
Attempts = Annotated[int | None, typer.Option("--attempts", "-n", help="The paper's N.")]
OnUnknown = Annotated[
    Literal["refuse", "note"] | None,
    typer.Option(help="What to do about a call that stands in the journal without a known outcome."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def rehearse(
    task: Annotated[str, typer.Argument(help="What the agent shall do.")],
    tools: Tools = None,
    agent: Agent = None,
    simulator: Simulator = None,
    strategy: Strategy = None,
    attempts: Attempts = None,
    save: Annotated[
        Path | None, typer.Option(help="Write the plan here; `artis run --plan` takes it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Attempt a task several times in simulation. Nothing real happens.

    What is left out comes from ARTIS_* variables and artis.toml.
    """
    settings = _settings(tools=tools, agent=agent, simulator=simulator, strategy=strategy, attempts=attempts)
    plan = asyncio.run(_rehearse(settings, task, as_json))
    if save is not None:
        save.write_text(plan.model_dump_json(indent=2), encoding="utf-8")
        if plan.withheld is not None and plan.withheld.sealed is None:
            errors.print(
                f"[dim]saved without {len(plan.withheld.places)} secrets; artis run asks for them[/dim]"
            )
    if as_json:
        print_json(plan)
        return
    _print_usage(plan.usage)
    _print_notes(plan.notes)
    next_step(
        f"artis run --plan {save}" if save else "artis run TASK, or rehearse --save plan.json to keep it"
    )


def run(
    task: Annotated[str | None, typer.Argument(help="What the agent shall do.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Commit this saved plan instead of rehearsing.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="With --plan: go on with its commit, which broke off.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Commit without asking.")] = False,
    tools: Tools = None,
    agent: Agent = None,
    simulator: Simulator = None,
    strategy: Strategy = None,
    attempts: Attempts = None,
    on_unknown: OnUnknown = None,
    as_json: Json = False,
) -> None:
    """Rehearse a task, show the plan, ask, and carry it out once for real."""
    if (task is None) == (plan is None):
        raise ConfigurationError("artis run takes either a task or --plan FILE")
    if resume and plan is None:
        raise ConfigurationError("--resume goes on with the commit of a saved plan: pass --plan FILE")
    if not yes and (as_json or not sys.stdin.isatty()):
        raise ConfigurationError("this commits for real and nobody is there to ask: pass --yes to mean it")
    settings = _settings(
        tools=tools,
        agent=agent,
        simulator=simulator,
        strategy=strategy,
        attempts=attempts,
        on_unknown=on_unknown,
    )
    saved = Plan.model_validate_json(plan.read_text(encoding="utf-8")) if plan is not None else None
    result = asyncio.run(_run(settings, task, saved, resume, ask=not yes, as_json=as_json))
    if result is None:
        console.print("not committed")
        raise SystemExit(1)
    if as_json:
        print_json(result)
        return
    console.print(f"[bold]{result.answer or ''}[/bold]", highlight=False)
    _print_usage(result.usage)
    _print_notes((*result.plan.notes, *result.notes))
    if result.divergences:
        console.print(f"[magenta]{len(result.divergences)} of {len(result.calls)} calls diverged[/magenta]")
    next_step("artis logs show" if settings.log else "set ARTIS_LOG=calls.db to record real calls")


async def _rehearse(settings: Settings, task: str, as_json: bool) -> Plan:
    view = LiveView(console)
    with nullcontext() if as_json else view:
        async with Session.from_settings(settings, on_event=_listener(view, as_json)) as session:
            return session.saved(await session.rehearse(task))


async def _run(
    settings: Settings, task: str | None, plan: Plan | None, resume: bool, *, ask: bool, as_json: bool
) -> Result | None:
    view = LiveView(console)
    async with Session.from_settings(settings, on_event=_listener(view, as_json)) as session:
        if plan is None:
            assert task is not None
            with nullcontext() if as_json else view:
                plan = await session.rehearse(task)
        if ask and not await asyncio.to_thread(_approved, session.shown(plan)):
            return None
        secrets = await asyncio.to_thread(_asked_for, plan, settings) if ask else {}
        with nullcontext() if as_json else view:
            return session.shown(await session.commit(plan, resume=resume, secrets=secrets))


def _asked_for(plan: Plan, settings: Settings) -> dict[str, JsonValue]:
    """The secrets that the plan was saved without, typed in where nobody sees them."""
    if plan.withheld is None or (plan.withheld.sealed is not None and settings.plan_key is not None):
        return {}
    return {
        placeholder: typer.prompt(f"{placeholder} ({', '.join(places)})", hide_input=True)
        for placeholder, places in plan.withheld.places.items()
    }


def _approved(plan: Plan) -> bool:
    """Show what the rehearsal predicts and what must be known before, and ask."""
    _print_notes(plan.notes)
    table = Table("predicted call", "predicted outcome", title="If it goes as rehearsed")
    for step in plan.predicted:
        table.add_row(call_text(step.call), step.outcome.text())
    console.print(table)
    return typer.confirm("Carry this out for real, once?")


def _listener(view: LiveView, as_json: bool) -> Callable[[Event], None] | None:
    return None if as_json else view.on_event


def _settings(**given: Any) -> Settings:
    """The settings, those given on the command line above the others."""
    return load_settings({name: value for name, value in given.items() if value is not None})


def _print_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        console.print(f"[yellow]note:[/yellow] {note}", highlight=False)


def _print_usage(usage: dict[Role, Usage]) -> None:
    table = Table("role", "requests", "prompt tokens", "of them cached", "completion tokens", title="usage")
    for role, spent in usage.items():
        numbers = (spent.requests, spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens)
        table.add_row(role.value, *(f"{number:,}" for number in numbers))
    console.print(table)
