"""A task for the payments desk: the queries, the plausible plans, and the bank that they run on.

A plan is good if the bank refuses none of its calls and nothing is missing; the `oracle` finds the good plans
by playing them, and no task declares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from artis_sdk.pocket.bank import Bank


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """A tool and its arguments."""

    tool: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Way:
    """One plan for a turn."""

    calls: tuple[PlannedCall, ...]
    choice: str
    """Difference from the turn's other plans: an account, a tool, or the tool that comes first."""
    weight: float = 1.0
    """Weight with which the agent picks it without advice; largest for the obvious plan."""
    short: bool = False
    """Whether a part of what is asked is missing, though nothing is refused."""


@dataclass(frozen=True, slots=True)
class TaskTurn:
    """One message of the user."""

    query: str
    ways: tuple[Way, ...] = ()
    """Plans for the turn; without any the agent must ask back, or say that it cannot do it."""
    reply: str = ""
    """The agent's reply in that case."""
    asked: str = ""
    """Field of a call's result that is the answer; empty for the whole result."""
    reads: bool = False
    """Whether the user only asks a question."""


@dataclass(frozen=True, slots=True)
class PocketTask:
    """A bank and a user's queries."""

    id: str
    family: str
    bank: Bank
    turns: tuple[TaskTurn, ...]
    offered: tuple[str, ...]
    """Names of the agent's tools."""
