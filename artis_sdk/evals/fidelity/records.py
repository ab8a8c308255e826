"""The values of a fidelity measurement."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from artis_sdk.errors import EvaluationError
from artis_sdk.evals.intervals import Estimate
from artis_sdk.records import Outcome, Risk, ToolCall, Usage
from artis_sdk.records.calls import FROZEN
from artis_sdk.records.outcome_type import SUCCESS
from artis_sdk.simulators.identity import SimulatorIdentity


class Prediction(BaseModel):
    """A simulator's prediction for one held-out call, beside the real outcome."""

    model_config = FROZEN

    id: str
    """Id of the record."""
    session: str
    at: float = 0.0
    """Start of the call, seconds since the epoch."""
    source_hash: str | None = None
    """Source hash of the tool in the log."""
    risk: Risk = Risk.IRREVERSIBLE
    """The tool's declared risk."""
    call: ToolCall
    real: Outcome
    real_type: str
    """See `outcome_type`: `success`, or the failure type."""
    predicted: Outcome | None = None
    """Predicted outcome; None for no answer, which is its own class and never a match."""
    predicted_type: str | None = None
    error: str | None = None
    """Reason for no answer."""
    answer: str | None = None
    """The model's text that could not be read, cut short."""
    failure_probability: float | None = None
    """The simulator's probability that this call fails, if it can be read."""

    @property
    def fails(self) -> bool:
        """Whether the real call failed."""
        return self.real_type != SUCCESS

    @property
    def predicted_failure(self) -> bool:
        """Whether a failure of any type was predicted."""
        return self.predicted_type not in (None, SUCCESS)

    @property
    def right_type(self) -> bool:
        return self.predicted_type == self.real_type

    @property
    def exact(self) -> bool:
        """Whether the type and everything that a caller of the tool sees are the same."""
        return (
            self.predicted is not None
            and self.right_type
            and _same(self.predicted.content(), self.real.content())
        )


def _same(one: object, other: object) -> bool:
    """Equal as JSON: 1 and 1.0 are one number, true and 1 are not, NaN is NaN."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return one == other or (one != one and other != other)


class Scores(BaseModel):
    """Scores of table 2 and more, over some rows. An unanswered row has similarity 0 and no match."""

    model_config = FROZEN

    rows: int
    sessions: int
    failures: int
    """Number of rows whose real outcome is a failure."""
    answered: Estimate
    similarity: Estimate = Estimate()
    """Mean cosine similarity; empty if no encoder is installed."""
    high_fidelity: Estimate = Estimate()
    """Share with a similarity above 0.95: the paper's HF ratio."""
    exact: Estimate
    type_accuracy: Estimate
    failure_recall: Estimate
    """Share of the real failures that are predicted as a failure of that type."""
    failure_precision: Estimate
    """Share of the predicted failures that really are failures of that type."""
    detection_recall: Estimate
    """Share of the real failures that are predicted as a failure of any type."""
    detection_precision: Estimate


class TypeScores(BaseModel):
    """One outcome type of one tool."""

    model_config = FROZEN

    type: str
    rows: int
    """Number of rows with this real outcome type."""
    predicted: int
    """Number of rows with this predicted outcome type."""
    recall: Estimate
    precision: Estimate
    exact: Estimate
    similarity: Estimate = Estimate()


class ToolScores(BaseModel):
    """One tool."""

    model_config = FROZEN

    tool: str
    source_hash: str | None = None
    """Source hash of the tool in its latest row that has one."""
    risk: Risk = Risk.IRREVERSIBLE
    """The tool's declared risk in its latest row."""
    other_source: int = 0
    """Number of rows of another known source: they count in no score of the tool."""
    scores: Scores
    types: tuple[TypeScores, ...]
    """Outcome types, failures first, most frequent first."""


class CellScores(BaseModel):
    """Means over strata (tool, outcome type), each with the same weight however rare it is."""

    model_config = FROZEN

    cells: int
    similarity: Estimate = Estimate()
    high_fidelity: Estimate = Estimate()
    exact: Estimate
    type_accuracy: Estimate


class Bin(BaseModel):
    """Rows whose predicted failure probability lies in one tenth."""

    model_config = FROZEN

    low: float
    high: float
    predicted: float
    """Mean predicted probability."""
    failed: Estimate
    """Share of these rows that failed."""


class Calibration(BaseModel):
    """Agreement of the observed and the predicted share of failures."""

    model_config = FROZEN

    source: Literal["logprobs", "samples"]
    rows: int
    expected_error: Estimate
    """Expected calibration error, over ten bins of equal width."""
    brier: Estimate
    """Mean squared difference of probability and outcome."""
    bins: tuple[Bin, ...]
    """Bins that hold rows."""


class Miss(BaseModel):
    """A wrong prediction, for a look in the report."""

    model_config = FROZEN

    prediction: Prediction
    similarity: float | None = None


class Fidelity(BaseModel):
    """How well a simulator predicts held-out calls (table 2), overall and by tool."""

    model_config = FROZEN

    simulator: str
    measured: tuple[SimulatorIdentity, ...] = ()
    """Kind, model, adapter and form of what was measured."""
    data: str
    """Source of the held-out calls."""
    made: float
    """Time of the measurement, in seconds since the epoch."""
    version: str
    """Version of artis_sdk."""
    encoder: str | None = None
    encoder_missing: str | None = None
    """Install hint, if similarity was not measured."""
    left_out: dict[str, int] = {}
    """Number of rows that are not ground truth, by reason."""
    overall: Scores
    cells: CellScores
    tools: tuple[ToolScores, ...]
    calibration: Calibration | None = None
    histogram: tuple[int, ...] = ()
    """Number of rows by similarity, in twenty bins from 0 to 1."""
    misses: tuple[Miss, ...] = ()
    unanswered: dict[str, int] = {}
    """Reasons why rows have no prediction, most frequent first."""
    unread: str | None = None
    """One of the answers that could not be read, cut short."""
    usage: Usage = Usage()

    def require_answers(self) -> None:
        """Raise `EvaluationError`, with the reason and a sample, if not one call was answered."""
        if self.overall.answered.value:
            return
        reason, times = next(iter(self.unanswered.items()), ("it gave no answer", self.overall.rows))
        sample = "" if self.unread is None else f"; an answer was {self.unread!r}"
        raise EvaluationError(
            f"{self.simulator} answered none of {self.overall.rows:,} calls, so nothing was measured: "
            f"{reason} ({times:,} times){sample}"
        )

    def tool(self, name: str) -> ToolScores | None:
        return next((tool for tool in self.tools if tool.tool == name), None)
