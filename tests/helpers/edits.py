"""A desk that books, and sessions whose approver edits."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from helpers.loop import call

from artis_sdk import Risk, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.loop.foresee import bound
from artis_sdk.records import Attempt, Outcome, Plan, Provenance, Step, Task


class Desk:
    """Real tools with real ticket numbers, and what they did."""

    def __init__(self) -> None:
        self.did: list[tuple[Any, ...]] = []
        numbers = itertools.count(17)

        @guarded_tool
        def book(guest: str, seats: int = 1) -> dict[str, Any]:
            """Book."""
            self.did.append(("book", guest, seats))
            if seats > 9:
                raise ValueError("the house is full")
            return {"ticket": f"X{next(numbers)}", "guest": guest}

        @guarded_tool(risk=Risk.REVERSIBLE)
        async def confirm(ticket: str, meal: str = "none") -> str:
            """Confirm."""
            self.did.append(("confirm", ticket, meal))
            return "confirmed"

        @guarded_tool
        def pay(who: str, amount: int) -> str:
            """Pay."""
            self.did.append(("pay", who, amount))
            return "paid"

        @guarded_tool(risk=Risk.READ_ONLY)
        def read_mail(box: str) -> str:
            """Read somebody's mail."""
            self.did.append(("read_mail", box))
            return "nothing"

        self.tools = Toolset(book, confirm, pay, read_mail)


def said(tool: str, value: Any, /, **arguments: Any) -> Step:
    return Step(call=call(tool, **arguments), outcome=Outcome.success(value, Provenance.SIMULATED))


BOOKED = (
    said("book", {"ticket": "T891", "guest": "ann"}, guest="ann"),
    said("confirm", "confirmed", ticket="T891"),
    said("pay", "paid", who="bob", amount=8),
)


def plan_of(desk: Desk, *steps: Step) -> Plan:
    task = Task(query="A seat for ann, and pay bob.", tools=desk.tools.specs)
    attempts = (Attempt(index=0, steps=steps or BOOKED, answer="Done."),)
    return bound(Plan(task=task, strategy="sequential", attempts=attempts), desk.tools)


def session(desk: Desk, path: Path, model: Any = None, **more: Any) -> Session:
    """A session that replays, or one with a model that makes these calls, one a step."""
    if model is None:
        return Session(tools=desk.tools, journal=path / "journal.db", mode="replay", **more)
    agent = ScriptedBackend([*([one] for one in model), "Done."])
    return Session(agent=agent, tools=desk.tools, simulator="sandbox", journal=path / "journal.db", **more)
