"""What an importer is: a format's name, its description, and a reader of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import JsonValue

from artis_sdk.logs.importers.found import Place, TraceSession
from artis_sdk.logs.importers.values import SUFFIXES

SESSION_FILES: Final = (".jsonl", ".ndjson", ".gz", ".parquet")
"""Endings of coding agents' session files; beside them lie files of other kinds."""


class TraceReader(Protocol):
    """Reads one file, or the files of a folder in the order of their names, value by value: a JSON text,
    each of its JSON lines, or each row of a Parquet file."""

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """Read a value, whole or not at all.

        Args:
            value: the value.
            place: where it stands.

        Returns:
            The sessions that are complete with this value.

        Raises:
            Unusable: the value does not follow the format.
        """
        ...

    def rest(self) -> Iterable[TraceSession]:
        """The sessions that are complete only with the end of the files."""
        ...


@dataclass(frozen=True)
class TraceFormat:
    """A format of foreign logs."""

    name: str
    """Name for `convert`, `import_file` and `artis logs import --format`."""
    description: str
    """Contents of such a file, in a few words, for the command's help."""
    reader: Callable[[], TraceReader]
    """Maker of a reader for one import."""
    suffixes: tuple[str, ...] = SUFFIXES
    """Endings of the files that are read in a folder."""


class EachValue:
    """TraceReader of a format in which each value holds whole sessions.

    Args:
        read: the sessions in a value; raises `Unusable` if the value does not follow the format.
    """

    def __init__(self, read: Callable[[JsonValue, Place], Iterator[TraceSession]]) -> None:
        self._read = read

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """See `TraceReader.add`."""
        return list(self._read(value, place))

    def rest(self) -> Iterable[TraceSession]:
        """Nothing: no session spans several values."""
        return ()
