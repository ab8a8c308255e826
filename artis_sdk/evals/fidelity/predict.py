"""Predictions of held-out calls, concurrently, kept in a file so that a long run resumes."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TextIO

from pydantic import JsonValue, ValidationError

from artis_sdk.contracts import Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, ContextOverflow, SimulationError
from artis_sdk.evals.fidelity.meter import Asked, failure_probability
from artis_sdk.evals.fidelity.records import Prediction
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, ToolCall, ToolSpec, Usage
from artis_sdk.records.outcome_type import SUCCESS, outcome_type
from artis_sdk.workers import Here, Run, WorkerPool, opened, results

GROUND_TRUTH: Final = frozenset({Provenance.REAL, Provenance.SANDBOXED})
"""Provenances of real code; only such outcomes are the truth."""

_SAMPLE = 500  # characters of an unreadable answer that are kept
_FLUSH = 1.0  # seconds between writes of finished predictions to the disk


class Predictions(NamedTuple):
    """The result of `predict`."""

    rows: list[Prediction]
    """Predictions in the order of the records."""
    left_out: dict[str, int]
    """Number of records that are not ground truth, by reason."""
    usage: Usage
    """Usage of this run, without resumed rows."""
    source: Literal["logprobs", "samples"] | None
    """Source of failure probabilities, `logprobs` or `samples`; None without any."""


class LoggedTool:
    """A tool known only from its log, in place of the function.

    Args:
        spec: document of the tool.
    """

    def __init__(self, spec: ToolSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.risk = spec.risk


Opening = Callable[[], AbstractAsyncContextManager[tuple[Simulator, Iterable[Tool]]]]
"""Makes a simulator, and the real tools, for as long as it is used."""


async def predict(
    simulator: Simulator,
    records: Iterable[CallRecord],
    *,
    name: str,
    tools: Iterable[Tool] = (),
    file: Path | None = None,
    samples: int = 0,
    concurrency: int = 8,
    seed: int = 0,
    setting: Mapping[str, JsonValue] = MappingProxyType({}),
    progress: Callable[[int], None] | None = None,
    pool: WorkerPool | None = None,
    opening: Opening | None = None,
) -> Predictions:
    """Let a simulator predict logged calls, each by its own fork, as in an attempt.

    The simulator sees the logged state and history, without steps that the SDK itself refused, which
    reached no world. `SimulationError` and a prompt beyond the model's context leave a row unanswered.

    Args:
        simulator: any simulator.
        records: records held out from its training; read one by one.
        name: name of the simulator in the file.
        tools: the real tools, if available, whose `failures=` rules classify a model's answers. Others
            are known by their documents in the log.
        file: file to which predictions are added at once; those that it holds are not made again.
        samples: further predictions per call, at temperature 1, whose share of failures is its failure
            probability; 0 requests log-probabilities, if the backend has them.
        concurrency: calls predicted at the same time, by each worker.
        seed: seed of the samples, for backends with seeds.
        setting: what else the rows depend on, such as the log and its split; a file of another setting is
            refused.
        progress: callback for the number of finished rows.
        pool: workers that predict; None for this process alone.
        opening: how a worker of the pool makes the simulator and the tools; it is sent there.

    Raises:
        BackendError: a model cannot be reached; finished predictions are kept.
        WorkerLost: a call has ended three workers.
        ConfigurationError: a pool has no opening; the file holds the predictions of another simulator or
            setting, or cannot be written.
    """
    if pool is not None and opening is None:
        raise ConfigurationError("workers need opening=, by which each makes its own simulator")
    given: tuple[Simulator, Iterable[Tool]] = simulator, [*tools]
    job = partial(_predicting, opening or opened(given), samples, seed)
    left_out: dict[str, int] = {}
    order: list[str] = []
    usage = Usage()
    with _kept(file, {"simulator": name, "samples": samples, "seed": seed, **setting}) as kept:

        def waiting() -> Iterator[CallRecord]:
            for record in _ground_truth(records, left_out):
                order.append(record.id)
                if record.id not in kept.rows:
                    yield record

        async with aclosing(results(pool or Here(), job, waiting(), at_once=concurrency)) as made:
            async for row, used in made:
                kept.add(row)
                usage += used
                if progress is not None:
                    progress(len(kept.rows))
    rows = [kept.rows[id_] for id_ in order]
    source: Literal["logprobs", "samples"] | None = None
    if any(row.failure_probability is not None for row in rows):
        source = "samples" if samples else "logprobs"
    return Predictions(rows, left_out, usage, source)


@asynccontextmanager
async def _predicting(
    opening: Opening, samples: int, seed: int
) -> AsyncIterator[Run[CallRecord, tuple[Prediction, Usage]]]:
    """A worker's job: it predicts one record after the other, with the usage of each."""
    async with opening() as (simulator, tools):
        given = {tool.name: tool for tool in tools}

        async def run(record: CallRecord) -> tuple[Prediction, Usage]:
            asked = Asked(samples, seed)
            return await _predict_one(simulator, record, given, asked), asked.usage

        yield run


