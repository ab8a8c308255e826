"""Rebalancing (equation 6): draws of each row by the rarity of its tool's outcome type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, Field

from artis_sdk.errors import TrainingError
from artis_sdk.records.calls import FROZEN


class Rebalance(BaseModel):
    """Weights of rows: w = frequency(tool, type) ** -exponent, with at most `cap` draws of each."""

    model_config = FROZEN

    exponent: float = Field(default=1.0, ge=0.0)
    """Exponent: 1 for the paper's equation 6, 0 for the log's own distribution."""
    cap: float = Field(default=10.0, ge=1.0)
    """Maximum draws of one row in one epoch: without it the only row of a rare failure would be drawn
    hundreds of times and memorized."""
    target: int | None = Field(default=None, ge=1)
    """Draws in one epoch; None for 50,000, or the number of rows if fewer."""


NORMAL = Rebalance(exponent=0.0)
FAILURE_DRIVEN = Rebalance()
DRAWS = 50_000


class TypeStratum(NamedTuple):
    """One outcome type of one tool."""

    tool: str
    type: str
    rows: int
    draws: float
    """Expected draws of all its rows together in one epoch."""
    capped: bool

    @property
    def repeats(self) -> float:
        """Expected draws of one of its rows in one epoch."""
        return self.draws / self.rows


class Distribution(NamedTuple):
    """The distribution of a log before and after rebalancing."""

    settings: Rebalance
    cells: tuple[TypeStratum, ...]

    @property
    def rows(self) -> int:
        return sum(cell.rows for cell in self.cells)

    @property
    def draws(self) -> int:
        """Total draws in one epoch."""
        return round(sum(cell.draws for cell in self.cells))

    @property
    def effective_rows(self) -> float:
        """Kish's effective sample size: the number of equally weighted rows with the same information."""
        squares = sum(cell.rows * cell.repeats**2 for cell in self.cells)
        return sum(cell.draws for cell in self.cells) ** 2 / squares

    @property
    def most_repeats(self) -> float:
        """Draws of the most drawn row in one epoch."""
        return max(cell.repeats for cell in self.cells)

    @property
    def failures(self) -> tuple[float, float]:
        """Share of failures before and after, 0 to 1."""
        before = sum(cell.rows for cell in self.cells if cell.type != "success") / self.rows
        after = sum(cell.draws for cell in self.cells if cell.type != "success")
        return before, after / sum(cell.draws for cell in self.cells)

    def explain(self) -> list[str]:
        """The distribution in words, one sentence per fact."""
        before, after = self.failures
        capped = [cell for cell in self.cells if cell.capped]
        said = [
            f"Failures are {before:.1%} of the rows and {after:.1%} of the draws.",
            f"{self.draws:,} draws per epoch. The weights are as uneven as if {self.effective_rows:,.0f} of "
            f"the {self.rows:,} rows were used evenly (effective sample size).",
            f"The most drawn row is drawn {self.most_repeats:.1f} times per epoch.",
        ]
        if capped:
            said.append(
                f"The cap of {self.settings.cap:g} draws per row limits {len(capped)} of {len(self.cells)} "
                f"strata (tool, outcome type), with {sum(cell.rows for cell in capped):,} rows; the draws "
                "that they lose go to the others."
            )
        wanted = self.settings.target or min(DRAWS, self.rows)
        if self.draws < wanted:
            said.append(f"{wanted:,} draws were requested: the cap leaves {self.draws:,}.")
        return said

    def report(self) -> dict[str, object]:
        """The distribution as JSON."""
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
    """Divide the draws of an epoch among the rows (equation 6, with a cap).

    A row of a stratum with n rows gets min(cap, s * n ** -exponent) draws, where s makes the sum the target.

    Args:
        counts: tool, outcome type and number of rows of each stratum.
        settings: exponent, cap and target.

    Raises:
        TrainingError: `counts` has no rows.
    """
    cells = sorted(counts, key=lambda cell: (cell[0], cell[1]))
    rows = sum(n for _, _, n in cells)
    if not rows:
        raise TrainingError("no rows to draw from")
    wanted = min(settings.target or min(DRAWS, rows), int(settings.cap * rows))
    weights = [n**-settings.exponent for _, _, n in cells]
    repeats = _capped([n for _, _, n in cells], weights, wanted, settings.cap)
    made = [
        TypeStratum(tool, type_, n, n * times, capped=times >= settings.cap and settings.exponent > 0)
        for (tool, type_, n), times in zip(cells, repeats, strict=True)
    ]
    return Distribution(settings, tuple(made))


def _capped(rows: Sequence[int], weights: Sequence[float], wanted: float, cap: float) -> list[float]:
    """min(cap, s * weight) for each stratum, with s such that the total is the wanted number of draws."""
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
