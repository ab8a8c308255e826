"""A commit that is cancelled at any of its steps: the journal says what was done, and the rest can be."""

from __future__ import annotations

import asyncio
import types
from collections import Counter
from collections.abc import Callable, Coroutine, Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import unjudged

from artis_sdk import Risk, Sequential, Session, Toolset, guarded_tool
from artis_sdk.commit.approver import Approve, Request
from artis_sdk.commit.journal import OPEN, SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.errors import CommitRefused
from artis_sdk.records import CommitMode, History, Outcome, Plan, Provenance, State, ToolCall

RAN: list[tuple[str, int]] = []
"""Bodies that were run to their end, of tools that change something."""


IN_BODY: dict[int, Callable[[], None]] = {}
"""What happens at the beginning of the body of the call with a number."""


async def begun(n: int) -> None:
    if n in IN_BODY:
        IN_BODY[n]()
    for _ in range(3):
        await asyncio.sleep(0)


@guarded_tool
async def pay(n: int) -> str:
    """Pay."""
    await begun(n)
    RAN.append(("pay", n))
    return "done"


@guarded_tool
def book(n: int) -> str:
    """Book."""
    RAN.append(("book", n))
    return "done"


@guarded_tool(risk=Risk.REVERSIBLE)
async def bundle(n: int) -> str:
    """Pay within another tool."""
    await begun(n)
    await pay(n=n + 100)
    RAN.append(("bundle", n))
    return "done"


@guarded_tool(risk=Risk.READ_ONLY)
async def read(n: int) -> str:
    """Read."""
    await asyncio.sleep(0)
    return "done"


TOOLS = Toolset(pay, book, bundle, read)
ALL = Counter([("pay", 1), ("book", 2), ("pay", 103), ("bundle", 3)])


class Done(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("done", Provenance.SIMULATED)


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    await read(n=0)
    await pay(n=1)
    book(n=2)
    await bundle(n=3)
    return "done"


async def yes(request: Request) -> Any:
    await asyncio.sleep(0)
    return Approve()


def session(path: Path) -> Session:
    more: dict[str, Any] = {"simulator": Done(), "strategy": Sequential(1), "approve": yes}
    return unjudged(agent, TOOLS, path / "journal.db", **more)


@types.coroutine
def told_at(
    work: Coroutine[Any, Any, Any], step: int, tell: Callable[[], object]
) -> Generator[Any, Any, Any]:
    """Run a coroutine, and call a function at its n-th suspension, the first being 1."""
    waits, n = work.__await__(), 0
    go_on: Callable[[], Any] = partial(next, waits)
    while True:
        try:
            found = go_on()
        except StopIteration as end:
            return end.value
        n += 1
        if n == step:
            tell()
        try:
            go_on = partial(waits.send, (yield found))
        except BaseException as error:  # noqa: BLE001  as an await passes it on
            go_on = partial(waits.throw, error)


async def cancelled(path: Path, plan: Plan, mode: CommitMode, step: int) -> bool:
    """Cancel a commit at one of its steps; False if it has fewer."""
    asked = False

    def cancel() -> None:
        nonlocal asked
        asked = running.cancel()

    async def commits() -> Any:
        async with session(path) as committing:
            return await told_at(committing.commit(plan, mode=mode), step, cancel)

    running = asyncio.create_task(commits())
    await asyncio.wait({running})
    assert asyncio.all_tasks() == {asyncio.current_task()}
    if not running.cancelled():
        assert running.result().ended == "answer"
    return asked


def check(journal: SQLiteJournal) -> None:
    """What ran is in the journal, once; what is done there did run."""
    calls = [(one, (one.tool, int(str(one.arguments["n"])))) for one in journal.calls() if one.tool != "read"]
    ran = Counter(RAN)
    assert set(ran.values()) <= {1}
    begun = Counter(key for call, key in calls if call.outcome is not None or call.state in OPEN)
    assert ran <= begun
    assert set(begun.values()) <= {1}
    assert all(ran[key] == 1 for call, key in calls if call.outcome is not None)


async def rehearsed(path: Path) -> Plan:
    RAN.clear()
    await asyncio.to_thread(path.mkdir)
    async with session(path) as rehearsing:
        plan = await rehearsing.rehearse("Go.")
        assert RAN == []
        return Plan.model_validate_json(rehearsing.saved(plan).model_dump_json())


@pytest.mark.parametrize("mode", ["guided", "bound", "replay"])
async def test_a_commit_that_is_cancelled_at_any_step_can_be_resumed(
    tmp_path: Path, mode: CommitMode
) -> None:
    for step in range(1, 200):
        path = tmp_path / str(step)
        plan = await rehearsed(path)
        more = await cancelled(path, plan, mode, step)
        journal = SQLiteJournal(path / "journal.db")
        check(journal)
        assert not journal.calls(states=OPEN)  # the first cancellation waits for the call that runs
        if Counter(RAN) != ALL or not journal.calls():
            async with session(path) as resuming:
                assert (await resuming.commit(plan, mode=mode, resume=True)).ended == "answer"
        else:
            async with session(path) as again:
                with pytest.raises(CommitRefused):
                    await again.commit(plan, mode=mode)
        check(journal)
        assert Counter(RAN) == ALL
        if not more:
            break
    assert 5 < step < 199


@pytest.mark.parametrize(("n", "left"), [(1, 1), (3, 3), (103, 3)])
@pytest.mark.parametrize("mode", ["guided", "bound", "replay"])
async def test_a_call_that_is_cancelled_twice_is_unknown_and_the_rest_is_done_once_it_is_settled(
    tmp_path: Path, mode: CommitMode, n: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = await rehearsed(tmp_path / "plan")

    async def commits() -> Any:
        async with session(tmp_path / "plan") as committing:
            return await committing.commit(plan, mode=mode)

    def twice() -> None:
        running.cancel()
        asyncio.get_running_loop().call_soon(running.cancel)

    running = asyncio.create_task(commits())
    monkeypatch.setitem(IN_BODY, n, twice)
    await asyncio.wait({running})
    assert running.cancelled()
    monkeypatch.delitem(IN_BODY, n)
    journal = SQLiteJournal(tmp_path / "plan" / "journal.db")
    check(journal)
    unknown = journal.calls(states=OPEN)
    assert [call.arguments for call in unknown] == [{"n": left}]
    async with session(tmp_path / "plan") as resuming:
        with pytest.raises(CommitRefused, match="recover"):
            await resuming.commit(plan, mode=mode, resume=True)
        for call in unknown:
            await resuming.settle(call.id, done=False, by="ann", why="it waits at its beginning")
        assert (await resuming.commit(plan, mode=mode, resume=True)).ended == "answer"
    check(journal)
    assert Counter(RAN) == ALL
