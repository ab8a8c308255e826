"""The intent of a real call, and a real call as the journal has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, JsonValue

from artis_sdk.records import Outcome, Risk
from artis_sdk.records.calls import FROZEN


class CallState(StrEnum):
    """State of a real call. Only these steps exist, and every journal enforces them:

    `intent` to `done`, `unknown` or `not_executed`; `unknown` to `reconciled` or `not_executed`.
    """

    INTENT = "intent"  # written before the tool runs: under way while its owner lives
    DONE = "done"  # the outcome was observed, a success or a failure
    UNKNOWN = "unknown"  # began, and nobody saw how it ended
    RECONCILED = "reconciled"  # was unknown; the tool's reconcile hook or a person supplied the outcome
    NOT_EXECUTED = "not_executed"  # the tool did not run, or hook or person said that it had no effect


OPEN = (CallState.INTENT, CallState.UNKNOWN)
"""States of a call without an outcome."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A real call about to be made. Its arguments are already redacted; the journal does not redact them."""

    plan: str
    seq: int
    """Position among the real calls of the plan's commit, from 0."""
    tool: str
    arguments: dict[str, JsonValue]
    risk: Risk
    idempotency_key: str | None
    begun: float
    """Seconds since the epoch."""
    within: int | None = None
    """`seq` of the call in whose tool's body it is made; None for a call of the agent's."""

    @property
    def id(self) -> str:
        """Name of the call in the journal."""
        return journal_id(self.plan, self.seq)


class JournaledCall(BaseModel):
    """One call as the journal has it."""

    model_config = FROZEN

    plan: str
    seq: int
    """Position among the real calls of the plan's commit, from 0."""
    tool: str
    arguments: dict[str, JsonValue]
    """Arguments by name, redacted."""
    risk: Risk
    idempotency_key: str | None
    state: CallState
    outcome: Outcome | None
    """Outcome, redacted."""
    begun: float
    """Seconds since the epoch."""
    ended: float | None
    host: str
    process: int
    parent: str | None = None
    """Id of the plan whose commit contains this plan's: a session inside a session."""
    running: bool = False
    """Whether it is an intent with a live owner: still under way, perhaps in a thread; do not settle it."""
    left_behind: bool = False
    """Whether it is an intent that no commit waits for: its owner is gone, or its commit is over."""
    within: int | None = None
    """`seq` of the call in whose tool's body it was made; None for a call of the agent's."""
    settled_by: str | None = None
    """Name of the person who settled the unknown call by hand."""
    settled_why: str | None = None
    """That person's evidence."""

    @property
    def id(self) -> str:
        """Name of the call, as in `CommittedCall.journal_id` and `UnknownOutcome.journal_id`."""
        return journal_id(self.plan, self.seq)

    @property
    def begun_at(self) -> str:
        """Local start time, ISO 8601, to the second."""
        return datetime.fromtimestamp(self.begun, UTC).astimezone().isoformat(timespec="seconds")


REFUSED = "refused"
"""Ending of a commit that a refused call ended; its plan is closed for good."""
FINISHED = "finished"
"""Ending of a complete commit: it cannot be resumed."""


def journal_id(plan: str, seq: int) -> str:
    """Name of a call in the journal."""
    return f"{plan}:{seq}"
