"""A real call for the journal, and a real call as the journal has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, JsonValue

from artis_sdk.records import Outcome, Risk
from artis_sdk.records.calls import FROZEN


class CallState(StrEnum):
    """Where a real call stands. Only these steps exist, and every journal enforces them:

    `intent` to `done`, `unknown` or `not_executed`; `unknown` to `reconciled` or `not_executed`.
    """

    INTENT = "intent"  # written before the tool runs: under way while its owner lives
    DONE = "done"  # the outcome was observed, a success or a failure
    UNKNOWN = "unknown"  # begun, and nobody saw how it ended
    RECONCILED = "reconciled"  # was unknown; the tool's reconcile hook or a person told the outcome
    NOT_EXECUTED = "not_executed"  # the tool did not run, or hook or person told that it had no effect


OPEN = (CallState.INTENT, CallState.UNKNOWN)
"""The states of a call without an outcome."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A real call about to be made. Arguments are already redacted: the journal gets them as they are."""

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
    """The `seq` of the call in whose tool's body it is made; None for a call of the agent's."""

    @property
    def id(self) -> str:
        """The call's name in the journal."""
        return journal_id(self.plan, self.seq)


class JournaledCall(BaseModel):
    """One call as it stands in the journal."""

    model_config = FROZEN

    plan: str
    seq: int
    """Position among the real calls of the plan's commit, from 0."""
    tool: str
    arguments: dict[str, JsonValue]
    """Redacted."""
    risk: Risk
    idempotency_key: str | None
    state: CallState
    outcome: Outcome | None
    """Redacted."""
    begun: float
    """Seconds since the epoch."""
    ended: float | None
    host: str
    process: int
    parent: str | None = None
    """Id of the plan in whose commit this one's was made: a session inside a session."""
    running: bool = False
    """An intent whose owner is alive: still under way, in a thread left behind perhaps; not to be touched."""
    left_behind: bool = False
    """An intent that no commit waits for: its owner is gone, or its commit is over and a thread goes on."""
    within: int | None = None
    """The `seq` of the call in whose tool's body it was made; None for a call of the agent's."""
    settled_by: str | None = None
    """The person who settled the unknown call by hand."""
    settled_why: str | None = None
    """How that person knows."""

    @property
    def id(self) -> str:
        """What `CommittedCall.journal_id` and `UnknownOutcome.journal_id` name."""
        return journal_id(self.plan, self.seq)

    @property
    def begun_at(self) -> str:
        """Local time, ISO 8601."""
        return datetime.fromtimestamp(self.begun, UTC).astimezone().isoformat(timespec="seconds")


REFUSED = "refused"
"""The ending of a commit that a refused call ended; its plan is closed for good."""
FINISHED = "finished"
"""The ending of a commit that went through to its end: there is nothing to go on with."""


def journal_id(plan: str, seq: int) -> str:
    """The name of a call in the journal."""
    return f"{plan}:{seq}"
