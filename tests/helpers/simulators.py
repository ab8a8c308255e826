"""A small bank, a meter, and what several simulator tests share."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from artis_sdk.contracts import Backend, Simulator
from artis_sdk.records import Completion, History, Outcome, Provenance, Request, Role, State, Step, ToolCall
from artis_sdk.tools import GuardedTool, Toolset, guarded_tool


class Frozen(Exception):
    """The account is frozen."""


class Ledger:
    def __init__(self) -> None:
        self.rows: list[str] = []

    @guarded_tool
    def note(self, text: str) -> int:
        """Write a line."""
        self.rows.append(text)
        return len(self.rows)


class Bank:
    """Accounts, and a ledger that may be shared with others."""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.accounts: dict[str, int] = {"ann": 100, "bob": 5}
        self.frozen: list[str] = ["eve"]
        self.ledger = ledger or Ledger()

    @guarded_tool
    def balance(self, name: str) -> int:
        """The money of an account."""
        return self.accounts[name]

    @guarded_tool(failures=[Frozen, ValueError])
    def transfer(self, source: str, target: str, amount: int) -> dict[str, int]:
        """Move money."""
        if source in self.frozen:
            raise Frozen(source)
        if self.balance(source) < amount:
            self.ledger.note(f"refused {amount}")
            raise ValueError("insufficient funds")
        self.accounts[source] -= amount
        self.accounts[target] = self.accounts.get(target, 0) + amount
        self.ledger.note(f"{source} to {target}: {amount}")
        return dict(self.accounts)

    @guarded_tool
    async def interest(self, percent: int) -> int:
        """Pay interest to everybody."""
        for name in self.accounts:
            self.accounts[name] += self.balance(name) * percent // 100
        await self.audit()
        return sum(self.accounts.values())

    @guarded_tool
    async def audit(self) -> int:
        """Count the lines of the ledger."""
        return self.ledger.note("audit")

    @guarded_tool(timeout=0.05)
    def slow(self, seconds: float) -> str:
        """Change something, wait, and change something again."""
        self.accounts["slow"] = 1
        time.sleep(seconds)
        self.accounts["slow"] = 2
        return "done"

    @guarded_tool
    def explode(self, name: str) -> None:
        """Change something and fail."""
        self.accounts[name] = -1
        raise RuntimeError("exploded")

    def toolset(self) -> Toolset:
        names = ("balance", "transfer", "interest", "audit", "slow", "explode")
        return Toolset(*(getattr(self, name) for name in names), self.ledger.note)


class RecordingMeter:
    """Passes requests on and keeps their roles."""

    def __init__(self) -> None:
        self.roles: list[Role] = []

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        self.roles.append(role)
        return await backend.complete(request)


def call(tool: str, /, **arguments: Any) -> ToolCall:
    return ToolCall(tool=tool, arguments=arguments)


def step(made: ToolCall, value: Any, provenance: Provenance = Provenance.REAL) -> Step:
    return Step(call=made, outcome=Outcome.success(value, provenance))


async def play(simulator: Simulator, calls: Sequence[ToolCall], state: State = None) -> History:
    """Predict calls one after another, each knowing those before it."""
    history: History = ()
    for made in calls:
        outcome = await simulator.predict(made, state, history)
        history = (*history, Step(call=made, outcome=outcome))
    return history


def outcomes(history: Iterable[Step]) -> list[tuple[str, Any]]:
    return [(s.outcome.type, s.outcome.content()) for s in history]


def fork(simulator: Simulator, tools: Iterable[GuardedTool[..., Any]]) -> Simulator:
    return simulator.fork(tools, RecordingMeter())
