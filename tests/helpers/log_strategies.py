"""Call records for tests, by hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.records import CallRecord, History, Outcome, Provenance, Risk, Step, ToolCall, ToolSpec, new_id

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
