"""The records of a call log in a PostgreSQL database, sent by COPY."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import psycopg

from artis_sdk.errors import LogError
from artis_sdk.logs.call_store import Count
from artis_sdk.logs.codec import dumps, loads
from artis_sdk.logs.jsonl import record_fields
from artis_sdk.logs.reader import Filter
from artis_sdk.logs.refused import RefusedRecord
from artis_sdk.postgresql import (
    PATIENCE,
    Tables,
    answering,
    make_tables,
    parameters,
    problem,
    store_name,
    tables_version,
)
from artis_sdk.records import CallRecord, Provenance

_JSON = ("spec", "call", "state", "history", "outcome", "predicted")
_PLAIN = ("id", "at", "session", "task", "source_hash", "risk", "process")
_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
_PAGE = 200  # rows in memory, of a read
_PREFIX = 200  # characters of a text in an index
_PART = 1 << 20  # bytes sent in one transaction, after which a slow link has made progress
_SLOWEST = 1 << 14  # bytes a second of a link that is waited for
_OF_THE_ROW = ("22", "23", "54")
"""Classes of errors that are one row's own: data, constraints, limits of the server."""

_INDEXES = f"""
ALTER TABLE artis_log.call ADD CONSTRAINT call_id EXCLUDE USING hash (id WITH =);
CREATE INDEX call_tool ON artis_log.call (left(tool, {_PREFIX}), n);
CREATE INDEX call_session ON artis_log.call (left(session, {_PREFIX}), n);
"""
"""The server takes no text of any length into an ordered index: a hash or the beginning stands for it."""
_OLD_INDEXES = "DROP INDEX artis_log.call_tool; DROP INDEX artis_log.call_session;"

TABLES = Tables(
    holds="call log",
    schema="artis_log",
    about="log",
    version=2,
    statements="""
CREATE TABLE artis_log.log (version integer NOT NULL);
INSERT INTO artis_log.log VALUES (2);
CREATE TABLE artis_log.call (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- order of arrival
    id text NOT NULL,
    at double precision NOT NULL,  -- start, in seconds since the epoch
    session text,
    task text,
    source_hash text,
    tool text NOT NULL,
    type text NOT NULL,  -- success, or the failure type
    provenance text NOT NULL,
    risk text NOT NULL,
    process bigint,
    duration double precision,  -- seconds
    spec text NOT NULL,  -- JSON, as the following ones
    call text NOT NULL,
    state text NOT NULL,
    history text NOT NULL,
    outcome text NOT NULL,
    predicted text
);
"""
    + _INDEXES,
    migrations={1: f"ALTER TABLE artis_log.call DROP CONSTRAINT call_id_key; {_OLD_INDEXES} {_INDEXES}"},
    making=0x4152544953_02,
)

_COLUMNS = (*_PLAIN, "tool", "type", "provenance", "duration", *_JSON)
_LISTED = ", ".join(_COLUMNS)
_THERE = "SELECT id FROM unnest(%s::text[]) AS given (id) JOIN artis_log.call USING (id)"
_READ = f"SELECT {', '.join((*_PLAIN, *_JSON))} FROM artis_log.call"


