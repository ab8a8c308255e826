"""Sources of rows, call log, Parquet or JSON lines, as one table out of core.

Each source makes the table `calls`: `key` (its own number of the row), `session`, `tool`, `type`,
`provenance`, `tainted` (its history holds simulated, replayed or checked ones) and `input`, a digest of all
that a simulator sees: tool, arguments, state and history.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from artis_sdk.errors import LogError, TrainingError
from artis_sdk.logs import export_parquet, read_jsonl
from artis_sdk.logs.jsonl import skippable
from artis_sdk.logs.reader import Reader
from artis_sdk.logs.schema import open_log
from artis_sdk.records import CallRecord
from artis_sdk.store_address import log_address
from artis_sdk.trainers.dataset.parquet_source import ParquetSource, RowSource
from artis_sdk.trainers.dataset.shared_sources import open_shared
from artis_sdk.trainers.dataset.types import define_types
from artis_sdk.trainers.dataset.valid import define_rules

if TYPE_CHECKING:
    import duckdb

# Rows of SQLite on their way to DuckDB: a batch ends at whichever comes first.
_BATCH: Final = 20_000
_BATCH_CHARACTERS: Final = 16_000_000
_REMEMBERED: Final = 16_000_000  # bytes of a log's states and calls, while chosen rows are read


def open_source(log: str | Path, work: Path, *, skip_corrupt: bool) -> RowSource:
    """The source of a log, by its address.

    Args:
        log: path of a `.jsonl` or `.parquet` file, or else of a call log; or the URL of one that hosts share.
        work: folder for intermediate files.
        skip_corrupt: whether to leave out and count corrupt rows.

    Raises:
        ConfigurationError: the URL cannot be read.
        TrainingError: the file does not exist.
        LogError: a shared log cannot be read, or does not exist.
    """
    where = log_address(log)
    if isinstance(where, str):
        return open_shared(where, work, skip_corrupt=skip_corrupt)
    if not where.exists():
        raise TrainingError(f"{where}: no such log")
    if where.suffix == ".parquet":
        return ParquetSource([where], str(where), skip_corrupt=skip_corrupt)
    if where.suffix == ".jsonl":
        return JsonlSource(where, work, skip_corrupt=skip_corrupt)
    return SqliteSource(where, skip_corrupt=skip_corrupt)


class JsonlSource:
    """A file of JSON lines: every line is checked, on the way to a Parquet file."""

    def __init__(self, path: Path, work: Path, *, skip_corrupt: bool) -> None:
        self.path = path
        self._skip = skip_corrupt
        self._lines = work / "lines.parquet"
        self._parquet = ParquetSource([self._lines], str(path), skip_corrupt=False)

    def index(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        wrong: list[str] = []
        export_parquet(self._records(wrong), self._lines)
        self._parquet.index(connection)
        return wrong

    def _records(self, wrong: list[str]) -> Iterator[CallRecord]:
        for item in read_jsonl(self.path):
            if isinstance(item, CallRecord):
                yield item
            elif self._skip:
                wrong.append(str(item))
            else:
                raise skippable(item)

    def write(self, connection: duckdb.DuckDBPyConnection, split: str, target: Path) -> None:
        self._parquet.write(connection, split, target)


class SqliteSource:
    """A call log; a row's key is its id."""

    def __init__(self, path: Path, *, skip_corrupt: bool) -> None:
        self.path = path
        self._skip = skip_corrupt

    def index(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        try:
            with closing(open_log(self.path, create=False, timeout=10.0)) as log:
                self._load(connection, log)
        except sqlite3.Error as error:
            raise LogError(f"{self.path} cannot be read: {error}") from error
        wrong = [
            f"{self.path}: row {key} is damaged"
            for (key,) in connection.execute("SELECT key FROM corrupt ORDER BY key").fetchall()
        ]
        wrong += [f"{self.path}: row {key} has a damaged one in its history" for key in _chain(connection)]
        if wrong and not self._skip:
            raise skippable(wrong[0])
        return wrong

    def _load(self, connection: duckdb.DuckDBPyConnection, log: sqlite3.Connection) -> None:
        """Copy the log's tables, with digests in place of texts."""
        tasks = log.execute("SELECT id, coalesce(session, task), state FROM tasks")
        define_rules(connection)
        define_types(connection)
        connection.register("given", _arrow(tasks, {"task": "int64", "session": "string", "state": "string"}))
        connection.execute(
            "CREATE TABLE tasks AS SELECT task, session, hash(state) AS state,"
            " clean(state) IS NOT NULL AS valid FROM given"
        )
        connection.unregister("given")
        tools = log.execute("SELECT id, spec FROM tools")
        connection.register("given", _arrow(tools, {"described": "int64", "spec": "string"}))
        connection.execute("CREATE TABLE tools AS SELECT described, is_spec(clean(spec)) AS valid FROM given")
        connection.unregister("given")
        calls = log.execute(
            "SELECT id, record, task, described, previous, seq, tool, type, provenance, call, outcome,"
            " predicted FROM calls"
        )
        names = ("record", "tool", "type", "provenance", "call", "outcome", "predicted")
        columns = dict.fromkeys(("key", "record", "task", "described", "previous", "seq"), "int64")
        columns |= dict.fromkeys(names, "string")
        connection.register("given", _arrow(calls, columns))
        connection.execute(
            "CREATE TABLE steps AS SELECT key, record, task, described, previous, seq, tool, provenance,"
            " valid, CASE WHEN valid THEN type_of(type, tool, call, outcome) END AS type,"
            " CASE WHEN valid THEN hash(tool, json_extract(call, '$.arguments')::VARCHAR) END AS made,"
            " CASE WHEN valid THEN hash(made, json_extract(outcome,"
            " ['$.ok', '$.value', '$.failure_type', '$.message'])::VARCHAR) END AS done FROM"
            " (SELECT *, is_call(call) AND is_outcome(outcome)"
            " AND (predicted IS NULL OR is_outcome(clean(predicted))) AS valid FROM"
            " (SELECT * REPLACE (clean(call) AS call, clean(outcome) AS outcome) FROM given))"
        )
        connection.unregister("given")
        connection.execute(
            "CREATE TABLE corrupt AS SELECT key FROM steps WHERE NOT valid"
            " OR task IN (SELECT task FROM tasks WHERE NOT valid)"
            " OR described IN (SELECT described FROM tools WHERE NOT valid)"
        )

    def write(self, connection: duckdb.DuckDBPyConnection, split: str, target: Path) -> None:
        keys = connection.cursor().execute("SELECT key FROM chosen WHERE split = ? ORDER BY key", [split])
        with closing(open_log(self.path, create=False, timeout=10.0)) as log:
            reader = Reader(str(self.path), remembered=_REMEMBERED)
            export_parquet(reader.rows(log, _numbers(keys)), target)


def _chain(connection: duckdb.DuckDBPyConnection) -> list[int]:
    """Follow the histories, one step of all of them at a time, and make the table `calls`. Gives the keys of
    the rows whose history is not whole."""
    connection.execute("CREATE TABLE ordered AS SELECT * FROM steps WHERE valid ORDER BY seq")
    connection.execute(
        "CREATE TABLE chain (key BIGINT, seq BIGINT, past UBIGINT, after UBIGINT,"
        " tainted BOOLEAN, stained BOOLEAN)"
    )
    (longest,) = connection.execute("SELECT max(seq) FROM ordered").fetchone() or (None,)
    for seq in range(0 if longest is None else longest + 1):
        before = (
            "SELECT o.*, 0::UBIGINT AS past, false AS tainted FROM ordered o WHERE o.seq = 0"
            if seq == 0
            else "SELECT o.*, p.after AS past, p.stained AS tainted FROM ordered o"
            f" JOIN chain p ON o.previous = p.key WHERE o.seq = {seq} AND p.seq = {seq - 1}"
        )
        connection.execute(
            "INSERT INTO chain SELECT key, seq, past,"
            " CASE WHEN provenance = 'forced' THEN past ELSE hash(past, done) END,"
            f" tainted, tainted OR provenance IN ('simulated', 'replayed', 'checked') FROM ({before})"
        )
    connection.execute(
        "CREATE TABLE calls AS SELECT o.key, coalesce(t.session, o.record) AS session, o.tool, o.type,"
        " o.provenance, hash(o.made, c.past, t.state) AS input, c.tainted"
        " FROM ordered o JOIN chain c USING (key) JOIN tasks t USING (task) ANTI JOIN corrupt USING (key)"
        " WHERE o.record IS NOT NULL"
    )
    lost = connection.execute(
        "SELECT key FROM ordered ANTI JOIN chain USING (key) ANTI JOIN corrupt USING (key)"
        " WHERE record IS NOT NULL ORDER BY key"
    ).fetchall()
    for table in ("steps", "ordered", "chain", "tasks", "tools"):
        connection.execute(f"DROP TABLE {table}")
    return [key for (key,) in lost]


def _arrow(rows: sqlite3.Cursor, columns: dict[str, str]) -> Any:
    """A cursor's rows as a stream of Arrow batches."""
    import pyarrow

    schema = pyarrow.schema([(name, getattr(pyarrow, kind)()) for name, kind in columns.items()])

    def batches() -> Iterator[Any]:
        while found := _batch(rows):
            yield pyarrow.record_batch(list(map(list, zip(*found, strict=True))), schema=schema)

    return pyarrow.RecordBatchReader.from_batches(schema, batches())


def _batch(rows: sqlite3.Cursor) -> list[tuple[Any, ...]]:
    """The next rows; none at the end."""
    found: list[tuple[Any, ...]] = []
    size = 0
    for row in rows:
        found.append(row)
        size += sum(len(text) for text in row if isinstance(text, str))
        if len(found) == _BATCH or size >= _BATCH_CHARACTERS:
            break
    return found


def _numbers(rows: duckdb.DuckDBPyConnection) -> Iterable[int]:
    while found := rows.fetchmany(_BATCH):
        for (number,) in found:
            yield number
