"""The paper's comparison on the pocket world: methods, simulators, numbers of attempts; held-out tasks."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ValidationError

from artis_sdk.commit.journal import CommitJournal, SQLiteJournal
from artis_sdk.contracts import Backend
from artis_sdk.errors import ArtisError, BackendClosed, ConfigurationError, EngineDead
from artis_sdk.loop.strategies import (
    Direct,
    Hybrid,
    Parallel,
    Sequential,
    SequentialRevision,
    Strategy,
    WeightedBestOfN,
)
from artis_sdk.pocket.oracle import Oracle
from artis_sdk.pocket.play import SimulatorName, play, simulator
from artis_sdk.pocket.task import PocketTask
from artis_sdk.pocket.tasks import tasks
from artis_sdk.records import Role, Usage
from artis_sdk.records.calls import FROZEN

Method = Literal["direct", "best_of_n", "revision", "parallel", "sequential", "hybrid"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
SIMULATING: Final = frozenset({"parallel", "sequential", "hybrid"})
Stage = Literal["evaluation", "summary", "both"]
STAGES: Final[tuple[Stage, ...]] = get_args(Stage)
SIMULATORS: Final[tuple[SimulatorName, ...]] = get_args(SimulatorName)
NUMBERS: Final = (0, 1, 3, 5, 8)


class BenchCell(BaseModel):
    """One setting of the benchmark."""

    model_config = FROZEN

    method: Method
    simulator: SimulatorName | None = None
    """None where nothing is simulated."""
    n: int
    """Attempts, or candidates a step; a hybrid makes two rounds of n // 2."""
    without: Stage | None = None
    """A stage that is switched off (the paper's figure 4)."""

    @property
    def curve(self) -> str:
        """The cell's name but for its number of attempts."""
        left_out = self.without and f"without {self.without}"
        return ", ".join(filter(None, (self.method, self.simulator, left_out)))


class TaskRow(BaseModel):
    """One task in one cell."""

    model_config = FROZEN

    cell: BenchCell
    task: str
    family: str
    hidden: bool
    """Whether the obvious plan is refused."""
    fulfilled: bool
    usage: dict[Role, Usage]
    calls: int
    """Real calls."""
    diverged: int
    """Of these, those that did not go as rehearsed."""
    seconds: float
    error: str | None = None
    """What kept the task from being carried out; it counts as not fulfilled."""


def cells(
    methods: Sequence[Method] = METHODS,
    simulators: Sequence[SimulatorName] = SIMULATORS,
    numbers: Sequence[int] = NUMBERS,
    without: Sequence[Stage] = (),
) -> list[BenchCell]:
    """The settings asked for, each once; n = 0 is direct execution whatever the method.

    Args:
        methods: as the paper's table 1 compares them.
        simulators: for the methods that simulate.
        numbers: of attempts.
        without: stages to leave out of sequential rehearsal, beside the whole of it (figure 4).
    """
    found: dict[BenchCell, None] = {}
    if "direct" in methods or 0 in numbers:
        found[BenchCell(method="direct", n=0)] = None
    for n in (n for n in numbers if n):
        for method in (m for m in methods if m != "direct"):
            for name in simulators if method in SIMULATING else (None,):
                for stage in (None, *without) if method == "sequential" else (None,):
                    found[BenchCell(method=method, simulator=name, n=n, without=stage)] = None
    return list(found)


