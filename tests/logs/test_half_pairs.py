"""Half of a surrogate pair, as JSON from a model or a server may hold it, in any text of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from artis_sdk.logs import CallLog, export_jsonl, read_jsonl
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall, ToolSpec

HALF = "cut \ud83d"
FIELDS = (
    *("id", "session", "task", "source_hash"),
    *("spec.name", "spec.description", "call.id", "call.tool", "call.raw", "outcome.message"),
)


def record(field: str) -> CallRecord:
    """A record with such a text in one field."""

    def given(of: str, **others: Any) -> dict[str, Any]:
        part, _, name = field.rpartition(".")
        return others | ({name: HALF} if part == of else {})

    return CallRecord(
        **given(
            "",
            at=1.0,
            spec=ToolSpec(**given("spec", name="pay", parameters={"type": "object"})),
            call=ToolCall(**given("call", tool="pay")),
            outcome=Outcome(**given("outcome", ok=False, failure_type="E", provenance=Provenance.REAL)),
        )
    )


@pytest.mark.parametrize("field", FIELDS)
def test_a_record_is_written_and_read_back(field: str, tmp_path: Path) -> None:
    written = record(field)
    with CallLog(tmp_path / "calls.db") as log:
        log.append(written)
        log.flush()
        assert list(log.records()) == [written]
    export_jsonl([written], tmp_path / "calls.jsonl")
    assert list(read_jsonl(tmp_path / "calls.jsonl")) == [written]
