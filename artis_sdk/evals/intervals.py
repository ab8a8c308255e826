"""Confidence intervals: Wilson's for shares, a bootstrap over sessions for means."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import mul
from typing import Final, NamedTuple

from pydantic import BaseModel

from artis_sdk.records.calls import FROZEN

Z: Final = 1.959963984540054
"""Standard normal quantile of 0.975: two-sided intervals of 95 percent."""
_DRAWS: Final = 400  # resamplings of a bootstrap
_LOW, _HIGH = 9, 390  # places of the 2.5 and the 97.5 percent quantile among them


class Estimate(BaseModel):
    """A number with its 95 percent confidence interval; empty without rows to measure."""

    model_config = FROZEN

    value: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Number of rows behind it."""

    def __str__(self) -> str:
        """The estimate in percent: `93.4 [91.0, 95.2]`."""
        if self.value is None or self.low is None or self.high is None:
            return "-"
        return f"{self.value:.1%} [{self.low:.1%}, {self.high:.1%}]".replace("%", "")


def share(hits: int, n: int) -> Estimate:
    """A proportion with Wilson's score interval, which holds for few rows and for shares near 0 and 1.

    Args:
        hits: number of hits among n rows.
        n: number of rows; 0 for an empty estimate.
    """
    if n == 0:
        return Estimate()
    p, z2 = hits / n, Z * Z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends the bound is the value itself, which rounding must not pass.
    return Estimate(value=p, low=max(0.0, min(p, middle - half)), high=min(1.0, max(p, middle + half)), n=n)


def mean(values: Sequence[float], sessions: Sequence[Hashable], *, seed: int = 0) -> Estimate:
    """A mean with a percentile bootstrap that draws whole sessions: rows of one session are alike.

    Args:
        values: values, one per row.
        sessions: sessions of the same rows. For a single session the interval is the value itself.
        seed: seed of the resampling.
    """
    return mean_of_cells([(values, sessions)], seed=seed)


def mean_of_cells(cells: Iterable[tuple[Sequence[float], Sequence[Hashable]]], *, seed: int = 0) -> Estimate:
    """The mean over cells of the mean within each cell, with a bootstrap that draws whole sessions.

    Args:
        cells: values and sessions of each cell's rows; a session may have rows in many cells. A cell
            without rows in a resampling does not count in it.
        seed: seed of the resampling.
    """
    filled = [(values, sessions) for values, sessions in cells if values]
    if not filled:
        return Estimate()
    numbers: dict[Hashable, int] = {}
    added = [_by_session(values, sessions, numbers) for values, sessions in filled]
    value = sum(sum(values) / len(values) for values, _ in filled) / len(filled)
    drawn = random.Random(seed)
    means = sorted(_mean_once(added, len(numbers), drawn) for _ in range(_DRAWS))
    n = sum(len(values) for values, _ in filled)
    return Estimate(value=value, low=min(means[_LOW], value), high=max(means[_HIGH], value), n=n)


def resampled(
    measure: Callable[[Sequence[int]], float], sessions: Sequence[Hashable], *, seed: int = 0
) -> Estimate:
    """Any number over rows, with a bootstrap that draws whole sessions.

    Args:
        measure: function from row indices to the number.
        sessions: sessions of all rows; at least one.
        seed: seed of the resampling.
    """
    rows: dict[Hashable, list[int]] = {}
    for place, session in enumerate(sessions):
        rows.setdefault(session, []).append(place)
    groups = list(rows.values())
    drawn = random.Random(seed)
    value = measure(range(len(sessions)))
    found = sorted(
        measure([place for group in drawn.choices(groups, k=len(groups)) for place in group])
        for _ in range(_DRAWS)
    )
    return Estimate(value=value, low=min(found[_LOW], value), high=max(found[_HIGH], value), n=len(sessions))


class _Cell(NamedTuple):
    """The rows of one cell, summed by session."""

    sessions: list[int]
    sums: list[float]
    counts: list[int]


def _by_session(values: Sequence[float], sessions: Sequence[Hashable], numbers: dict[Hashable, int]) -> _Cell:
    sums: dict[int, float] = {}
    counts: dict[int, int] = {}
    for value, session in zip(values, sessions, strict=True):
        number = numbers.setdefault(session, len(numbers))
        sums[number] = sums.get(number, 0.0) + value
        counts[number] = counts.get(number, 0) + 1
    return _Cell(list(sums), list(sums.values()), list(counts.values()))


def _mean_once(cells: Sequence[_Cell], sessions: int, drawn: random.Random) -> float:
    weights = [0] * sessions
    for session in drawn.choices(range(sessions), k=sessions):
        weights[session] += 1
    total, filled = 0.0, 0
    for cell in cells:
        own = list(map(weights.__getitem__, cell.sessions))
        rows = sum(map(mul, own, cell.counts))
        if rows:
            total += sum(map(mul, own, cell.sums)) / rows
            filled += 1
    return total / filled


def expected_calibration_error(
    predicted: Sequence[float], happened: Sequence[bool], *, bins: int = 10
) -> float:
    """Expected calibration error of predicted probabilities, over bins of equal width.

    Args:
        predicted: predicted probabilities, 0 to 1.
        happened: observations of the same rows; at least one.
        bins: number of bins.
    """
    gaps = [0.0] * bins
    for p, hit in zip(predicted, happened, strict=True):
        gaps[bin_of(p, bins)] += p - hit
    return sum(map(abs, gaps)) / len(predicted)


def bin_of(probability: float, bins: int) -> int:
    """Number of the bin of a probability, among bins of equal width; 1.0 is in the last."""
    return min(int(probability * bins), bins - 1)
