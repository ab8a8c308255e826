"""Payments whose outcome a dead process left unknown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any

from helpers.commit import intent
from helpers.journals import Store
from helpers.loop import call

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CommitJournal

PAID: list[dict[str, Any]] = []


@guarded_tool
async def pay(to: str, amount: float = 5, note: str = "") -> int:
    """Pay."""
    PAID.append({"to": to, "amount": amount, "note": note})
    return len(PAID)


@guarded_tool
async def login(user: str, password: str) -> str:
    """Log in."""
    PAID.append({"user": user})
    return "in"


TOOLS = Toolset(pay, login)


@asynccontextmanager
async def unsettled(store: Store) -> AsyncIterator[CommitJournal]:
    """A journal in which a process that was killed left a payment to ann open."""
    async with aclosing(store.open()) as dead:
        await dead.begin_plan("dead")
        await dead.begin(left_open({"to": "ann", "amount": 5, "note": ""}))
    async with aclosing(store.open()) as journal:
        yield journal


def left_open(arguments: dict[str, Any], *, tool: str = "pay") -> Any:
    return replace(intent(plan="dead"), tool=tool, arguments=arguments)


async def make(world: RealWorld, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Make calls as an agent that lets no error stop it; gives outcomes and errors."""
    async with world.open():
        return [
            await asyncio.gather(
                world.handle(TOOLS[tool].parse(call(tool, **arguments))), return_exceptions=True
            )
            for tool, arguments in calls
        ]


def session(journal: Any, *script: Any, **more: Any) -> Session:
    return Session(agent=ScriptedBackend(script), tools=TOOLS, strategy=Direct(), journal=journal, **more)
