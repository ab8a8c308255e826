"""Guarded calls within a real tool's body: journaled as calls of their own, run where plain code would."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.records import ToolCall


class Ledger:
    """Holds a lock while it calls its own tools, and a connection that belongs to one thread."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.threads: list[int] = []
        self.written: list[str] = []

    @guarded_tool
    def post(self, text: str) -> int:
        """Write a line and stamp it."""
        connection = sqlite3.connect(":memory:")
        self.connection = connection
        with self.lock:
            self.threads.append(threading.get_ident())
            self.written.append(text)
            stamped = self.stamp(text=text)
        connection.close()
        return stamped

    @guarded_tool
    def stamp(self, text: str) -> int:
        """Stamp a line."""
        self.connection.execute("SELECT 1")  # refuses any other thread
        with self.lock:
            self.threads.append(threading.get_ident())
            self.written.append(f"stamp {text}")
            return self.count()

    @guarded_tool
    def count(self) -> int:
        """How many lines there are."""
        with self.lock:
            return len(self.written)


async def run(tools: Toolset, journal: Path, *script: Any) -> Any:
    async with Session(
        agent=ScriptedBackend(script), tools=tools, strategy=Direct(), journal=journal
    ) as session:
        return await session.run("Post a.")


async def test_a_nested_body_runs_in_the_thread_of_the_outer_one(tmp_path: Path) -> None:
    ledger = Ledger()
    call = ToolCall(tool="post", arguments={"text": "a"})
    result = await run(Toolset.from_object(ledger), tmp_path / "j.db", call, "done")
    assert ledger.written == ["a", "stamp a"]
    assert len(set(ledger.threads)) == 1
    assert [(made.call.tool, made.nested) for made in result.calls] == [
        ("post", False),
        ("stamp", True),
        ("count", True),
    ]
    assert result.calls[0].outcome.value == 2


async def test_a_failure_inside_is_raised_inside(tmp_path: Path) -> None:
    @guarded_tool(failures=ValueError)
    def inner() -> None:
        raise ValueError("no")

    @guarded_tool
    def outer() -> str:
        try:
            inner()
        except ValueError as error:
            return f"inner said {error}"
        return "unreachable"

    result = await run(Toolset(inner, outer), tmp_path / "j.db", ToolCall(tool="outer"), "done")
    assert [made.outcome.content() for made in result.calls] == ["inner said no", {"error": "ValueError: no"}]


async def test_a_thread_that_a_body_starts_with_its_context_calls_too(tmp_path: Path) -> None:
    import contextvars

    @guarded_tool
    def inner(n: int) -> int:
        return n * 2

    @guarded_tool
    def outer() -> int:
        found: list[int] = []
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: context.run(lambda: found.append(inner(20))))
        thread.start()
        thread.join(10)
        return found[0] + inner(1)

    result = await run(Toolset(inner, outer), tmp_path / "j.db", ToolCall(tool="outer"), "done")
    assert result.calls[0].outcome.value == 42
