"""Which texts of a row are a record's, as macros of DuckDB: a damaged row is left out before it is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import duckdb

# Half of a surrogate pair is a valid escape to Python and to our logs, but not to DuckDB.
_WHOLE: Final = r"regexp_replace(text, '\\u[dD][89a-fA-F][0-9a-fA-F]{2}', '\\u0000', 'g')"
_MACROS: Final = (
    f"clean(text) AS CASE WHEN json_valid(text) THEN text WHEN json_valid({_WHOLE}) THEN {_WHOLE} END",
    "is_call(text) AS coalesce(json_type(text, '$.arguments') = 'OBJECT', false)",
    "is_outcome(text) AS coalesce(json_type(text, ['$.ok', '$.provenance']) = ['BOOLEAN', 'VARCHAR'], false)",
    "is_spec(text) AS coalesce(json_type(text, ['$.name', '$.parameters']) = ['VARCHAR', 'OBJECT'], false)",
)


def define_rules(connection: duckdb.DuckDBPyConnection) -> None:
    """Define `clean`, which makes every JSON text of a log one that DuckDB reads, and NULL of other texts;
    and `is_call`, `is_outcome` and `is_spec`, of cleaned texts."""
    for macro in _MACROS:
        connection.execute(f"CREATE OR REPLACE MACRO {macro}")
