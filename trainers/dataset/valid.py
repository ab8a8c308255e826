"""Which texts of a row are a record's, as macros of DuckDB: a damaged row is left out before it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

_MACROS: Final = (
    # Half of a surrogate pair is a valid escape to Python and to our logs, but not to DuckDB.
    "clean(text) AS CASE WHEN json_valid(text) THEN text ELSE"
    r" regexp_replace(text, '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\u0000', 'g') END",
    # A CASE, as both sides of AND may be computed, and json_type fails on what is no JSON.
    "has_type(text, path, type, missing) AS CASE WHEN json_valid(text)"
    " THEN coalesce(json_type(text, path), missing) = type ELSE false END",
    "is_call(text) AS has_type(text, '$', 'OBJECT', '')"
    " AND has_type(text, '$.arguments', 'OBJECT', 'OBJECT')",
    "is_outcome(text) AS has_type(text, '$.ok', 'BOOLEAN', '')"
    " AND has_type(text, '$.provenance', 'VARCHAR', '')",
    "is_spec(text) AS has_type(text, '$.name', 'VARCHAR', '')"
    " AND has_type(text, '$.parameters', 'OBJECT', '')",
    "is_prediction(text) AS text IS NULL OR is_outcome(text)",
)


def define_rules(connection: duckdb.DuckDBPyConnection) -> None:
    """Define `clean`, by which DuckDB reads every JSON text of a log, and `is_call`, `is_outcome`, `is_spec`
    and `is_prediction`, of cleaned texts."""
    for macro in _MACROS:
        connection.execute(f"CREATE OR REPLACE MACRO {macro}")
