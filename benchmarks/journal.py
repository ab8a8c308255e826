"""What the commit journal costs: an intent before a real call and an outcome after it.

    python benchmarks/journal.py [--json] [--folder DIR]

Of several rounds the median counts, with the best beside it. "At once" is 100 sessions of 100 plans
whose calls begin together, so that they share transactions and their fsync. The disk's own fsync is
measured in the same run: a lone irreversible call cannot be faster. "in a world" is the whole of
`RealWorld.handle` around an async tool that does nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from pydantic import JsonValue

from artis_sdk import Outcome, Plan, Risk, Toolset, guarded_tool
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import Intent, SQLiteJournal
from artis_sdk.logs.redact import Redactor
from artis_sdk.records import Provenance, Task, ToolCall, new_id
from artis_sdk.tools import Invocation

AT_ONCE = 100
ROUNDS = 15
ARGUMENTS: dict[str, JsonValue] = {
    "source": "ann",
    "target": "bob",
    "amount": 1250,
    "memo": "rent, with thanks",
}
OUTCOME = Outcome.success({"ok": True, "receipt": "r-184467", "moved": 1250}, Provenance.REAL, duration=0.01)
Figures = dict[str, float]


class Calls:
    """Real calls of plans that one journal commits."""

    def __init__(self, journal: SQLiteJournal) -> None:
        self._journal = journal
        self._seq = 0

    async def claim(self) -> None:
        self._plans = [new_id() for _ in range(AT_ONCE)]
        await asyncio.gather(*map(self._journal.begin_plan, self._plans))

    async def make(self, risk: Risk, count: int = 1) -> None:
        """One call of each of `count` plans, all at once."""
        self._seq += 1
        await asyncio.gather(*(self._call(plan, risk) for plan in self._plans[:count]))

    async def _call(self, plan: str, risk: Risk) -> None:
        intent = Intent(plan, self._seq, "transfer", ARGUMENTS, risk, None, time.time())
        await self._journal.begin(intent)
        await self._journal.finish(intent, OUTCOME)


async def measure(work: Callable[[], Awaitable[None]], calls: int, repeat: int = 1) -> Figures:
    """Milliseconds for each call: wall time, and CPU time of all threads."""
    wall, cpu = [], []
    for _ in range(ROUNDS):
        began, used = time.perf_counter(), time.process_time()
        for _ in range(repeat):
            await work()
        wall.append(1e3 * (time.perf_counter() - began) / calls / repeat)
        cpu.append(1e3 * (time.process_time() - used) / calls / repeat)
    return {
        "wall": statistics.median(wall),
        "wall best": min(wall),
        "cpu": statistics.median(cpu),
        "cpu best": min(cpu),
    }


async def measure_journal(folder: Path) -> dict[str, Figures]:
    journal = SQLiteJournal(folder / "journal.db")
    calls = Calls(journal)
    await calls.claim()
    await calls.make(Risk.IRREVERSIBLE, AT_ONCE)
    found = {
        "irreversible, alone": await measure(lambda: calls.make(Risk.IRREVERSIBLE), 1, repeat=20),
        f"irreversible, {AT_ONCE} at once": await measure(
            lambda: calls.make(Risk.IRREVERSIBLE, AT_ONCE), AT_ONCE
        ),
        "reversible, alone": await measure(lambda: calls.make(Risk.REVERSIBLE), 1, repeat=20),
        f"reversible, {AT_ONCE} at once": await measure(
            lambda: calls.make(Risk.REVERSIBLE, AT_ONCE), AT_ONCE
        ),
        "read-only, alone": await measure(lambda: calls.make(Risk.READ_ONLY), 1, repeat=20),
    }
    await journal.aclose()
    return found


async def measure_world(folder: Path) -> dict[str, Figures]:
    journal = SQLiteJournal(folder / "world.db")
    found = {}
    for risk in (Risk.IRREVERSIBLE, Risk.READ_ONLY):

        @guarded_tool(risk=risk)
        async def transfer(source: str, target: str, amount: int, memo: str) -> dict[str, int]:
            return {"moved": amount}

        tool = Toolset(transfer)["transfer"]
        invocation = tool.parse(ToolCall(tool="transfer", arguments=dict(ARGUMENTS)))
        world = RealWorld(journal, Plan(task=Task(query="pay"), strategy="direct"), redact=Redactor())

        async def handle(world: RealWorld = world, invocation: Invocation = invocation) -> None:
            await world.handle(invocation)

        async with world.open():
            found[f"{risk.value.replace('_', '-')}, in a world"] = await measure(handle, 1, repeat=20)
    await journal.aclose()
    return found


def measure_disk(folder: Path) -> Figures:
    """Milliseconds of one fsync after an append, as often as a lone call makes one."""
    file = os.open(folder / "fsync", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    took = []
    for _ in range(50):
        os.write(file, b"x" * 8192)
        began = time.perf_counter()
        os.fsync(file)
        took.append(1e3 * (time.perf_counter() - began))
        time.sleep(0.001)
    os.close(file)
    return {"wall": statistics.median(took), "wall best": min(took)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument(
        "--folder", help="where the journal is written; the system's temporary folder by default"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        found = {"disk, one fsync": measure_disk(folder)}
        found.update(asyncio.run(measure_journal(folder)))
        found.update(asyncio.run(measure_world(folder)))
    if given.json:
        print(json.dumps(found, indent=2))
        return
    print(f"{'milliseconds for each call':32}{'wall':>9}{'best':>9}{'CPU':>9}{'best':>9}")
    for what, figures in found.items():
        numbers = (figures.get(column) for column in ("wall", "wall best", "cpu", "cpu best"))
        print(f"{what:32}" + "".join(f"{number:9.3f}" for number in numbers if number is not None))
    each = found[f"irreversible, {AT_ONCE} at once"]["wall"]
    print(
        f"goal: {AT_ONCE} irreversible calls at once under 0.2 ms each: {'met' if each < 0.2 else 'missed'}"
    )


if __name__ == "__main__":
    main()
