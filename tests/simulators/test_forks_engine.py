"""Forks of SQLAlchemy engines: SQLite is copied, PostgreSQL is rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.postgres import postgresql
from helpers.simulators import call, fork, play
from helpers.stores import SANDBOX, played

from artis_sdk.errors import SimulationError
from artis_sdk.simulators import forks
from artis_sdk.tools import Toolset

pytestmark = pytest.mark.usefixtures("copies")


def _sqlalchemy() -> Any:
    return pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")


class Accounts:
    """A service over an engine, in the styles that people write."""

    def __init__(self, engine: Any) -> None:
        from sqlalchemy.orm import sessionmaker

        self.engine = engine
        self.sessions = sessionmaker(engine)

    def by_begin(self, amount: int) -> int:
        from sqlalchemy import text

        with self.engine.begin() as connection:
            connection.execute(text("update accounts set balance = balance - :a"), {"a": amount})
            return int(connection.execute(text("select balance from accounts")).scalar_one())

    def by_session(self, amount: int) -> int:
        from sqlalchemy import text

        with self.sessions() as session:
            session.execute(text("update accounts set balance = balance - :a"), {"a": amount})
            with session.begin_nested() as nested:
                session.execute(text("update accounts set balance = 0"))
                nested.rollback()
            session.commit()
            return int(session.execute(text("select balance from accounts")).scalar_one())

    def rolled_back(self, amount: int) -> int:
        from sqlalchemy import text

        with self.engine.connect() as connection:
            connection.execute(text("update accounts set balance = balance - :a"), {"a": amount})
            connection.rollback()
            return int(connection.execute(text("select balance from accounts")).scalar_one())

    def fails(self, amount: int) -> None:
        from sqlalchemy import text

        with self.engine.begin() as connection:
            connection.execute(text("update accounts set balance = balance - :a"), {"a": amount})
            connection.execute(text("select * from nothing"))

    def commits_in_words(self, amount: int) -> None:
        from sqlalchemy import text

        with self.engine.connect() as connection:
            connection.execute(text("update accounts set balance = balance - :a"), {"a": amount})
            connection.execute(text("commit"))

    def commits_the_driver(self, amount: int) -> None:
        connection = self.engine.raw_connection().driver_connection
        raw = getattr(connection, "_artis_real", connection)
        cursor = raw.cursor()
        cursor.execute("update accounts set balance = 1")
        raw.commit()


def _made(engine: Any) -> Any:
    from sqlalchemy import text

    with engine.begin() as connection:
        connection.execute(text("drop table if exists accounts"))
        connection.execute(text("create table accounts (balance int)"))
        connection.execute(text("insert into accounts values (100)"))
    return engine


def _balance(engine: Any) -> int:
    from sqlalchemy import text

    with engine.connect() as connection:
        return int(connection.execute(text("select balance from accounts")).scalar_one())


async def _rehearsed(engine: Any) -> None:
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    for _ in range(2):
        attempt = fork(SANDBOX, tools)
        calls = [
            call("by_begin", amount=10),
            call("rolled_back", amount=50),
            call("fails", amount=50),
            call("by_session", amount=20),
        ]
        history = await play(attempt, calls)
        found = [step.outcome.content() for step in history]
        assert (found[0], found[1], found[3]) == (90, 90, 70)
        assert not history[2].outcome.ok
        await attempt.aclose()
        assert _balance(engine) == 100


@pytest.mark.parametrize("where", ["file", "memory"])
async def test_an_engine_over_sqlite(tmp_path: Path, where: str) -> None:
    sqlalchemy = _sqlalchemy()
    from sqlalchemy.pool import StaticPool

    if where == "file":
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'real.db'}", connect_args={"timeout": 3})
    else:
        engine = sqlalchemy.create_engine(
            "sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
    keys: list[int] = []

    def on_connect(connection: Any, _: Any) -> None:
        keys.append(1)

    sqlalchemy.event.listen(engine, "connect", on_connect)
    await _rehearsed(_made(engine))
    before = len(keys)
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    await played(tools, call("by_begin", amount=10), call("commits_in_words", amount=1))
    assert len(keys) > before  # a listener, such as one that turns on foreign keys, is the fork's, too
    assert _balance(engine) == 100
    engine.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server's socket folder."""
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    with postgresql() as folder:
        yield folder


@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
async def test_an_engine_over_postgresql(server: str, driver: str) -> None:
    pytest.importorskip(driver, reason=f"{driver} is not installed")
    sqlalchemy = _sqlalchemy()
    engine = _made(sqlalchemy.create_engine(f"postgresql+{driver}://postgres@/postgres?host={server}"))
    await _rehearsed(engine)
    tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
    for name in ("commits_in_words", "commits_the_driver"):
        with pytest.raises(SimulationError, match="the end of the rehearsal's transaction"):
            await played(tools, call(name, amount=1))
        assert _balance(engine) == 100
    engine.dispose()
