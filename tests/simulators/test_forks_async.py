"""Forks of async SQLAlchemy engines: SQLite is copied, PostgreSQL is rolled back."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from helpers.postgres import postgresql
from helpers.simulators import call, fork, play
from helpers.stores import SANDBOX, played

from artis_sdk import Session
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.simulators import forks
from artis_sdk.tools import Toolset

sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
pytest.importorskip("aiosqlite", reason="aiosqlite is not installed")
pytest.importorskip("asyncpg", reason="asyncpg is not installed")

from sqlalchemy import text  # noqa: E402
from sqlalchemy.ext.asyncio import (  # noqa: E402
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.pool import NullPool  # noqa: E402

TAKE = text("update accounts set balance = balance - :a")
LEFT = text("select balance from accounts")
MINUTES = text(
    "with recursive c (n) as (select 1 union all select n + 1 from c where n < 1000000000) "
    "select count(*) from c"
)


class Accounts:
    """A service over an async engine, in the styles that people write."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.sessions = async_sessionmaker(engine, expire_on_commit=False)

    async def by_begin(self, amount: int) -> int:
        async with self.engine.begin() as connection:
            await connection.execute(TAKE, {"a": amount})
            return int((await connection.execute(LEFT)).scalar_one())

    async def by_session(self, amount: int) -> int:
        async with self.sessions() as session:
            await session.execute(TAKE, {"a": amount})
            async with session.begin_nested() as nested:
                await session.execute(text("update accounts set balance = 0"))
                await nested.rollback()
            await session.commit()
            return int((await session.execute(LEFT)).scalar_one())

    async def rolled_back(self, amount: int) -> int:
        async with self.engine.connect() as connection:
            await connection.execute(TAKE, {"a": amount})
            await connection.rollback()
            return int((await connection.execute(LEFT)).scalar_one())

    async def fails(self, amount: int) -> None:
        async with self.engine.begin() as connection:
            await connection.execute(TAKE, {"a": amount})
            await connection.execute(text("select * from missing"))

    async def streams(self) -> list[int]:
        async with self.engine.connect() as connection:
            rows = await connection.stream(LEFT)
            return [row.balance async for row in rows]

    async def side_by_side(self, amount: int) -> int:
        async def take() -> None:
            async with self.sessions.begin() as session:
                await session.execute(TAKE, {"a": amount})

        await asyncio.gather(*(take() for _ in range(1 if in_memory(self.engine) else 2)))
        return await balance(self.engine)

    async def commits_in_words(self, amount: int) -> None:
        async with self.engine.connect() as connection:
            await connection.execute(TAKE, {"a": amount})
            await connection.execute(text("commit"))

    async def without_transactions(self, amount: int) -> None:
        engine = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(TAKE, {"a": amount})

    async def gives_up(self, amount: int) -> str:
        async with self.sessions() as session:
            await session.execute(TAKE, {"a": amount})
            with suppress(TimeoutError):
                async with asyncio.timeout(0.2):
                    await session.execute(text("select pg_sleep(3)"))
        return "gave up"

    async def disposes(self) -> int:
        await self.engine.dispose()
        return await balance(self.engine)

    def in_a_loop_of_its_own(self, amount: int) -> int:
        return asyncio.run(self.by_begin(amount))

    async def past_sqlalchemy(self, amount: int) -> None:
        async with self.engine.connect() as connection:
            raw = await connection.get_raw_connection()
            await raw.driver_connection.execute("rollback")
            await raw.driver_connection.execute(f"update accounts set balance = {amount}")


def in_memory(engine: Any) -> bool:
    """Whether it has one connection, which sessions side by side cannot share for real either."""
    return engine.url.database is None


async def balance(engine: Any) -> int:
    async with engine.connect() as connection:
        return int((await connection.execute(LEFT)).scalar_one())


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server's socket folder."""
    with postgresql() as folder:
        yield folder


DATABASES = ("file", "memory", "uri", "null pool", "asyncpg", "psycopg")


