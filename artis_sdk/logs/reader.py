"""From rows to records: pages, and reassembled histories."""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from artis_sdk.errors import LogError
from artis_sdk.logs.codec import loads, read_call, read_outcome
from artis_sdk.records import CallRecord, History, Provenance, Risk, State, Step, ToolSpec

# One read ends at whichever comes first: it is held in memory, and a writer in this process waits for it.
_PAGE_ROWS = 500
_PAGE_CHARACTERS = 4_000_000
_REMEMBERED = 64_000_000  # bytes of calls and states kept between rows, about
# Bytes of Python objects, measured: of a call and its outcome without their texts, of a step in a history,
# and of a character of JSON that was read into objects.
_OBJECTS, _POINTER, _READ = 2_000, 8, 4

_COLUMNS = (
    "c.id, c.previous, c.task, c.described, c.record, c.at, c.risk, c.process, c.tool, c.call, c.outcome,"
    " c.predicted"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """A selection of rows."""

    tool: str | None = None
    session: str | None = None
    provenance: frozenset[Provenance] | None = None

    @classmethod
    def of(
        cls, tool: str | None, session: str | None, provenance: Provenance | Iterable[Provenance] | None
    ) -> Filter:
        if isinstance(provenance, str):
            provenance = (provenance,)
        return cls(tool, session, None if provenance is None else frozenset(map(Provenance, provenance)))

    def where(self) -> tuple[str, list[Any]]:
        """A condition on `calls c`, and its values."""
        parts, values = ["c.record IS NOT NULL"], list[Any]()
        if self.tool is not None:
            parts.append("c.tool = ?")
            values.append(self.tool)
        if self.session is not None:
            parts.append("c.task IN (SELECT id FROM tasks WHERE session = ?)")
            values.append(self.session)
        if self.provenance is not None:
            parts.append(f"c.provenance IN ({', '.join('?' * len(self.provenance))})")
            values += sorted(provenance.value for provenance in self.provenance)
        return " AND ".join(parts), values


class _Kept:
    """Values by row, up to a size; the longest unused are dropped first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._values: OrderedDict[int, tuple[Any, int]] = OrderedDict()
        self._size = 0

    def get(self, row: int) -> Any:
        """The value; None if it is not kept."""
        found = self._values.get(row)
        if found is None:
            return None
        self._values.move_to_end(row)
        return found[0]

    def put(self, row: int, value: Any, size: int) -> None:
        self._values[row] = (value, size)
        self._size += size
        while self._size > self._limit and len(self._values) > 1:
            _, (_, gone) = self._values.popitem(last=False)
            self._size -= gone


class Reader:
    """Makes records of rows; keeps values that the next rows are likely to share.

    Args:
        name: name of the log, for errors.
        remembered: bytes of calls, of states and of tools kept between rows; by default 64 million each.
    """

    def __init__(self, name: str, remembered: int | None = None) -> None:
        remembered = _REMEMBERED if remembered is None else remembered
        self._name = name
        self._histories = _Kept(remembered)
        """History up to and including each row, by row."""
        self._tasks = _Kept(remembered)
        self._tools = _Kept(remembered)

    def page(
        self, connection: sqlite3.Connection, wanted: Filter, after: int, top: int
    ) -> tuple[list[CallRecord], int]:
        """Read some records, oldest first.

        Args:
            connection: connection to the log.
            wanted: selection of rows.
            after, top: first id (exclusive) and last id (inclusive) of rows.

        Returns:
            The records, and the id after which to continue; `top` at the end.

        Raises:
            LogError: a row is damaged.
            sqlite3.Error: the file cannot be read.
        """
        where, values = wanted.where()
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM calls c WHERE {where} AND c.id > ? AND c.id <= ? ORDER BY c.id",
            (*values, after, top),
        )
        records: list[CallRecord] = []
        size = 0
        for row in rows:
            records.append(self._record(connection, row))
            size += sum(len(text) for text in row if isinstance(text, str))
            if len(records) == _PAGE_ROWS or size >= _PAGE_CHARACTERS:
                return records, row[0]
        return records, top

    def rows(self, connection: sqlite3.Connection, numbers: Iterable[int]) -> Iterator[CallRecord]:
        """The records of these rows, in their order.

        Args:
            connection: connection to the log.
            numbers: ids of rows; ascending is fastest. Rows without a record are skipped.

        Raises:
            LogError: a row is damaged.
            sqlite3.Error: the file cannot be read.
        """
        query = f"SELECT {_COLUMNS} FROM calls c WHERE c.id = ? AND c.record IS NOT NULL"
        for number in numbers:
            row = connection.execute(query, (number,)).fetchone()
            if row is not None:
                yield self._record(connection, row)

    def _record(self, connection: sqlite3.Connection, row: tuple[Any, ...]) -> CallRecord:
        number, previous, task, described, record, at, risk, process, tool, call, outcome, predicted = row
        try:
            history = self._history(connection, previous)
            step = Step(call=read_call(tool, call), outcome=read_outcome(outcome))
            session, name, state = self._task(connection, task)
            spec, source_hash = self._tool(connection, described)
            size = _OBJECTS + _READ * (len(call) + len(outcome)) + _POINTER * len(history)
            self._histories.put(number, (*history, step), size)
            return CallRecord.model_construct(
                id=record,
                at=at,
                session=session,
                task=name,
                spec=spec,
                source_hash=source_hash,
                call=step.call,
                state=state,
                history=history,
                outcome=step.outcome,
                predicted=None if predicted is None else read_outcome(predicted),
                risk=Risk(risk),
                process=process,
            )
        except ValueError as error:
            raise LogError(f"{self._name}: row {number} is damaged: {error}") from error

    def _history(self, connection: sqlite3.Connection, row: int | None) -> History:
        """The calls up to and including this row."""
        steps: list[Step] = []
        start: History = ()
        while row is not None:
            kept = self._histories.get(row)
            if kept is not None:
                start = kept
                break
            tool, call, outcome, row = connection.execute(
                "SELECT tool, call, outcome, previous FROM calls WHERE id = ?", (row,)
            ).fetchone()
            steps.append(Step(call=read_call(tool, call), outcome=read_outcome(outcome)))
        return (*start, *reversed(steps))

    def _task(self, connection: sqlite3.Connection, row: int) -> tuple[str | None, str | None, State]:
        kept = self._tasks.get(row)
        if kept is None:
            session, task, state = connection.execute(
                "SELECT session, task, state FROM tasks WHERE id = ?", (row,)
            ).fetchone()
            kept = (session, task, loads(state))
            self._tasks.put(row, kept, _OBJECTS + _READ * len(state))
        found: tuple[str | None, str | None, State] = kept
        return found

    def _tool(self, connection: sqlite3.Connection, row: int) -> tuple[ToolSpec, str | None]:
        kept = self._tools.get(row)
        if kept is None:
            spec, source_hash = connection.execute(
                "SELECT spec, source_hash FROM tools WHERE id = ?", (row,)
            ).fetchone()
            kept = (ToolSpec.model_validate(loads(spec)), source_hash)
            self._tools.put(row, kept, _OBJECTS + _READ * len(spec))
        found: tuple[ToolSpec, str | None] = kept
        return found
