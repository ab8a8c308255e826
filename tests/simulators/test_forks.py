"""Forks for what services hold: each attempt has its own, the real one stays, nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.postgres import postgresql
from helpers.sessions import unjudged
from helpers.simulators import call, fork, play

from artis_sdk import Parallel
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.simulators import Ladder, SandboxSimulator, forks
from artis_sdk.tools import Toolset

SANDBOX = SandboxSimulator()


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where forks make their copies; in the end it is empty."""
    folder = tmp_path / "forks"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


async def played(tools: Toolset, *calls: Any, simulator: Any = SANDBOX) -> list[Any]:
    attempt = fork(simulator, tools)
    try:
        return [step.outcome.content() for step in await play(attempt, calls)]
    finally:
        await attempt.aclose()


# --- SQLite ---------------------------------------------------------------------------------------


class Store:
    """The most common shape of a service: it holds a path."""

    def __init__(self, path: Any) -> None:
        self.path = path
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("create table if not exists notes (text)")

    def add(self, text: str) -> int:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("insert into notes values (?)", (text,))
            count: int = db.execute("select count(*) from notes").fetchone()[0]
            return count


class StoreThatForks(Store):
    def __fork__(self) -> Any:
        return forks.of(path=forks.sqlite)(self)


class Shop:
    def __init__(self, store: Store) -> None:
        self.store = store

    def sell(self, what: str) -> int:
        return self.store.add(what)


def notes(path: Any) -> int:
    with closing(sqlite3.connect(path)) as db:
        found: int = db.execute("select count(*) from notes").fetchone()[0]
    return found


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("given", ["fork", "method"])
async def test_a_service_that_holds_a_database_s_path(tmp_path: Path, kind: Any, given: str) -> None:
    path = kind(tmp_path / "real.db")
    if given == "fork":
        store = Store(path)
        tools = Toolset.from_object(store, fork=forks.of(path=forks.sqlite))
    else:
        store = StoreThatForks(path)
        tools = Toolset.from_object(store)
    store.add("before")
    attempts = [played(tools, call("add", text="a"), call("add", text="b")) for _ in range(3)]
    assert await asyncio.gather(*attempts) == [[2, 3]] * 3
    assert store.path == path
    assert type(store.path) is type(path)
    assert notes(path) == 1


async def test_a_database_inside_an_object_is_named_by_its_way(tmp_path: Path) -> None:
    shop = Shop(Store(tmp_path / "real.db"))
    tools = Toolset.from_object(shop, fork=forks.of(**{"store.path": forks.sqlite}))
    assert await played(tools, call("sell", what="x")) == [1]
    assert notes(tmp_path / "real.db") == 0


async def test_a_database_that_is_written_meanwhile_and_one_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "real.db"
    store = Store(path)
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("pragma journal_mode=wal")
        writer.execute("insert into notes values ('not committed')")
        tools = Toolset.from_object(store, fork=forks.of(path=forks.sqlite))
        assert await played(tools, call("add", text="a")) == [1]
        writer.commit()
    assert await played(tools, call("add", text="a")) == [2]
    path.unlink()

    class New(Store):
        def __init__(self, path: Path) -> None:
            self.path = path

        def add(self, text: str) -> int:
            Store.__init__(self, self.path)
            return super().add(text)

    tools = Toolset.from_object(New(path), fork=forks.of(path=forks.sqlite))
    assert await played(tools, call("add", text="a")) == [1]
    assert not path.exists()


class Connected:
    def __init__(self, path: Path | str) -> None:
        self.db = sqlite3.connect(path, check_same_thread=False)
        self.db.row_factory = sqlite3.Row
        with self.db:
            self.db.execute("create table notes (text)")

    def add(self, text: str) -> int:
        with self.db:
            self.db.execute("insert into notes values (?)", (text,))
        count: int = self.db.execute("select count(*) as n from notes").fetchone()["n"]
        return count

    def attach(self, path: str) -> None:
        self.db.execute(f"attach '{path}' as other")
        self.db.execute("create table other.made (x)")


@pytest.mark.parametrize("where", ["file", ":memory:"])
async def test_a_service_that_holds_an_open_connection(tmp_path: Path, where: str) -> None:
    real = Connected(tmp_path / "real.db" if where == "file" else where)
    with closing(real.db):
        with pytest.raises(ConfigurationError, match="cannot fork the Connected"):
            fork(SANDBOX, Toolset.from_object(real))
        tools = Toolset.from_object(real, fork=forks.of(db=forks.sqlite))
        assert await played(tools, call("add", text="a"), call("add", text="b")) == [1, 2]
        assert await played(tools, call("add", text="a")) == [1]
        with pytest.raises(SimulationError, match=r"refused sqlite3\.connect"):
            await played(tools, call("attach", path=str(tmp_path / "other.db")))
        assert not (tmp_path / "other.db").exists()
        assert real.add("real") == 1


# --- folders --------------------------------------------------------------------------------------


