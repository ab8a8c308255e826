"""Commits that are killed, and the look at what they left: real processes, a real file as the truth.

Run as a program it forks its trials from one warm parent, so that a trial costs milliseconds (from `tests/`):

    python -m helpers.crash_child boundaries DIR in-turn    a kill at every boundary, one after the other
    python -m helpers.crash_child boundaries DIR at-once    the same, of a commit that makes its calls at once
    python -m helpers.crash_child random DIR TRIALS SEED    kills at random times

`ARTIS_TEST_JOURNAL` names a PostgreSQL database to journal in, instead of a file in DIR.
It prints one JSON line, and ends with an error when a law was broken:
no call is executed twice; none is executed that the journal does not have; every outcome is true.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from helpers.commit import BANK, REDACT, SCRIPT, TOOLS, Script, Tick, silent
from helpers.crash_journal import opened, ticking

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CallState, CommitJournal, JournaledCall
from artis_sdk.commit.plan import commit
from artis_sdk.commit.recover import Recovered, recover
from artis_sdk.errors import CommitRefused
from artis_sdk.loop.budget import Budget
from artis_sdk.records import Plan, Risk, Task, ToolCall, new_id

# --- one run of a commit, and one look at what it left ----------------------------------------


def calls_for(trial: str) -> list[ToolCall]:
    orders = {tool: {} if tool == "count" else {"order": f"{trial}/{tool}"} for tool in SCRIPT}
    return [ToolCall(tool=tool, arguments=dict(orders[tool])) for tool in SCRIPT]


def plan_for(trial: str) -> Plan:
    return Plan(id=f"plan-{trial}", task=Task(query="pay"), strategy="sequential")


async def run_commit(
    folder: Path, plan: Plan, calls: Sequence[ToolCall], tick: Tick, *, at_once: bool
) -> None:
    BANK.path, BANK.tick = folder / "truth", tick
    journal = ticking(folder, plan.id.removeprefix("plan-"), tick)
    try:
        world = RealWorld(journal, plan, redact=REDACT)
        await commit(plan, Script(calls, at_once=at_once), world, Budget())
    finally:
        await journal.aclose()


async def restart(folder: Path, trial: str, states: Counter[str]) -> None:
    """What an application does after a crash: recover, try the plan again, do what is left."""
    BANK.path, BANK.tick = folder / "truth", silent
    journal = opened(folder, trial)
    try:
        check(own(journal, trial), trial)
        mine = [call for call in await recover(journal, TOOLS, redact=REDACT) if is_own(call, trial)]
        states.update(f"recovered as {call.state}" for call in mine)
        unknown = [call for call in mine if call.state is CallState.UNKNOWN]
        assert not {call.tool for call in unknown} & {"transfer", "pay"}, "a hook was not used"
        calls = own(journal, trial)
        check(calls, trial)
        states[await retry(journal, trial, calls)] += 1
        await finish_by_hand(journal, trial)
        again = [call for call in await recover(journal, TOOLS, redact=REDACT) if is_own(call, trial)]
        assert again == unknown, "recovering again changed something"
        check(own(journal, trial), trial, complete=True)
    finally:
        await journal.aclose()


async def retry(journal: CommitJournal, trial: str, calls: Iterable[JournaledCall]) -> str:
    """Commit the very plan again: refused, unless its commit never reached the world."""
    plan = plan_for(trial)
    reached = [call for call in calls if call.plan == plan.id and reaches(call)]
    try:
        actor = Script(calls_for(trial), at_once=False)
        await commit(plan, actor, RealWorld(journal, plan, redact=REDACT), Budget())
    except CommitRefused:
        assert reached, "a plan of which nothing was done was refused"
        return "retry refused"
    assert not reached, "a plan was committed twice"
    return "retried"


async def finish_by_hand(journal: CommitJournal, trial: str) -> None:
    """Make the calls that are known not to have been made, as a plan of their own."""
    settled = {call.arguments.get("order") for call in own(journal, trial) if reaches(call)}
    left = [call for call in calls_for(trial) if call.arguments.get("order") not in settled]
    plan = Plan(id=f"rest-{trial}-{new_id()}", task=Task(query="the rest"), strategy="direct")
    await commit(plan, Script(left, at_once=False), RealWorld(journal, plan, redact=REDACT), Budget())


def reaches(call: JournaledCall) -> bool:
    return call.risk is not Risk.READ_ONLY and call.state is not CallState.NOT_EXECUTED


def own(journal: CommitJournal, trial: str) -> list[JournaledCall]:
    return [call for call in journal.calls() if is_own(call, trial)]


def is_own(call: JournaledCall | Recovered, trial: str) -> bool:
    return str(call.arguments.get("order", "")).startswith(f"{trial}/")


def check(calls: Iterable[JournaledCall], trial: str, *, complete: bool = False) -> None:
    """The laws.

    Args:
        calls: the journal's calls of the trial.
        trial: whose orders are looked at.
        complete: everything was carried out that is not unknown.
    """
    lines = {line["order"]: line for line in BANK.lines() if line["order"].startswith(f"{trial}/")}
    executed = Counter(line["order"] for line in BANK.lines())
    assert not [order for order in lines if executed[order] > 1], "a call was executed twice"
    by_order: dict[str, list[JournaledCall]] = {}
    for call in calls:
        by_order.setdefault(str(call.arguments["order"]), []).append(call)
    for order, line in lines.items():
        holds = [call for call in by_order.get(order, ()) if reaches(call)]
        assert len(holds) == 1, f"{order} was executed, and the journal has {by_order.get(order)}"
        assert holds[0].tool == line["tool"]
        assert holds[0].idempotency_key == line["key"]
    for order, begun in by_order.items():
        for call in begun:
            if call.outcome is not None and call.risk is not Risk.READ_ONLY:
                line = {**lines[order]}
                del line["key"]
                assert call.outcome.value == line, f"{order}: the journal's outcome is not true"
    if complete:
        unknown = {
            order for order, begun in by_order.items() if any(c.state is CallState.UNKNOWN for c in begun)
        }
        wanted = {str(call.arguments["order"]) for call in calls_for(trial) if call.arguments}
        assert wanted <= lines.keys() | unknown, f"never executed: {wanted - lines.keys() - unknown}"


# --- trials -----------------------------------------------------------------------------------


class KillAt:
    """Ends the process at the k-th boundary."""

    def __init__(self, k: int) -> None:
        self._left = k

    def __call__(self, step: str) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def forked(work: Callable[[], None]) -> int:
    """Run in a child; gives its process id. The child ends with 0 when the work did."""
    child = os.fork()
    if child:
        return child
    try:
        work()
    except BaseException:  # noqa: BLE001  the child ends here, whatever it was
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def ended(child: int) -> int:
    """Wait for a child. Minus the signal that killed it, or its exit status."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def must_end_well(child: int) -> None:
    status = ended(child)
    if status != 0:
        raise SystemExit(f"a law was broken, or a process that nobody killed ended with {status}")


