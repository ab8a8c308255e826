"""`artis run`."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from artis_sdk.cli.ask import asked_on
from artis_sdk.cli.options import Tools
from artis_sdk.cli.output import INTERRUPTED, Json, console, errors, next_step, print_error, print_json
from artis_sdk.cli.plan import check_writable, read_plan
from artis_sdk.cli.plan_in_journal import look_up
from artis_sdk.cli.real_run import RealRun, Unrehearsed
from artis_sdk.cli.run_options import (
    Agent,
    Attempts,
    Mode,
    OnDivergence,
    OnUnforeseen,
    OnUnknown,
    SamplingOption,
    Save,
    Simulator,
    Strategy,
    StyleOption,
    command,
    settings_of,
)
from artis_sdk.cli.run_report import print_left, print_notes, print_usage
from artis_sdk.errors import (
    ArtisError,
    ConfigurationError,
    JournalError,
    NotApproved,
    PlanChanged,
    PlanExpired,
)
from artis_sdk.loop.strategies import StepStrategy, named
from artis_sdk.records import Plan, Result
from artis_sdk.records.brief import count
from artis_sdk.view.plan_text import result_view
from artis_sdk.view.text import plain


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
    given = {
        "tools": tools,
        "agent": agent,
        "simulator": simulator,
        "strategy": strategy,
        "attempts": attempts,
        "mode": mode,
        "on_unforeseen": on_unforeseen,
        "on_divergence": on_divergence,
        "on_unknown": on_unknown,
        "sampling": sampling,
        "style": style,
    }
    settings = settings_of(given)
    saved = None if plan is None else read_plan(plan)
    if saved is not None and not isinstance(named(settings.strategy)(1), StepStrategy):
        settings = settings.model_copy(update={"strategy": "direct"})  # it rehearses and judges nothing
    if plan is None:
        check_writable(save or Path("plan-of-this-run.json"))  # `RealRun` names it by the plan
    real = RealRun(settings, save or plan, resume=resume, ask=not yes, as_json=as_json)
    try:
        result = asyncio.run(real.carried_out(task, saved))
    except Unrehearsed as error:
        _refuse(error.plan, as_json)
    except (KeyboardInterrupt, ArtisError) as error:
        if not real.committing or isinstance(error, NotApproved | PlanChanged | PlanExpired):
            raise
        _tell_where_it_was_left(real, error, given)
    if result is None:
        console.print("not committed")
        raise SystemExit(1)
    seen = not real.unseen and _printed(result, as_json)
    if not seen:
        made = count(len(result.calls), "real call")
        errors.print(plain(f"the output cannot be written, and {made} had been made; the journal has them:"))
        next_step(shlex.join(["artis", "journal", "show", "--plan", result.plan.id]))
    if result.ended != "answer":
        errors.print(plain(f"the plan is in {real.file}; its commit can be resumed"))
        how = {**given, "mode": "guided"} if result.ended == "stopped" else given
        next_step(command("artis", "run", "--plan", str(real.file), "--resume", given=how))
        raise SystemExit(1)
    if not seen:
        raise SystemExit(1)
    if not as_json:
        next_step("artis logs show" if settings.log else "set ARTIS_LOG=calls.db to record real calls")


def _printed(result: Result, as_json: bool) -> bool:
    """Print what was done; False if nobody can read it."""
    try:
        if as_json:
            print_json(result)
            return True
        for part in result_view(result):
            console.print(part)
        print_usage(result.usage)
    except (OSError, SystemExit):  # rich exits where a pipe is closed
        return False
    return True


def _refuse(plan: Plan, as_json: bool) -> NoReturn:
    """End the command: nothing of the plan was rehearsed, so nothing is carried out."""
    why = (
        "nothing was rehearsed, as every attempt ended early, so nothing was carried out: see to the cause "
        "and rehearse again, or act without a rehearsal on purpose, with --strategy direct"
    )
    if as_json:
        print_json({"error": "NothingRehearsed", "message": why, "notes": plan.notes})
    else:
        print_notes(plan.notes)
        errors.print(plain(("error: ", "red"), why))
    raise SystemExit(1)


def _tell_where_it_was_left(
    real: RealRun, error: KeyboardInterrupt | ArtisError, given: Mapping[str, Any]
) -> NoReturn:
    """End the command after a commit that an error or Ctrl-C ended: what was made, and how to go on."""
    assert real.plan is not None
    assert real.file is not None
    interrupted = isinstance(error, KeyboardInterrupt)
    if isinstance(error, KeyboardInterrupt):
        errors.print("interrupted")
    else:
        print_error(error)
    try:
        found = asyncio.run(look_up(real.settings, real.plan, resume=True))
    except JournalError as unread:  # it may be what ended the commit
        errors.print(plain(f"what was made is not known now, as the journal cannot be read: {unread}"))
        errors.print(plain(f"the plan is in {real.file}"))
    else:
        print_left(found, real.file, given)
    raise SystemExit(INTERRUPTED if interrupted else 2)
