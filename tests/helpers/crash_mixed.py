"""Commits that are killed again and again, each time going on: four at a time on one journal.

Run as a program (from `tests/`):

    python -m helpers.crash_mixed DIR KILLS SEED [TRIALS]

`ARTIS_TEST_JOURNAL` names a PostgreSQL database to journal in, instead of a file in DIR.

Journals are of 40 trials, or TRIALS, one after the other until there were so many kills.
A trial is one plan of eight calls. Each of its lives is a process that recovers, settles by hand, makes the
same calls blindly in another plan, and resumes, in an order of chance, until its commit ends or it is killed.
The laws, after each trial:

    no call is executed twice, a retry of a failed call included: the provider sees one key;
    no call is lost: each is executed, and stands in the journal as what it was;
    nothing in the journal is false: outcomes are those of the provider, and what stands there as not executed
    was not.

It prints one JSON line, and ends with an error when a law was broken.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

from helpers.commit import BANK, REDACT, SCRIPT, TOOLS, silent
from helpers.crash_child import empty, forked, reaches
from helpers.crash_journal import opened

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import OPEN, CommitJournal, JournaledCall
from artis_sdk.commit.plan import commit
from artis_sdk.commit.recover import recover, settle
from artis_sdk.errors import CommitRefused, ConfigurationError, UnknownOutcome
from artis_sdk.loop.actor import NO_BRIEFING, Briefing, Trajectory
from artis_sdk.loop.budget import Budget
from artis_sdk.records import Plan, Risk, Task, ToolCall, new_id
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.tools.world import World, entered

SLOTS = 4
TRIALS_A_JOURNAL = 40


@guarded_tool(idempotency_key="key", reconcile=BANK.ask)
async def wire(order: str, key: str) -> dict[str, Any]:
    """Take effect and then lose the answer; the same key later is seen as the same order."""
    for line in BANK.lines():
        if line.pop("key") == key:
            return line
    BANK.execute("wire", order, key)
    raise ConnectionError("the connection was lost")


ALL = TOOLS + Toolset(wire)
NAMES = (*SCRIPT[:3], "wire", *SCRIPT[3:])


def calls_for(trial: str) -> list[ToolCall]:
    return [
        ToolCall(tool=tool, arguments={} if tool == "count" else {"order": f"{trial}/{tool}"})
        for tool in NAMES
    ]


class Retrying:
    """An agent of the application's own: makes its calls in turn, and a failed one once more."""

    runs_code = True

    def __init__(self, calls: list[ToolCall]) -> None:
        self._calls = calls

    async def act(self, task: Task, world: World, meter: Any, briefing: Briefing = NO_BRIEFING) -> Trajectory:
        with entered(world):
            for call in self._calls:
                for _attempt in range(3):
                    reply = await world.handle(ALL[call.tool].parse(call))
                    if reply.outcome.ok:
                        break
        return Trajectory(steps=(), messages=(), answer="done")


# --- one life of a trial ----------------------------------------------------------------------


def plan_for(trial: str) -> Plan:
    return Plan(id=f"plan-{trial}", task=Task(query="pay"), strategy="direct")


async def live(folder: Path, trial: str, seed: int) -> None:
    """Go on with a trial until its commit has ended."""
    chance = random.Random(seed)
    BANK.path, BANK.tick = folder / "truth", silent
    async with aclosing(opened(folder, trial)) as journal:
        while True:
            await after_a_crash(journal, trial, chance)
            world = RealWorld(journal, plan_for(trial), redact=REDACT, resume=chance.random() < 0.8)
            try:
                await commit(plan_for(trial), Retrying(calls_for(trial)), world, Budget())
            except CommitRefused as refused:
                if "and finished" in str(refused):
                    return
            except UnknownOutcome:
                continue
            else:
                return


async def after_a_crash(journal: CommitJournal, trial: str, chance: random.Random) -> None:
    """What people and programs do then, some of it or all, in any order."""
    for act in chance.sample([by_hooks, blindly, by_hand], k=chance.randint(0, 3)):
        await act(journal, trial)


async def by_hooks(journal: CommitJournal, trial: str) -> None:
    await recover(journal, ALL, redact=REDACT)


async def by_hand(journal: CommitJournal, trial: str) -> None:
    """A person looks into the bank's books."""
    for call in journal.calls(plan=f"plan-{trial}", states=OPEN):
        order = call.arguments["order"]
        books = {line["order"]: line for line in BANK.lines()}
        made = books.get(order)
        more = {} if made is None else {"value": {k: v for k, v in made.items() if k != "key"}}
        try:
            await settle(
                journal, call.id, done=made is not None, by="ann", why="the books", redact=REDACT, **more
            )
        except ConfigurationError as error:
            if "already settled" not in str(error):  # by the hook, in another process
                raise


async def blindly(journal: CommitJournal, trial: str) -> None:
    """Make an unknown call once more, as a script that is started again does; no hook settles these."""
    for call in journal.calls(plan=f"plan-{trial}", states=OPEN):
        if ALL[call.tool].reconcile is None:
            plan = Plan(id=f"blind-{trial}-{new_id()}", task=Task(query="again"), strategy="direct")
            again = Retrying([ToolCall(tool=call.tool, arguments=call.arguments)])
            try:
                await commit(plan, again, RealWorld(journal, plan, redact=REDACT), Budget())
            except CommitRefused as refused:
                if "artis recover" in str(refused):
                    continue
                raise
            raise AssertionError(f"{call.id} was made once more while it was unknown")


