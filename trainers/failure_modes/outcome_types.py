"""Failure types of logged calls: one rule for rows, weights, generation and fidelity."""

from __future__ import annotations

from artis_sdk.records import CallRecord
from artis_sdk.records.outcome_type import SUCCESS, mask, outcome_type, returned_type

__all__ = ["SUCCESS", "classify", "mask", "outcome_type", "returned_type"]


def classify(record: CallRecord) -> str:
    """The type of a logged call's outcome (section 4.3.1), see `outcome_type`."""
    return outcome_type(record.outcome, record.call)
