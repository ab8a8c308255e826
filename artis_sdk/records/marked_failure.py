"""A failure by a mark beside its value: of a protocol, of a framework, of a log."""

from __future__ import annotations

from typing import Any, Final

from artis_sdk.records.calls import Outcome, Provenance
from artis_sdk.records.outcome_type import failure_text

UNTYPED: Final = "failure"
"""Failure type where the mark says no more; `outcome_type` reads the type off the failure's text or value."""


def marked_failure(type_: str, value: Any, provenance: Provenance, duration: float | None = None) -> Outcome:
    """The outcome of a call that is marked as failed: a text counts as the message of a raised error.

    Args:
        type_: failure type, `UNTYPED` if nothing names one.
        value: what the call gave, as JSON.
        provenance: where it comes from.
        duration: seconds that the call took.
    """
    if isinstance(value, str | None):
        message = _message(value or "", type_)
        return Outcome.failure(type_, message, provenance, raised=True, duration=duration)
    said = failure_text(value) or ""
    return Outcome.failure(type_, said, provenance, value=value, duration=duration)


def _message(text: str, type_: str) -> str:
    """The message of a raised error, as the exception itself has it: without its class, and none where it
    is only the type once more."""
    head, colon, rest = text.partition(": ")
    if colon and head.rpartition(".")[2] == type_:
        return rest
    return "" if text == type_ and len(text.split()) == 1 else text