# --- the laws ---------------------------------------------------------------------------------


def check(folder: Path, trial: str, found: Counter[str]) -> None:
    """The laws of a trial whose commit has ended."""
    BANK.path = folder / "truth"
    journal = opened(folder, trial)
    lines = [line for line in BANK.lines() if line["order"].startswith(f"{trial}/")]
    executed = Counter(line["order"] for line in lines)
    assert not [order for order in executed if executed[order] > 1], f"executed twice: {executed}"
    wanted = {f"{trial}/{tool}" for tool in NAMES if tool != "count"} | {f"{trial}/bundle/part"}
    assert executed.keys() == wanted, f"lost: {wanted ^ executed.keys()}"
    by_order = {line.pop("order"): line for line in lines}
    calls = journal.calls(plan=f"plan-{trial}")
    asyncio.run(journal.aclose())
    assert not [call for call in calls if call.state in OPEN], "a commit ended over an unknown call"
    for order, line in by_order.items():
        check_order(order, line, [call for call in calls if call.arguments.get("order") == order])
    found.update(f"ended as {call.state}" for call in calls if call.risk is not Risk.READ_ONLY)
    found["settled by hand"] += sum(call.settled_by is not None for call in calls)


def check_order(order: str, line: dict[str, Any], calls: list[JournaledCall]) -> None:
    key = line.pop("key")
    reached = [call for call in calls if reaches(call)]
    assert reached, f"{order} was executed, and the journal has {calls}"
    assert {call.idempotency_key for call in reached} == {key}, f"{order}: another key on a retry"
    succeeded = [call for call in reached if call.outcome is not None and call.outcome.ok]
    assert len(succeeded) == 1, f"{order}: {len(succeeded)} successes"
    assert succeeded[0].outcome is not None
    assert succeeded[0].outcome.value == {**line, "order": order}, f"{order}: a false outcome"
    if line["tool"] != "wire":
        assert len(reached) == 1, f"{order} was executed once, and the journal has {reached}"


async def check_pruning(folder: Path) -> int:
    """All is over: it goes, and none of it can be committed again."""
    async with aclosing(opened(folder, "prune")) as journal:
        plans = {call.plan for call in journal.calls()}
        removed = await journal.prune(time.time() + 1)
        assert journal.calls() == []
        for plan in plans:
            try:
                await journal.begin_plan(plan, resume=True)
            except CommitRefused:
                continue
            raise AssertionError(f"{plan} was pruned and could be committed again")
        return removed


# --- four at a time ---------------------------------------------------------------------------


def run(folder: Path, kills: int, seed: int, trials: int = TRIALS_A_JOURNAL) -> dict[str, Any]:
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    while found["killed"] < kills:
        empty(folder)
        one_journal(folder, chance, found, kills, trials)
        found["plans pruned"] += asyncio.run(check_pruning(folder))
    return dict(found)


def one_journal(folder: Path, chance: random.Random, found: Counter[str], kills: int, trials: int) -> None:
    waiting = [f"t{found['trials'] + n}" for n in range(trials)]
    living: dict[int, str] = {}
    deaths: Counter[str] = Counter()
    longest = 0.03  # seconds between two kills; follows how long commits take here
    while waiting or living:
        while waiting and len(living) < SLOTS:
            trial = waiting.pop()
            living[begin(folder, trial, chance)] = trial
        time.sleep(chance.uniform(0, longest))
        ended_now = [child for child in living if has_ended(child, living[child])]
        for child in ended_now:
            check(folder, living.pop(child), found)
            found["trials"] += 1
            longest *= 0.97
        if living and found["killed"] < kills:
            child = chance.choice(list(living))
            trial = living.pop(child)
            os.kill(child, signal.SIGKILL)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            if status == -signal.SIGKILL:
                found["killed"] += 1
                deaths[trial] += 1
                longest *= 1.02
            elif status != 0:
                raise SystemExit(f"a law was broken in {trial}: {status}")
            living[begin(folder, trial, chance)] = trial
    found["most kills of one trial"] = max(found["most kills of one trial"], *deaths.values(), 0)


def begin(folder: Path, trial: str, chance: random.Random) -> int:
    seed = chance.getrandbits(32)
    return forked(lambda: asyncio.run(live(folder, trial, seed)))


def has_ended(child: int, trial: str) -> bool:
    pid, status = os.waitpid(child, os.WNOHANG)
    if pid == 0:
        return False
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        raise SystemExit(f"a law was broken in {trial}: {code}")
    return True


def main(folder: str, *numbers: str) -> None:
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    for call in calls_for("warm"):  # what is made at first use, children have already
        ALL[call.tool].parse(call)
    gc.freeze()
    print(json.dumps(run(path / "trial", *map(int, numbers))))


if __name__ == "__main__":
    main(*sys.argv[1:])
