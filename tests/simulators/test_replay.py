"""Replay: exact hits of real outcomes, and misses that name the part that missed."""

from __future__ import annotations

import cProfile
import json
import pstats
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.simulators import call, fork, outcomes, play, step
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from artis_sdk.errors import ConfigurationError, ReplayMiss, SimulationError
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, Step, ToolCall, ToolSpec
from artis_sdk.simulators import ReplaySimulator


def record(
    made: ToolCall, outcome: Outcome | JsonValue, state: State = None, history: History = ()
) -> CallRecord:
    if not isinstance(outcome, Outcome):
        outcome = Outcome.success(outcome, Provenance.REAL)
    spec = ToolSpec(name=made.tool, parameters={})
    return CallRecord(at=0.0, spec=spec, call=made, state=state, history=history, outcome=outcome)


def records_of(steps: Sequence[Step], state: State = None) -> list[CallRecord]:
    return [record(s.call, s.outcome, state, tuple(steps[:n])) for n, s in enumerate(steps)]


GONE = Outcome.failure("Gone", "it is gone", Provenance.REAL, raised=True)
STEPS = (step(call("f", a=1), {"r": 1}), Step(call=call("g"), outcome=GONE), step(call("f", a=1), {"r": 2}))


async def test_a_logged_session_replays_as_it_was() -> None:
    replay = ReplaySimulator(records_of(STEPS, {"s": 1}))
    assert len(replay) == 3
    for attempt in (fork(replay, ()), fork(replay, ()), replay):
        history = await play(attempt, [call("f", a=1), call("g"), call("f", a=1)], {"s": 1})
        assert outcomes(history) == outcomes(STEPS)
        assert {s.outcome.provenance for s in history} == {Provenance.REPLAYED}
        assert history[1].outcome.raised
    assert not replay.runs_code


@pytest.mark.parametrize(
    ("made", "state", "history", "message"),
    [
        (call("h"), {"s": 1}, (), "h: no logged real call is of this tool"),
        (call("f", a=2), {"s": 1}, (), 'f: no logged real call has these arguments: {"a": 2}'),
        (call("f", a=1.0), {"s": 1}, (), "these arguments"),
        (call("f", a=True), {"s": 1}, (), "these arguments"),
        (call("f", a=1, b=None), {"s": 1}, (), "these arguments"),
        (call("f", a="x" * 999), {"s": 1}, (), "xxx..."),
        (call("f", a=1), {"s": 2}, (), "another initial state"),
        (call("f", a=1), None, (), "another initial state"),
        (call("f", a=1), {"s": 1}, STEPS[:1], "after another history"),
        (call("f", a=1), {"s": 1}, (STEPS[1], STEPS[0]), "after another history"),
        (call("g"), {"s": 1}, (step(call("f", a=1), {"r": 2}),), "after another history"),
        (call("g"), {"s": 1}, (Step(call=call("f", a=1), outcome=GONE),), "after another history"),
        (call("g"), {"s": 1}, (step(call("f", a=2), {"r": 1}),), "after another history"),
        (call("g"), {"s": 1}, (step(call("g"), {"r": 1}),), "after another history"),
    ],
)
async def test_a_miss_names_the_part_that_missed(
    made: ToolCall, state: State, history: History, message: str
) -> None:
    replay = ReplaySimulator(records_of(STEPS, {"s": 1}))
    with pytest.raises(ReplayMiss) as caught:
        await replay.predict(made, state, history)
    assert message in str(caught.value)
    assert isinstance(caught.value, SimulationError)
    assert caught.value.tool == made.tool


async def test_the_type_of_an_earlier_failure_counts() -> None:
    replay = ReplaySimulator(records_of(STEPS))
    other = Outcome.failure("Lost", "it is gone", Provenance.REAL, raised=True)
    assert other.content() == GONE.content()
    with pytest.raises(ReplayMiss, match="another history"):
        await replay.predict(call("f", a=1), None, (STEPS[0], Step(call=call("g"), outcome=other)))


@pytest.mark.parametrize("provenance", [p for p in Provenance if p is not Provenance.REAL])
def test_only_real_outcomes_are_entered(provenance: Provenance) -> None:
    assert len(ReplaySimulator([record(call("f"), Outcome.success(1, provenance))])) == 0


