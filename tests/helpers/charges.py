"""A bank's tools that charge for real, and sessions over them without a judge."""

from __future__ import annotations

import contextvars
from pathlib import Path
from typing import Any

from helpers.sessions import unjudged

from artis_sdk import Sequential, Session, guarded_tool
from artis_sdk.contracts import Simulator
from artis_sdk.errors import FirewallError
from artis_sdk.records import History, Outcome, Provenance, State, ToolCall

REAL: list[int] = []
"""Amounts that the real bodies charged."""
CHANGES = f"{__name__}.REAL"
"""Name of the global that sandboxed bodies change, too; for `SandboxSimulator(share=...)`."""


@guarded_tool
def charge(amount: int) -> dict[str, int]:
    REAL.append(amount)
    return {"charged": amount}


@guarded_tool
async def refund(amount: int) -> dict[str, int]:
    REAL.append(-amount)
    return {"refunded": amount}


class Till:
    def __init__(self) -> None:
        self.sum = 0

    def take(self, amount: int) -> int:
        REAL.append(amount)
        self.sum += amount
        return self.sum


class Charged(Simulator):
    """Predicts for every call that its amount was charged."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success({"charged": call.arguments["amount"]}, Provenance.SIMULATED)


def session(agent: Any, journal: Path, *tools: Any, **more: Any) -> Session:
    """A session of two attempts over `charge`, or over these tools."""
    settings: dict[str, Any] = {"simulator": Charged(), "strategy": Sequential(2)}
    return unjudged(agent, tools or [charge], journal, **settings | more)


def charge_without_context() -> str:
    """A call that no context variable reaches, as from a C callback."""
    try:
        contextvars.Context().run(charge, 1)
    except FirewallError:
        return "refused"
    return "made"
