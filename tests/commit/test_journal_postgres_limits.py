"""A journal in PostgreSQL whose network goes without a word: nothing waits for ever or is done twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, intent, until
from helpers.hosts import hosts
from helpers.postgres import PostgresStore, states
from helpers.proxy import Proxy

from artis_sdk.commit.journal import CallState, Decided, Decision
from artis_sdk.errors import CommitRefused, JournalError

pytest.importorskip("psycopg", reason="psycopg is not installed")
pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = pytest.mark.slow

from artis_sdk.commit.journal.postgres import PostgresJournal  # noqa: E402

TIMEOUT = 1.0
"""Seconds; an answer is waited for three times as long, and a connection for two seconds at least."""
BOUND = 60.0
"""Seconds that no operation may take: far above its limits, as clocks lie on a shared machine."""

APPROVED = Decision(plan="p", at=1.0, about="plan", verdict=Decided.APPROVED, by="ann", digest=None)

READS: list[Callable[[PostgresJournal], Any]] = [
    lambda journal: journal.calls(),
    lambda journal: journal.calls(plan="p"),
    lambda journal: journal.decisions(),
]
WRITES: list[Callable[[PostgresJournal], Awaitable[Any]]] = [
    lambda journal: journal.begin_plan("q"),
    lambda journal: journal.begin(intent(1)),
    lambda journal: journal.finish(intent(), OK),
    lambda journal: journal.end_plan("p", "finished"),
    lambda journal: journal.decide(APPROVED),
    lambda journal: journal.prune(4e9),
]


async def test_every_operation_ends_where_everything_is_swallowed(tmp_path: Path) -> None:
    """All at once: first on connections that were good, then on new ones."""
    store = PostgresStore(tmp_path)
    async with Proxy(store.socket) as proxy:
        journal = PostgresJournal(proxy.url, timeout=TIMEOUT)
        await journal.begin_plan("p")
        await journal.begin(intent())
        for read in READS:  # their connections are there, too
            await asyncio.to_thread(read, journal)
        proxy.drops = True
        for _ in range(2):
            reads = [asyncio.to_thread(read, journal) for read in READS]
            writes = [write(journal) for write in WRITES]
            async with asyncio.timeout(BOUND):
                ended = await asyncio.gather(*reads, *writes, return_exceptions=True)
            assert [type(one) for one in ended] == [JournalError] * len(ended)
        async with asyncio.timeout(BOUND):
            await journal.aclose()
        proxy.cut()
        proxy.drops = False
    async with aclosing(store.open()) as other:
        await until(lambda: not any(call.running for call in other.calls()))
        assert states(other) == [CallState.INTENT]
        with pytest.raises(CommitRefused, match="not known"):
            await other.begin_plan("p", resume=True)


async def test_reading_goes_on_when_the_network_is_back(tmp_path: Path) -> None:
    store = PostgresStore(tmp_path)
    async with Proxy(store.socket) as proxy, aclosing(PostgresJournal(proxy.url, timeout=TIMEOUT)) as journal:
        await journal.begin_plan("p")
        await journal.begin(intent())
        await asyncio.to_thread(journal.calls)
        proxy.drops = True
        with pytest.raises(JournalError):
            await asyncio.to_thread(journal.calls)
        proxy.cut()
        proxy.drops = False
        assert [call.tool for call in await asyncio.to_thread(journal.calls)] == ["pay"]


# --- hosts ------------------------------------------------------------------------------------

HOST = """
import asyncio, sys
from contextlib import aclosing
from helpers.commit import OK, intent
from artis_sdk.commit.journal.postgres import PostgresJournal
from artis_sdk.errors import ArtisError

async def tell(work):
    try:
        print(await work, flush=True)
    except ArtisError as error:
        print(f"{type(error).__name__}: {error}", flush=True)

async def main():
    async with aclosing(PostgresJournal(sys.argv[1], timeout=1)) as journal:
        await journal.begin_plan("p")
        await journal.begin(intent())
        print("begun", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        while not is_back(journal):
            await asyncio.sleep(0.1)
        await tell(journal.finish(intent(), OK))
        await tell(journal.begin(intent(1)))
        await tell(journal.begin_plan("p", resume=True))

def is_back(journal):
    try:
        return journal.calls() != []
    except ArtisError:
        return False

asyncio.run(main())
"""
OTHER = """
import asyncio, sys
from contextlib import aclosing
from helpers.commit import OK
from artis_sdk.commit.journal.postgres import PostgresJournal

async def main():
    async with aclosing(PostgresJournal(sys.argv[1], timeout=1)) as journal:
        (call,) = journal.calls()
        print("running" if call.running else "left", flush=True)
        while journal.calls()[0].running:
            await asyncio.sleep(0.1)
        await journal.abandon(call)
        await journal.reconcile(call, OK, by="ann", why="seen at the bank")
        print("settled", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    "knows", ["", "keepalives_idle=60&tcp_user_timeout=0"], ids=["by itself", "once it writes"]
)
def test_a_host_that_is_cut_off_is_settled_by_another_and_comes_back_fenced(knows: str) -> None:
    """However the host finds that its session is lost."""
    with hosts(2) as ((first, second), (url, same)), first.running(HOST, f"{url}?{knows}") as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "begun\n"
        with second.running(OTHER, same) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "running\n"
            first.cut()  # and until the server has given it up, it counts as running
            assert other.communicate(timeout=60)[0] == "settled\n"
        first.mend()
        out, _ = owner.communicate("go on\n", timeout=60)
        finished, begun, claimed = out.splitlines()
        assert "lost while it ran" in finished
        assert "not being committed by this journal" in begun
        assert claimed == "1"  # it goes on behind the call that was settled
