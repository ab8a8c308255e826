"""What a call log offers, whether it is a file of this machine or hosts share it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Protocol, Self

from artis_sdk.contracts import LogStore
from artis_sdk.logs.redact import Redactor
from artis_sdk.records import CallRecord, Provenance

Made = tuple[CallRecord, Iterable[str]]
"""A record, and values that are secret in it."""
Late = Callable[[], Made]
"""Makes a record in the writer's thread; called once."""


class Count(NamedTuple):
    """Number of records of one kind."""

    tool: str
    type: str
    """`success`, or the failure type."""
    provenance: Provenance
    records: int


class CallStore(LogStore, Protocol):
    """A call log that can be looked into. Each record is there once, whole and redacted."""

    redactor: Redactor

    @property
    def address(self) -> str:
        """Where it is, for people, without a password; the same text is the same log."""

    def append_late(self, make: Late) -> None:
        """As `append`, for a record that the writer's thread makes.

        Args:
            make: function that returns the record, and values that are secret in it; called once.
        """

    def keep(self) -> None:
        """Return once everything appended so far survives the end of this process.

        Raises:
            LogError: a record could not be written.
        """

    def records(
        self,
        *,
        tool: str | None = None,
        session: str | None = None,
        provenance: Provenance | Iterable[Provenance] | None = None,
    ) -> Iterator[CallRecord]:
        """The records, oldest first, in bounded memory; records appended meanwhile are left out.

        Args:
            tool, session: name of a tool, id of a session; None for all.
            provenance: provenances of outcomes; None for all.

        Raises:
            LogError: the log cannot be read, or a row is damaged.
        """

    def last(self, count: int, *, tool: str | None = None) -> list[CallRecord]:
        """The newest records, oldest first; found from the end of the log, whatever its size.

        Args:
            count: maximum number of records.
            tool: name of a tool; None for all.

        Raises:
            LogError: the log cannot be read, or a row is damaged.
        """

    def counts(self) -> list[Count]:
        """Number of records by tool, outcome type and provenance."""

    def holding(self, ids: Iterable[str]) -> int:
        """Number of these records that are in the log.

        Args:
            ids: different ids of records.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...
