"""A gateway in this process, in front of a real server, and clients of it."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import ledger
from mcp import Client
from mcp.types import CallToolResult, ElicitResult

from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.contracts import LogStore, Simulator
from artis_sdk.gateway.config import GatewayConfig, UpstreamServer
from artis_sdk.gateway.holding import Held, Holding
from artis_sdk.gateway.plans import NoPrediction, Planner
from artis_sdk.gateway.server import Gateway
from artis_sdk.gateway.upstream import Upstream, connected
from artis_sdk.logs import Redactor
from artis_sdk.records import History, Outcome, Provenance, State, ToolCall
from artis_sdk.session_stores import make_journal

VAULT = ("-m", "helpers.mcp_vault")
YES = ElicitResult(action="accept", content={"approve": True})
NO = ElicitResult(action="accept", content={"approve": False, "reason": "too much"})
DECLINED = ElicitResult(action="decline")
CLOSED = ElicitResult(action="cancel")


class Spends(Simulator):
    """Predicts what the vault answers, with another amount where it is told so."""

    def __init__(self, wrong: int = 0) -> None:
        self.wrong = wrong
        self.histories: list[History] = []

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        self.histories.append(history)
        amount = call.arguments.get("amount", 0)
        assert isinstance(amount, int)
        return Outcome.success({"spent": amount + self.wrong}, Provenance.SIMULATED)


@dataclass(eq=False)
class Person:
    """Who is asked at a client, and what they answer."""

    answer: ElicitResult = field(default_factory=lambda: YES)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, context: Any, params: Any) -> ElicitResult:
        self.asked.append(params.message)
        return self.answer


@dataclass(frozen=True)
class Stand:
    """A gateway in front of the vault."""

    folder: Path
    upstream: Upstream
    journal: SQLiteJournal

    def gateway(
        self,
        *,
        simulator: Simulator | None = None,
        log: LogStore | None = None,
        elicits: bool = True,
        wait: float = 0,
        announce: Callable[[Held], None] = lambda held: None,
        agent: str | None = None,
        trust: Path | None = None,
    ) -> Gateway:
        planner = Planner(
            tools=self.upstream.tools,
            journal=self.journal,
            log=log,
            redactor=Redactor(),
            simulator=simulator or NoPrediction(),
            agent=agent,
            trust=trust,
        )
        return Gateway(self.upstream, planner, Holding(announce), elicits, wait)

    @property
    def real(self) -> list[dict[str, Any]]:
        """The calls that the vault carried out."""
        return ledger.lines(self.folder / "spent")


@asynccontextmanager
async def standing(folder: Path, beside: str | None = None) -> AsyncIterator[Stand]:
    """The vault, started, and a journal.

    Args:
        folder: folder of its ledger and of the journal.
        beside: address of the till, to stand behind the gateway, too.
    """
    env = {"VAULT": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
    servers = {"vault": UpstreamServer(command=sys.executable, args=VAULT, env=env)}
    if beside is not None:
        servers["till"] = UpstreamServer(url=beside)
    async with AsyncExitStack() as stack:
        journal = make_journal(folder / "journal.db", stack)
        assert isinstance(journal, SQLiteJournal)
        upstream = await stack.enter_async_context(connected(GatewayConfig(servers)))
        yield Stand(folder, upstream, journal)


@asynccontextmanager
async def client_of(
    gateway: Gateway, person: Person | None = None, mode: str = "auto"
) -> AsyncIterator[Client]:
    """The official SDK's client, in the protocol from 2026-07-28 (`auto`) or before (`legacy`)."""
    async with Client(gateway.server(), elicitation_callback=person, mode=mode) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    return "".join(getattr(part, "text", "") for part in result.content)
