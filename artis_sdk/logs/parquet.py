"""Call logs as Parquet: for DuckDB, Arrow and other readers of columns out of core."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from artis_sdk.errors import LogError, MissingExtraError
from artis_sdk.logs.codec import dumps, loads
from artis_sdk.logs.jsonl import record_fields, replacing
from artis_sdk.records import CallRecord

# A row group, which is held in memory, ends at whichever comes first.
_GROUP_ROWS = 5_000
_GROUP_CHARACTERS = 32_000_000
_READ_ROWS = 100

PLAIN = ("id", "at", "session", "task", "source_hash", "risk", "process")
JSON = ("spec", "call", "state", "history", "outcome", "predicted")
_MARK, _VERSION = b"artis_sdk.call_log", b"1"


def export_parquet(records: Iterable[CallRecord], path: str | os.PathLike[str]) -> int:
    """Write records to one Parquet file, and return their number.

    Columns: `id, session, task, source_hash, tool, type, provenance, risk` are texts, `at` and
    `duration` seconds, `process` a number; `spec, call, state, history, outcome, predicted` are JSON
    texts. `type` is `success` or the failure type.

    Args:
        records: such as `log.records()`; held in memory by row group only.
        path: the file; it appears when it is complete, and replaces an existing one.

    Raises:
        MissingExtraError: pyarrow is not installed.
        LogError: the log cannot be read, or the file cannot be written.
    """
    arrow, parquet = _pyarrow()
    schema = _schema(arrow)
    count = 0
    with (
        replacing(Path(path)) as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as writer,
    ):
        for rows in _groups(records):
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))
            count += len(rows)
    return count


def read_parquet(path: str | os.PathLike[str]) -> Iterator[CallRecord]:
    """The records of a file that `export_parquet` wrote, in order, a row group in memory.

    Raises:
        MissingExtraError: pyarrow is not installed.
        LogError: the file cannot be read, or is not a call log.
    """
    for row in log_rows(os.fspath(path), os.fspath(path), [*PLAIN, *JSON]):
        yield record_of(row, os.fspath(path))


def log_rows(file: Any, name: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """The rows of a file that `export_parquet` wrote, a batch in memory.

    Args:
        file: path of the file, or the file open for reading.
        name: its name in errors.
        columns: names of the columns that are read.

    Raises:
        MissingExtraError: pyarrow is not installed.
        LogError: the file cannot be read, or is not a call log.
    """
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(file) as source:
            check_version(source.schema_arrow.metadata or {}, name)
            for batch in source.iter_batches(_READ_ROWS, columns=columns):
                yield from batch.to_pylist()
    except (OSError, arrow.ArrowException) as error:
        raise LogError(f"{name} cannot be read: {error}") from error


def check_version(metadata: Mapping[bytes, bytes], name: str) -> None:
    """Check what a Parquet file says of itself.

    Raises:
        LogError: it is not a call log, or a later artis_sdk wrote it.
    """
    version = metadata.get(_MARK)
    if version is None:
        raise LogError(f"{name} is a Parquet file, but not a call log")
    if version != _VERSION:
        raise LogError(
            f"{name} was written by a newer artis_sdk (schema {version.decode(errors='replace')}, this one "
            f"knows {_VERSION.decode()}): update artis-sdk to read it"
        )


def record_of(row: Mapping[str, Any], name: str) -> CallRecord:
    """The record of a row with all its columns; raises LogError if it is damaged."""
    try:
        fields = {column: None if row[column] is None else loads(row[column]) for column in JSON}
        return CallRecord.model_validate({**{column: row[column] for column in PLAIN}, **fields})
    except ValueError as error:
        raise LogError(f"{name} cannot be read: {error}") from error


def parquet_rows(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """The rows of any Parquet file, a batch in memory.

    Raises:
        MissingExtraError: pyarrow is not installed.
        LogError: the file cannot be read.
    """
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(os.fspath(path)) as file:
            for batch in file.iter_batches(_READ_ROWS):
                yield from batch.to_pylist()
    except (OSError, arrow.ArrowException) as error:
        raise LogError(f"{os.fspath(path)} cannot be read: {error}") from error


def zstd_content(compressed: bytes) -> bytes:
    """The content of a text that is compressed with zstd, which Python itself reads from 3.14 on.

    Raises:
        MissingExtraError: pyarrow is not installed.
        OSError: it is damaged.
    """
    arrow, _ = _pyarrow()
    with arrow.CompressedInputStream(arrow.BufferReader(compressed), "zstd") as stream:
        content: bytes = stream.read()
    return content


def _pyarrow() -> tuple[ModuleType, ModuleType]:
    try:
        return import_module("pyarrow"), import_module("pyarrow.parquet")
    except ModuleNotFoundError:
        raise MissingExtraError("Parquet", "parquet") from None


def _schema(arrow: Any) -> Any:
    text, names = arrow.string(), arrow.dictionary(arrow.int32(), arrow.string())
    columns = {"id": text, "at": arrow.float64(), "session": text, "task": text, "source_hash": names}
    columns |= {"tool": names, "type": names, "provenance": names, "risk": names}
    columns |= {"process": arrow.int64(), "duration": arrow.float64()}
    columns |= dict.fromkeys(JSON, text)
    return arrow.schema(list(columns.items()), metadata={_MARK: _VERSION})


def _groups(records: Iterable[CallRecord]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    size = 0
    for record in records:
        row = _row(record)
        rows.append(row)
        size += sum(len(row[name] or "") for name in JSON)
        if len(rows) >= _GROUP_ROWS or size >= _GROUP_CHARACTERS:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _row(record: CallRecord) -> dict[str, Any]:
    fields = record_fields(record)
    row = {name: fields[name] for name in PLAIN}
    row |= {"tool": record.call.tool, "type": record.outcome.type, "duration": record.outcome.duration}
    row["provenance"] = record.outcome.provenance.value
    row |= {name: dumps(fields[name]) for name in JSON}
    if record.predicted is None:
        row["predicted"] = None
    return row
