"""One row of a call log, the training data of a simulator (equation 7)."""

from __future__ import annotations

from pydantic import BaseModel, Field

from artis_sdk.records.calls import FROZEN, History, Outcome, Risk, State, ToolCall, ToolSpec, new_id


class CallRecord(BaseModel):
    """A call with its initial state, the history before it, and its outcome."""

    model_config = FROZEN

    id: str = Field(default_factory=new_id)
    at: float
    """Start of the call, in seconds since the epoch."""
    session: str | None = None
    """Id of the session (or of a task outside sessions), whose rows stay on one side of a split."""
    task: str | None = None
    spec: ToolSpec
    source_hash: str | None = None
    """SHA-256 of the tool's source text, hexadecimal; None if it has no source."""
    call: ToolCall
    state: State = None
    history: History = ()
    outcome: Outcome
    predicted: Outcome | None = None
    risk: Risk = Risk.IRREVERSIBLE
    process: int | None = None
