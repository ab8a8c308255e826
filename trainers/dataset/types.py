"""The paper's type(o) in DuckDB: from a log's own column, and from a returned value.

Third-party tools declare no failures, and a log has their `{"error": ...}` as a success. Equation 6 must
count it as a failure. Only values with a word of failure in them are read one by one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from artis_sdk.logs.codec import read_call, read_outcome
from artis_sdk.records.doubtful_rules import settled
from artis_sdk.records.outcome_type import outcome_type

if TYPE_CHECKING:
    import duckdb

# Every key and text by which `outcome_type` recognizes a failure contains one of these.
_SUSPECT: Final = r'(?i)err|exception|fail|fatal|warning|succe|status|code|"ok"|"[a-z_-]*ok"'
_UNTYPED: Final = "('success', 'failure', 'error', '')"


_ANYTHING: Final = "(?s).*"


def define_types(connection: duckdb.DuckDBPyConnection) -> None:
    """Define `type_of(type, tool, call, outcome)`, of a log's columns."""
    suspect = _ANYTHING if settled() else _SUSPECT  # a person's rules go by other words, too
    connection.create_function("read_type", _read, ["VARCHAR", "VARCHAR", "VARCHAR"], "VARCHAR")
    connection.execute(
        "CREATE OR REPLACE MACRO type_of(type, tool, call, outcome) AS CASE"
        f" WHEN type NOT IN {_UNTYPED} THEN type"
        " WHEN type = 'success' AND NOT regexp_matches("
        f"coalesce(json_extract(outcome, '$.value')::VARCHAR, ''), '{suspect}') THEN type"
        " ELSE read_type(tool, call, outcome) END"
    )


def _read(tool: str, call: str, outcome: str) -> str:
    try:
        return outcome_type(read_outcome(outcome), read_call(tool, call))
    except ValueError:  # a damaged row: reported when it is read
        return "damaged"