def every_boundary(folder: Path, step: int, *, at_once: bool) -> dict[str, Any]:
    """Kill a commit at its first boundary, at the one `step` further, ... until one ends before it."""
    states: Counter[str] = Counter()
    k = 1 - step
    while True:
        k += step
        trial = f"{'together' if at_once else 'in turn'}{k}"
        empty(folder)

        def work(trial: str = trial, k: int = k) -> None:
            asyncio.run(run_commit(folder, plan_for(trial), calls_for(trial), KillAt(k), at_once=at_once))

        status = ended(forked(work))
        asyncio.run(restart(folder, trial, states))
        if status == 0:
            return {"boundaries": k - 1, **states}  # up to `step` more than there are
        assert status == -signal.SIGKILL, f"ended with {status}"


def random_kills(folder: Path, trials: int, seed: int) -> dict[str, Any]:
    """Kill commits at random times; every fourth beside another one that nobody kills."""
    chance = random.Random(seed)
    states: Counter[str] = Counter()
    longest = commit_time(folder)  # follows how long commits take here, so that about a quarter end first
    for n in range(trials):
        if n % 4 == 0:
            empty(folder)
        trial, at_once = f"t{n}", chance.random() < 0.5
        beside = start(folder, f"b{n}", at_once=not at_once) if n % 4 == 0 else None
        child = start(folder, trial, at_once=at_once)
        killed = kill(child, chance.uniform(0, longest))
        states["killed" if killed else "ended first"] += 1
        longest *= 1.01 if killed else 0.97
        if chance.random() < 0.2:
            states["recovery killed"] += kill(recovery(folder, trial), chance.uniform(0, longest))
        asyncio.run(restart(folder, trial, states))
        if beside is not None:
            must_end_well(beside)
            check_undisturbed(folder, f"b{n}")
    return {"trials": trials, **states}


def commit_time(folder: Path) -> float:
    """Seconds that a commit takes here and now, whole."""
    empty(folder)
    began = time.monotonic()
    must_end_well(start(folder, "timed", at_once=False))
    return time.monotonic() - began


def kill(child: int, after: float) -> bool:
    """Kill a child after so many seconds; False if it had ended by then."""
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    status = ended(child)
    assert status in (0, -signal.SIGKILL), f"ended with {status}"
    return status != 0


def recovery(folder: Path, trial: str) -> int:
    """Start a restart in a child."""
    return forked(lambda: asyncio.run(restart(folder, trial, Counter())))


def empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()


def start(folder: Path, trial: str, *, at_once: bool) -> int:
    """Start a commit in a child; returns when the child has begun."""
    reader, writer = os.pipe()

    def work() -> None:
        os.write(writer, b".")
        asyncio.run(run_commit(folder, plan_for(trial), calls_for(trial), silent, at_once=at_once))

    child = forked(work)
    os.close(writer)
    os.read(reader, 1)
    os.close(reader)
    return child


def check_undisturbed(folder: Path, trial: str) -> None:
    """A commit that nobody killed was carried out in full, though others recovered beside it."""
    journal = opened(folder, trial)
    calls = own(journal, trial)
    asyncio.run(journal.aclose())
    assert {call.state for call in calls} == {CallState.DONE}, calls
    BANK.path = folder / "truth"
    check(calls, trial, complete=True)


def main(mode: str, folder: str, *more: str) -> None:
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    Script(calls_for("warm"), at_once=False)  # what is made at first use, children have already
    gc.freeze()
    if mode == "boundaries":
        order, *step = more
        found = every_boundary(path / "trial", int(*step or "1"), at_once=order == "at-once")
    else:
        trials, seed = map(int, more)
        found = random_kills(path / "trial", trials, seed)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
