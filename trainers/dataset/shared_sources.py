"""Call logs that hosts share as sources of rows: read once, into files of this machine."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from artis_sdk.errors import LogError
from artis_sdk.logs import export_parquet, open_call_log
from artis_sdk.logs.folder import FolderRows
from artis_sdk.logs.opening import shared_rows
from artis_sdk.trainers.dataset.parquet_source import ParquetSource, RowSource

if TYPE_CHECKING:
    import duckdb


def open_shared(url: str, work: Path, *, skip_corrupt: bool) -> RowSource:
    """The source of a shared log; arguments and errors as those of `open_source`."""
    rows = shared_rows(url)
    if not isinstance(rows, FolderRows):
        return DatabaseSource(url, work)
    files = rows.fetch(work / "files")
    if not files:
        raise LogError(f"{rows.address}: no such call log")
    return ParquetSource(files, rows.address, skip_corrupt=skip_corrupt)


class DatabaseSource:
    """A call log in a database: every row is checked, on the way to a Parquet file."""

    def __init__(self, url: str, work: Path) -> None:
        self._log = open_call_log(url, create=False)
        self._rows = work / "rows.parquet"
        self._parquet = ParquetSource([self._rows], self._log.address, skip_corrupt=False)

    def index(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """See `RowSource.index`."""
        with closing(self._log):
            export_parquet(self._log.records(), self._rows)
        return self._parquet.index(connection)

    def write(self, connection: duckdb.DuckDBPyConnection, split: str, target: Path) -> None:
        """See `RowSource.write`."""
        self._parquet.write(connection, split, target)
