"""A task for the payments desk: what is asked, the plans that come to mind, and the bank that they meet.

A plan is good when the bank refuses none of its calls; which plans are good is found out by playing them
(`oracle`), never declared here.
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
    """What sets it apart from the turn's other plans: an account, a tool, or which tool comes first."""
    weight: float = 1.0
    """How readily it comes to mind without advice; the obvious plan has the largest."""


@dataclass(frozen=True, slots=True)
class TaskTurn:
    """One message of the user's."""

    query: str
    ways: tuple[Way, ...] = ()
    """None, and the agent has to ask, or to say that it cannot."""
    reply: str = ""
    """What it then says."""
    asked: str = ""
    """Where a call's result is the answer: the field that was asked for; empty is the result itself."""
    reads: bool = False
    """Whether it only asks for something."""


@dataclass(frozen=True, slots=True)
class PocketTask:
    """A bank, and what a user wants of it."""

    id: str
    family: str
    bank: Bank
    turns: tuple[TaskTurn, ...]
    offered: tuple[str, ...]
    """Names of the tools that the agent has."""
