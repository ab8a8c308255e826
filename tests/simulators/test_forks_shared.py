"""Two services that share a database share its fork, as what one does is there for the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.simulators import call
from helpers.stores import Store, notes, played

from artis_sdk.simulators import forks
from artis_sdk.tools import Toolset


class Reader:
    def __init__(self, path: Path) -> None:
        self.path = path

    def count(self) -> int:
        return notes(self.path)


async def test_one_file(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    fork = forks.of(path=forks.sqlite)
    store = Toolset.from_object(Store(path), fork=fork)
    reader = Toolset.from_object(Reader(path), fork=forks.of(path=forks.sqlite))
    for _ in range(2):
        assert await played(Toolset(*store, *reader), call("add", text="a"), call("count")) == [1, 1]
    other = Toolset.from_object(Reader(tmp_path / "other.db"), fork=fork)
    Store(tmp_path / "other.db")
    assert await played(Toolset(*store, *other), call("add", text="a"), call("count")) == [1, 0]
    assert notes(path) == 0


async def test_a_number_is_a_thing_of_each_object() -> None:
    class One:
        def __init__(self) -> None:
            self.held: Any = 1_000

        def first(self) -> int:
            self.held.append(1)
            return len(self.held)

    class Other(One):
        def second(self) -> int:
            return len(self.held)

    def fork(_: int) -> list[int]:
        return []

    one = Toolset.from_object(One(), fork=forks.of(held=fork))
    other = Toolset(Toolset.from_object(Other(), fork=forks.of(held=fork))["second"])
    assert await played(Toolset(*one, *other), call("first"), call("second")) == [1, 0]


@pytest.mark.parametrize("held", ["engine", "sessions"])
async def test_one_engine(tmp_path: Path, held: str) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy", reason="SQLAlchemy is not installed")
    orm = pytest.importorskip("sqlalchemy.orm")

    class Adds:
        def __init__(self, engine: Any) -> None:
            self.engine = engine

        def add(self) -> None:
            with self.engine.begin() as connection:
                connection.exec_driver_sql("insert into notes values ('a')")

    class Counts:
        def __init__(self, engine: Any) -> None:
            self.engine = engine
            self.sessions = orm.sessionmaker(engine)

        def count(self) -> int:
            with self.sessions() as session:
                rows = session.connection().exec_driver_sql("select count(*) from notes")
                return int(rows.scalar_one())

    Store(tmp_path / "notes.db")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'notes.db'}")
    adds = Toolset.from_object(Adds(engine), fork=forks.of(engine=forks.engine))
    counts = Toolset.from_object(Counts(engine), fork=forks.of(**{held: forks.engine}))
    for _ in range(2):
        assert await played(Toolset(*adds, *counts), call("add"), call("add"), call("count")) == [
            None,
            None,
            2,
        ]
    engine.dispose()
    assert notes(tmp_path / "notes.db") == 0