def strategy(cell: BenchCell) -> Strategy:
    """What a Session is given for a cell."""
    match cell.method:
        case "best_of_n":
            return WeightedBestOfN(cell.n)
        case "revision":
            return SequentialRevision(cell.n)
        case "parallel":
            return Parallel(cell.n)
        case "sequential":
            return Sequential(cell.n)
        case "hybrid":
            return Hybrid(width=max(1, cell.n // 2), rounds=2 if cell.n > 1 else 1)
        case _:
            return Direct()


def asked(count: int, seed: int = 0) -> Iterator[PocketTask]:
    """The held-out tasks that are played in every cell.

    Args:
        count: so many, the first ones.
        seed: of the tasks.
    """
    return islice(tasks("held_out", seed=seed), count)


def read(path: Path) -> Iterator[TaskRow]:
    """The rows of a results file; a last line that was cut off is passed over."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield TaskRow.model_validate_json(line)
        except ValidationError:
            continue


async def measure(
    backend: Backend,
    wanted: Iterable[BenchCell],
    path: Path,
    *,
    count: int,
    seed: int = 0,
    concurrency: int = 4,
    on_row: Callable[[TaskRow], None] | None = None,
) -> None:
    """Play held-out tasks in each cell; what is in the file already is not played again.

    Args:
        backend: plays all roles.
        wanted: the cells, measured in their order.
        path: a file of JSON lines that rows are added to.
        count: tasks, the same ones in every cell.
        seed: of the tasks and of the sampling.
        concurrency: tasks at once.
        on_row: is told of each row, also of those read from the file.
    """
    oracle = Oracle()
    played = [(task, oracle.hidden(task)) for task in asked(count, seed)]
    ids = {task.id for task, _ in played}
    tell = on_row or _silent
    done: set[tuple[BenchCell, str]] = set()
    for row in read(path):
        if row.task in ids:
            done.add((row.cell, row.task))
            tell(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    room = asyncio.Semaphore(concurrency)
    with tempfile.TemporaryDirectory() as folder, path.open("a", encoding="utf-8") as file:
        async with aclosing(SQLiteJournal.shared(Path(folder) / "journal.db")) as journal:

            async def one(cell: BenchCell, task: PocketTask, hidden: bool) -> None:
                async with room:
                    row = await _row(backend, cell, task, hidden, journal, seed)
                file.write(row.model_dump_json() + "\n")
                file.flush()
                tell(row)

            for cell in wanted:
                async with asyncio.TaskGroup() as group:
                    for task, hidden in played:
                        if (cell, task.id) not in done:
                            group.create_task(one(cell, task, hidden))


async def _row(
    backend: Backend, cell: BenchCell, task: PocketTask, hidden: bool, journal: CommitJournal, seed: int
) -> TaskRow:
    began = time.monotonic()
    common: dict[str, Any] = {"cell": cell, "task": task.id, "family": task.family, "hidden": hidden}
    simulated = simulator(cell.simulator, backend) if cell.simulator else None
    try:
        finished = await play(
            task,
            backend,
            simulated,
            strategy(cell),
            journal=journal,
            seed=seed,
            evaluate=cell.without not in ("evaluation", "both"),
            summarize=cell.without not in ("summary", "both"),
        )
    except (EngineDead, BackendClosed):
        raise  # nothing more can be measured, and this says nothing about the task
    except ArtisError as error:
        return TaskRow(
            **common,
            fulfilled=False,
            usage={},
            calls=0,
            diverged=0,
            seconds=time.monotonic() - began,
            error=f"{type(error).__name__}: {error}",
        )
    return TaskRow(
        **common,
        fulfilled=finished.fulfilled,
        usage=dict(finished.usage),
        calls=sum(len(result.calls) for result in finished.results),
        diverged=sum(len(result.divergences) for result in finished.results),
        seconds=round(time.monotonic() - began, 3),
    )


def _silent(row: TaskRow) -> None:
    pass


def write_settings(folder: Path, settings: dict[str, Any]) -> None:
    """Keep what a run was asked for, so that only the same is gone on with.

    Raises:
        ConfigurationError: another run is in the folder.
    """
    path = folder / "settings.json"
    if path.exists():
        there = json.loads(path.read_bytes())
        changed = [name for name in settings if there.get(name) != settings[name]]
        if changed:
            raise ConfigurationError(
                f"{folder} holds a run with another {', '.join(changed)}: give another --out"
            )
        return
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
