"""`artis generate`: calls that fail in as many ways as possible, made in a sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from artis_sdk.backends import resolve
from artis_sdk.cli.failures import load_worlds
from artis_sdk.cli.output import Json, console, errors, next_step, note, print_json
from artis_sdk.contracts import Backend
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import open_call_log
from artis_sdk.logs.opening import absolute
from artis_sdk.settings import load_settings
from artis_sdk.store_address import shown_address
from artis_sdk.view.screen import label
from artis_sdk.view.text import plain

if TYPE_CHECKING:
    from artis_sdk.trainers.generate import (
        Coverage,
        Generated,
        GenerationBudget,
        GenerationProgress,
        StartState,
    )

Sources = Annotated[str, typer.Option(help="Comma-separated: agents, mutation, property, targeted.")]


def generate(
    out: Annotated[str, typer.Option(help="Log to which rows are added, a file or a URL.")],
    tools: Annotated[
        str | None, typer.Option(help="`module:name` of a Toolset, or of a list of them: the start states.")
    ] = None,
    log: Annotated[
        str | None, typer.Option(help="Call log with real calls to begin from, a file or a URL.")
    ] = None,
    sources: Sources = "mutation,property",
    calls: Annotated[int, typer.Option(help="Maximum number of calls.", min=1)] = 5000,
    seconds: Annotated[float | None, typer.Option(help="Maximum duration in seconds.", min=0)] = None,
    coverage: Annotated[
        float, typer.Option(help="Share of the known failure modes at which to stop.", min=0, max=1)
    ] = 1.0,
    call_seconds: Annotated[
        float, typer.Option(help="CPU seconds after which a call counts as hanging.", min=0.01)
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Seed of everything that models do not decide.")] = 0,
    writer: Annotated[
        str | None, typer.Option(help="Backend that writes queries and calls, for agents and targeted.")
    ] = None,
    solver: Annotated[
        list[str] | None,
        typer.Option(help="Backend that solves queries (repeatable); by default the writer."),
    ] = None,
    queries: Annotated[int, typer.Option(help="Queries per tool, for agents.", min=1)] = 100,
    pure: Annotated[
        list[str] | None,
        typer.Option(help="Tool that is a plain function and changes nothing; may be repeated."),
    ] = None,
    vary_state: Annotated[bool, typer.Option(help="Change plain values of the start states too.")] = True,
    as_json: Json = False,
) -> None:
    """Make calls that fail in as many ways as the tools can, and log them as sandboxed rows.

    Nothing real is touched: calls run in a process of their own, over copies of the tools' objects.
    """
    from artis_sdk.trainers.generate import GenerationBudget

    real = log or load_settings().log
    if real is not None and absolute(real) == absolute(out):
        raise ConfigurationError(f"--log and --out are both {out}: generated rows go to a log of their own")
    made = asyncio.run(
        _generate(
            load_worlds(tools),
            real,
            GenerationBudget(calls=calls, seconds=seconds, coverage=coverage, call_seconds=call_seconds),
            writer,
            solver or [],
            as_json,
            seed=seed,
            out=out,
            sources=[name.strip() for name in sources.split(",") if name.strip()],
            queries=queries,
            pure=pure or [],
            vary_state=vary_state,
        )
    )
    if as_json:
        print_json(made.as_json())
        return
    _print(made)
    if made.rows:
        next_step(f"artis train simulator {shown_address(out)} --base MODEL --out run")
    else:
        next_step(f"artis logs failures --tools {tools or load_settings().tools}")


async def _generate(
    worlds: Sequence[StartState],
    real: str | Path | None,
    budget: GenerationBudget,
    writer: str | None,
    solvers: Sequence[str],
    quiet: bool,
    **more: Any,
) -> Generated:
    from artis_sdk.trainers.generate import generate as run

    async with AsyncExitStack() as stack:
        bar = Progress(
            label("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            label("modes {task.fields[reached]}/{task.fields[modes]}"),
            TimeElapsedColumn(),
            console=errors,
            disable=quiet,
        )
        task = bar.add_task("calls", total=budget.calls, reached=0, modes=0)

        def show(made: GenerationProgress) -> None:
            bar.update(task, completed=made.calls, reached=made.reached, modes=made.modes)

        log = None if real is None else stack.enter_context(open_call_log(real, create=False))
        with bar:
            made = await run(
                worlds,
                log,
                budget,
                writer=await _backend(writer, stack),
                solvers=[b for name in solvers if (b := await _backend(name, stack)) is not None],
                on_progress=show,
                **more,
            )
        stack.enter_context(made.log)
        return made


async def _backend(name: str | None, stack: AsyncExitStack) -> Backend | None:
    if name is None:
        return None
    backend = resolve(name, **load_settings().backends.get(name, {}))
    stack.push_async_callback(backend.aclose)
    return backend


def _print(made: Generated) -> None:
    console.print(_by_source(made.coverage))
    console.print(_by_tool(made.coverage))
    reached, known = made.coverage.reached, len(made.coverage.modes)
    console.print(
        plain(f"{reached} of {known} failure modes reached, {made.rows:,} rows in {made.log.address}")
    )
    if known and reached == known:
        note("note:", "it ended because every known mode was reached; another --seed adds further rows")
    for tool, count in sorted(made.hung.items()):
        note(f"{tool}:", f"{count} calls hung and were left out")
    for reason, count in sorted(made.refused.items()):
        note("not run:", f"{count} calls: {reason}")
    for remark in made.notes:
        note("note:", remark)


def _by_source(coverage: Coverage) -> Table:
    table = Table("source", "calls", "failed", "outcome types", "modes", "reached first", title="by source")
    for source, found in coverage.as_json()["sources"].items():
        row = (found["calls"], found["failed"], found["types"], found["modes"], found["first"])
        table.add_row(source, *(f"{number:,}" for number in row))
    return table


def _by_tool(coverage: Coverage) -> Table:
    """Failure modes reached and known, by tool and source."""
    sources = list(coverage.calls)
    table = Table("tool", "modes", "reached", *sources, "never", title="failure modes reached, by source")
    for tool in dict.fromkeys(mode.tool for mode in coverage.modes):
        keys = [mode.key for mode in coverage.modes if mode.tool == tool]
        by_source = [sum(key in coverage.hits.get(source, ()) for key in keys) for source in sources]
        never = [
            mode.where for mode in coverage.modes if mode.tool == tool and mode.key not in coverage.first
        ]
        reached = str(len(keys) - len(never))
        table.add_row(tool, str(len(keys)), reached, *map(str, by_source), ", ".join(never))
    return table
