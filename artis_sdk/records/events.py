"""Progress of a run, as typed values."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel

from artis_sdk.records.calls import FROZEN, Outcome, ToolCall
from artis_sdk.records.chat import Role, Usage
from artis_sdk.records.runs import Attempt, CommittedCall, Evaluation, Plan, Recommendation, Result, Task


class RehearsalStarted(BaseModel):
    model_config = FROZEN
    kind: Literal["rehearsal_started"] = "rehearsal_started"
    task: Task
    strategy: str


class AttemptStarted(BaseModel):
    model_config = FROZEN
    kind: Literal["attempt_started"] = "attempt_started"
    attempt: int


class ModelAnswered(BaseModel):
    model_config = FROZEN
    kind: Literal["model_answered"] = "model_answered"
    role: Role
    backend: str
    usage: Usage
    attempt: int | None = None


class CallSimulated(BaseModel):
    model_config = FROZEN
    kind: Literal["call_simulated"] = "call_simulated"
    attempt: int
    call: ToolCall
    outcome: Outcome


class AttemptFinished(BaseModel):
    model_config = FROZEN
    kind: Literal["attempt_finished"] = "attempt_finished"
    attempt: Attempt


class AttemptEvaluated(BaseModel):
    model_config = FROZEN
    kind: Literal["attempt_evaluated"] = "attempt_evaluated"
    attempt: int
    evaluation: Evaluation


class Recommended(BaseModel):
    model_config = FROZEN
    kind: Literal["recommended"] = "recommended"
    recommendation: Recommendation


class RehearsalFinished(BaseModel):
    model_config = FROZEN
    kind: Literal["rehearsal_finished"] = "rehearsal_finished"
    plan: Plan


class LimitHit(BaseModel):
    model_config = FROZEN
    kind: Literal["limit_hit"] = "limit_hit"
    limit: str
    used: float
    allowed: float


class CommitStarted(BaseModel):
    model_config = FROZEN
    kind: Literal["commit_started"] = "commit_started"
    plan: str


class CallCommitted(BaseModel):
    model_config = FROZEN
    kind: Literal["call_committed"] = "call_committed"
    committed: CommittedCall


class CommitFinished(BaseModel):
    model_config = FROZEN
    kind: Literal["commit_finished"] = "commit_finished"
    result: Result


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
    | CallCommitted
    | CommitFinished
)
