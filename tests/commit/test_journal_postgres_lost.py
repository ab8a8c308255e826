"""A journal in PostgreSQL, where hosts, network and server die apart: nothing is done twice or lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path

import pytest
from helpers.commit import OK, REDACT, intent, until
from helpers.loop import call
from helpers.postgres import PostgresStore, crash_server, postgresql, states
from helpers.proxy import Proxy

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.journal import OPEN, CallState, CommitJournal, Intent
from artis_sdk.commit.recover import recover
from artis_sdk.errors import CommitRefused, JournalError, UnknownOutcome
from artis_sdk.records import Outcome

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = pytest.mark.slow

from artis_sdk.commit.journal.postgres import PostgresJournal  # noqa: E402

KILLS = "12"
"""Of each program; a thousand take minutes, see `docs/postgres.md`."""
BEGIN = """
import asyncio, os, sys, time
from helpers.commit import intent
from artis_sdk.commit.journal.postgres import PostgresJournal

async def main():
    journal = PostgresJournal(sys.argv[1])
    await journal.begin_plan("p")
    await journal.begin(intent())
    if "fork" in sys.argv and os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(20)
        os._exit(0)
    print("begun", flush=True)
    sys.stdin.read()

asyncio.run(main())
"""


@pytest.fixture
def store(tmp_path: Path) -> PostgresStore:
    return PostgresStore(tmp_path)


def end_sessions(url: str) -> None:
    """What an operator, a fail-over or a network does to the sessions of owners."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM artis_journal.live_owner")
        while connection.execute("SELECT 1 FROM artis_journal.live_owner").fetchone() is not None:
            time.sleep(0.01)


@pytest.mark.parametrize("order", ["in-turn", "at-once"])
async def test_killed_at_every_fifth_boundary(store: PostgresStore, tmp_path: Path, order: str) -> None:
    found = await crash(store.url, "crash_child", "boundaries", str(tmp_path), order, "5")
    assert found["boundaries"] > 20  # eight a call, so that each kind of them is met
    assert found["retry refused"] > 5
    assert found["retried"] > 0


async def test_killed_at_random(store: PostgresStore, tmp_path: Path) -> None:
    found = await crash(store.url, "crash_child", "random", str(tmp_path), KILLS, "1")
    assert found["killed"] > 0


async def test_killed_amid_retries_resumes_settlements_and_recoveries(
    store: PostgresStore, tmp_path: Path
) -> None:
    found = await crash(store.url, "crash_mixed", str(tmp_path), KILLS, "1", "8")
    assert found["killed"] == int(KILLS)


async def crash(url: str, program: str, *arguments: str) -> Counter[str]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", f"helpers.{program}", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "ARTIS_TEST_JOURNAL": url},
    )
    out, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()
    return Counter(json.loads(out))


@pytest.mark.parametrize("mode", ["alone", "fork"])
async def test_an_intent_runs_until_its_process_is_killed(
    store: PostgresStore, journal: CommitJournal, mode: str
) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", BEGIN, store.url, mode),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"begun\n"
    try:
        assert journal.calls()[0].running
        with pytest.raises(CommitRefused, match="still running"):
            await journal.begin_plan("p")
        child.kill()
        await child.wait()
        await until(lambda: not journal.calls()[0].running)  # a child of its own does not keep it alive
    finally:
        with suppress(ProcessLookupError):  # there was no other in its group
            os.killpg(child.pid, signal.SIGKILL)
    with pytest.raises(CommitRefused, match="not known"):
        await journal.begin_plan("p", resume=True)
    await journal.abandon(journal.calls()[0])
    assert states(journal) == [CallState.UNKNOWN]


async def test_a_call_whose_session_is_ended_is_unknown_whatever_its_outcome(
    store: PostgresStore, journal: CommitJournal
) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent())
    end_sessions(store.url)
    assert not journal.calls()[0].running
    with pytest.raises(JournalError, match="lost while it ran"):
        await journal.finish(intent(), OK)
    assert states(journal) == [CallState.UNKNOWN]
    with pytest.raises(JournalError, match="no more"):
        await journal.begin(intent(1))
    for again in (journal, other := store.open()):
        with pytest.raises(CommitRefused, match="not known"):
            await again.begin_plan("p", resume=True)
    await other.aclose()


async def test_what_others_settled_meanwhile_stays(store: PostgresStore, journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent())
    end_sessions(store.url)
    other = store.open()
    (left,) = other.calls()
    await other.abandon(left)
    await other.reconcile(left, OK, by="ann", why="seen at the bank")
    with pytest.raises(JournalError, match="lost while it ran"):
        await journal.finish(intent(), OK)
    assert states(journal) == [CallState.RECONCILED]
    await other.aclose()


async def test_a_session_that_ends_within_a_tool_ends_the_commit(store: PostgresStore) -> None:
    made: list[str] = []

    @guarded_tool
    def pay(to: str) -> str:
        """Pay, while the operator restarts something."""
        made.append(to)
        end_sessions(store.url)
        return "paid"

    @guarded_tool
    def thank(to: str) -> str:
        """Thank."""
        made.append(f"thanks, {to}")
        return "thanked"

    script = ([call("pay", to="ann")], [call("thank", to="ann")], "Done.")
    agent = ScriptedBackend(script)
    async with Session(agent=agent, tools=Toolset(pay, thank), strategy=Direct(), journal=store.url) as one:
        plan = await one.rehearse("Pay Ann.")
        with pytest.raises(UnknownOutcome, match="could not be journaled"):
            await one.commit(plan)
        with pytest.raises(CommitRefused, match="not known"):
            await one.commit(plan)
    assert made == ["ann"]
    reader = store.open()
    assert states(reader) == [CallState.UNKNOWN]
    await reader.aclose()
    store.check_left()


