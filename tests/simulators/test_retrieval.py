"""Nearest logged call, and the majority: predictions that need no model."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from helpers.log_strategies import json_values
from helpers.logs import PAY
from helpers.simulators import RecordingMeter, call, fork, step
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk import ReplaySimulator
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.logs import CallLog
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, ToolCall
from artis_sdk.simulators import MajoritySimulator, RetrievalSimulator


def row(
    made: ToolCall,
    value: Any = None,
    *,
    error: str | None = None,
    state: State = None,
    history: History = (),
    provenance: Provenance = Provenance.REAL,
) -> CallRecord:
    outcome = (
        Outcome.success(value, provenance, duration=0.5)
        if error is None
        else Outcome.failure(error, f"{error}!", provenance, raised=True)
    )
    return CallRecord(
        at=0.0,
        spec=PAY.model_copy(update={"name": made.tool}),
        call=made,
        state=state,
        history=history,
        outcome=outcome,
    )


def pay(to: str, amount: int = 5) -> ToolCall:
    return call("pay", to=to, amount=amount)


async def test_the_same_call_gets_its_own_outcome() -> None:
    log = [row(pay(name), {"paid": name}) for name in ("ann", "bob", "eve")]
    simulator = RetrievalSimulator(log)
    for name in ("ann", "bob", "eve"):
        outcome = await simulator.predict(pay(name), None, ())
        assert outcome.value == {"paid": name}
        assert outcome.provenance is Provenance.SIMULATED  # it is a guess, however near
        assert outcome.duration is None


async def test_what_the_state_knows_decides_between_equal_arguments() -> None:
    """A failure is predicted for a payee that the state does not know, though no logged call names it."""
    log = []
    for n in range(8):
        state: State = {"people": {f"p{n}": {"open": True}}}
        log += [row(pay(f"p{n}"), "paid", state=state), row(pay(f"q{n}"), error="Unknown", state=state)]
    simulator = RetrievalSimulator(log)
    here: State = {"people": {"zoe": {"open": True}}}
    assert (await simulator.predict(pay("zoe"), here, ())).ok
    assert (await simulator.predict(pay("kim"), here, ())).failure_type == "Unknown"


async def test_what_was_done_before_decides_too() -> None:
    login = step(call("login"), True)
    log = []
    for n in range(4):
        log += [row(pay(f"a{n}"), error="NotLoggedIn"), row(pay(f"b{n}"), "paid", history=(login,))]
    simulator = RetrievalSimulator(log)
    assert (await simulator.predict(pay("c"), None, ())).failure_type == "NotLoggedIn"
    assert (await simulator.predict(pay("c"), None, (login,))).ok


async def test_of_equally_near_calls_the_latest_counts() -> None:
    simulator = RetrievalSimulator([row(pay("ann"), 1), row(pay("ann"), 2)])
    assert (await simulator.predict(pay("ann"), None, ())).value == 2


async def test_neighbours_vote_on_the_type() -> None:
    log = [row(pay("ann", 1), error="Refused")]
    log += [row(pay("ann", n), n) for n in range(2, 8)] + [row(pay("bob", n), n) for n in range(2, 8)]
    one = await RetrievalSimulator(log).predict(pay("ann", 1), None, ())
    seven = await RetrievalSimulator(log, neighbours=7).predict(pay("ann", 1), None, ())
    assert one.failure_type == "Refused"
    assert seven.ok


async def test_a_tool_without_a_logged_call_is_told_and_never_guessed() -> None:
    for simulator in (RetrievalSimulator([row(pay("ann"))]), MajoritySimulator([row(pay("ann"))])):
        with pytest.raises(SimulationError, match="no logged call is of this tool"):
            await simulator.predict(call("send"), None, ())


async def test_only_outcomes_of_real_code_enter() -> None:
    for provenance in (Provenance.SIMULATED, Provenance.REPLAYED, Provenance.CHECKED, Provenance.FORCED):
        log = [row(pay("ann"), "wrong", provenance=provenance)]
        for simulator in (RetrievalSimulator(log), MajoritySimulator(log)):
            with pytest.raises(SimulationError):
                await simulator.predict(pay("ann"), None, ())
    log = [row(pay("ann"), "right", provenance=Provenance.SANDBOXED)]
    assert (await RetrievalSimulator(log).predict(pay("ann"), None, ())).value == "right"


async def test_the_majority_is_the_most_frequent_outcome_of_the_most_frequent_type() -> None:
    log = [
        row(pay("a"), error="Refused"),
        row(pay("b"), error="Refused"),
        *(row(pay("c"), value) for value in (1, 2, 2)),
        row(call("look"), error="Gone"),
    ]
    simulator = MajoritySimulator(log)
    assert (await simulator.predict(pay("zoe"), {"x": 1}, ())).value == 2
    assert (await simulator.predict(call("look"), None, ())).failure_type == "Gone"


def test_a_path_and_no_neighbour_are_refused(tmp_path: Path) -> None:
    path: Any = str(tmp_path / "calls.db")
    for cls in (RetrievalSimulator, MajoritySimulator):
        with pytest.raises(ConfigurationError, match="open log"):
            cls(path)
    with pytest.raises(ConfigurationError, match="neighbours"):
        RetrievalSimulator([], neighbours=0)


async def test_an_open_log_is_read(tmp_path: Path) -> None:
    with CallLog(tmp_path / "calls.db") as log:
        log.append(row(pay("ann"), "paid"))
        assert (await RetrievalSimulator(log).predict(pay("ann"), None, ())).value == "paid"


# --- laws -----------------------------------------------------------------------------------------

some_calls = st.builds(
    lambda tool, arguments: ToolCall(tool=tool, arguments=arguments),
    st.sampled_from(["pay", "look"]),
    st.dictionaries(st.sampled_from(["a", "b"]), json_values, max_size=2),
)
some_states = st.none() | json_values
some_histories = st.lists(
    st.builds(lambda made, value: step(made, value), some_calls, json_values), max_size=3
).map(tuple)


@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(some_calls, some_states, some_histories), min_size=1, max_size=6))
async def test_a_fork_answers_like_a_fresh_simulator_whatever_it_was_asked_before(rows: list[Any]) -> None:
    log = [row(made, n, state=state, history=history) for n, (made, state, history) in enumerate(rows)]
    simulator = RetrievalSimulator(log)
    forked = fork(simulator, [])
    for made, state, history in rows:
        fresh = await RetrievalSimulator(log).predict(made, state, history)
        assert await forked.predict(made, state, history) == fresh


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(rows=st.lists(st.tuples(some_calls, some_states, some_histories), min_size=1, max_size=6))
async def test_every_answer_is_the_outcome_of_a_logged_call_of_that_tool(rows: list[Any]) -> None:
    log = [row(made, n, state=state, history=history) for n, (made, state, history) in enumerate(rows)]
    simulator = RetrievalSimulator(log)
    for made, state, history in rows:
        outcome = await simulator.fork((), RecordingMeter()).predict(made, state, history)
        assert isinstance(outcome.value, int)
        assert log[outcome.value].call.tool == made.tool


async def test_the_order_of_the_log_decides_only_between_equals() -> None:
    log = [row(pay(f"p{n}", n), {"n": n}, state={"p": [f"p{n}"]}) for n in range(30)]
    shuffled = random.Random(1).sample(log, len(log))
    for one in log:
        first = await RetrievalSimulator(log).predict(one.call, one.state, ())
        assert first == await RetrievalSimulator(shuffled).predict(one.call, one.state, ())
        assert first.value == one.outcome.value


async def test_it_knows_more_than_a_replay_and_agrees_with_it_where_that_knows() -> None:
    log = [row(pay(f"p{n}", n), n, state={"n": n}) for n in range(20)]
    replay, retrieval = ReplaySimulator(log), RetrievalSimulator(log)
    for one in log:
        exact = await replay.predict(one.call, one.state, ())
        assert (await retrieval.predict(one.call, one.state, ())).value == exact.value
