"""The records of a call log in a PostgreSQL database, sent by COPY."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from artis_sdk.errors import LogError
from artis_sdk.logs.call_store import Count
from artis_sdk.logs.codec import dumps, loads
from artis_sdk.logs.jsonl import record_fields
from artis_sdk.logs.reader import Filter
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
_PAGE = 200  # rows in memory, of a read
_STEP = 500  # rows sent between two looks at the clock

TABLES = Tables(
    holds="call log",
    schema="artis_log",
    about="log",
    version=1,
    statements="""
CREATE TABLE artis_log.log (version integer NOT NULL);
INSERT INTO artis_log.log VALUES (1);
CREATE TABLE artis_log.call (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,  -- order of arrival
    id text NOT NULL UNIQUE,
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
CREATE INDEX call_tool ON artis_log.call (tool, n);
CREATE INDEX call_session ON artis_log.call (session);
""",
    migrations={},
    making=0x4152544953_02,
)

_COLUMNS = (*_PLAIN, "tool", "type", "provenance", "duration", *_JSON)
_LISTED = ", ".join(_COLUMNS)
_READ = f"SELECT {', '.join((*_PLAIN, *_JSON))} FROM artis_log.call"


class DatabaseRows:
    """`SharedRows` in the schema `artis_log` of a database, PostgreSQL 14 or later.

    It is made with the first batch. A row has its state and history as JSON, and the columns of
    `export_parquet`. NUL, which the server takes in no text, is U+FFFD in columns of plain text.

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

    def send(self, batch: str, records: Iterable[CallRecord]) -> None:
        """See `SharedRows.send`; one transaction."""
        with self._connected() as connection, answering(connection, self._patience) as again:
            with connection.transaction():
                self._begin(connection)
                self._make_tables(connection)
                connection.execute("SET LOCAL synchronous_commit = on")
                connection.execute(
                    "CREATE TEMP TABLE arriving ON COMMIT DROP AS"
                    f" SELECT 0::bigint AS place, {_LISTED} FROM artis_log.call LIMIT 0"
                )
                with connection.cursor().copy(f"COPY arriving (place, {_LISTED}) FROM STDIN") as copy:
                    for place, record in enumerate(records):
                        copy.write_row((place, *_row(record)))
                        if place % _STEP == 0:
                            again()
                again()
                connection.execute(
                    f"INSERT INTO artis_log.call ({_LISTED}) SELECT {_LISTED} FROM arriving ORDER BY place"
                    " ON CONFLICT (id) DO NOTHING"
                )
                again()
            if connection.closed:  # psycopg leaves the transaction of a broken connection without an error
                raise psycopg.OperationalError("the connection was lost")

    def _make_tables(self, connection: psycopg.Connection) -> None:
        version = make_tables(connection, TABLES)
        if version != TABLES.version:
            raise LogError(
                f"{self.address}: its call log is of version {version}, and this artis_sdk knows up to "
                f"{TABLES.version}; update artis_sdk"
            )

    def exist(self) -> bool:
        """See `SharedRows.exist`."""
        with self._connected() as connection, answering(connection, self._patience):
            return tables_version(connection, TABLES) is not None

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
        rows = self._ask("SELECT count(*) FROM artis_log.call WHERE id = ANY(%s)", wanted)
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

    def _begin(self, connection: psycopg.Connection) -> None:
        """In a transaction: the server ends what this side has given up. A pooler keeps nothing of it."""
        limit = f"{round(1000 * self._patience)}ms"
        connection.execute("SELECT set_config('statement_timeout', %s, true)", (limit,))

    def _ask(self, statement: str, *values: Any) -> list[Any]:
        """The rows of a query; none if there is no log yet."""
        with (
            self._connected() as connection,
            answering(connection, self._patience),
            connection.transaction(),
        ):
            self._begin(connection)
            if tables_version(connection, TABLES) is None:
                return []
            rows: list[Any] = connection.execute(statement, values).fetchall()
            return rows

    def _read(self, statement: str, values: list[Any]) -> Iterator[CallRecord]:
        """The records of a query as of one moment; the time runs while a page of them is fetched."""
        with self._connected() as connection:
            with answering(connection, self._patience):
                connection.execute("BEGIN READ ONLY")  # it ends with the connection
                self._begin(connection)
                if tables_version(connection, TABLES) is None:
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
            parts.append(f"{name} = %s")
            values.append(_plain(value))
    if wanted.provenance is not None:
        parts.append("provenance = ANY(%s)")
        values.append(sorted(provenance.value for provenance in wanted.provenance))
    return (f"WHERE {' AND '.join(parts)}" if parts else ""), values


def _row(record: CallRecord) -> tuple[Any, ...]:
    fields = record_fields(record)
    plain = (_plain(fields[name]) if isinstance(fields[name], str) else fields[name] for name in _PLAIN)
    outcome = record.outcome
    kinds = (_plain(record.call.tool), _plain(outcome.type), outcome.provenance.value, outcome.duration)
    texts = (None if fields[name] is None and name == "predicted" else dumps(fields[name]) for name in _JSON)
    return (*plain, *kinds, *texts)


def _plain(text: str) -> str:
    return text.replace("\0", "\ufffd")
