"""A bank whose every execution is a line in a file, and an agent that makes given calls."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from helpers import ledger

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CommitJournal, Intent
from artis_sdk.commit.recover import NotExecuted
from artis_sdk.logs.redact import Redactor
from artis_sdk.loop.actor import NO_BRIEFING, Briefing, Trajectory
from artis_sdk.records import Outcome, Plan, Provenance, Risk, Step, Task, ToolCall, new_id
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.tools.world import World, entered

Tick = Callable[[str], None]
"""Is told of each boundary that is passed."""
REDACT = Redactor()
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None
"""A folder in memory where there is one: to a process that is killed it is the same as a disk, and faster."""
OK = Outcome.success({"paid": 5}, Provenance.REAL)


class Bank:
    """Real tools. Each execution is a line in a file, written at once."""

    path: Path
    """The file. Set at the start of each process or test."""
    tick: Tick
    """Called around each execution's effect."""

    def execute(self, tool: str, order: str, key: str | None = None) -> dict[str, Any]:
        line = {"tool": tool, "order": order, "receipt": new_id()}
        self.tick("in the tool, before its effect")
        ledger.append(self.path, {**line, "key": key})
        self.tick("in the tool, after its effect")
        return line

    def lines(self) -> list[dict[str, Any]]:
        return ledger.lines(self.path)

    def ask(self, call: ToolCall, key: str | None) -> Outcome | NotExecuted:
        for line in self.lines():
            if line.pop("key") == key:
                return Outcome.success(line, Provenance.REAL)
        return NotExecuted()


BANK = Bank()


@guarded_tool(idempotency_key="key", reconcile=BANK.ask)
def transfer(order: str, key: str) -> dict[str, Any]:
    return BANK.execute("transfer", order, key)


@guarded_tool(idempotency_key="key", reconcile=BANK.ask)
async def pay(order: str, key: str) -> dict[str, Any]:
    return BANK.execute("pay", order, key)


@guarded_tool
async def notify(order: str) -> dict[str, Any]:
    return BANK.execute("notify", order)


@guarded_tool(risk=Risk.REVERSIBLE)
def hold(order: str) -> dict[str, Any]:
    return BANK.execute("hold", order)


@guarded_tool
def bundle(order: str) -> dict[str, Any]:
    transfer(f"{order}/part")  # type: ignore[call-arg]  # the commit fills the key
    return BANK.execute("bundle", order)


@guarded_tool(risk=Risk.READ_ONLY)
def count() -> int:
    return len(BANK.lines())


TOOLS = Toolset(transfer, pay, notify, hold, bundle, count)
SCRIPT = ("count", "transfer", "notify", "hold", "bundle", "pay")


class Script:
    """An agent that makes the given calls, one after the other or all at once."""

    runs_code = False

    def __init__(self, calls: Sequence[ToolCall], *, at_once: bool) -> None:
        self._invocations = [TOOLS[call.tool].parse(call) for call in calls]
        self._at_once = at_once

    async def act(self, task: Task, world: World, meter: Any, briefing: Briefing = NO_BRIEFING) -> Trajectory:
        with entered(world):
            if self._at_once:
                await asyncio.gather(*map(world.handle, self._invocations))
            else:
                await world.handle_turn(self._invocations)
        return Trajectory(steps=(), messages=(), answer="done")


def silent(step: str) -> None:
    """Nothing happens at this boundary."""


def intent(seq: int = 0, *, plan: str = "p", risk: Risk = Risk.IRREVERSIBLE) -> Intent:
    """An intent to pay ann, straight for the journal."""
    return Intent(plan, seq, "pay", {"to": "ann"}, risk, "key-1", 12.5)


def make_world(journal: CommitJournal, plan: str = "p", **more: Any) -> RealWorld:
    """The real world of a plan without predictions."""
    return RealWorld(journal, Plan(id=plan, task=Task(query="q"), strategy="direct"), redact=REDACT, **more)


def steps(**calls: dict[str, Any]) -> tuple[Step, ...]:
    """Simulated successes of these calls."""
    return tuple(
        Step(
            call=ToolCall(tool=tool, arguments=arguments), outcome=Outcome.success("ok", Provenance.SIMULATED)
        )
        for tool, arguments in calls.items()
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds; the test fails when it does not within a few seconds."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110  what holds is in a file
            await asyncio.sleep(0.005)


async def found_by(child: str, *arguments: str) -> Any:
    """What a module of helpers prints as JSON, run as a process with a folder in memory.

    Args:
        child: name of the module.
        arguments: its arguments behind the folder.
    """
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix=f"artis-{child}-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", f"helpers.{child}", folder, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return json.loads(out)


async def use_once(journal: CommitJournal, plan: str) -> None:
    """A session's use of its journal: a plan with one irreversible call. Leaves the journal closed."""
    await journal.begin_plan(plan)
    call = intent(plan=plan, risk=Risk.IRREVERSIBLE)
    await journal.begin(call)
    await journal.finish(call, OK)
    await journal.end_plan(plan, "answer")
    await journal.aclose()