async def _predict_one(
    simulator: Simulator, record: CallRecord, given: dict[str, Tool], asked: Asked
) -> Prediction:
    tools = list(given.values())
    if record.call.tool not in given:
        tools.append(LoggedTool(record.spec))
    history = tuple(s for s in record.history if s.outcome.provenance is not Provenance.FORCED)
    predicted: Outcome | None = None
    error: str | None = None
    answer: str | None = None
    meter = asked.meter()
    try:
        predicted = await _forked(simulator, tools, meter, record.call, record.state, history)
    except (SimulationError, ContextOverflow) as failed:
        error = str(failed)
        answer = getattr(failed, "answer", None)
    if predicted is None or not asked.samples:
        probability = None if predicted is None else failure_probability(meter.completion)
    else:
        probability = await _sampled(simulator, tools, record.call, record.state, history, asked)
    return Prediction(
        id=record.id,
        session=session_of(record),
        at=record.at,
        source_hash=record.source_hash,
        risk=given[record.call.tool].risk if record.call.tool in given else record.spec.risk,
        call=record.call,
        real=record.outcome,
        real_type=outcome_type(record.outcome, record.call),
        predicted=predicted,
        predicted_type=None if predicted is None else outcome_type(predicted, record.call),
        error=error,
        answer=None if answer is None else answer[:_SAMPLE],
        failure_probability=probability,
    )


async def _forked(
    simulator: Simulator, tools: list[Any], meter: Meter, call: ToolCall, state: State, history: History
) -> Outcome:
    """The outcome that its own fork predicts."""
    fork = simulator.fork(tools, meter)
    try:
        return await fork.predict(call, state, history)
    finally:
        await fork.aclose()


async def _sampled(
    simulator: Simulator, tools: list[Any], call: ToolCall, state: State, history: History, asked: Asked
) -> float | None:
    """The share of failures among the answered samples; None without any."""
    failed: list[bool] = []
    for number in range(asked.samples):
        meter = asked.meter(sample=number + 1)
        try:
            outcome = await _forked(simulator, tools, meter, call, state, history)
        except SimulationError:
            continue
        failed.append(outcome_type(outcome, call) != SUCCESS)
    return sum(failed) / len(failed) if failed else None


def session_of(record: CallRecord) -> str:
    """The group of rows that are not independent: the session, else the task, else the row."""
    return record.session or record.task or record.id


def _ground_truth(records: Iterable[CallRecord], left_out: dict[str, int]) -> Iterator[CallRecord]:
    """The ground-truth records, each once; counts the others."""
    seen: set[str] = set()
    for record in records:
        why = None
        if record.outcome.provenance not in GROUND_TRUTH:
            why = f"outcome is {record.outcome.provenance.value}"
        elif record.call.malformed is not None:
            why = "call is malformed"
        elif record.id in seen:
            why = "id occurs twice"
        if why is None:
            seen.add(record.id)
            yield record
        else:
            left_out[why] = left_out.get(why, 0) + 1


class _Kept:
    """The predictions so far, and the file that they are in."""

    def __init__(self, rows: dict[str, Prediction], file: TextIO | None) -> None:
        self.rows = rows
        self._file = file
        self._flushed = time.monotonic()

    def add(self, row: Prediction) -> None:
        """Keep a prediction.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        self.rows[row.id] = row
        if self._file is None:
            return
        try:
            self._file.write(row.model_dump_json() + "\n")
            if time.monotonic() - self._flushed > _FLUSH:
                self._file.flush()
                self._flushed = time.monotonic()
        except OSError as error:
            raise _unwritable(self._file.name, error) from error


@contextmanager
def _kept(path: Path | None, head: dict[str, JsonValue]) -> Iterator[_Kept]:
    if path is None:
        yield _Kept({}, None)
        return
    rows, whole = _read(path, head) if path.exists() else ({}, 0)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as raw:
            raw.truncate(whole)  # an incomplete line is predicted again
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise _unwritable(path, error) from error
    with file:
        if not whole:
            file.write(json.dumps(head) + "\n")
        yield _Kept(rows, file)


def _unwritable(path: Path | str, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be written ({error.strerror}); what it holds is kept")


def _check_head(path: Path, found: dict[str, JsonValue], head: dict[str, JsonValue]) -> None:
    names = [name for name in {**found, **head} if found.get(name) != head.get(name)]
    if names:
        there, here = (", ".join(f"{name} {made.get(name)}" for name in names) for made in (found, head))
        raise ConfigurationError(
            f"{path} holds predictions with {there}, and these are with {here}: pass another folder (--out), "
            "or remove the file"
        )


def _read(path: Path, head: dict[str, JsonValue]) -> tuple[dict[str, Prediction], int]:
    """The whole lines of a file of predictions, and their bytes."""
    rows: dict[str, Prediction] = {}
    whole = 0
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True)):
        if not line.endswith(b"\n"):
            break
        try:
            if number == 0:
                _check_head(path, json.loads(line), head)
            else:
                row = Prediction.model_validate_json(line)
                rows[row.id] = row
        except (ValueError, ValidationError) as error:
            raise ConfigurationError(f"{path}:{number + 1} is not a prediction: remove the file") from error
        whole += len(line)
    return rows, whole