@pytest.fixture(params=DATABASES)
async def engine(request: pytest.FixtureRequest, tmp_path: Path, server: str) -> AsyncIterator[Any]:
    path, where = tmp_path / "real.db", request.param
    real = {
        "file": lambda: create_async_engine(f"sqlite+aiosqlite:///{path}", connect_args={"timeout": 3}),
        "memory": lambda: create_async_engine("sqlite+aiosqlite://"),
        "uri": lambda: create_async_engine(f"sqlite+aiosqlite:///file:{path}?mode=rwc&uri=true"),
        "null pool": lambda: create_async_engine(f"sqlite+aiosqlite:///{path}", poolclass=NullPool),
    }.get(where, lambda: create_async_engine(f"postgresql+{where}://postgres@/postgres?host={server}"))()
    async with real.begin() as connection:
        await connection.execute(text("drop table if exists accounts"))
        await connection.execute(text("create table accounts (balance int)"))
        await connection.execute(text("insert into accounts values (100)"))
    yield real
    await real.dispose()


async def test_an_attempt_changes_its_own_data(engine: Any) -> None:
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    for _ in range(2):
        attempt = fork(SANDBOX, tools)
        calls = [
            call("by_begin", amount=10),
            call("rolled_back", amount=50),
            call("fails", amount=50),
            call("by_session", amount=20),
            call("streams"),
            call("side_by_side", amount=1),
        ]
        history = await play(attempt, calls)
        found = [step.outcome.content() for step in history]
        assert [*found[:2], *found[3:]] == [90, 90, 70, [70], 69 if in_memory(engine) else 68]
        assert not history[2].outcome.ok
        await attempt.aclose()
        assert await balance(engine) == 100


@pytest.mark.parametrize("part", ["sessions", "scoped", "session"])
async def test_what_is_bound_to_the_engine_is_bound_to_its_fork(engine: Any, part: str) -> None:
    class Shop:
        def __init__(self, engine: Any) -> None:
            self.engine = engine
            self.sessions = async_sessionmaker(engine)
            self.scoped = async_scoped_session(self.sessions, scopefunc=asyncio.current_task)
            self.session = AsyncSession(engine, expire_on_commit=False)

        async def take(self) -> int:
            session = getattr(self, part)
            session = session if part == "session" else session()
            await session.execute(TAKE, {"a": 1})
            await session.commit()
            left = int((await session.execute(LEFT)).scalar_one())
            await session.close()
            return left

    tools = Toolset.from_object(Shop(engine), fork=forks.of(engine=forks.engine))
    assert await played(tools, call("take"), call("take")) == [99, 98]
    assert await balance(engine) == 100


async def test_a_maker_of_sessions_alone(engine: Any) -> None:
    class Shop:
        def __init__(self, engine: Any) -> None:
            self.sessions = async_sessionmaker(engine)

        async def take(self) -> int:
            async with self.sessions.begin() as session:
                await session.execute(TAKE, {"a": 1})
                return int((await session.execute(LEFT)).scalar_one())

    tools = Toolset.from_object(Shop(engine), fork=forks.of(sessions=forks.engine))
    assert await played(tools, call("take"), call("take")) == [99, 98]
    assert await balance(engine) == 100


async def test_a_whole_session_acts_once(engine: Any, tmp_path: Path) -> None:
    accounts = Accounts(engine)

    async def agent(task: Any, *, tools: Any, guidance: Any) -> str:
        return str([await tools["by_begin"](10), await tools["by_session"](5)])

    tools = Toolset.from_object(accounts, fork=forks.of(engine=forks.engine))
    options: dict[str, Any] = {"evaluate": False, "summarize": False, "journal": tmp_path / "journal.db"}
    async with Session(agent=agent, tools=tools, simulator=SANDBOX, **options) as session:
        plan = await session.rehearse("Take 10, and 5.")
        assert [attempt.answer for attempt in plan.attempts] == ["[90, 85]"] * 5
        assert await balance(engine) == 100
        assert (await session.commit(plan)).answer == "[90, 85]"
    assert await balance(engine) == 85


