"""Generation obeys the sandbox's seal, and varies state, never where something is."""

from __future__ import annotations

import contextvars
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from helpers.generation import made

from artis_sdk.logs import CallLog
from artis_sdk.simulators import forks
from artis_sdk.tools import Toolset


class Store:
    """Holds the path of its database, and a limit that is its state."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.limit = 3
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("create table notes (text)")

    def add(self, text: str) -> int:
        """Write a note."""
        if len(text) > self.limit:
            raise ValueError("too long")
        with closing(sqlite3.connect(self.path)) as db, db:
            db.execute("insert into notes values (?)", (text,))
            count: int = db.execute("select count(*) from notes").fetchone()[0]
        if count > 1:
            raise OverflowError("full")
        return count


class Threads(Store):
    carries_context = True

    def add(self, text: str) -> int:
        """Write a note, in a thread."""
        if text == text + "x":
            raise ValueError("nobody gets here")  # so that generation goes on
        thread = threading.Thread(target=super().add, args=("x",))
        if self.carries_context:
            thread.start()
        else:
            contextvars.Context().run(thread.start)
        thread.join()
        return 1


class LostThreads(Threads):
    carries_context = False


def notes(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        count: int = db.execute("select count(*) from notes").fetchone()[0]
    return count


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where workers and forks put their copies; in the end it is empty."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    real = tmp_path / "real"
    real.mkdir()
    yield real
    assert list(temporary.iterdir()) == []
    assert sorted(path.name for path in real.iterdir()) == ["notes.db"]


async def test_an_object_that_holds_a_path_is_refused_and_its_database_stays(folder: Path) -> None:
    store = Store(folder / "notes.db")
    found = await made(Toolset.from_object(store), folder.parent / "made.db", calls=60)
    assert notes(folder / "notes.db") == 0
    assert any("sandbox refused sqlite3.connect" in reason for reason in found.refused)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Threads, "add: the sandbox refused sqlite3.connect"),
        (LostThreads, "a thread that a tool started: the sandbox refused"),
    ],
)
async def test_a_thread_is_sealed_too(folder: Path, kind: type[Threads], reason: str) -> None:
    found = await made(Toolset.from_object(kind(folder / "notes.db")), folder.parent / "made.db", calls=20)
    assert notes(folder / "notes.db") == 0
    assert any(reason in refused for refused in found.refused), found.refused


async def test_with_a_fork_it_runs_and_only_the_state_varies(folder: Path) -> None:
    store = Store(folder / "notes.db")
    tools = Toolset.from_object(store, fork=forks.of(path=forks.sqlite))
    found = await made(tools, folder.parent / "made.db", calls=120)
    assert notes(folder / "notes.db") == 0
    assert not found.refused
    with CallLog(folder.parent / "made.db", create=False) as log:
        states = [record.state for record in log.records()]
    assert {state["Store"]["path"] for state in states} == {store.path}  # type: ignore[call-overload,index]
    assert len({state["Store"]["limit"] for state in states}) > 1  # type: ignore[call-overload,index]
    assert store.limit == 3
