"""What the commands of `artis bench` share: options and their lists, the progress of a run, its table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Annotated, cast, get_args

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from artis_sdk.cli.output import console, errors, print_json
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import METHODS, STAGES, BenchCell, Method, Stage, cells
from artis_sdk.evals.bench.report import Line, seconds
from artis_sdk.evals.bench.rows import TaskRow
from artis_sdk.records import CommitMode
from artis_sdk.view.screen import label
from artis_sdk.workers import WorkerPool

Methods = Annotated[str, typer.Option(help="Methods, comma-separated.")]
Tries = Annotated[str, typer.Option("--n", help="Numbers of attempts, comma-separated.")]
Without = Annotated[
    str, typer.Option(help="Stages to leave out of sequential rehearsal: evaluation, summary, both.")
]
Modes = Annotated[
    str, typer.Option(help="Ways to commit of the methods that simulate: guided, bound, replay.")
]
Retries = Annotated[
    str, typer.Option(help="Further real tries of direct execution, comma-separated; 0 is the paper's.")
]
Tasks = Annotated[int, typer.Option("--tasks", help="Held-out tasks in each setting.", min=1)]
Concurrency = Annotated[int, typer.Option(help="Tasks played at the same time, by each worker.", min=1)]
Seed = Annotated[int, typer.Option(help="Seed of the tasks and of sampling.")]

_COLUMNS = ("accuracy", "hidden obstacle", "refused", "half done", "tokens a task", "CPU s")


def known(given: str, names: Sequence[str], what: str, separator: str = ",") -> list[str]:
    """The names in an option.

    Raises:
        ConfigurationError: one is not known.
    """
    found = [name.strip() for name in given.split(separator) if name.strip()]
    for name in found:
        if name not in names:
            raise ConfigurationError(f"unknown {what} {name!r}; choose from {', '.join(names)}")
    return found


def asked_cells(
    methods: str, simulators: Sequence[str], tries: str, without: str, modes: str, retries: str
) -> list[BenchCell]:
    """The settings that the options of these names ask for.

    Raises:
        ConfigurationError: a method, stage or mode is not known, or a number is none.
    """
    return cells(
        [cast(Method, one) for one in known(methods, METHODS, "method")],
        simulators,
        numbers(tries, "--n"),
        [cast(Stage, one) for one in known(without, STAGES, "stage")],
        [cast(CommitMode, one) for one in known(modes, get_args(CommitMode), "mode")] or [None],
        numbers(retries, "--retries"),
    )


def numbers(given: str, option: str) -> list[int]:
    """The whole numbers in an option.

    Raises:
        ConfigurationError: one is none.
    """
    return [_number(text, option) for text in given.split(",")]


def _number(text: str, option: str) -> int:
    if not text.strip().isdigit():
        raise ConfigurationError(f"{option} takes comma-separated whole numbers, not {text!r}")
    return int(text)


def print_lines(found: Sequence[Line], *, as_json: bool) -> None:
    """Print a run's cells, one a line, or as one JSON document."""
    if as_json:
        print_json([line._asdict() for line in found])
        return
    shown = Table("method", "N", "tasks", *_COLUMNS)
    for line in found:
        shown.add_row(
            line.cell.curve,
            str(line.cell.n),
            str(line.rows),
            str(line.accuracy),
            str(line.hidden),
            str(line.refused),
            str(line.damaged),
            f"{line.tokens:,.0f}",
            seconds(line.cpu_seconds),
        )
    console.print(shown)


async def with_progress(
    played: Callable[..., Awaitable[None]],
    wanted: list[BenchCell],
    count: int,
    workers: AbstractAsyncContextManager[WorkerPool | None],
    *,
    shown: bool,
) -> None:
    """Play a run, with a bar for each cell.

    Args:
        played: plays it: `measure` with all that is known already.
        wanted: its cells.
        count: number of tasks in a cell.
        workers: the workers that play; None for this process alone.
        shown: whether the bars are shown.
    """
    bar = Progress(
        label("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        label("{task.fields[right]}"),
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

        async with workers as pool:
            await played(on_row=on_row, pool=pool)


def _name(cell: BenchCell) -> str:
    return f"{cell.curve}, N = {cell.n}"
