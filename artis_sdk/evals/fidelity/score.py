"""Scores of predictions: table 2, failures by type, strata, calibration."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Final, Literal

from artis_sdk.evals.fidelity.records import (
    Bin,
    Calibration,
    CellScores,
    Miss,
    Prediction,
    Scores,
    ToolScores,
    TypeScores,
)
from artis_sdk.evals.fidelity.similarity import HIGH
from artis_sdk.evals.intervals import (
    Estimate,
    bin_of,
    expected_calibration_error,
    mean,
    mean_of_cells,
    resampled,
    share,
)
from artis_sdk.records.outcome_type import SUCCESS

_BINS: Final = 10  # of a reliability plot
_HISTOGRAM: Final = 20  # bins of similarity


class ScoredPrediction:
    """A prediction and its similarity."""

    __slots__ = ("prediction", "similarity")

    def __init__(self, prediction: Prediction, similarity: float | None) -> None:
        self.prediction = prediction
        self.similarity = similarity

    @property
    def high(self) -> bool:
        return self.similarity is not None and self.similarity > HIGH


def scores(rows: Sequence[ScoredPrediction], *, seed: int = 0) -> Scores:
    """Scores over some rows."""
    predictions = [row.prediction for row in rows]
    failures = [p for p in predictions if p.fails]
    failing = [p for p in predictions if p.predicted_failure]
    measured = bool(rows) and rows[0].similarity is not None
    return Scores(
        rows=len(rows),
        sessions=len({p.session for p in predictions}),
        failures=len(failures),
        answered=_share(p.predicted is not None for p in predictions),
        similarity=_similarity(rows, seed),
        high_fidelity=_share(row.high for row in rows) if measured else Estimate(),
        exact=_share(p.exact for p in predictions),
        type_accuracy=_share(p.right_type for p in predictions),
        failure_recall=_share(p.right_type for p in failures),
        failure_precision=_share(p.right_type for p in failing),
        detection_recall=_share(p.predicted_failure for p in failures),
        detection_precision=_share(p.fails for p in failing),
    )


def by_tool(rows: Iterable[ScoredPrediction], *, seed: int = 0) -> tuple[ToolScores, ...]:
    """Scores by tool, in the order of their names.

    A tool's scores hold for one source, the latest: rows of another known source count in none of them.
    """
    grouped: dict[str, list[ScoredPrediction]] = defaultdict(list)
    for row in rows:
        grouped[row.prediction.call.tool].append(row)
    return tuple(_tool_scores(tool, own, seed) for tool, own in sorted(grouped.items()))


def _tool_scores(tool: str, rows: Sequence[ScoredPrediction], seed: int) -> ToolScores:
    by_time = sorted(rows, key=lambda row: row.prediction.at)
    known = [row.prediction.source_hash for row in by_time if row.prediction.source_hash is not None]
    latest = known[-1] if known else None
    own = [row for row in rows if row.prediction.source_hash in (None, latest)]
    return ToolScores(
        tool=tool,
        source_hash=latest,
        risk=by_time[-1].prediction.risk,
        other_source=len(rows) - len(own),
        scores=scores(own, seed=seed),
        types=_types(own, seed),
    )


def _types(rows: Sequence[ScoredPrediction], seed: int) -> tuple[TypeScores, ...]:
    real = Counter(row.prediction.real_type for row in rows)
    predicted = Counter(row.prediction.predicted_type for row in rows)
    names = sorted(
        {*real, *(name for name in predicted if name is not None)},
        key=lambda name: (name == SUCCESS, -real[name], name),
    )
    found = []
    for name in names:
        own = [row for row in rows if row.prediction.real_type == name]
        right = sum(row.prediction.right_type for row in own)
        found.append(
            TypeScores(
                type=name,
                rows=real[name],
                predicted=predicted[name],
                recall=share(right, real[name]),
                precision=share(right, predicted[name]),
                exact=_share(row.prediction.exact for row in own),
                similarity=_similarity(own, seed),
            )
        )
    return tuple(found)


def cell_scores(rows: Iterable[ScoredPrediction], *, seed: int = 0) -> CellScores:
    """Means over the strata of tool and real outcome type."""
    cells: dict[tuple[str, str], list[ScoredPrediction]] = defaultdict(list)
    for row in rows:
        cells[row.prediction.call.tool, row.prediction.real_type].append(row)
    placed = [(own, [row.prediction.session for row in own]) for own in cells.values()]

    def over(values: Iterable[tuple[Sequence[float], Sequence[str]]]) -> Estimate:
        return mean_of_cells(values, seed=seed)

    measured = all(row.similarity is not None for own, _ in placed for row in own)
    return CellScores(
        cells=len(cells),
        similarity=over(([row.similarity or 0.0 for row in own], s) for own, s in placed)
        if measured
        else Estimate(),
        high_fidelity=over(([float(row.high) for row in own], s) for own, s in placed)
        if measured
        else Estimate(),
        exact=over(([float(row.prediction.exact) for row in own], s) for own, s in placed),
        type_accuracy=over(([float(row.prediction.right_type) for row in own], s) for own, s in placed),
    )


def calibration(
    predictions: Iterable[Prediction], source: Literal["logprobs", "samples"], *, seed: int = 0
) -> Calibration | None:
    """Predicted failure probabilities against observed failures; None without probabilities."""
    asked = [p for p in predictions if p.failure_probability is not None]
    if not asked:
        return None
    said = [p.failure_probability or 0.0 for p in asked]
    failed = [p.fails for p in asked]
    sessions = [p.session for p in asked]

    def error(chosen: Sequence[int]) -> float:
        return expected_calibration_error([said[n] for n in chosen], [failed[n] for n in chosen], bins=_BINS)

    squares = [(p - f) ** 2 for p, f in zip(said, failed, strict=True)]
    bins: list[list[int]] = [[] for _ in range(_BINS)]
    for n, p in enumerate(said):
        bins[bin_of(p, _BINS)].append(n)
    return Calibration(
        source=source,
        rows=len(asked),
        expected_error=resampled(error, sessions, seed=seed),
        brier=mean(squares, sessions, seed=seed),
        bins=tuple(
            Bin(
                low=place / _BINS,
                high=(place + 1) / _BINS,
                predicted=sum(said[n] for n in own) / len(own),
                failed=_share(failed[n] for n in own),
            )
            for place, own in enumerate(bins)
            if own
        ),
    )


def histogram(rows: Iterable[ScoredPrediction]) -> tuple[int, ...]:
    """Number of rows by similarity, below 0 in the first bin; empty if it was not measured."""
    counts = [0] * _HISTOGRAM
    for row in rows:
        if row.similarity is None:
            return ()
        counts[bin_of(max(row.similarity, 0.0), _HISTOGRAM)] += 1
    return tuple(counts)


def misses(rows: Iterable[ScoredPrediction], most: int) -> tuple[Miss, ...]:
    """The predictions to look at first: missed failures, one per tool and type, then false alarms."""
    wrong = [row for row in rows if row.prediction.predicted is not None and not row.prediction.right_type]
    seen: Counter[tuple[str, str, str | None]] = Counter()
    ranked: list[tuple[int, bool, int, ScoredPrediction]] = []
    for row in wrong:
        p = row.prediction
        kind = (p.call.tool, p.real_type, p.predicted_type)
        ranked.append((seen[kind], not p.fails, len(ranked), row))
        seen[kind] += 1
    ranked.sort(key=lambda found: found[:3])
    return tuple(Miss(prediction=row.prediction, similarity=row.similarity) for *_, row in ranked[:most])


def unanswered(predictions: Iterable[Prediction]) -> dict[str, int]:
    """Reasons why rows have no prediction, without the tool's name, most frequent first."""
    found: Counter[str] = Counter()
    for p in predictions:
        if p.error is not None:
            found[p.error.removeprefix(f"{p.call.tool}: ")[:200]] += 1
    return dict(found.most_common(10))


def _similarity(rows: Sequence[ScoredPrediction], seed: int) -> Estimate:
    values = [row.similarity for row in rows if row.similarity is not None]
    if len(values) < len(rows):
        return Estimate()
    return mean(values, list(map(attrgetter("prediction.session"), rows)), seed=seed)


def _share(hits: Iterable[bool]) -> Estimate:
    found = list(hits)
    return share(sum(found), len(found))
