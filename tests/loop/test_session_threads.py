"""Sessions in several threads, each on an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import journaled, unjudged

from artis_sdk import Direct, Parallel, Session, Toolset, guarded_tool
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.errors import CommitRefused, ConfigurationError, LogError
from artis_sdk.records import History, Outcome, Plan, Provenance, State, ToolCall

PAID: list[int] = []
_THREADS = 8
_LONGEST = 60  # seconds


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


@guarded_tool
async def pay(n: int) -> str:
    """Pay."""
    PAID.append(n)
    await asyncio.sleep(0.001)
    return "paid"


@guarded_tool
def book(n: int) -> str:
    """Book."""
    PAID.append(n)
    return "booked"


TOOLS = Toolset(pay, book)


class Says(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("paid" if call.tool == "pay" else "booked", Provenance.SIMULATED)


def session(n: int, journal: Any) -> Session:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await tools["pay"](n=n)
        tools["book"](n=n + 1000)
        return "done"

    return unjudged(agent, TOOLS, journal, simulator=Says(), strategy=Parallel(2))


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What each of some threads that begin at the same time returns, or raises."""
    together = threading.Barrier(_THREADS)
    found: list[Any] = [None] * _THREADS

    def run(n: int) -> None:
        together.wait()
        try:
            found[n] = work(n)
        except Exception as error:  # noqa: BLE001  for the test to look at
            found[n] = error

    threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONGEST)
        assert not thread.is_alive()
    return found


def test_sessions_in_threads_share_a_new_journal_and_a_toolset(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "j.db")
    assert at_once(lambda n: session(n, journal).run_sync("Go.").answer) == ["done"] * _THREADS
    assert set(Counter(PAID).values()) == {1}
    assert [call.outcome is not None for call in journal.calls()] == [True] * 2 * _THREADS
    asyncio.run(journal.aclose())


def test_a_session_that_threads_share_is_entered_by_one_at_a_time(tmp_path: Path) -> None:
    shared = session(1, tmp_path / "j.db")
    ran = 0
    for found in [at_once(lambda _: shared.run_sync("Go.").answer) for _ in range(5)]:
        done = [one for one in found if one == "done"]
        refused = [one for one in found if isinstance(one, ConfigurationError)]
        assert len(done) + len(refused) == _THREADS
        assert done
        ran += len(done)
    assert Counter(PAID) == {1: ran, 1001: ran}
    assert len(journaled(tmp_path / "j.db")) == 2 * ran


def test_a_plan_that_threads_commit_is_committed_once(tmp_path: Path) -> None:
    plan: Plan = session(1, tmp_path / "j.db").rehearse_sync("Go.")
    found = at_once(lambda _: session(1, tmp_path / "j.db").commit_sync(plan).answer)
    assert [one for one in found if not isinstance(one, CommitRefused)] == ["done"]
    assert PAID == [1, 1001]


def held(journal: Path) -> tuple[Session, threading.Event, threading.Event]:
    """A session whose agent waits, with what tells that it does and what lets it go on."""
    begun, go_on = threading.Event(), threading.Event()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        begun.set()
        await asyncio.to_thread(go_on.wait, _LONGEST)
        return "done"

    return unjudged(agent, TOOLS, journal, strategy=Direct()), begun, go_on


def test_a_session_that_another_thread_has_open_says_so_and_is_free_after_it(tmp_path: Path) -> None:
    one, begun, go_on = held(tmp_path / "j.db")
    answers: list[str | None] = []
    thread = threading.Thread(target=lambda: answers.append(one.run_sync("Go.").answer))
    thread.start()
    try:
        assert begun.wait(_LONGEST)
        for work in (one.run_sync, one.rehearse_sync):
            with pytest.raises(ConfigurationError, match=r"open in another thread.*a session in each thread"):
                work("Go.")
    finally:
        go_on.set()
        thread.join(_LONGEST)
    assert answers == ["done"]
    assert one.run_sync("Again.").answer == "done"


async def test_a_session_that_this_thread_has_open_says_so(tmp_path: Path) -> None:
    one, _, _ = held(tmp_path / "j.db")
    async with one:
        with pytest.raises(ConfigurationError, match="open already: await its methods inside"):
            async with one:
                pass
        with pytest.raises(ConfigurationError, match="open in another thread"):
            await asyncio.to_thread(one.run_sync, "Go.")


def test_a_session_that_could_not_open_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _, go_on = held(tmp_path / "j.db")
    go_on.set()
    monkeypatch.setenv("ARTIS_MODE", "nonsense")
    with pytest.raises(ConfigurationError, match="ARTIS_MODE"):
        one.run_sync("Go.")
    monkeypatch.delenv("ARTIS_MODE")
    monkeypatch.setenv("ARTIS_LOG", str(tmp_path))  # a folder is no log
    with pytest.raises(LogError):
        one.run_sync("Go.")
    monkeypatch.delenv("ARTIS_LOG")
    assert one.run_sync("Go.").answer == "done"
