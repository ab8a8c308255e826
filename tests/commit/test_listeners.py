"""A call that was made is not made again because something beside it failed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import journaled

from artis_sdk import Direct, Session, guarded_tool
from artis_sdk.logs.store import CallLog
from artis_sdk.records.events import CallBegun, CallCommitted, Event

PAID: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


@guarded_tool
async def pay(who: str) -> str:
    """Pay."""
    PAID.append(who)
    return "paid"


@guarded_tool
def pay_at_once(who: str) -> str:
    """Pay."""
    PAID.append(who)
    return "paid"


@guarded_tool
async def pay_and_leave(who: str) -> str:
    """Pay, and cancel the task that this runs in."""
    PAID.append(who)
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    return "paid"


async def stubborn(task: str, *, tools: Any, guidance: str | None) -> str:
    """Tries again whatever happens."""
    (tool,) = tools
    for _ in range(3):
        try:
            paid = tool(who="bob")
            return str(await paid if asyncio.iscoroutine(paid) else paid)
        except (Exception, asyncio.CancelledError):  # noqa: BLE001
            continue
    return "failed"


def committing(tool: Any, path: Path, **more: Any) -> Session:
    return Session(agent=stubborn, tools=[tool], journal=path / "j.db", strategy=Direct(), **more)


TOOLS = [pay, pay_at_once]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(("kind", "made"), [(CallBegun, 0), (CallCommitted, 1)])
async def test_what_a_listener_raises_ends_the_commit(
    tmp_path: Path, tool: Any, kind: type[Event], made: int
) -> None:
    def listen(event: Event) -> None:
        if isinstance(event, kind):
            raise LookupError("no screen")

    async with committing(tool, tmp_path, on_event=listen) as session:
        with pytest.raises(LookupError, match="no screen"):
            await session.run("Pay bob.")
    assert len(PAID) == made
    states = [state for _, state in journaled(tmp_path / "j.db")]
    assert states == (["done"] if made else ["not_executed"])


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_call_log_that_cannot_be_written_ends_the_commit(
    tmp_path: Path, tool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("no space left")

    async with committing(tool, tmp_path, log=tmp_path / "calls.db") as session:
        monkeypatch.setattr(CallLog, "append", full)
        with pytest.raises(OSError, match="no space left"):
            await session.run("Pay bob.")
    assert PAID == ["bob"]


async def test_a_tool_that_cancels_its_own_task_is_not_taken_for_failed(tmp_path: Path) -> None:
    async with committing(pay_and_leave, tmp_path) as session:
        result = await session.run("Pay bob.")
    assert (PAID, result.ended, len(result.calls)) == (["bob"], "stopped", 1)
    assert "cancelled the task that it ran in" in result.notes[-1]
    assert journaled(tmp_path / "j.db") == [("pay_and_leave", "done")]
