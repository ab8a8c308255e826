"""Places that a sandboxed body must leave as they are."""

from __future__ import annotations

import importlib
import os
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from helpers.counting_server import Handler, serving
from helpers.sealed_acts import Does, tree
from helpers.written import OBJECT, Modules


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for the copies of forks; each test must leave it empty."""
    folder = tmp_path / "forks"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving() as number:
        yield number


@pytest.fixture
def does(tmp_path: Path, port: int) -> Iterator[Does]:
    """The real thing, which nothing may have changed in the end."""
    folder = tmp_path / "real"
    (folder / "full" / "inner").mkdir(parents=True)
    (folder / "full" / "inner" / "file").write_text("x")
    (folder / "empty").mkdir()
    (folder / "file").write_text("content")
    with closing(sqlite3.connect(folder / "real.db")) as db, db:
        db.execute("create table t (x)")
    Handler.seen.clear()
    before, at = tree(folder), os.getcwd()
    yield Does(folder, port)
    assert tree(folder) == before
    assert Handler.seen == []
    assert os.getcwd() == at


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Modules]:
    """Imports `shop`, a module whose class has one method, and `state` beside it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(head: str, body: str, state: str = "") -> ModuleType:
        define = "async def" if "await" in body else "def"
        (tmp_path / "state.py").write_text(state)
        (tmp_path / "shop.py").write_text(head + OBJECT.format(define=define, body=body))
        for name in ("shop", "state"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("shop")

    yield make
    for name in ("shop", "state"):
        sys.modules.pop(name, None)
