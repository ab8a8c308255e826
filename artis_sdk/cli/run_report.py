"""What `artis rehearse` and `artis run` say at their end: notes, usage, and where a commit was left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from artis_sdk.cli.output import console, errors, next_step
from artis_sdk.cli.plan_in_journal import PlanInJournal, made_lines
from artis_sdk.cli.run_options import command
from artis_sdk.records import Role, Usage
from artis_sdk.view.text import plain


def print_notes(notes: Sequence[str]) -> None:
    """The notes on a rehearsal or a commit."""
    for note in notes:
        console.print(plain(("note: ", "yellow"), note))


def print_usage(usage: Mapping[Role, Usage]) -> None:
    """The tokens by role, and the CPU seconds where an engine of this process computed."""
    if not usage:  # an agent of your own, and no judge: no model was asked
        return
    names = ["role", "requests", "prompt tokens", "of them cached", "completion tokens"]
    computed = any(spent.cpu_seconds for spent in usage.values())
    table = Table(*names, *(["CPU seconds"] if computed else []), title="usage")
    for role, spent in usage.items():
        numbers = (spent.requests, spent.prompt_tokens, spent.cached_tokens, spent.completion_tokens)
        cells = [f"{number:,}" for number in numbers] + [f"{spent.cpu_seconds:,.1f}"] * computed
        table.add_row(role.value, *map(plain, cells))
    console.print(table)


def print_left(found: PlanInJournal, file: Path, given: Mapping[str, Any]) -> None:
    """The real calls of a commit that did not come to its end, and the commands that go on.

    Args:
        found: what the journal has of it.
        file: file of the plan.
        given: the options of the command, by name.
    """
    if not found.calls:
        errors.print(plain("no real call was made"))
    for line in made_lines(found.calls):
        errors.print(line)
    errors.print(plain(f"the plan is in {file}"))
    if found.is_unknown:
        where = {"tools": given.get("tools")}
        errors.print(plain("recover first: a call has no known outcome, and none is made before it has one"))
        next_step(command("artis", "recover", given=where))
    elif found.refusal is not None:
        errors.print(plain(("it cannot be resumed: ", "red"), str(found.refusal)))
        return
    next_step(command("artis", "run", "--plan", str(file), "--resume", given=given))