class DatabaseRows:
    """`SharedRows` in the schema `artis_log` of a database, PostgreSQL 14 or later.

    It is made with the first batch. A row has its state and history as JSON, and the columns of
    `export_parquet`. NUL and lone surrogates, which the server takes in no text, are U+FFFD in columns of
    plain text.

    Args:
        url: `postgresql://user@host:port/database`; a pooler may stand between.
        timeout: maximum wait for a connection, in seconds; three times that for an answer.

    Raises:
        ConfigurationError: the URL cannot be read.
    """

    linger = 1.0

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self._parameters = parameters(url, timeout, "call log")
        self._patience = PATIENCE * timeout
        self.address = store_name(self._parameters)

    def send(self, batch: str, records: Iterable[CallRecord]) -> list[RefusedRecord]:
        """See `SharedRows.send`; in transactions of bounded size, so that a slow link makes progress."""
        refused: list[RefusedRecord] = []
        with self._connected() as connection:
            with answering(connection, self._patience), connection.transaction():
                self._begin(connection, self._patience)
                self._make_tables(connection)
            for part in _parts(records):
                refused += self._add(connection, part)
        return refused

    def _add(self, connection: psycopg.Connection, part: list[_Row]) -> list[RefusedRecord]:
        """Add the rows that are not there, in one transaction; those that the server refuses are left out."""
        try:
            self._copy(connection, part)
        except (psycopg.Error, UnicodeError) as error:
            if isinstance(error, psycopg.Error) and (error.sqlstate or "")[:2] not in _OF_THE_ROW:
                raise
            if len(part) == 1:
                why = problem(error) if isinstance(error, psycopg.Error) else str(error)
                return [RefusedRecord(part[0].record, why)]
            middle = len(part) // 2
            return self._add(connection, part[:middle]) + self._add(connection, part[middle:])
        return []

    def _copy(self, connection: psycopg.Connection, part: list[_Row]) -> None:
        patience = self._patience + sum(row.size for row in part) / _SLOWEST
        with answering(connection, patience):
            with connection.transaction():
                self._begin(connection, patience)
                connection.execute("SET LOCAL synchronous_commit = on")
                ids = [row.values[0] for row in part]
                there = {id_ for (id_,) in connection.execute(_THERE, (ids,)).fetchall()}
                connection.execute(
                    "CREATE TEMP TABLE arriving ON COMMIT DROP AS"
                    f" SELECT 0::bigint AS place, {_LISTED} FROM artis_log.call LIMIT 0"
                )
                with connection.cursor().copy(f"COPY arriving (place, {_LISTED}) FROM STDIN") as copy:
                    for place, row in enumerate(part):
                        if row.values[0] not in there:  # a batch that was cut off goes on where it was
                            copy.write_row((place, *row.values))
                connection.execute(
                    f"INSERT INTO artis_log.call ({_LISTED}) SELECT {_LISTED} FROM arriving ORDER BY place"
                    " ON CONFLICT DO NOTHING"
                )
            if connection.closed:  # psycopg leaves the transaction of a broken connection without an error
                raise psycopg.OperationalError("the connection was lost")

    def _make_tables(self, connection: psycopg.Connection) -> None:
        self._check(make_tables(connection, TABLES))

    def _check(self, version: int) -> None:
        if version > TABLES.version:
            raise LogError(
                f"{self.address}: its call log is of version {version}, and this artis_sdk knows up to "
                f"{TABLES.version}; update artis_sdk"
            )

    def _has_tables(self, connection: psycopg.Connection) -> bool:
        version = tables_version(connection, TABLES)
        if version is not None:
            self._check(version)
        return version is not None

    def exist(self) -> bool:
        """See `SharedRows.exist`."""
        with self._connected() as connection, answering(connection, self._patience):
            return self._has_tables(connection)

    def records(self, wanted: Filter) -> Iterator[CallRecord]:
        """See `CallStore.records`: as of one moment, in the order in which they arrived."""
        where, values = _where(wanted)
        yield from self._read(f"{_READ} {where} ORDER BY n", values)

    def last(self, count: int, tool: str | None) -> list[CallRecord]:
        """See `CallStore.last`."""
        where, values = _where(Filter(tool=tool))
        newest = deque(self._read(f"{_READ} {where} ORDER BY n DESC LIMIT %s", [*values, count]))
        newest.reverse()
        return list(newest)

    def counts(self) -> list[Count]:
        """See `CallStore.counts`."""
        rows = self._ask(
            "SELECT tool, type, provenance, count(*) FROM artis_log.call"
            ' GROUP BY tool, type, provenance ORDER BY tool COLLATE "C", count(*) DESC, type COLLATE "C"'
        )
        return [Count(tool, type_, Provenance(provenance), n) for tool, type_, provenance, n in rows]

    def holding(self, ids: Iterable[str]) -> int:
        """See `CallStore.holding`."""
        wanted = [_plain(id_) for id_ in ids]
        rows = self._ask(f"SELECT count(*) FROM ({_THERE}) AS there", wanted)
        return int(rows[0][0]) if rows else 0

    # --- the server ---------------------------------------------------------------------------

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """A connection for one purpose: one that waits would have to be looked after in forks and outages."""
        try:
            with closing(psycopg.connect(**self._parameters, autocommit=True)) as connection:
                yield connection
        except psycopg.Error as error:
            raise LogError(f"{self.address}: {problem(error)}") from error

    def _begin(self, connection: psycopg.Connection, patience: float) -> None:
        """In a transaction: the server ends what this side has given up. A pooler keeps nothing of it."""
        limit = f"{round(1000 * patience)}ms"
        connection.execute("SELECT set_config('statement_timeout', %s, true)", (limit,))

    def _ask(self, statement: str, *values: Any) -> list[Any]:
        """The rows of a query; none if there is no log yet."""
        with (
            self._connected() as connection,
            answering(connection, self._patience),
            connection.transaction(),
        ):
            self._begin(connection, self._patience)
            if not self._has_tables(connection):
                return []
            rows: list[Any] = connection.execute(statement, values).fetchall()
            return rows

    def _read(self, statement: str, values: list[Any]) -> Iterator[CallRecord]:
        """The records of a query as of one moment; the time runs while a page of them is fetched."""
        with self._connected() as connection:
            with answering(connection, self._patience):
                connection.execute("BEGIN READ ONLY")  # it ends with the connection
                self._begin(connection, self._patience)
                if not self._has_tables(connection):
                    return
                # Its own parameters: the server binds none in this statement.
                psycopg.ClientCursor(connection).execute(f"DECLARE page CURSOR FOR {statement}", values)
            while rows := self._page(connection):
                yield from map(self._record, rows)

    def _page(self, connection: psycopg.Connection) -> list[Any]:
        with answering(connection, self._patience):
            rows: list[Any] = connection.execute(f"FETCH {_PAGE} FROM page").fetchall()
            return rows

    def _record(self, row: tuple[Any, ...]) -> CallRecord:
        fields = dict(zip((*_PLAIN, *_JSON), row, strict=True))
        try:
            for name in _JSON:
                fields[name] = None if fields[name] is None else loads(fields[name])
            return CallRecord.model_validate(fields)
        except ValueError as error:
            raise LogError(f"{self.address}: row {fields['id']} is damaged: {error}") from error


