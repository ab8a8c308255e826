"""`artis rehearse` and `artis run`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import JsonValue
from rich.table import Table

from artis_sdk.cli.approver import AtTheTerminal
from artis_sdk.cli.ask import asked_on, secret
from artis_sdk.cli.moments import moment
from artis_sdk.cli.options import Tools
from artis_sdk.cli.output import Json, console, errors, next_step, print_json
from artis_sdk.cli.plan import read_plan, replace_text
from artis_sdk.commit.approver import Approve, EditPlan, PlanRequest, Reject
from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.strategies import StepStrategy, named
from artis_sdk.prompts import Style
from artis_sdk.records import CommitMode, Plan, Result, Role, Treatment, Usage
from artis_sdk.records.events import Event
from artis_sdk.session import Session
from artis_sdk.session_tools import make_tools
from artis_sdk.settings import Settings, load_settings
from artis_sdk.simulators import FROM_LOG
from artis_sdk.view.live import LiveView
from artis_sdk.view.plan_text import result_view
from artis_sdk.view.text import plain

Agent = Annotated[
    str | None,
    typer.Option(
        help="Backend of the agent, such as openai:gpt-5-mini; package.module:agent; or, of another "
        "framework, pydantic_ai:package.module:agent."
    ),
]
Simulator = Annotated[
    str | None,
    typer.Option(
        help=f"sandbox, {', '.join(f'{name}:FILE' for name in FROM_LOG)}, a registered one, or a backend."
    ),
]
Strategy = Annotated[
    str | None,
    typer.Option(help="sequential, parallel, hybrid, direct, best_of_n, revision or a registered one."),
]
Attempts = Annotated[int | None, typer.Option("--attempts", "-n", help="The paper's N.")]
OnUnknown = Annotated[
    Literal["refuse", "ask", "note"] | None,
    typer.Option(help="What to do about a call that stands in the journal without a known outcome."),
]
Mode = Annotated[
    CommitMode | None,
    typer.Option(help="How the plan is committed; bound if somebody approved it, else guided."),
]
OnUnforeseen = Annotated[
    Treatment | None,
    typer.Option(help="What to do about a call that may change something and is not foreseen."),
]
OnDivergence = Annotated[
    Treatment | None, typer.Option(help="What to do about an outcome that is not the predicted one.")
]
StyleOption = Annotated[
    Style | None, typer.Option("--style", help="Prompts and advice: ours, or the paper's.")
]
SamplingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sampling",
        help="ROLE.FIELD=NUMBER, such as agent.temperature=0.7: agent, simulator, judge or summarizer; "
        "temperature, top_p or max_tokens. Several times for several.",
    ),
]
Save = Annotated[Path | None, typer.Option(help="Write the plan here; `artis run --plan` takes it.")]


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

    What is left out comes from ARTIS_* variables and artis.toml.
    """
    settings = _settings(
        tools=tools,
        agent=agent,
        simulator=simulator,
        strategy=strategy,
        attempts=attempts,
        sampling=_sampling(sampling),
        style=style,
    )
    until = None if expires is None else datetime.fromtimestamp(moment(expires, "--expires", ahead=True), UTC)
    kept = save is not None or as_json
    plan = asyncio.run(_rehearse(settings, task, until, as_json, kept=kept))
    if save is not None:
        _save(plan, save)
    if as_json:
        print_json(plan)
        return
    _print_usage(plan.usage)
    _print_notes(plan.notes)
    if save is None:
        errors.print(plain("the plan is kept nowhere: --save plan.json keeps it", style="dim"))
        next_step("artis run TASK")
    else:
        next_step(f"artis run --plan {save}")


