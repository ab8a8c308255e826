"""A plan that is approved and replayed, killed at every boundary, and gone on with: a real file as the truth.

Run as a program it forks its trials from one warm parent (from `tests/`):

    python -m helpers.replay_child DIR

It prints one JSON line, and ends with an error when a law was broken: after however many kills, the plan's
calls are executed once each, in their order, with the real tickets, and it was approved once.
"""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from helpers import ledger
from helpers.commit import Tick, silent
from helpers.crash_child import KillAt, empty, ended, forked
from helpers.crash_journal import TickingJournal

from artis_sdk import Risk, Session, Toolset, guarded_tool
from artis_sdk.commit.approver import Approve, PlanRequest
from artis_sdk.commit.journal import Decided, SQLiteJournal
from artis_sdk.commit.recover import NotExecuted
from artis_sdk.errors import CommitRefused
from artis_sdk.loop.foresee import bound
from artis_sdk.records import Attempt, Outcome, Plan, Provenance, Result, Step, Task, ToolCall, new_id

TICK: list[Tick] = [silent]
TRUTH: list[Path] = [Path()]


def lines() -> list[dict[str, Any]]:
    return ledger.lines(TRUTH[0])


def execute(key: str, **line: Any) -> dict[str, Any]:
    TICK[0]("before the effect")
    ledger.append(TRUTH[0], {**line, "key": key})
    TICK[0]("after the effect")
    return line


def found(call: ToolCall, key: str | None) -> Outcome | NotExecuted:
    for line in lines():
        if line.pop("key") == key:
            return Outcome.success(line, Provenance.REAL)
    return NotExecuted()


@guarded_tool(idempotency_key="key", reconcile=found)
def reserve(seat: str, key: str) -> dict[str, Any]:
    return execute(key, tool="reserve", seat=seat, ticket=f"K{new_id()[:8]}")


@guarded_tool(idempotency_key="key", reconcile=found, risk=Risk.REVERSIBLE)
async def confirm(ticket: str, key: str) -> dict[str, Any]:
    return execute(key, tool="confirm", of=ticket)


@guarded_tool(idempotency_key="key", reconcile=found)
def mail(text: str, key: str) -> dict[str, Any]:
    return execute(key, tool="mail", text=text)


@guarded_tool(risk=Risk.READ_ONLY)
def rules() -> str:
    return "one seat each"


TOOLS = Toolset(reserve, confirm, mail, rules)


def simulated(value: Any, tool: str, /, **arguments: Any) -> Step:
    call = ToolCall(tool=tool, arguments=arguments)
    return Step(call=call, outcome=Outcome.success(value, Provenance.SIMULATED))


STEPS = (
    simulated("one seat each", "rules"),
    simulated({"tool": "reserve", "seat": "1a", "ticket": "T891"}, "reserve", seat="1a"),
    simulated({"tool": "confirm", "of": "T891"}, "confirm", ticket="T891"),
    simulated({"tool": "reserve", "seat": "2a", "ticket": "T892"}, "reserve", seat="2a"),
    simulated({"tool": "confirm", "of": "T892"}, "confirm", ticket="T892"),
    simulated({"tool": "confirm", "of": "T892"}, "confirm", ticket="T892"),
    simulated({"tool": "mail", "text": "T891 and T892"}, "mail", text="T891 and T892"),
)


def plan_for(name: str) -> Plan:
    task = Task(query="Two seats.", tools=TOOLS.specs)
    attempts = (Attempt(index=0, steps=STEPS, answer="Your tickets: T891, T892."),)
    return bound(Plan(id=name, task=task, strategy="sequential", attempts=attempts), TOOLS)


async def replay(folder: Path, plan: Plan, tick: Tick, *, resume: bool) -> Result | None:
    """Recover, and replay; None if there is nothing left to do."""
    TRUTH[0], TICK[0] = folder / "truth", tick
    journal = TickingJournal(folder / "journal.db", tick)

    async def ann(request: PlanRequest) -> Approve:
        tick("asked")
        return Approve(by="ann")

    try:
        async with Session(tools=TOOLS, journal=journal, mode="replay", approve=ann) as session:
            await session.recover()
            try:
                return await session.commit(plan, resume=resume)
            except CommitRefused as refused:
                if "and finished" not in str(refused):
                    raise
                return None
    finally:
        await journal.aclose()


def check(folder: Path, plan: Plan) -> None:
    TRUTH[0] = folder / "truth"
    made = lines()
    first, second = (line["ticket"] for line in made if line["tool"] == "reserve")
    assert [{k: v for k, v in line.items() if k != "key"} for line in made] == [
        {"tool": "reserve", "seat": "1a", "ticket": first},
        {"tool": "confirm", "of": first},
        {"tool": "reserve", "seat": "2a", "ticket": second},
        {"tool": "confirm", "of": second},
        {"tool": "confirm", "of": second},
        {"tool": "mail", "text": f"{first} and {second}"},
    ]
    assert len({line["key"] for line in made}) == len(made)
    journal = SQLiteJournal(folder / "journal.db")
    assert [one.verdict for one in journal.decisions(plan=plan.id)] == [Decided.APPROVED]


def every_boundary(folder: Path) -> dict[str, Any]:
    """Kill a replay at its first boundary, at its second, ..., each time once more as it goes on."""
    seen: Counter[str] = Counter()
    k = 0
    while True:
        k += 1
        empty(folder)
        plan = plan_for(f"plan-{k}")

        def work(at: int, *, resume: bool, plan: Plan = plan) -> int:
            return ended(forked(lambda: asyncio.run(_done(replay(folder, plan, KillAt(at), resume=resume)))))

        status = work(k, resume=False)
        if status == 0:
            check(folder, plan)
            return {"boundaries": k - 1, **seen}
        assert status == -signal.SIGKILL, f"ended with {status}"
        again = work(1 + (k * 7) % 90, resume=True)
        assert again in (0, -signal.SIGKILL), f"ended with {again}"
        seen["killed twice"] += again != 0
        result = asyncio.run(replay(folder, plan, silent, resume=True))
        if result is not None:
            assert result.ended == "answer", result.notes
            assert result.usage == {}
            seen["gone on"] += 1
        check(folder, plan)


async def _done(work: Any) -> None:
    await work


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.mkdir(parents=True, exist_ok=True)
    asyncio.run(replay(path, plan_for("warm"), silent, resume=False))
    gc.freeze()
    print(json.dumps(every_boundary(path / "trial")))
