"""Where call logs may be. What is held to `PLACES` is a law of all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from helpers.logs import file_bytes
from helpers.postgres import postgresql_url

from artis_sdk.logs import CallStore, open_call_log


class LogPlace(Protocol):
    """A place for one log, empty at first."""

    where: str
    """Its address."""

    def open(self, **options: Any) -> CallStore:
        """The log, as another process would open it."""

    def contents(self) -> bytes:
        """All that is there and on the way there, as it is stored; what is compressed is unpacked."""


class FilePlace:
    """An SQLite file."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "calls.db"
        self.where = str(self.path)

    def open(self, **options: Any) -> CallStore:
        return open_call_log(self.where, **options)

    def contents(self) -> bytes:
        return file_bytes(self.path)


class _Shared:
    where: str
    data: Path

    def open(self, **options: Any) -> CallStore:
        return open_call_log(self.where, **options)

    def waiting(self) -> bytes:
        """What waits on this machine."""
        return b"".join(path.read_bytes() for path in sorted(self.data.glob("logs/*/*")))


class FolderPlace(_Shared):
    """Parquet files in a folder of a disk."""

    def __init__(self, folder: Path) -> None:
        pytest.importorskip("pyarrow", reason="pyarrow is not installed")
        pytest.importorskip("fsspec", reason="fsspec is not installed")
        self.path = folder / "shared" / "calls"
        self.where = f"file://{self.path}"
        self.data = _data()

    def contents(self) -> bytes:
        from pyarrow import parquet

        tables = [parquet.read_table(path) for path in sorted(self.path.glob("*.parquet"))]
        return self.waiting() + repr([table.to_pylist() for table in tables]).encode()


class DatabasePlace(_Shared):
    """A table of a real server."""

    def __init__(self, folder: Path) -> None:
        self.where = postgresql_url()
        self.data = _data()
        with _connected(self.where) as connection:
            connection.execute("DROP SCHEMA IF EXISTS artis_log CASCADE")

    def contents(self) -> bytes:
        with _connected(self.where) as connection:
            found = connection.execute("SELECT to_regclass('artis_log.call')").fetchone()
            rows = connection.execute("SELECT * FROM artis_log.call").fetchall() if found[0] else []
        return self.waiting() + repr(rows).encode()


def _connected(url: str) -> Any:
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    return psycopg.connect(url, autocommit=True)


def _data() -> Path:
    from artis_sdk.store_address import data_folder

    return data_folder()


SHARED: dict[str, Callable[[Path], FolderPlace | DatabasePlace]] = {
    "folder": FolderPlace,
    "postgresql": DatabasePlace,
}
PLACES: dict[str, Callable[[Path], LogPlace]] = {"file": FilePlace, **SHARED}
