"""Two cells of a benchmark on the same tasks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import comb
from typing import NamedTuple

from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.rows import TaskRow
from artis_sdk.view import markdown


class Pair(NamedTuple):
    """Two cells, task by task."""

    cell: BenchCell
    against: BenchCell
    both: int
    """Tasks that both fulfilled."""
    gained: int
    """Tasks that only `cell` fulfilled."""
    lost: int
    """Tasks that only `against` fulfilled."""
    neither: int

    @property
    def p(self) -> float:
        """McNemar's exact two-sided p-value: how likely chance splits `gained` and `lost` so unevenly."""
        n, few = self.gained + self.lost, min(self.gained, self.lost)
        return min(1.0, sum(comb(n, k) for k in range(few + 1)) / 2.0 ** (n - 1))


def pairs(rows: Iterable[TaskRow], against: BenchCell) -> list[Pair]:
    """Every other cell against one, each on the tasks that both have.

    Args:
        rows: rows of any cells.
        against: the cell that the others are compared with.
    """
    by_cell: dict[BenchCell, dict[str, bool]] = {}
    for row in rows:
        by_cell.setdefault(row.cell, {})[row.task] = row.fulfilled
    base = by_cell.pop(against, {})
    return [_pair(cell, against, found, base) for cell, found in by_cell.items()]


def _pair(cell: BenchCell, against: BenchCell, found: dict[str, bool], base: dict[str, bool]) -> Pair:
    split = [(found[task], base[task]) for task in found if task in base]
    return Pair(
        cell,
        against,
        both=split.count((True, True)),
        gained=split.count((True, False)),
        lost=split.count((False, True)),
        neither=split.count((False, False)),
    )


def paired_table(found: Sequence[Pair]) -> str:
    """The comparison as Markdown; empty without a pair."""
    if not found:
        return ""
    head = ("method", "N", f"against {found[0].against.curve}", "both", "gained", "lost", "neither", "p")
    rows = [
        (
            pair.cell.curve,
            pair.cell.n,
            f"{pair.gained - pair.lost:+d} of {pair.both + pair.gained + pair.lost + pair.neither}",
            *(pair.both, pair.gained, pair.lost, pair.neither),
            f"{pair.p:.3f}",
        )
        for pair in found
    ]
    return markdown.table(head, rows) + "\n"
