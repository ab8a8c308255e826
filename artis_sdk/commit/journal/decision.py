"""Decisions about a plan, its calls and their outcomes, as the journal has them."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, JsonValue

from artis_sdk.records import CallKind
from artis_sdk.records.calls import FROZEN


class Decided(StrEnum):
    """What was decided."""

    APPROVED = "approved"
    REJECTED = "rejected"
    EDITED = "edited"  # another call was approved in its place
    STOPPED = "stopped"  # nobody was asked, or nobody answered: the commit ended there


class CallChange(BaseModel):
    """A call that was approved in a commit, and that the plan did not foresee."""

    model_config = FROZEN

    place: int | None
    """Index of the foreseen call in whose place it stands; None if it is added to them."""
    nested: bool
    kind: CallKind
    """Kind of the call once it is made."""
    arguments: dict[str, JsonValue]
    """Arguments that it is made with, redacted."""


class PlanChange(BaseModel):
    """An edit of the whole plan, as `EditPlan` has it, redacted."""

    model_config = FROZEN

    after: int
    """Number of edits that the plan had before."""

    removed: tuple[int, ...]
    edited: dict[int, dict[str, JsonValue]]


class Decision(BaseModel):
    """Who decided what, and when. Decisions are only ever added."""

    model_config = FROZEN

    plan: str
    at: float
    """Seconds since the epoch."""
    about: Literal["plan", "call", "outcome"]
    """The whole plan; a call that was about to be made; or the outcome of one that was made."""
    verdict: Decided
    by: str
    """Name of the person or program that decided."""
    digest: str | None
    """`Plan.digest` of the plan that it was shown with."""
    expires: float | None = None
    """Seconds since the epoch after which an approval of a plan is over."""
    tool: str | None = None
    """Tool of the call."""
    arguments: dict[str, JsonValue] | None = None
    """Arguments of the call, redacted; for an edited call those of the request."""
    call: str | None = None
    """Name of the call in the journal, if it was made."""
    reason: str | None = None
    change: CallChange | PlanChange | None = None
    """What it changes in the calls that the plan stands for."""
