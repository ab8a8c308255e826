"""Calls as rows of the journal's file."""

from __future__ import annotations

import time
from collections.abc import Container
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from artis_sdk.commit.journal.call import CallState, Intent, JournaledCall
from artis_sdk.commit.journal.decision import Decision
from artis_sdk.errors import JournalError
from artis_sdk.records import Outcome

Row = tuple[str | int | float | None, ...]
"""Parameters of `INSERT_CALL` for one call, without the owner."""


def row_of(intent: Intent, outcome: str | None) -> Row:
    """Row of an intent, or of a call with its outcome's JSON.

    Raises:
        JournalError: JSON cannot hold the arguments.
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
        intent.within,
        intent.plan,
    )


def json_text(value: Any) -> str:
    """JSON of a value. Raises `JournalError` if JSON cannot hold it."""
    try:
        return to_json(value).decode()
    except PydanticSerializationError as error:
        raise JournalError(f"the journal cannot write this value: {error}") from error


def call_from_row(row: tuple[Any, ...], alive: Container[str]) -> JournaledCall:
    """The call in a row of `SELECT_CALLS`.

    Args:
        row: selected row.
        alive: ids of the live owners.
    """
    return JournaledCall(
        plan=row[0],
        seq=row[1],
        tool=row[2],
        arguments=from_json(row[3]),
        risk=row[4],
        idempotency_key=row[5],
        state=row[6],
        outcome=None if row[7] is None else Outcome.model_validate_json(row[7]),
        begun=row[8],
        ended=row[9],
        host=row[10],
        process=row[11],
        parent=row[12],
        running=row[6] == CallState.INTENT and row[13] in alive,
        left_behind=row[6] == CallState.INTENT and (row[13] not in alive or row[14]),
        within=row[15],
        settled_by=row[16],
        settled_why=row[17],
    )


def row_of_decision(decision: Decision) -> Row:
    """Parameters of `INSERT_DECISION`.

    Raises:
        JournalError: JSON cannot hold the arguments.
    """
    arguments = None if decision.arguments is None else json_text(decision.arguments)
    return (
        decision.plan,
        decision.at,
        decision.about,
        decision.verdict.value,
        decision.by,
        decision.digest,
        decision.expires,
        decision.tool,
        arguments,
        decision.call,
        decision.reason,
        None if decision.change is None else json_text(decision.change.model_dump(mode="json")),
    )


def decision_from_row(row: tuple[Any, ...]) -> Decision:
    """The decision in a row of `SELECT_DECISIONS`."""
    return Decision(
        plan=row[0],
        at=row[1],
        about=row[2],
        verdict=row[3],
        by=row[4],
        digest=row[5],
        expires=row[6],
        tool=row[7],
        arguments=None if row[8] is None else from_json(row[8]),
        call=row[9],
        reason=row[10],
        change=None if row[11] is None else from_json(row[11]),
    )
