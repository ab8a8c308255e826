"""What an import reports: for each file the calls found, imported and left out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from artis_sdk.errors import LogError


class LeftOut(NamedTuple):
    """A call that was found, and of which no record is made."""

    tool: str
    """Name of the tool; empty if the log has none."""
    reason: str
    place: str
    """File, line, and the place in the line."""

    def __str__(self) -> str:
        return f"{self.place}: {self.tool or 'a tool'}: {self.reason}"


@dataclass
class FileReport:
    """What an import found in one file. `found` is always `imported` and `left_out` together."""

    file: str
    imported: int = 0
    """Number of calls that the log has now."""
    left_out: list[LeftOut] = field(default_factory=list)
    """Calls that the log does not have."""
    unread: list[str] = field(default_factory=list)
    """Lines that could not be read, or why the whole file was not."""

    @property
    def found(self) -> int:
        """Number of calls found."""
        return self.imported + len(self.left_out)


class Imported(NamedTuple):
    """The result of an import."""

    records: int
    """Number of records read, `repeated` ones included."""
    skipped: tuple[LogError, ...]
    """An error for each corrupt line, with its number."""
    left_out: tuple[LeftOut, ...] = ()
    """Calls of another format that cannot become records, such as one without a result."""
    repeated: int = 0
    """Number of records that changed nothing, because one with the same id was in the log or the files."""
    files: tuple[FileReport, ...] = ()
    """Calls of another format by file."""
