"""Fidelity of a simulator (table 2): how well it predicts calls that it was not trained on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import JsonValue

from artis_sdk.contracts import Simulator, Tool
from artis_sdk.errors import ConfigurationError, MissingExtraError
from artis_sdk.evals.fidelity.predict import Opening, Predictions, predict
from artis_sdk.evals.fidelity.records import Fidelity
from artis_sdk.evals.fidelity.score import (
    ScoredPrediction,
    by_tool,
    calibration,
    cell_scores,
    histogram,
    misses,
    scores,
    unanswered,
)
from artis_sdk.evals.fidelity.similarity import Similarity
from artis_sdk.records import CallRecord
from artis_sdk.simulators.identity import SimulatorIdentity, identities
from artis_sdk.workers import WorkerPool

PREDICTIONS = "predictions.jsonl"
_MISSES = 40  # examples that a report shows

Stage = Callable[[str, int, int | None], None]
"""Callback for the stage (`predicting` or `encoding`), the number done, and the total if known."""


async def measure(
    simulator: Simulator,
    records: Iterable[CallRecord],
    *,
    name: str,
    data: str = "",
    tools: Iterable[Tool] = (),
    folder: str | Path | None = None,
    similarity: Similarity | Literal["auto"] | None = "auto",
    samples: int = 0,
    concurrency: int = 8,
    seed: int = 0,
    setting: Mapping[str, JsonValue] = MappingProxyType({}),
    progress: Stage | None = None,
    pool: WorkerPool | None = None,
    opening: Opening | None = None,
) -> Fidelity:
    """Measure a simulator on held-out calls.

    Only outcomes of real code count as the truth: real ones, and those of the sandbox. All numbers come
    with 95 percent intervals: Wilson's for shares, a bootstrap over sessions for means.

    Args:
        simulator: any simulator, trained or not.
        records: held-out calls, always in the same order; read one by one.
        name: name of the simulator, for the report.
        data: source of the records, for the report.
        tools: the real tools, if available; else their documents in the log are used.
        folder: folder for predictions, from which an interrupted run continues.
        similarity: similarity, which encodes nothing twice when shared between measurements; `auto`
            for all-MiniLM-L6-v2 if it is installed; None leaves similarity out.
        samples: predictions per call that estimate its failure probability; 0 uses
            log-probabilities, if the backend returns them.
        concurrency: calls predicted at the same time, by each worker.
        seed: seed of the intervals and of the samples.
        setting: what else the rows depend on, such as the log and its split; a folder of another setting is
            refused.
        progress: callback for the progress.
        pool: workers that predict; None for this process alone.
        opening: how a worker of the pool makes the simulator and the tools; it is sent there.

    Raises:
        ConfigurationError: no record is ground truth, or the folder belongs to another simulator or setting.
        BackendError: a model cannot be reached; finished predictions are kept in the folder.
        WorkerLost: a call has ended three workers; finished predictions are kept.
    """
    found = await predict(
        simulator,
        records,
        name=name,
        tools=tools,
        file=None if folder is None else Path(folder) / PREDICTIONS,
        samples=samples,
        concurrency=concurrency,
        seed=seed,
        setting=setting,
        progress=None if progress is None else lambda done: progress("predicting", done, None),
        pool=pool,
        opening=opening,
    )
    missing = None
    if similarity == "auto":
        try:
            similarity = Similarity()
        except MissingExtraError as error:
            similarity, missing = None, str(error)
    return await asyncio.to_thread(
        evaluate,
        found,
        name=name,
        measured=identities(simulator),
        data=data,
        similarity=similarity,
        encoder_missing=missing,
        seed=seed,
        progress=progress,
    )


def evaluate(
    found: Predictions,
    *,
    name: str,
    measured: tuple[SimulatorIdentity, ...] = (),
    data: str = "",
    similarity: Similarity | None = None,
    encoder_missing: str | None = None,
    seed: int = 0,
    progress: Stage | None = None,
) -> Fidelity:
    """Score finished predictions; the arguments are those of `measure`. Blocks.

    Raises:
        ConfigurationError: there are no predictions.
    """
    if not found.rows:
        there = ", ".join(f"{n:,} whose {why}" for why, n in found.left_out.items())
        raise ConfigurationError(
            f"{data or 'the data'}: no call of real code to measure against"
            + (f", only {there}" if there else ": there are no records")
        )
    rows = _rows(found, similarity, progress)
    return Fidelity(
        simulator=name,
        measured=measured,
        data=data,
        made=time.time(),
        version=version("artis-sdk"),
        encoder=similarity.encoder.name if similarity is not None else None,
        encoder_missing=encoder_missing,
        left_out=found.left_out,
        overall=scores(rows, seed=seed),
        cells=cell_scores(rows, seed=seed),
        tools=by_tool(rows, seed=seed),
        calibration=None if found.source is None else calibration(found.rows, found.source, seed=seed),
        histogram=histogram(rows),
        misses=misses(rows, _MISSES),
        unanswered=unanswered(found.rows),
        unread=next((row.answer for row in found.rows if row.answer is not None), None),
        usage=found.usage,
    )


def _rows(
    found: Predictions, similarity: Similarity | None, progress: Stage | None
) -> list[ScoredPrediction]:
    """The predictions with their similarities; 0 for an unanswered row."""
    if similarity is None:
        return [ScoredPrediction(prediction, None) for prediction in found.rows]
    answered = [(p, p.predicted) for p in found.rows if p.predicted is not None]
    alike = similarity.of(
        ((p.real.text(), predicted.text()) for p, predicted in answered),
        None if progress is None else lambda done, all_: progress("encoding", done, all_),
    )
    by_id = {p.id: value for (p, _), value in zip(answered, alike, strict=True)}
    return [ScoredPrediction(prediction, by_id.get(prediction.id, 0.0)) for prediction in found.rows]