async def test_a_plan_claimed_before_its_session_ended_is_free_again(
    store: PostgresStore, journal: CommitJournal
) -> None:
    await journal.begin_plan("p")
    end_sessions(store.url)
    other = store.open()
    assert await other.begin_plan("p") == 0
    with pytest.raises(JournalError, match="not being committed by this journal"):
        await journal.begin(intent())
    await other.begin(intent())
    assert states(other) == [CallState.INTENT]
    await other.aclose()


async def test_a_server_that_crashes_and_restarts_forgets_no_intent() -> None:
    with postgresql() as folder:  # its own: other tests go on with theirs
        url = f"postgresql://postgres@/postgres?host={folder}"
        async with aclosing(PostgresJournal(url)) as journal, aclosing(PostgresJournal(url)) as other:
            before = await journal.identity()
            await journal.begin_plan("p")
            await journal.begin(intent())
            await journal.finish(intent(), OK)
            await journal.begin(intent(1))
            await asyncio.to_thread(crash_server, url)
            with pytest.raises(JournalError, match="lost while it ran"):
                await journal.finish(intent(1), OK)
            assert states(journal) == [CallState.DONE, CallState.UNKNOWN]
            await journal.begin_plan("q")  # by itself, in a new session
            await journal.begin(intent(plan="q"))
            await journal.finish(intent(plan="q"), OK)
            assert await other.identity() == before


# --- the network ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", ["the intent", "the call", "the outcome"])
async def test_a_network_that_drops_everything_ends_as_unknown_and_never_as_a_second_call(
    store: PostgresStore, journal: CommitJournal, at: str
) -> None:
    made: list[str] = []

    class Dropping(PostgresJournal):
        async def begin(self, intent: Intent) -> str:
            drop("the intent")
            return await super().begin(intent)

        def finish(self, intent: Intent, outcome: Outcome) -> asyncio.Future[None]:
            written = super().finish(intent, outcome)
            drop("the outcome")  # which is queued, and not sent yet
            return written

    @guarded_tool
    def pay(to: str) -> str:
        """Pay."""
        made.append(to)
        drop("the call")
        return "paid"

    def drop(now: str) -> None:
        proxy.drops = proxy.drops or (at == now and not proxy.cuts)

    agent = ScriptedBackend([[call("pay", to="ann")], [call("pay", to="ann")], "Done."])
    async with (
        Proxy(store.socket) as proxy,
        aclosing(Dropping(proxy.url, timeout=0.3)) as mine,
        Session(agent=agent, tools=Toolset(pay), strategy=Direct(), journal=mine) as session,
    ):
        plan = await session.rehearse("Pay Ann.")
        with pytest.raises(JournalError if at == "the intent" else UnknownOutcome):
            await session.commit(plan)
        # The server does not know yet, so that nobody else takes the plan.
        assert all(call.running for call in journal.calls(states=OPEN))
        with pytest.raises(CommitRefused, match="still running"):
            await journal.begin_plan(plan.id, resume=True)
        proxy.cut()  # it knows
        proxy.drops = False
        await until(partial(is_over, journal, plan.id))
        left = await recover(journal, Toolset(), redact=REDACT)
        assert [call.state for call in left] == [CallState.UNKNOWN] * len(made)
        if made:
            with pytest.raises(CommitRefused, match="not known"):
                await session.commit(plan)
        else:
            await session.commit(plan)
    assert made == ["ann"]


async def test_a_connection_cut_after_any_piece_loses_nothing_and_repeats_nothing(
    store: PostgresStore, journal: CommitJournal
) -> None:
    """One commit is cut off after its first piece of data, one after its second, until one is not."""
    begun, k, uncut = Counter[str](), 0, False
    async with Proxy(store.socket) as proxy:
        while not uncut:
            k += 1
            proxy.passed, proxy.cut_after, plan = 0, k, f"p{k}"
            told: list[str] = []
            with suppress(JournalError):
                await commit_through(proxy, plan, told)
            uncut = proxy.passed < k
            proxy.cut()
            refused = await refusal(journal, plan)
            found = [made.state for made in journal.calls(plan=plan)]
            assert len(found) == 1 or "begun" not in told, "a tool may have run, and the journal has nothing"
            assert found == [CallState.DONE] or "finished" not in told
            assert bool(found) == bool(refused)
            begun.update([*told, *found])
    assert k > 20
    assert begun["begun"] > begun["finished"] > 0
    assert begun[CallState.INTENT] > 0


def is_over(journal: CommitJournal, plan: str) -> bool:
    return not any(made.running for made in journal.calls(plan=plan))


async def refusal(journal: CommitJournal, plan: str) -> str:
    """Why the plan may not be claimed, once the server has noticed that its owner is gone; else it is."""
    for _ in range(1000):
        try:
            await journal.begin_plan(plan)
        except CommitRefused as refused:
            if "still running" not in str(refused):
                return str(refused)
            await asyncio.sleep(0.01)
        else:
            return ""
    raise AssertionError("the server has not noticed in 10 s that its client is gone")


async def commit_through(proxy: Proxy, plan: str, told: list[str]) -> None:
    """A commit of one call, at the lowest level; says how far the journal let it go."""
    async with aclosing(PostgresJournal(proxy.url)) as cut:
        await cut.begin_plan(plan)
        await cut.begin(intent(plan=plan))
        told.append("begun")
        await cut.finish(intent(plan=plan), OK)
        told.append("finished")
        await cut.end_plan(plan, "finished")
