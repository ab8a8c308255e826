"""One row of a call log, the training data of a simulator (equation 7)."""

from __future__ import annotations

from pydantic import BaseModel, Field

from artis_sdk.records.calls import FROZEN, History, Outcome, Risk, State, ToolCall, ToolSpec, new_id
from artis_sdk.records.fields import Text


class CallRecord(BaseModel):
    """A call with its initial state, the history before it, and its outcome."""

    model_config = FROZEN

    id: Text = Field(default_factory=new_id)
    """Its id in the log."""
    at: float
    """Start of the call, in seconds since the epoch."""
    session: Text | None = None
    """Id of the session (or of a task outside sessions), whose rows stay on one side of a split."""
    task: Text | None = None
    """Id of the task; None for a call in no task."""
    spec: ToolSpec
    """The tool as models saw it."""
    source_hash: Text | None = None
    """SHA-256 of the tool's source text, hexadecimal; None if it has no source."""
    call: ToolCall
    """The call."""
    state: State = None
    """State of the environment before the first call of the task; None if it is not known."""
    history: History = ()
    """Calls of the task that ended before this one, oldest first."""
    outcome: Outcome
    """The real outcome."""
    predicted: Outcome | None = None
    """The outcome that the rehearsal predicted; None without one."""
    risk: Risk = Risk.IRREVERSIBLE
    """The tool's declared risk."""
    process: int | None = None
    """Id of the process that made the call."""
