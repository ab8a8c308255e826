"""Call logs as JSON lines, in and out, and as Parquet.

A line is one `CallRecord` as JSON: see `row_schema` and docs/call-log.md. Fields at their default may be
left out. NaN and infinities are the words `NaN` and `Infinity`, as Python's `json` writes them.
"""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from pydantic import ValidationError

from artis_sdk.errors import LogError
from artis_sdk.logs.call_store import CallStore
from artis_sdk.logs.codec import call_fields, dumps, loads, outcome_fields
from artis_sdk.logs.imported import Imported
from artis_sdk.records import CallRecord, Outcome, Step, ToolCall, ToolSpec, new_id

_AT_ONCE = 4_000_000  # characters between flushes of an import
_GZIP = b"\x1f\x8b"
_REMEMBERED = 64_000_000  # characters of texts whose values are shared between lines


def row_schema() -> dict[str, Any]:
    """JSON schema of one line."""
    return CallRecord.model_json_schema()


def export_jsonl(records: Iterable[CallRecord], path: str | os.PathLike[str]) -> int:
    """Write records as JSON lines, and return their number.

    Args:
        records: such as `log.records()`; read one by one.
        path: the file; it appears when it is complete, and replaces an existing one.

    Raises:
        LogError: the log cannot be read, or the file cannot be written.
    """
    count = 0
    with replacing(Path(path)) as file:
        for record in records:
            file.write(dumps(record_fields(record)).encode() + b"\n")
            count += 1
    return count


def read_jsonl(path: str | os.PathLike[str]) -> Iterator[CallRecord | LogError]:
    """The records of a file of JSON lines, in order; for a corrupt line an error that names it.

    Raises:
        LogError: the file cannot be read.
    """
    try:
        with open_plain(path) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _parse(path, number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def open_plain(path: str | os.PathLike[str]) -> BinaryIO:
    """A file open for reading, decompressed if it is compressed with gzip."""
    with open(path, "rb") as file:
        compressed = file.read(2) == _GZIP
    return cast(BinaryIO, gzip.open(path)) if compressed else open(path, "rb")


def import_jsonl(path: str | os.PathLike[str], log: CallStore, *, skip_corrupt: bool = False) -> Imported:
    """Append the records of a file of JSON lines; they are redacted like all others.

    The whole file is checked before anything is appended. Importing a file again after an
    interrupted import appends the missing records.

    Args:
        path: the file.
        log: the call log to append to.
        skip_corrupt: whether to leave out and count corrupt lines.

    Raises:
        LogError: a line is corrupt (nothing has been appended), reading or writing fails, or the file has
            lost lines meanwhile.
    """
    skipped, whole = [], 0
    for item in read_jsonl(path):
        if isinstance(item, LogError):
            if not skip_corrupt:
                raise LogError(f"{skippable(item)}; another tool's log needs its --format")
            skipped.append(item)
        else:
            whole += 1
    shared, adding = _Shared(), Adding(log)
    for item in read_jsonl(path):
        if isinstance(item, CallRecord):
            adding.add(*shared.record(item))
    adding.flush()
    adding.check(whole, path)
    return Imported(adding.records, tuple(skipped), repeated=adding.repeated)


def skippable(why: object) -> LogError:
    """What is raised for a corrupt row that the caller may have left out."""
    return LogError(f"{why}; --skip-corrupt (skip_corrupt=True) leaves such rows out and counts them")


class Adding:
    """Appends records to a log in batches, and counts those whose id was there already.

    Args:
        log: the call log.
    """

    def __init__(self, log: CallStore) -> None:
        self._log = log
        self._batch: list[CallRecord] = []
        self._size = 0
        self.records = 0
        """Number of records appended."""
        self.repeated = 0
        """Number of those that changed nothing."""

    def add(self, record: CallRecord, size: int = 1_000) -> None:
        """Append a record, of about `size` characters."""
        self._batch.append(record)
        self._size += size
        if self._size > _AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Have all added records on the disk; raises LogError if that fails."""
        ids = {record.id for record in self._batch}
        self.records += len(self._batch)
        self.repeated += len(self._batch) - len(ids) + self._log.holding(ids)
        for record in self._batch:
            self._log.append(record)
        self._log.flush()
        self._batch, self._size = [], 0

    def check(self, found: int, source: str | os.PathLike[str]) -> None:
        """Refuse a source that lost records between the check and the import, as a log that is rotated does.

        Args:
            found: number of records when it was checked; a file that grows meanwhile has more.
            source: the file or folder.

        Raises:
            LogError: fewer were added.
        """
        if self.records < found:
            raise LogError(
                f"{os.fspath(source)} changed while it was imported: of {found:,} records {self.records:,} "
                "are in the log. Import it again, or a copy of it: what is there already changes nothing"
            )


def record_fields(record: CallRecord) -> dict[str, Any]:
    """A record as JSON types, ready for `dumps`."""
    return {
        "id": record.id,
        "at": record.at,
        "session": record.session,
        "task": record.task,
        "spec": record.spec.model_dump(),
        "source_hash": record.source_hash,
        "call": _call(record.call),
        "state": record.state,
        "history": [
            {"call": _call(step.call), "outcome": outcome_fields(step.outcome)} for step in record.history
        ],
        "outcome": outcome_fields(record.outcome),
        "predicted": None if record.predicted is None else outcome_fields(record.predicted),
        "risk": record.risk.value,
        "process": record.process,
    }


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces `path` at the end, whole; after an error nothing has changed.

    Raises:
        LogError: the file cannot be written.
    """
    partial = path.with_name(f".{path.name}.{new_id()}")
    try:
        try:
            with open(partial, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise LogError(f"{path} cannot be written: {error.strerror}") from error


def _call(call: ToolCall) -> dict[str, Any]:
    return {"tool": call.tool, **call_fields(call)}


def _parse(path: str | os.PathLike[str], number: int, line: bytes) -> CallRecord | LogError:
    try:
        return CallRecord.model_validate(loads(line))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the line"
        return LogError(f"{os.fspath(path)}:{number}: {place}: {first['msg'].lower()}")
    except (ValueError, RecursionError) as error:
        return LogError(f"{os.fspath(path)}:{number}: not JSON: {error}")


class _Shared:
    """Makes equal parts of lines the same objects, by which the log recognizes a continued history."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._specs: dict[str, ToolSpec] = {}
        self._size = 0
        self._forgotten = 0

    def record(self, record: CallRecord) -> tuple[CallRecord, int]:
        """The record, and the characters that it does not share."""
        size = self._size
        own = self._step(record.call, record.outcome)
        parts = {
            "spec": self._specs.setdefault(dumps(record.spec.model_dump()), record.spec),
            "call": own.call,
            "outcome": own.outcome,
            "history": tuple(self._step(step.call, step.outcome) for step in record.history),
        }
        return record.model_copy(update=parts), self._size - size

    def _step(self, call: ToolCall, outcome: Outcome) -> Step:
        text = dumps([_call(call), outcome_fields(outcome)])
        found = self._steps.get(text)
        if found is None:
            self._size += len(text)
            if self._size - self._forgotten > _REMEMBERED:
                self._steps.clear()
                self._forgotten = self._size
            found = self._steps[text] = Step(call=call, outcome=outcome)
        return found