def _where(wanted: Filter) -> tuple[str, list[Any]]:
    parts, values = list[str](), list[Any]()
    for name, value in (("tool", wanted.tool), ("session", wanted.session)):
        if value is not None:
            parts.append(f"left({name}, {_PREFIX}) = left(%s, {_PREFIX}) AND {name} = %s")
            values += [_plain(value)] * 2
    if wanted.provenance is not None:
        parts.append("provenance = ANY(%s)")
        values.append(sorted(provenance.value for provenance in wanted.provenance))
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), values


class _Row(NamedTuple):
    record: CallRecord
    values: tuple[Any, ...]
    """Values of `_COLUMNS`."""
    size: int
    """Bytes, about."""


def _parts(records: Iterable[CallRecord]) -> Iterator[list[_Row]]:
    """The rows of records, in lists of bounded size; a record may be larger than that."""
    part, size = list[_Row](), 0
    for record in records:
        values = _values(record)
        part.append(_Row(record, values, sum(len(one) for one in values if isinstance(one, str))))
        size += part[-1].size
        if size >= _PART:
            yield part
            part, size = [], 0
    if part:
        yield part


def _values(record: CallRecord) -> tuple[Any, ...]:
    fields = record_fields(record)
    plain = (_plain(fields[name]) if isinstance(fields[name], str) else fields[name] for name in _PLAIN)
    outcome = record.outcome
    kinds = (_plain(record.call.tool), _plain(outcome.type), outcome.provenance.value, outcome.duration)
    texts = (None if fields[name] is None and name == "predicted" else dumps(fields[name]) for name in _JSON)
    return (*plain, *kinds, *texts)


def _plain(text: str) -> str:
    return _NO_TEXT.sub("\ufffd", text)
