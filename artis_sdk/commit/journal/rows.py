"""A real call as the journal's file has it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_json

from artis_sdk.commit.journal.schema import CallState, journal_id
from artis_sdk.errors import JournalError
from artis_sdk.records import Risk


@dataclass(frozen=True, slots=True)
class Intent:
    """A real call about to be made. Arguments are already redacted: the file gets them as they are."""

    plan: str
    seq: int
    """Position among the real calls of the plan's commit, from 0."""
    tool: str
    arguments: dict[str, JsonValue]
    risk: Risk
    idempotency_key: str | None
    begun: float
    """Seconds since the epoch."""

    @property
    def id(self) -> str:
        """The call's name in the journal."""
        return journal_id(self.plan, self.seq)


Row = tuple[str | int | float | None, ...]
"""A call for `INSERT_CALL`, all but the owner."""


def row_of(intent: Intent, outcome: str | None) -> Row:
    """An intent, or a call with its outcome's JSON.

    Raises:
        JournalError: the arguments are none that can be written.
    """
    return (
        intent.seq,
        intent.tool,
        json_text(intent.arguments),
        intent.risk.value,
        intent.idempotency_key,
        (CallState.INTENT if outcome is None else CallState.DONE).value,
        outcome,
        intent.begun,
        None if outcome is None else time.time(),
        intent.plan,
    )


def json_text(value: Any) -> str:
    """Raises `JournalError` for what JSON cannot hold."""
    try:
        return to_json(value).decode()
    except PydanticSerializationError as error:
        raise JournalError(f"the journal cannot write this value: {error}") from error
