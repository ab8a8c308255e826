"""Parquet call logs as a source of rows, read by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from artis_sdk.errors import LogError
from artis_sdk.logs.jsonl import skippable
from artis_sdk.logs.parquet import check_version
from artis_sdk.trainers.dataset.duck import quoted
from artis_sdk.trainers.dataset.types import define_types
from artis_sdk.trainers.dataset.valid import define_rules

if TYPE_CHECKING:
    import duckdb

MARK: Final = "artis_sdk.call_log"
REPEATED: Final = "with the id of an earlier row"
"""In place of a provenance: why such a row is left out."""
_FILE: Final = 2**40  # keys from the first row of one file to the first of the next


class RowSource(Protocol):
    """A log as a source of rows."""

    def index(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        """Make the table `calls`, and return the errors of rows that are left out.

        Raises:
            LogError: it cannot be read, or has corrupt rows and `skip_corrupt` is False.
        """

    def write(self, connection: duckdb.DuckDBPyConnection, split: str, target: Path) -> None:
        """Write the rows of `chosen(split, key)` to a Parquet call log, in the order of their keys."""


class ParquetSource:
    """Files that `export_parquet` wrote, as one: of rows with one id the first counts.

    Args:
        files: paths of the files, in their order.
        name: name of the log, for errors.
        skip_corrupt: whether to leave out and count corrupt rows.
    """

    def __init__(self, files: Sequence[Path], name: str, *, skip_corrupt: bool) -> None:
        self._files = files
        self._name = name
        self._skip = skip_corrupt

    def index(self, connection: duckdb.DuckDBPyConnection) -> list[str]:
        import duckdb

        try:
            for n, path in enumerate(self._files):
                marks = "SELECT key, value FROM parquet_kv_metadata(?)"
                check_version(dict(connection.execute(marks, [str(path)]).fetchall()), self._name_of(n))
            define_rules(connection)
            define_types(connection)
            connection.execute(
                "CREATE TABLE scanned AS SELECT key, id, valid,"
                " coalesce(session, task, id) AS session, tool::VARCHAR AS tool,"
                " CASE WHEN valid THEN type_of(type::VARCHAR, tool::VARCHAR, call, outcome) END AS type,"
                " provenance::VARCHAR AS provenance, CASE WHEN valid THEN hash(tool,"
                f" json_extract(call, '$.arguments')::VARCHAR, state, {_HISTORY}) END AS input,"
                f" CASE WHEN valid THEN {_TAINTED} END AS tainted FROM (SELECT *, {_VALID} AS valid FROM"
                " (SELECT * REPLACE (clean(call) AS call, clean(history) AS history,"
                " clean(outcome) AS outcome, clean(state) AS state, clean(spec) AS spec)"
                f" FROM ({self._rows()})))"
            )
        except duckdb.Error as error:
            there = all(path.is_file() for path in self._files)
            if there and isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
                raise
            raise LogError(f"{self._name} cannot be read: {error}") from error
        wrong = [
            f"{self._name_of(key // _FILE)}: row {key % _FILE + 1} ({id_}) is damaged"
            for key, id_ in connection.execute(
                "SELECT key, id FROM scanned WHERE NOT valid ORDER BY key"
            ).fetchall()
        ]
        if wrong and not self._skip:
            raise skippable(wrong[0])
        connection.execute(
            "CREATE TABLE repeated AS SELECT key FROM (SELECT key, row_number() OVER (PARTITION BY id"
            " ORDER BY key) AS times FROM scanned WHERE valid) WHERE times > 1"
        )
        connection.execute(
            "CREATE TABLE calls AS SELECT s.* EXCLUDE (id, valid) REPLACE (CASE WHEN r.key IS NULL"
            f" THEN s.provenance ELSE '{REPEATED}' END AS provenance)"
            " FROM scanned s LEFT JOIN repeated r ON s.key = r.key WHERE s.valid"
        )
        connection.execute("DROP TABLE scanned")
        connection.execute("DROP TABLE repeated")
        return wrong

    def write(self, connection: duckdb.DuckDBPyConnection, split: str, target: Path) -> None:
        connection.execute(
            f"COPY (SELECT rows.* EXCLUDE (key) FROM ({self._rows()}) rows JOIN chosen USING (key)"
            f" WHERE chosen.split = {quoted(split)} ORDER BY key)"
            f" TO {quoted(target)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 5000,"
            f" KV_METADATA {{{quoted(MARK)}: '1'}})"
        )

    def _name_of(self, n: int) -> str:
        """Name of a file, for errors."""
        return self._name if len(self._files) == 1 else f"{self._name}: {self._files[n].name}"

    def _rows(self) -> str:
        """The rows with their keys, which follow the order of the files and of the rows in each."""
        files = ", ".join(map(quoted, self._files))
        places = ", ".join(f"({quoted(path)}, {n})" for n, path in enumerate(self._files))
        return (
            f"SELECT p.n * {_FILE} + file_row_number AS key, r.* EXCLUDE (file_row_number, filename)"
            f" FROM read_parquet([{files}], file_row_number = true, filename = true) r"
            f" JOIN (VALUES {places}) p (name, n) ON r.filename = p.name"
        )


_VALID: Final = (
    "is_call(call) AND state IS NOT NULL AND coalesce(json_type(history) = 'ARRAY', false)"
    " AND is_outcome(outcome) AND is_spec(spec) AND (predicted IS NULL OR is_outcome(clean(predicted)))"
    " AND id IS NOT NULL AND tool IS NOT NULL AND type IS NOT NULL"
)
# A simulator does not see ids, durations and calls that the SDK itself refused.
_HISTORY: Final = (
    "list_transform(list_filter(json_extract(history, '$[*]'),"
    " lambda step: json_extract_string(step, '$.outcome.provenance') <> 'forced'),"
    " lambda step: [json_extract(step, '$.call.tool'), json_extract(step, '$.call.arguments'),"
    " json_extract(step, '$.outcome.ok'), json_extract(step, '$.outcome.value'),"
    " json_extract(step, '$.outcome.failure_type'), json_extract(step, '$.outcome.message')])::VARCHAR"
)
_TAINTED: Final = (
    "list_has_any(json_extract_string(history, '$[*].outcome.provenance'), "
    "['simulated', 'replayed', 'checked'])"
)