def run(
    task: Annotated[str | None, typer.Argument(help="Task of the agent.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Commit this saved plan instead of rehearsing.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="With --plan: resume its interrupted commit.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Commit without asking.")] = False,
    tools: Tools = None,
    agent: Agent = None,
    simulator: Simulator = None,
    strategy: Strategy = None,
    attempts: Attempts = None,
    save: Save = None,
    mode: Mode = None,
    on_unforeseen: OnUnforeseen = None,
    on_divergence: OnDivergence = None,
    on_unknown: OnUnknown = None,
    sampling: SamplingOption = None,
    style: StyleOption = None,
    as_json: Json = False,
) -> None:
    """Rehearse a task, show the plan, ask, and carry it out once for real.

    A plan that is approved, here or by `artis plan approve`, is kept to: a call that it does not
    foresee leads to a question, or ends the commit. Exit code 1 when it was not committed, or stopped.
    """
    if (task is None) == (plan is None):
        raise ConfigurationError("artis run takes either a task or --plan FILE")
    if save is not None and plan is not None:
        raise ConfigurationError(f"--save keeps a plan that is rehearsed now; {plan} is saved already")
    if resume and plan is None:
        raise ConfigurationError("--resume resumes the commit of a saved plan: pass --plan FILE")
    if not yes and (as_json or asked_on() is None):
        raise ConfigurationError("this commits for real and nobody is there to ask: pass --yes to mean it")
    settings = _settings(
        tools=tools,
        agent=agent,
        simulator=simulator,
        strategy=strategy,
        attempts=attempts,
        mode=mode,
        on_unforeseen=on_unforeseen,
        on_divergence=on_divergence,
        on_unknown=on_unknown,
        sampling=_sampling(sampling),
        style=style,
    )
    saved = None if plan is None else read_plan(plan)
    if saved is not None and not isinstance(named(settings.strategy)(1), StepStrategy):
        settings = settings.model_copy(update={"strategy": "direct"})  # it rehearses and judges nothing
    file = save or plan
    result = asyncio.run(_run(settings, task, saved, file, resume, ask=not yes, as_json=as_json))
    if result is None:
        console.print("not committed")
        raise SystemExit(1)
    if as_json:
        print_json(result)
        _exit(result)
        return
    for part in result_view(result):
        console.print(part)
    _print_usage(result.usage)
    if result.ended == "stopped" and plan is not None:
        next_step(f"artis run --plan {plan} --resume --mode guided, or artis rehearse what is left")
    else:
        next_step("artis logs show" if settings.log else "set ARTIS_LOG=calls.db to record real calls")
    _exit(result)


def _save(plan: Plan, file: Path) -> None:
    """Write a plan, without its secrets, and say where it is."""
    try:
        file.write_text(plan.model_dump_json(indent=2), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}") from error
    errors.print(plain(f"the plan is in {file}; artis plan show {file} --open shows it again"))
    if plan.withheld is not None and plan.withheld.sealed is None:
        missing = len(plan.withheld.places)
        errors.print(plain(f"saved without {missing} secrets; artis run asks for them", style="dim"))


def _exit(result: Result) -> None:
    """End with exit code 1 after a commit without a final answer."""
    if result.ended != "answer":
        raise SystemExit(1)


async def _rehearse(
    settings: Settings, task: str, until: datetime | None, as_json: bool, *, kept: bool
) -> Plan:
    view = LiveView(console)
    with nullcontext() if as_json else view:
        async with Session.from_settings(settings, on_event=_listener(view, as_json)) as session:
            return session.saved(await session.rehearse(task, expires=until, keep_changes=kept))


async def _run(
    settings: Settings,
    task: str | None,
    plan: Plan | None,
    file: Path | None,
    resume: bool,
    *,
    ask: bool,
    as_json: bool,
) -> Result | None:
    view = LiveView(console)
    approver = AtTheTerminal(None if as_json else view, make_tools(None, settings)) if ask else None
    listener = _listener(view, as_json)
    async with Session.from_settings(settings, on_event=listener, approve=approver) as session:
        if plan is None:
            assert task is not None
            with nullcontext() if as_json else view:
                plan = await session.rehearse(task, keep_changes=ask or file is not None)
            if file is not None:
                _save(session.saved(plan), file)
        secrets: dict[str, JsonValue] = {}
        while approver is not None:
            request = PlanRequest(plan=session.shown(plan), mode=settings.mode or "bound")
            answer = await _on_plan(approver, request)
            if isinstance(answer, Reject):
                return None
            secrets = secrets or await _asked_for(plan, settings)
            if isinstance(answer, Approve):
                break
            plan = await session.edit(plan, answer, secrets=secrets)
            if file is not None:
                replace_text(file, session.saved(plan).model_dump_json(indent=2))
        with nullcontext() if as_json else view:
            return session.shown(await session.commit(plan, resume=resume, secrets=secrets))


async def _asked_for(plan: Plan, settings: Settings) -> dict[str, JsonValue]:
    """The secrets that the plan was saved without, typed in where nobody sees them.

    One that is not typed in stays missing, and the commit is refused by its name.
    """
    if plan.withheld is None or (plan.withheld.sealed is not None and settings.plan_key is not None):
        return {}
    given: dict[str, JsonValue] = {}
    for placeholder, places in plan.withheld.places.items():
        value = await secret(f"{placeholder} ({', '.join(places)})")
        if value is None:
            break
        given[placeholder] = value
    return given


async def _on_plan(approver: AtTheTerminal, request: PlanRequest) -> Approve | EditPlan | Reject:
    try:
        return await approver.on_plan(request)
    except asyncio.CancelledError:
        errors.print("not committed")
        raise


def _listener(view: LiveView, as_json: bool) -> Callable[[Event], None] | None:
    return None if as_json else view.on_event


def _settings(**given: Any) -> Settings:
    """The settings, those given on the command line above the others."""
    return load_settings({name: value for name, value in given.items() if value is not None})


def _sampling(given: list[str] | None) -> dict[str, dict[str, str]] | None:
    """The values of `--sampling` by role and field; the settings check them."""
    by_role: dict[str, dict[str, str]] = {}
    for text in given or ():
        name, equals, number = text.partition("=")
        role, dot, field = name.partition(".")
        if not (equals and dot):
            raise ConfigurationError(f"--sampling takes ROLE.FIELD=NUMBER, not {text!r}")
        by_role.setdefault(role, {})[field] = number
    return by_role or None


def _print_notes(notes: tuple[str, ...]) -> None:
    for note in notes:
        console.print(plain(("note: ", "yellow"), note))


def _print_usage(usage: dict[Role, Usage]) -> None:
    if not usage:  # an agent of your own, and no judge: no model was asked
        return
    table = Table("role", "requests", "prompt tokens", "of them cached", "completion tokens", title="usage")
    for role, spent in usage.items():
        numbers = (spent.requests, spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens)
        table.add_row(role.value, *(plain(f"{number:,}") for number in numbers))
    console.print(table)
