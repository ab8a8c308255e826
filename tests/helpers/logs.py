"""Call records for tests, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import JsonValue

from artis_sdk.logs.codec import dumps
from artis_sdk.logs.jsonl import record_fields
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Step, ToolCall, ToolSpec

PAY = ToolSpec(
    name="pay",
    description="Pay somebody.",
    parameters={"type": "object", "properties": {"to": {"type": "string"}, "amount": {"type": "number"}}},
)


def record(n: int = 0, *, size: int = 0, **more: Any) -> CallRecord:
    """The n-th payment, with an outcome of `size` characters and more."""
    return CallRecord(
        **{
            "at": 1000.0 + n,
            "spec": PAY,
            "call": ToolCall(tool="pay", arguments={"to": "ann", "amount": n}),
            "outcome": Outcome.success({"paid": n, "receipt": "r" * size}, Provenance.REAL, duration=0.25),
            **more,
        }
    )


def task_records(
    length: int, *, session: str = "s", size: int = 0, state: JsonValue = None
) -> list[CallRecord]:
    """The calls of one task, each with those before it as its history, as a session appends them."""
    records: list[CallRecord] = []
    history: History = ()
    for n in range(length):
        made = record(n, size=size, session=session, task=f"{session}-task")
        made = made.model_copy(update={"history": history, "state": state})
        records.append(made)
        history = (*history, Step(call=made.call, outcome=made.outcome))
    return records


def as_text(made: CallRecord) -> str:
    """What two records must share to count as equal: 1, 1.0 and true differ, NaN equals itself."""
    return dumps(record_fields(made))


def file_bytes(path: Path) -> bytes:
    """All that is on disk of a log."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.glob(f"{path.name}*")))
