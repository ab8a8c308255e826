"""What an attempt changed in forked databases and folders stands in its plan."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.postgres import postgresql
from helpers.simulators import call, fork, play
from helpers.stores import SANDBOX

from artis_sdk.records.state_change import ABSENT, state_change
from artis_sdk.simulators import forks
from artis_sdk.simulators.forks.contents import MOST_BYTES, MOST_ROWS, database, files
from artis_sdk.tools import Toolset

pytestmark = pytest.mark.usefixtures("copies")


async def changes(tools: Toolset, *calls: Any) -> dict[tuple[Any, ...], tuple[Any, Any]]:
    """The places that calls change in a fork, with the values before and after."""
    attempt = fork(SANDBOX, tools)
    try:
        before = attempt.state()
        await play(attempt, calls)
        changed = state_change(before, attempt.state())
    finally:
        await attempt.aclose()
    return {path: (one, other) for path, one, other in changed.places()}


class Shop:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.run("create table stock (item text primary key, quantity int)")
        self.run("create table parcels (customer text)")
        self.run('create table "odd ""name" (a int, b blob, primary key (a, b))')
        self.run("insert into stock values ('lamp', 2), ('tea', 9)")

    def run(self, statement: str) -> None:
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute(statement)


async def test_rows_of_a_database_by_table_and_key(tmp_path: Path) -> None:
    tools = Toolset.from_object(Shop(tmp_path / "shop.db"), fork=forks.of(path=forks.sqlite))
    found = await changes(
        tools,
        call("run", statement="update stock set quantity = 1 where item = 'lamp'"),
        call("run", statement="delete from stock where item = 'tea'"),
        call("run", statement="insert into parcels values ('ann')"),
        call("run", statement='insert into "odd ""name" values (1, x\'ff00\')'),
    )
    odd = "data:application/octet-stream;base64,/wA="
    assert found == {
        ("shop.db", "stock", "lamp", "quantity"): (2, 1),
        ("shop.db", "stock", "tea"): ({"item": "tea", "quantity": 9}, ABSENT),
        ("shop.db", "parcels", "1"): (ABSENT, {"customer": "ann"}),
        ("shop.db", 'odd "name', str((1, b"\xff\x00"))): (ABSENT, {"a": 1, "b": odd}),
    }


def test_every_row_of_every_kind_of_table_is_there(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "odd.db")) as db, db:
        db.execute("create table made (a int primary key, b int as (a * 2), c int as (a + 1) stored)")
        db.execute("insert into made (a) values (3)")
        db.execute("create table named (rowid text, b int)")
        db.executemany("insert into named values (?, ?)", [("x", 1), ("x", 2)])
        db.execute("create table nulls (a text primary key, b int)")
        db.executemany("insert into nulls values (?, ?)", [(None, 1), (None, 2)])
        db.execute("create table bare (a text primary key) without rowid")
        db.execute("insert into bare values ('k')")
        db.execute("create view seen as select * from named")
    assert database(tmp_path / "odd.db") == {
        "bare": {"k": {"a": "k"}},
        "made": {"3": {"a": 3, "b": 6, "c": 4}},
        "named": {"x": {"rowid": "x", "b": 1}, "x (2)": {"rowid": "x", "b": 2}},
        "nulls": {"None": {"a": None, "b": 1}, "None (2)": {"a": None, "b": 2}},
    }


@pytest.mark.parametrize("rows", [["x"] * MOST_ROWS, ["x" * MOST_BYTES]], ids=["rows", "bytes"])
async def test_a_large_database_by_its_digest(tmp_path: Path, rows: list[str]) -> None:
    shop = Shop(tmp_path / "shop.db")
    with closing(sqlite3.connect(shop.path)) as db, db:
        db.executemany("insert into parcels values (?)", [(row,) for row in rows])
    tools = Toolset.from_object(shop, fork=forks.of(path=forks.sqlite))
    assert await changes(tools) == {}
    found = await changes(tools, call("run", statement="update stock set quantity = 1 where item = 'lamp'"))
    assert ("shop.db", "sha256") in found


class Diary:
    """Makes its database when it is first needed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, text: str) -> str:
        is_new = not self.path.exists()
        with closing(sqlite3.connect(self.path)) as db, db:
            if is_new:
                db.execute("create table pages (text)")
            db.execute("insert into pages values (?)", (text,))
        return "new" if is_new else "old"


