"""Payments that are rehearsed, to be approved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.loop import call
from helpers.sessions import unjudged

from artis_sdk import Risk, Sequential, Session, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.contracts import Simulator
from artis_sdk.records import History, Outcome, Plan, Provenance, State, ToolCall

PAID: list[tuple[str, int]] = []


@guarded_tool
def pay(who: str, amount: int) -> str:
    """Pay."""
    PAID.append((who, amount))
    return f"paid {who}"


@guarded_tool(risk=Risk.READ_ONLY)
def look(who: str) -> int:
    """Look."""
    return 5


class Paid(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success(f"paid {call.arguments['who']}", Provenance.SIMULATED)


def agent(*who: str, amount: int = 8) -> ScriptedBackend:
    """A model that pays one after the other, each in a run of its own."""
    return ScriptedBackend([line for one in who for line in ([call("pay", who=one, amount=amount)], "Paid.")])


def session(path: Path, model: Any, *, tools: Any = (pay, look), **more: Any) -> Session:
    more = {"simulator": Paid(), "summarize": False, "strategy": Sequential(1)} | more
    return unjudged(model, list(tools), path / "journal.db", **more)


async def rehearsed(path: Path, who: str = "bob", **more: Any) -> Plan:
    async with session(path, agent(who), **more) as rehearsing:
        return Plan.model_validate_json(
            rehearsing.saved(await rehearsing.rehearse("Pay bob.")).model_dump_json()
        )