async def test_parts_of_the_key_can_be_left_out() -> None:
    rows = records_of(STEPS, {"s": 1})
    any_state = ReplaySimulator(rows, match_state=False)
    assert (await any_state.predict(call("f", a=1), "other", ())).value == {"r": 1}
    with pytest.raises(ReplayMiss, match="another history"):
        await any_state.predict(call("f", a=1), "other", STEPS[:1])
    any_history = ReplaySimulator(rows, match_history=False)
    assert (await any_history.predict(call("g"), {"s": 1}, ())).type == "Gone"
    with pytest.raises(ReplayMiss, match="another initial state"):
        await any_history.predict(call("g"), {"s": 2}, ())
    anything = ReplaySimulator(rows, match_state=False, match_history=False)
    assert (await anything.predict(call("f", a=1), None, STEPS)).value == {"r": 2}  # the latest
    with pytest.raises(ReplayMiss, match="these arguments"):
        await anything.predict(call("f", a=3), None, ())


async def test_the_latest_of_several_outcomes_counts() -> None:
    replay = ReplaySimulator([record(call("f"), 1), record(call("f"), 2)])
    assert (await replay.predict(call("f"), None, ())).value == 2


async def test_refused_calls_do_not_count_as_history() -> None:
    refused = Step(call=call("nope"), outcome=Outcome.failure("unknown_tool", "", Provenance.FORCED))
    replay = ReplaySimulator(records_of(STEPS))
    outcome = await replay.predict(call("g"), None, (refused, STEPS[0], refused))
    assert outcome.type == "Gone"


class Store:
    """The part of a log that replay needs."""

    def records(self) -> Iterator[CallRecord]:
        yield from records_of(STEPS)


async def test_a_log_is_read_through_its_records() -> None:
    store: Any = Store()
    assert len(ReplaySimulator(store)) == 3
    for path in ("calls.db", Path("calls.db")):
        with pytest.raises(ConfigurationError, match=r"open log, not the path 'calls.db'"):
            ReplaySimulator(path)  # type: ignore[arg-type]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
arguments = st.dictionaries(st.sampled_from("abc"), json_values, max_size=2)
steps = st.lists(st.builds(lambda a, v: step(call("f", **a), v), arguments, json_values), max_size=4)


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


@settings(deadline=None, max_examples=40)
@given(steps, st.lists(st.tuples(arguments, json_values, steps), max_size=4), json_values)
async def test_a_hit_is_the_same_call_and_nothing_else(
    logged: list[Step], asked: list[tuple[dict[str, JsonValue], JsonValue, list[Step]]], state: JsonValue
) -> None:
    def key(made: ToolCall, at: State, history: Sequence[Step]) -> str:
        seen = [[s.call.arguments, s.outcome.content()] for s in history]
        return canonical([made.arguments, at, seen])

    rows = records_of(logged, state)
    known = {key(row.call, row.state, row.history): row.outcome.content() for row in rows}
    replay = fork(ReplaySimulator(rows), ())
    for made, at, history in [(r.call, r.state, r.history) for r in rows] + [
        (call("f", **a), s, tuple(h)) for a, s, h in asked
    ]:
        wanted = known.get(key(made, at, history))
        if key(made, at, history) in known:
            outcome = await replay.predict(made, at, history)
            assert canonical(outcome.content()) == canonical(wanted)
        else:
            with pytest.raises(ReplayMiss):
                await replay.predict(made, at, history)


async def test_a_lookups_cost_does_not_grow_with_the_history() -> None:
    log = [step(call("f", a=n), {"r": n}) for n in range(201)]
    attempt = fork(ReplaySimulator(records_of(log, {"s": 1})), ())
    costs: dict[int, int] = {}
    history: History = ()
    state: State = {"s": 1}
    for made in log:
        profile = cProfile.Profile()
        profile.enable()
        outcome = await attempt.predict(made.call, state, history)
        profile.disable()
        costs[len(history)] = pstats.Stats(profile).total_calls  # type: ignore[attr-defined]
        history = (*history, Step(call=made.call, outcome=outcome))
    assert costs[200] == costs[6]
