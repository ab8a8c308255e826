"""`artis generate`: calls that fail in as many ways as possible, made in a sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from artis_sdk.backends import resolve
from artis_sdk.cli.failures import load_worlds
from artis_sdk.cli.output import Json, console, errors, next_step, note, print_json
from artis_sdk.cli.workers import OnRay, Workers, worker_pool
from artis_sdk.contracts import Backend
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import open_call_log
from artis_sdk.logs.call_store import CallStore
from artis_sdk.logs.opening import absolute
from artis_sdk.settings import load_settings
from artis_sdk.store_address import shown_address
from artis_sdk.view.screen import label
from artis_sdk.view.text import plain
from artis_sdk.workers import WorkerPool

if TYPE_CHECKING:
    from artis_sdk.trainers.generate import (
        Coverage,
        Generated,
        GenerationBudget,
        GenerationProgress,
        Shard,
    )
    from artis_sdk.trainers.generate.shards import Generating

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
    workers: Workers = None,
    ray: OnRay = False,
    as_json: Json = False,
) -> None:
    """Make calls that fail in as many ways as the tools can, and log them as sandboxed rows.

    Nothing real is touched: calls run in a process of their own, over copies of the tools' objects.
    """
    from artis_sdk.trainers.generate import GenerationBudget

    real = log or load_settings().log
    if real is not None and absolute(real) == absolute(out):
        raise ConfigurationError(f"--log and --out are both {out}: generated rows go to a log of their own")
    opening = partial(
        _opened,
        tools,
        real,
        writer,
        solver or [],
        sources=[name.strip() for name in sources.split(",") if name.strip()],
        queries=queries,
        pure=pure or [],
        vary_state=vary_state,
    )
    budget = GenerationBudget(calls=calls, seconds=seconds, coverage=coverage, call_seconds=call_seconds)
    made = asyncio.run(_generate(opening, budget, seed, out, worker_pool(workers, ray), as_json))
    if as_json:
        print_json(made.as_json())
        return
    _print(made)
    if made.rows:
        next_step(f"artis train simulator {shown_address(out)} --base MODEL --out run")
    else:
        next_step(f"artis logs failures --tools {tools or load_settings().tools}")


@asynccontextmanager
async def _opened(
    tools: str | None, real: str | Path | None, writer: str | None, solvers: Sequence[str], **more: Any
) -> AsyncIterator[Generating]:
    """What generates: the worlds, the real log and the models, which a worker makes for itself."""
    from artis_sdk.trainers.generate import generate as run

    async with AsyncExitStack() as stack:
        worlds = load_worlds(tools)
        log = None if real is None else stack.enter_context(open_call_log(real, create=False))
        more["writer"] = await _backend(writer, stack)
        more["solvers"] = [b for name in solvers if (b := await _backend(name, stack)) is not None]

        async def generating(shard: Shard, out: CallStore | str | Path, **shown: Any) -> Generated:
            return await run(worlds, log, shard.budget, shard.seed, out=out, **more, **shown)

        yield generating


async def _generate(
    opening: Callable[[], AbstractAsyncContextManager[Generating]],
    budget: GenerationBudget,
    seed: int,
    out: str | Path,
    workers: AbstractAsyncContextManager[WorkerPool | None],
    quiet: bool,
) -> Generated:
    from artis_sdk.trainers.generate import Shard, generate_shards

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

    with bar:
        async with workers as pool:
            if pool is not None:
                with open_call_log(out) as log:
                    return await generate_shards(pool, opening, budget, seed, out=log, on_progress=show)
            async with opening() as generating:
                made = await generating(Shard(seed, budget), out, on_progress=show)
                with made.log:
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