class Files:
    def __init__(self, root: Any) -> None:
        self.root = root

    def write(self, name: str, text: str) -> list[str]:
        path = Path(self.root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return sorted(p.name for p in Path(self.root).rglob("*"))

    def remove(self, name: str) -> list[str]:
        path = Path(self.root, name)
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return sorted(p.name for p in Path(self.root).rglob("*"))


@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("without_cp", [False, True])
async def test_a_folder_is_copied(
    tmp_path: Path, kind: Any, without_cp: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if without_cp:
        monkeypatch.setattr(shutil, "which", lambda _: None)
    root = tmp_path / "root"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "a").write_text("a")
    (tmp_path / "outside").write_text("outside")
    (root / "link").symlink_to(tmp_path / "outside")
    tools = Toolset.from_object(Files(kind(root)), fork=forks.of(root=forks.folder))
    made = await played(tools, call("write", name="deep/b", text="b"), call("remove", name="deep"))
    assert made == [["a", "b", "deep", "link"], ["link"]]
    with pytest.raises(SimulationError, match="refused open"):
        await played(tools, call("write", name="link", text="through"))
    assert (tmp_path / "outside").read_text() == "outside"
    assert (root / "deep" / "a").read_text() == "a"
    assert sorted(os.listdir(root)) == ["deep", "link"]


async def test_attempts_cannot_write_into_each_other_s_folder(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    tools = Toolset.from_object(Files(root), fork=forks.of(root=forks.folder))
    one, two = fork(SANDBOX, tools), fork(SANDBOX, tools)
    (state,) = [made.root for made in two.tools.owners]  # type: ignore[attr-defined]
    with pytest.raises(SimulationError, match=r"refused os\.mkdir"):
        await one.predict(call("write", name=str(state / "x"), text="x"), None, ())
    assert (await two.predict(call("write", name=str(state / "x"), text="x"), None, ())).ok
    with pytest.raises(SimulationError, match=r"refused os\.mkdir"):
        await one.aclose()
    await two.aclose()


# --- forks of one's own ---------------------------------------------------------------------------


class Client:
    def __init__(self, sent: list[str]) -> None:
        self.sent = sent

    def send(self, text: str) -> int:
        self.sent.append(text)
        return len(self.sent)


class Mailer:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.also = [client]

    def mail(self, text: str) -> int:
        self.also[0].send(text)
        return self.client.send(text)


async def test_a_stand_in_takes_a_client_s_place_wherever_the_object_has_it() -> None:
    mailer = Mailer(Client([]))
    closed: list[bool] = []

    @contextmanager
    def stand_in(real: Client) -> Iterator[Client]:
        yield Client(["already"])
        closed.append(True)

    tools = Toolset.from_object(mailer, fork=forks.of(client=stand_in))
    assert await played(tools, call("mail", text="x")) == [3]
    assert closed == [True]
    assert mailer.client.sent == []
    tools = Toolset.from_object(mailer, fork=forks.of(client=lambda real: Client([])))
    assert await played(tools, call("mail", text="x")) == [2]


async def test_objects_that_refer_to_a_forked_one_get_its_fork(tmp_path: Path) -> None:
    store = Store(tmp_path / "real.db")
    shop = Shop(store)
    tools = Toolset.from_object(shop) + Toolset.from_object(store, fork=forks.of(path=forks.sqlite))
    assert await played(tools, call("sell", what="x"), call("add", text="y")) == [1, 2]
    assert notes(tmp_path / "real.db") == 0


@dataclass(frozen=True)
class Frozen:
    path: str

    def add(self) -> int:
        return Store(self.path).add("x")


async def test_a_frozen_object_is_forked_too(tmp_path: Path) -> None:
    tools = Toolset.from_object(Frozen(str(tmp_path / "real.db")), fork=forks.of(path=forks.sqlite))
    assert await played(tools, call("add")) == [1]
    assert not (tmp_path / "real.db").exists()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: forks.of(), "names no attribute"),
        (lambda: forks.of(nothing=forks.sqlite), "no 'nothing'"),
        (lambda: forks.of(also=forks.sqlite), "forks.sqlite takes a path"),
        (lambda: forks.of(client=forks.engine), "forks.engine"),
        (lambda: lambda mailer: None, "is None"),
    ],
)
def test_a_fork_that_does_not_fit_is_an_error(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fork(SANDBOX, Toolset.from_object(Mailer(Client([])), fork=make()))


def test_what_was_made_is_taken_away_when_a_later_fork_fails(tmp_path: Path) -> None:
    class Two(Store):
        other = 3

    tools = Toolset.from_object(
        Two(tmp_path / "real.db"), fork=forks.of(path=forks.sqlite, other=forks.sqlite)
    )
    with pytest.raises(ConfigurationError):
        fork(SANDBOX, tools)  # the fixture sees that no folder stays


def test_a_fork_can_be_used_by_itself(tmp_path: Path, temporary: Path) -> None:
    store = Store(tmp_path / "real.db")
    with forks.of(path=forks.sqlite)(store) as copy:
        assert copy.add("x") == 1
        assert len(list(temporary.iterdir())) == 1
    assert notes(store.path) == 0


# --- where an attempt ends --------------------------------------------------------------------------


async def test_each_attempt_of_a_session_takes_its_copies_away(tmp_path: Path, temporary: Path) -> None:
    store = Store(tmp_path / "real.db")
    seen: list[int] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        count = await asyncio.to_thread(tools["add"], "x")
        seen.append(len(os.listdir(temporary)))
        if "fail" in task:
            raise ValueError
        return str(count)

    for simulator in (SANDBOX, Ladder([SANDBOX])):
        async with unjudged(
            agent,
            Toolset.from_object(store, fork=forks.of(path=forks.sqlite)),
            tmp_path / "journal.db",
            simulator=simulator,
            strategy=Parallel(2),
        ) as session:
            plan = await session.rehearse("Add.")
            assert [attempt.answer for attempt in plan.attempts] == ["1", "1"]
            await session.rehearse("Add and fail.")
            assert os.listdir(temporary) == []
    assert notes(store.path) == 0
    assert max(seen) == 2


async def test_a_world_that_is_closed_twice_is_closed(tmp_path: Path) -> None:
    store = Store(tmp_path / "real.db")
    tools = Toolset.from_object(store, fork=forks.of(path=forks.sqlite))
    world = SimulatedWorld(fork(SANDBOX, tools), None)
    await world.aclose()
    await world.aclose()
    world.check()


# --- SQLAlchemy -------------------------------------------------------------------------------------


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
        raw = getattr(connection, "_connection", connection)
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
