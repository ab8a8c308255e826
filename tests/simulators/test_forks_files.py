"""Forks of database files, connections and folders: each attempt has a copy, and the real one stays."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.simulators import call, fork
from helpers.stores import SANDBOX, Shop, Store, notes, played

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.simulators import forks
from artis_sdk.tools import Toolset

pytestmark = pytest.mark.usefixtures("copies")


# --- SQLite ------------------------------------------------------------------------------------


class StoreThatForks(Store):
    def __fork__(self) -> Any:
        return forks.of(path=forks.sqlite)(self)


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


# --- folders -----------------------------------------------------------------------------------


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