async def test_looking_makes_no_database(tmp_path: Path) -> None:
    tools = Toolset.from_object(Diary(tmp_path / "diary.db"), fork=forks.of(path=forks.sqlite))
    assert database(tmp_path / "diary.db") is None
    found = await changes(tools, call("write", text="a"), call("write", text="b"))
    pages = {"1": {"text": "a"}, "2": {"text": "b"}}
    assert found == {("diary.db",): (None, {"pages": pages})}
    assert not (tmp_path / "diary.db").exists()


async def test_a_database_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "shop.db")
    with closing(sqlite3.connect(shop.path, isolation_level=None)) as db:
        db.execute("begin exclusive")
        assert database(shop.path) == "<not readable: database is locked>"


class Connected:
    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.execute("create table notes (text)")

    def add(self, text: str) -> None:
        with self.db:
            self.db.execute("insert into notes values (?)", (text,))


async def test_the_database_behind_a_connection() -> None:
    real = Connected()
    with closing(real.db):
        tools = Toolset.from_object(real, fork=forks.of(db=forks.sqlite))
        found = await changes(tools, call("add", text="a"))
    assert found == {("database", "notes", "1"): (ABSENT, {"text": "a"})}


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)


async def test_files_of_a_folder(tmp_path: Path) -> None:
    root = tmp_path / "letters"
    (root / "deep").mkdir(parents=True)
    (root / "a").write_text("old")
    (root / "raw").write_bytes(b"\xff")
    tools = Toolset.from_object(Folder(root), fork=forks.of(root=forks.folder))
    found = await changes(
        tools, call("write", name="a", text="new"), call("write", name="deep/b", text="x" * 3_000)
    )
    new = found.pop(("letters", "deep/b"))[1]
    assert found == {("letters", "a"): ("old", "new")}
    assert new["bytes"] == 3_000


def test_a_folder_of_many_files_by_their_number(tmp_path: Path) -> None:
    for number in range(MOST_ROWS + 1):
        (tmp_path / str(number)).touch()
    found = files(tmp_path)
    assert (found["files"], found["bytes"]) == (MOST_ROWS + 1, 0)
    assert files(tmp_path / "0") == ""
    assert files(tmp_path / "none") is None


class Accounts:
    def __init__(self, engine: Any) -> None:
        self.engine = engine

    def pay(self, amount: int) -> None:
        from sqlalchemy import text

        with self.engine.begin() as connection:
            connection.execute(text("update accounts set balance = balance - :a"), {"a": amount})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL server's socket folder."""
    pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with postgresql() as folder:
        yield folder


async def test_rows_written_on_a_server(server: str, tmp_path: Path) -> None:
    from sqlalchemy import create_engine, text

    for url in (f"postgresql+psycopg://postgres@/postgres?host={server}", f"sqlite:///{tmp_path / 'a.db'}"):
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("create table accounts (name text primary key, balance int)"))
            connection.execute(text("insert into accounts values ('ann', 100)"))
        engine.dispose()  # a server counts what a connection wrote before, too, for a moment
        tools = Toolset.from_object(Accounts(engine), fork=forks.of(engine=forks.engine))
        found = await changes(tools, call("pay", amount=10))
        if engine.dialect.name == "sqlite":
            assert found == {("database", "accounts", "ann", "balance"): (100, 90)}
        else:
            assert found == {("database", "accounts"): (ABSENT, {"inserted": 0, "updated": 1, "deleted": 0})}
        engine.dispose()
