"""Guarded tools whose calls are captured, and the rows of a log."""

from __future__ import annotations

import asyncio
from typing import Any

from artis_sdk import guarded_tool
from artis_sdk.logs import CallStore
from artis_sdk.records import Risk


@guarded_tool(risk=Risk.REVERSIBLE)
def pay(to: str, amount: float = 1.0, *, note: str = "") -> dict[str, Any]:
    """Pay somebody."""
    if amount < 0:
        raise ValueError("amount must be positive")
    return {"to": to, "paid": amount}


@guarded_tool
async def look(what: str, wait: float = 0.0) -> str:
    """Look something up."""
    await asyncio.sleep(wait)
    return f"seen {what}"


def rows(log: CallStore) -> list[tuple[str, dict[str, Any], Any]]:
    return [(made.call.tool, made.call.arguments, made.outcome.value) for made in log.records()]
