"""A benchmark's rows as a page: where a method won and lost, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from markupsafe import Markup

from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.paired import pairs
from artis_sdk.evals.bench.report import lines, plot, seconds
from artis_sdk.evals.bench.rows import TaskRow
from artis_sdk.view.page import page_template

_TEMPLATE: Final = Path(__file__).parent / "templates" / "bench.html.j2"


class _Task(NamedTuple):
    """A task in every cell."""

    id: str
    query: str
    rows: list[tuple[BenchCell, TaskRow]]
    marks: list[bool | None]
    """Whether it was fulfilled, by cell; None where it was not played."""

    @property
    def differs(self) -> bool:
        return len({mark for mark in self.marks if mark is not None}) > 1


def bench_page(rows: Sequence[TaskRow], title: str, against: BenchCell) -> str:
    """One file without scripts and without links to elsewhere.

    Args:
        rows: rows of one run.
        title: headline, such as world, models and date.
        against: cell that the others are compared with, task by task.
    """
    found = lines(rows)
    cells = [line.cell for line in found]
    by_task: dict[str, dict[BenchCell, TaskRow]] = {}
    for row in rows:
        by_task.setdefault(row.task, {})[row.cell] = row
    tasks = [_task(id, played, cells) for id, played in by_task.items()]
    return page_template(_TEMPLATE).render(
        title=title,
        tasks=len(tasks),
        lines=found,
        seconds=seconds,
        plot=Markup(plot(found)),  # made of escaped elements
        pairs=pairs(rows, against),
        different=[task for task in tasks if task.differs],
        matrix=tasks,
    )


def _task(id: str, played: dict[BenchCell, TaskRow], cells: Sequence[BenchCell]) -> _Task:
    marks = [played[cell].fulfilled if cell in played else None for cell in cells]
    query = next((row.query for row in played.values()), "")
    return _Task(id, query, [(cell, played[cell]) for cell in cells if cell in played], marks)
