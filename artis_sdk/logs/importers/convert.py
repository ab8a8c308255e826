"""Import of all known formats into a call log."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from artis_sdk.errors import ConfigurationError, LogError
from artis_sdk.logs.call_store import CallStore
from artis_sdk.logs.imported import FileReport, Imported, LeftOut
from artis_sdk.logs.importers.claude_code import CLAUDE_CODE
from artis_sdk.logs.importers.codex import CODEX
from artis_sdk.logs.importers.format import TraceFormat, TraceReader
from artis_sdk.logs.importers.found import Place, TraceSession, Unusable, records
from artis_sdk.logs.importers.inspect_logs import INSPECT
from artis_sdk.logs.importers.mcp_wire import MCP
from artis_sdk.logs.importers.messages import MESSAGES
from artis_sdk.logs.importers.runs import LANGFUSE, LANGSMITH
from artis_sdk.logs.importers.spans import OTEL
from artis_sdk.logs.importers.tau2 import TAU2
from artis_sdk.logs.importers.values import files_of, read_values
from artis_sdk.logs.jsonl import Adding, skippable
from artis_sdk.records import CallRecord

FORMATS: Final[dict[str, TraceFormat]] = {
    format_.name: format_
    for format_ in (MESSAGES, OTEL, LANGSMITH, LANGFUSE, INSPECT, TAU2, CLAUDE_CODE, CODEX, MCP)
}
"""Formats by name, in the order in which the command line lists them."""

Item = CallRecord | LogError | LeftOut


def convert(path: str | os.PathLike[str], format_: str) -> Iterator[Item]:
    """The calls of a file as records, with their histories; all count as real.

    Args:
        path: a file with JSON lines, one JSON text, or Parquet rows, plain or compressed with gzip; or a
            folder of such files.
        format_: name of the format, a key of `FORMATS`.

    Returns:
        A record for each call; a `LeftOut` for each call of which none can be made, such as one without
        a result; and an error for each line that cannot be read, with its number, and for each file in a
        folder that is no log by its name.

    Raises:
        ConfigurationError: no format has this name.
        LogError: a file cannot be read.
    """
    yield from (item for item, _ in _items(Path(path), format_))


def import_file(
    path: str | os.PathLike[str], log: CallStore, format_: str, *, skip_corrupt: bool = False
) -> Imported:
    """Append the calls of a file or a folder to a log; they are redacted like all others.

    Everything is checked before anything is appended. Importing it again changes nothing.

    Args:
        path: the file or folder.
        log: the call log to append to.
        format_: name of the file's format, a key of `FORMATS`.
        skip_corrupt: whether to leave out and count unusable lines.

    Raises:
        ConfigurationError: no format has this name.
        LogError: a line is unusable (nothing has been appended), reading or writing fails, or the files
            have lost calls meanwhile.
    """
    source = Path(path)
    skipped: list[LogError] = []
    reports = {str(file): FileReport(str(file)) for file in _files(source, format_)[0]}
    for item, file in _items(source, format_):
        report = reports.setdefault(file, FileReport(file))
        if isinstance(item, LogError):
            if not skip_corrupt and not isinstance(item, NotALog):
                raise skippable(item)
            skipped.append(item)
            report.unread.append(str(item))
        elif isinstance(item, LeftOut):
            report.left_out.append(item)
        else:
            report.imported += 1
    adding = Adding(log)
    for item, _ in _items(source, format_):
        if isinstance(item, CallRecord):
            adding.add(item)
    adding.flush()
    adding.check(sum(report.imported for report in reports.values()), source)
    left_out = tuple(item for report in reports.values() for item in report.left_out)
    return Imported(adding.records, tuple(skipped), left_out, adding.repeated, tuple(reports.values()))


class NotALog(LogError):
    """A file in a folder is no log by its name; the others are imported."""


def _items(source: Path, format_: str) -> Iterator[tuple[Item, str]]:
    """Everything in the files, each with its file."""
    wanted, others = _files(source, format_)
    reader = FORMATS[format_].reader()
    for file in others:
        yield NotALog(f"{file} was not read: its name does not end like a log's"), str(file)
    for file in wanted:
        for found in _sessions(file, reader):
            yield from _told(found, file, wanted)
    for session in reader.rest():
        yield from _told(session, wanted[0] if wanted else source, wanted)


def _files(source: Path, format_: str) -> tuple[list[Path], list[Path]]:
    """The files to read, and those in a folder that are no logs of the format by their names."""
    if format_ not in FORMATS:
        raise ConfigurationError(
            f"no importer reads the format {format_!r}; the formats are {', '.join(FORMATS)}"
        )
    return files_of(source, FORMATS[format_].suffixes)


def _told(found: TraceSession | LogError, file: Path, files: Sequence[Path]) -> Iterator[tuple[Item, str]]:
    """The records of a session and the calls left out, each with the file in which the call stands."""
    if isinstance(found, LogError):
        yield found, str(file)
        return
    made = file.stat().st_mtime if file.exists() else 0.0
    for call, record in zip(found.calls, records(found, made), strict=True):
        yield record, _file_of(call.place, file, files)
    for item in found.left_out:
        yield item, _file_of(item.place, file, files)


def _file_of(place: str, file: Path, files: Sequence[Path]) -> str:
    """The file of a place, whose text begins with it."""
    return next((str(item) for item in (file, *files) if place.startswith(f"{item}:")), str(file))


def _sessions(path: Path, reader: TraceReader) -> Iterator[TraceSession | LogError]:
    for number, value in read_values(path):
        if isinstance(value, LogError):
            yield value
            continue
        place = Place(str(path), number)
        try:
            yield from reader.add(value, place)
        except Unusable as error:
            yield LogError(f"{place}: {error}")
