"""Progress of a run, as typed values."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from artis_sdk.records.calls import FROZEN, Outcome, Risk, ToolCall
from artis_sdk.records.chat import Role, Usage
from artis_sdk.records.runs import Attempt, CommittedCall, Evaluation, Plan, Recommendation, Result, Task


class RehearsalStarted(BaseModel):
    """A rehearsal begins."""

    model_config = FROZEN
    kind: Literal["rehearsal_started"] = "rehearsal_started"
    task: Task
    """The task, without secrets."""
    strategy: str
    """Name of the strategy."""


class AttemptStarted(BaseModel):
    """An attempt begins."""

    model_config = FROZEN
    kind: Literal["attempt_started"] = "attempt_started"
    attempt: int
    """Index of the attempt."""


class ModelAnswered(BaseModel):
    """A model answered a request."""

    model_config = FROZEN
    kind: Literal["model_answered"] = "model_answered"
    role: Role
    """The role that the model was asked in."""
    backend: str
    """The backend's name."""
    usage: Usage
    """Tokens of this request."""
    attempt: int | None = None
    """Index of the attempt; None outside attempts."""


class CallSimulated(BaseModel):
    """A call of the agent was predicted."""

    model_config = FROZEN
    kind: Literal["call_simulated"] = "call_simulated"
    attempt: int
    """Index of the attempt."""
    call: ToolCall
    """The call."""
    outcome: Outcome
    """The predicted outcome."""


class AttemptFinished(BaseModel):
    """An attempt is over."""

    model_config = FROZEN
    kind: Literal["attempt_finished"] = "attempt_finished"
    attempt: Attempt
    """The attempt, not judged yet."""


class AttemptEvaluated(BaseModel):
    """An attempt was judged."""

    model_config = FROZEN
    kind: Literal["attempt_evaluated"] = "attempt_evaluated"
    attempt: int
    """Index of the attempt."""
    evaluation: Evaluation
    """The verdict."""


class Recommended(BaseModel):
    """The attempts were summarized."""

    model_config = FROZEN
    kind: Literal["recommended"] = "recommended"
    recommendation: Recommendation
    """The advice."""


class RehearsalFinished(BaseModel):
    """A rehearsal is over."""

    model_config = FROZEN
    kind: Literal["rehearsal_finished"] = "rehearsal_finished"
    plan: Plan
    """The plan, without secrets."""


class LimitHit(BaseModel):
    """A limit was reached: the rehearsal ends with the attempts made so far."""

    model_config = FROZEN
    kind: Literal["limit_hit"] = "limit_hit"
    limit: str
    """`tokens`, `seconds`, `cost` or `steps`."""
    used: float
    """What was used, in the unit of the limit."""
    allowed: float
    """The limit."""


class CommitStarted(BaseModel):
    """A commit begins."""

    model_config = FROZEN
    kind: Literal["commit_started"] = "commit_started"
    plan: str
    """Id of the plan."""


class CallBegun(BaseModel):
    """A real call begins: its intent is in the journal, and its tool runs next. Calls that a resumed commit
    takes over from the journal do not begin."""

    model_config = FROZEN
    kind: Literal["call_begun"] = "call_begun"
    call: ToolCall
    """The call."""
    risk: Risk
    """The tool's declared risk."""
    journal_id: str
    """The call's id in the journal, as in the `CommittedCall` of `CallCommitted`."""


class CallCommitted(BaseModel):
    """A real call has ended."""

    model_config = FROZEN
    kind: Literal["call_committed"] = "call_committed"
    committed: CommittedCall
    """The call, beside what was predicted."""


class CommitFinished(BaseModel):
    """A commit is over."""

    model_config = FROZEN
    kind: Literal["commit_finished"] = "commit_finished"
    result: Result
    """The result, without secrets."""


Event = (
    RehearsalStarted
    | AttemptStarted
    | ModelAnswered
    | CallSimulated
    | AttemptFinished
    | AttemptEvaluated
    | Recommended
    | RehearsalFinished
    | LimitHit
    | CommitStarted
    | CallBegun
    | CallCommitted
    | CommitFinished
)
