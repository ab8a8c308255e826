"""Import of all known formats into a call log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, get_args

from pydantic import JsonValue

from artis_sdk.errors import LogError
from artis_sdk.logs.importers.found import TraceSession, Unusable, records
from artis_sdk.logs.importers.messages import transcripts
from artis_sdk.logs.importers.spans import Spans
from artis_sdk.logs.importers.tau2 import simulations
from artis_sdk.logs.importers.values import read_values
from artis_sdk.logs.jsonl import Imported
from artis_sdk.logs.store import CallLog
from artis_sdk.records import CallRecord

Format = Literal["messages", "otel", "tau2"]
"""Message transcripts of OpenAI or Anthropic; OpenTelemetry GenAI spans; results of tau2-bench."""

FORMATS: Final[tuple[Format, ...]] = get_args(Format)

_AT_ONCE: Final = 5_000  # records between flushes

Item = CallRecord | LogError | str


def convert(path: str | os.PathLike[str], format_: Format) -> Iterator[Item]:
    """The calls of a file as records, with their histories; all count as real.

    Args:
        path: file with JSON lines, or one JSON text.
        format_: format of the file.

    Returns:
        In order: a record; the error of an unusable line, with its number; or, as a text, a call that
        cannot become a record, such as one without a result.

    Raises:
        LogError: the file cannot be read.
    """
    source = Path(path)
    made = source.stat().st_mtime if source.exists() else 0.0
    if format_ == "otel":
        found = _spans(source)
    else:
        found = _each(source, transcripts if format_ == "messages" else simulations)
    for item in found:
        if isinstance(item, LogError):
            yield item
        else:
            yield from records(item, made)
            yield from (f"{item.name}: {why}" for why in item.left_out)


def import_file(
    path: str | os.PathLike[str], log: CallLog, format_: Format, *, skip_corrupt: bool = False
) -> Imported:
    """Append the calls of a file to a log; they are redacted like all others.

    The whole file is checked before anything is appended. Importing it again changes nothing.

    Args:
        path: the file.
        log: the call log to append to.
        format_: format of the file.
        skip_corrupt: whether to leave out and count unusable lines.

    Raises:
        LogError: a line is unusable (nothing has been appended), or reading or writing fails.
    """
    skipped: list[LogError] = []
    left_out: list[str] = []
    for item in convert(path, format_):
        if isinstance(item, LogError):
            if not skip_corrupt:
                raise item
            skipped.append(item)
        elif isinstance(item, str):
            left_out.append(item)
    count = 0
    for item in convert(path, format_):
        if isinstance(item, CallRecord):
            log.append(item)
            count += 1
            if count % _AT_ONCE == 0:
                log.flush()
    log.flush()
    return Imported(count, tuple(skipped), tuple(left_out))


def _each(
    path: Path, read: Callable[[JsonValue], Iterator[TraceSession]]
) -> Iterator[TraceSession | LogError]:
    """The sessions of each line; a line is used whole or not at all."""
    for number, value in read_values(path):
        if isinstance(value, LogError):
            yield value
            continue
        try:
            yield from list(read(value))
        except Unusable as error:
            yield LogError(f"{path}:{number}: {error}")


def _spans(path: Path) -> Iterator[TraceSession | LogError]:
    spans = Spans()
    for number, value in read_values(path):
        if isinstance(value, LogError):
            yield value
            continue
        try:
            spans.add(value)
        except Unusable as error:
            yield LogError(f"{path}:{number}: {error}")
    yield from spans.sessions()
