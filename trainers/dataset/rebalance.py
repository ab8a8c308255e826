"""Rebalancing (equation 6): how often each row is drawn, by how rare its tool's outcome type is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, Field

from artis_sdk.errors import TrainingError
from artis_sdk.records.calls import FROZEN


class Rebalance(BaseModel):
    """How rows are weighted: w = frequency(tool, type) ** -exponent, drawn at most `cap` times each."""

    model_config = FROZEN

    exponent: float = Field(default=1.0, ge=0.0)
    """1 is the paper's equation 6, 0 leaves the log as it is."""
    cap: float = Field(default=10.0, ge=1.0)
    """How often one row may be drawn in one epoch: without it the only row of a rare failure would be
    drawn hundreds of times and be learned by heart."""
    target: int | None = Field(default=None, ge=1)
    """Draws in one epoch; None is 50,000, or as many as there are rows if there are fewer."""


NORMAL = Rebalance(exponent=0.0)
FAILURE_DRIVEN = Rebalance()
DRAWS = 50_000


class TypeStratum(NamedTuple):
    """One outcome type of one tool."""

    tool: str
    type: str
    rows: int
    draws: float
    """Expected in one epoch, of all its rows together."""
    capped: bool

    @property
    def repeats(self) -> float:
        """How often one of its rows is drawn in one epoch."""
        return self.draws / self.rows


class Distribution(NamedTuple):
    """What rebalancing makes of a log."""

    settings: Rebalance
    cells: tuple[TypeStratum, ...]

    @property
    def rows(self) -> int:
        return sum(cell.rows for cell in self.cells)

    @property
    def draws(self) -> int:
        """In one epoch."""
        return round(sum(cell.draws for cell in self.cells))

    @property
    def effective_rows(self) -> float:
        """Kish's effective sample size: how many equally weighted rows tell as much."""
        squares = sum(cell.rows * cell.repeats**2 for cell in self.cells)
        return sum(cell.draws for cell in self.cells) ** 2 / squares

    @property
    def most_repeats(self) -> float:
        """How often the row that is drawn most is drawn in one epoch."""
        return max(cell.repeats for cell in self.cells)

    @property
    def failures(self) -> tuple[float, float]:
        """Share of failures before and after, 0 to 1."""
        before = sum(cell.rows for cell in self.cells if cell.type != "success") / self.rows
        after = sum(cell.draws for cell in self.cells if cell.type != "success")
        return before, after / sum(cell.draws for cell in self.cells)

    def explain(self) -> list[str]:
        """What a reader of the report must know, a sentence each."""
        before, after = self.failures
        capped = [cell for cell in self.cells if cell.capped]
        said = [
            f"Failures are {before:.1%} of the rows and {after:.1%} of the draws.",
            f"{self.draws:,} draws an epoch. The weights are as uneven as if {self.effective_rows:,.0f} of "
            f"the {self.rows:,} rows were used evenly (effective sample size).",
            f"The row that is drawn most is drawn {self.most_repeats:.1f} times an epoch.",
        ]
        if capped:
            said.append(
                f"The cap of {self.settings.cap:g} draws a row holds {len(capped)} of {len(self.cells)} "
                f"cells of tool and outcome type, with {sum(cell.rows for cell in capped):,} rows; what they "
                "do not get is drawn from the others."
            )
        wanted = self.settings.target or min(DRAWS, self.rows)
        if self.draws < wanted:
            said.append(f"{wanted:,} draws were asked for: the cap leaves {self.draws:,}.")
        return said

    def report(self) -> dict[str, object]:
        """The same as JSON."""
        before, after = self.failures
        return {
            **self.settings.model_dump(),
            "rows": self.rows,
            "draws": self.draws,
            "effective_rows": round(self.effective_rows, 1),
            "most_repeats": round(self.most_repeats, 3),
            "failures_before": round(before, 5),
            "failures_after": round(after, 5),
            "explained": self.explain(),
            "cells": [
                {**cell._asdict(), "draws": round(cell.draws, 3), "repeats": round(cell.repeats, 4)}
                for cell in self.cells
            ],
        }


def distribute(counts: Iterable[tuple[str, str, int]], settings: Rebalance) -> Distribution:
    """Share the draws of an epoch out among the rows (equation 6, with a cap).

    A row of a cell with n rows gets min(cap, s * n ** -exponent) draws, where s makes the sum the target.

    Args:
        counts: tool, outcome type, and how many rows there are of it.
        settings: exponent, cap and target.

    Raises:
        TrainingError: there are no rows.
    """
    cells = sorted(counts, key=lambda cell: (cell[0], cell[1]))
    rows = sum(n for _, _, n in cells)
    if not rows:
        raise TrainingError("there are no rows to draw from")
    wanted = min(settings.target or min(DRAWS, rows), int(settings.cap * rows))
    weights = [n**-settings.exponent for _, _, n in cells]
    repeats = _capped([n for _, _, n in cells], weights, wanted, settings.cap)
    made = [
        TypeStratum(tool, type_, n, n * times, capped=times >= settings.cap and settings.exponent > 0)
        for (tool, type_, n), times in zip(cells, repeats, strict=True)
    ]
    return Distribution(settings, tuple(made))


def _capped(rows: Sequence[int], weights: Sequence[float], wanted: float, cap: float) -> list[float]:
    """min(cap, s * weight) for each cell, with s such that all rows together get what is wanted."""
    order = sorted(range(len(rows)), key=lambda n: -weights[n])
    mass = sum(n * weight for n, weight in zip(rows, weights, strict=True))
    left = wanted
    repeats = [0.0] * len(rows)
    for place, cell in enumerate(order):
        scale = left / mass
        if scale * weights[cell] <= cap:
            for other in order[place:]:
                repeats[other] = scale * weights[other]
            break
        repeats[cell] = cap
        left -= cap * rows[cell]
        mass -= rows[cell] * weights[cell]
    return repeats
