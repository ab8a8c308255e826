"""`artis bench pocket`: the paper's comparison, on the model and the world that ship with the package."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from artis_sdk.cli.demo import EngineName
from artis_sdk.cli.output import console, errors, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import METHODS, STAGES, BenchCell, Method, Stage, cells
from artis_sdk.evals.bench.pocket import PocketWorld
from artis_sdk.evals.bench.report import costs, families, lines, plot, table
from artis_sdk.evals.bench.rows import TaskRow, read, write_settings
from artis_sdk.evals.bench.runner import asked, measure
from artis_sdk.pocket.play import SIMULATORS, SimulatorName, engine, simulator

app = typer.Typer(help="Measure methods of test-time scaling.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Measure methods of test-time scaling."""


@app.command("pocket")
def pocket(
    out: Annotated[Path, typer.Option(help="Folder for rows, tables and plot; a run found there continues.")],
    methods: Annotated[str, typer.Option(help="Methods, comma-separated.")] = ",".join(METHODS),
    simulators: Annotated[str, typer.Option(help="Simulators, comma-separated.")] = ",".join(SIMULATORS),
    numbers: Annotated[str, typer.Option("--n", help="Numbers of attempts, comma-separated.")] = "0,1,3,5,8",
    without: Annotated[
        str,
        typer.Option(help="Stages to leave out of sequential rehearsal: evaluation, summary, both."),
    ] = "",
    count: Annotated[int, typer.Option("--tasks", help="Held-out tasks in each setting.", min=1)] = 300,
    engine_name: Annotated[
        EngineName, typer.Option("--engine", help="Engine that runs the model.")
    ] = EngineName.llama,
    threads: Annotated[int | None, typer.Option(help="CPU threads of llama.cpp.", min=1)] = None,
    concurrency: Annotated[int, typer.Option(help="Tasks played at the same time.", min=1)] = 16,
    seed: Annotated[int, typer.Option(help="Seed of the tasks and of sampling.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Play held-out tasks with every method, simulator and number of attempts, and check the final states.

    An interrupted run continues where it stopped when it is started again with the same --out.
    """
    wanted = cells(
        [cast(Method, one) for one in _known(methods, METHODS, "method")],
        _known(simulators, SIMULATORS, "simulator"),
        [_number(one) for one in numbers.split(",")],
        [cast(Stage, one) for one in _known(without, STAGES, "stage")],
    )
    write_settings(out, {"seed": seed, "engine": engine_name.value})
    path = out / "rows.jsonl"
    asyncio.run(_measure(wanted, path, engine_name, threads, count, seed, concurrency, shown=not as_json))
    ids = {task.id for task in asked(PocketWorld(), count, seed)}
    # The folder may hold rows of other cells, or of more tasks.
    found = lines(row for row in read(path) if row.cell in wanted and row.task in ids)
    (out / "tables.md").write_text(f"{table(found)}\n{families(found)}\n{costs(found)}", encoding="utf-8")
    (out / "accuracy.svg").write_text(plot(found), encoding="utf-8")
    if as_json:
        print_json([line._asdict() for line in found])
        return
    shown = Table("method", "N", "tasks", "accuracy", "hidden obstacle", "tokens a task")
    for line in found:
        shown.add_row(
            line.cell.curve,
            str(line.cell.n),
            str(line.rows),
            str(line.accuracy),
            str(line.hidden),
            f"{line.tokens:,.0f}",
        )
    console.print(shown)
    console.print(f"tables: {out / 'tables.md'}   plot: {out / 'accuracy.svg'}", highlight=False)


async def _measure(
    wanted: list[BenchCell],
    path: Path,
    engine_name: EngineName,
    threads: int | None,
    count: int,
    seed: int,
    concurrency: int,
    *,
    shown: bool,
) -> None:
    sequences = max(8, concurrency + concurrency // 2)  # waiting sequences keep their prefix in memory
    backend = engine(engine_name.value, threads=threads, sequences=sequences)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[right]}"),
        console=errors,
        disable=not shown,
    )
    right: Counter[BenchCell] = Counter()
    total: Counter[BenchCell] = Counter()
    with bar:
        ids = {cell: bar.add_task(_name(cell), total=count, right="", start=False) for cell in wanted}

        def on_row(row: TaskRow) -> None:
            if row.cell not in ids:
                return
            total[row.cell] += 1
            right[row.cell] += row.fulfilled
            bar.start_task(ids[row.cell])
            bar.update(ids[row.cell], advance=1, right=f"{right[row.cell] / total[row.cell]:.0%}")

        try:
            await measure(
                PocketWorld(),
                backend,
                wanted,
                path,
                simulators=lambda name: simulator(cast(SimulatorName, name), backend),
                count=count,
                seed=seed,
                concurrency=concurrency,
                on_row=on_row,
            )
        finally:
            await backend.aclose()


def _name(cell: BenchCell) -> str:
    return f"{cell.curve}, N = {cell.n}"


def _known(given: str, known: tuple[str, ...], what: str) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise ConfigurationError(f"unknown {what} {name!r}; choose from {', '.join(known)}")
    return names


def _number(text: str) -> int:
    if not text.strip().isdigit():
        raise ConfigurationError(f"--n takes comma-separated whole numbers, not {text!r}")
    return int(text)