@pytest.mark.parametrize("way", ["commits_in_words", "without_transactions", "past_sqlalchemy"])
async def test_nothing_is_committed_in_another_way(engine: Any, way: str) -> None:
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    unseen = way == "past_sqlalchemy" and engine.dialect.driver == "psycopg"  # rolled back at the end
    if engine.dialect.name == "postgresql" and not unseen:
        with pytest.raises(SimulationError, match="the sandbox refused"):
            await played(tools, call(way, amount=1))
    else:
        await played(tools, call(way, amount=1))
    assert await balance(engine) == 100


async def test_an_attempt_leaves_no_connection(engine: Any) -> None:
    async def opened() -> int:
        if engine.dialect.name == "sqlite":
            return threading.active_count()
        async with engine.connect() as connection:
            return int((await connection.execute(text("select count(*) from pg_stat_activity"))).scalar_one())

    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    await played(tools, call("by_begin", amount=1))
    before = await opened()
    for _ in range(3):
        await played(tools, call("by_begin", amount=1), call("side_by_side", amount=1))
    for _ in range(100):
        if await opened() <= before:
            break
        await asyncio.sleep(0.05)
    else:
        pytest.fail(f"{await opened()} instead of {before}")


@pytest.mark.parametrize("engine", ["asyncpg", "psycopg"], indirect=True)
async def test_a_statement_that_is_given_up_loses_its_transaction_alone(engine: Any) -> None:
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    calls = call("by_begin", amount=10), call("gives_up", amount=50), call("by_session", amount=20)
    assert await played(tools, *calls) == [90, "gave up", 70]
    assert await balance(engine) == 100


async def test_an_engine_that_a_tool_disposes_of_has_its_changes_still(engine: Any) -> None:
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    calls = call("by_begin", amount=10), call("disposes"), call("streams")
    assert await played(tools, *calls) == [90, 90, [90]]
    assert await balance(engine) == 100


async def test_sessions_side_by_side_may_be_the_first_ones(engine: Any) -> None:
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    async with asyncio.timeout(20):
        found = await played(tools, call("side_by_side", amount=1), call("streams"))
    assert found in ([98, [98]], [99, [99]] if in_memory(engine) else None)


async def test_an_event_loop_for_each_call(engine: Any) -> None:
    if engine.dialect.name == "postgresql":  # whose pool holds a connection of this loop
        await engine.dispose()
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    calls = [call("in_a_loop_of_its_own", amount=10)] * 2
    if engine.dialect.driver == "asyncpg":
        with pytest.raises(SimulationError, match="in another event loop"):
            await played(tools, *calls)
    else:
        assert await played(tools, *calls) == [90, 80]
    assert await balance(engine) == 100


async def test_an_attempts_end_waits_for_no_statement(tmp_path: Path) -> None:
    class Slow:
        def __init__(self, engine: Any) -> None:
            self.engine = engine
            self.working: list[Any] = []

        async def starts(self) -> None:
            connection = await self.engine.connect()
            self.working.append(asyncio.ensure_future(connection.execute(MINUTES)))
            self.working[0].add_done_callback(asyncio.Future.exception)
            await asyncio.sleep(0.2)

    real = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'real.db'}")
    tools = Toolset.from_object(Slow(real), fork=forks.of(engine=forks.engine))
    began = time.monotonic()
    await played(tools, call("starts"))
    assert time.monotonic() - began < 20


async def test_a_listener_of_connections_is_the_forks_too(engine: Any) -> None:
    seen: list[object] = []

    def on_connect(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("select 1")
        cursor.close()
        seen.append(connection)

    if engine.dialect.name == "postgresql":  # whose pool holds a connection
        await engine.dispose()
    sqlalchemy.event.listen(engine.sync_engine, "connect", on_connect)
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    await played(tools, call("by_begin", amount=1))
    assert seen


async def test_what_cannot_be_copied_is_refused_where_it_is_forked() -> None:
    class Kept:
        def __init__(self) -> None:
            self.engine = create_async_engine("sqlite+aiosqlite://", poolclass=NullPool)

        async def read(self) -> int:
            return await balance(self.engine)

    with pytest.raises(ConfigurationError, match="poolclass=StaticPool, or over a file"):
        fork(SANDBOX, Toolset.from_object(Kept(), fork=forks.of(engine=forks.engine)))
