"""Call records for tests: by hand, and by hypothesis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.logs.codec import dumps
from artis_sdk.logs.jsonl import record_fields
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Risk, Step, ToolCall, ToolSpec, new_id

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


# --- hypothesis -------------------------------------------------------------------------------

json_values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
names = st.text(min_size=1, max_size=8)
arguments = st.dictionaries(names, json_values, max_size=3)
optional_text = st.none() | st.text(max_size=20)

calls = st.builds(
    ToolCall,
    id=st.just("") | names,
    tool=names,
    arguments=arguments,
    raw=optional_text,
    malformed=optional_text,
)
outcomes = st.builds(
    Outcome,
    ok=st.booleans(),
    value=json_values,
    failure_type=optional_text,
    message=optional_text,
    raised=st.booleans(),
    provenance=st.sampled_from(Provenance),
    raw=optional_text,
    duration=st.none() | st.floats(0, 1e6),
)
steps = st.builds(Step, call=calls, outcome=outcomes)
specs = st.builds(ToolSpec, name=names, description=st.text(max_size=10), parameters=arguments)


@st.composite
def record_lists(draw: st.DrawFn) -> list[CallRecord]:
    """Records of a few tasks whose histories share beginnings, by identity or by value, or nothing."""
    pool: list[History] = [()]
    places = [
        (draw(optional_text), draw(optional_text), draw(json_values)) for _ in range(draw(st.integers(1, 3)))
    ]
    made = []
    for _ in range(draw(st.integers(0, 8))):
        history = draw(st.sampled_from(pool))
        if draw(st.booleans()):
            history = (*history, draw(steps))
        if draw(st.booleans()):
            history = tuple(step.model_copy(deep=True) for step in history)
        session, task, state = draw(st.sampled_from(places))
        step = draw(steps)
        made.append(
            CallRecord(
                id=new_id(),
                at=draw(st.floats(0, 1e12)),
                session=session,
                task=task,
                spec=draw(specs),
                source_hash=draw(optional_text),
                call=step.call,
                state=state,
                history=history,
                outcome=step.outcome,
                predicted=draw(st.none() | outcomes),
                risk=draw(st.sampled_from(Risk)),
                process=draw(st.none() | st.integers(0, 2**63 - 1)),
            )
        )
        pool.append((*history, step))
    return made
