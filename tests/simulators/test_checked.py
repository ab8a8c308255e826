"""Outcomes that are computed from source and state, and never by running the tool."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.checked_shop import CALLS, Status, make_shop, real
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.errors import SimulationError
from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.desk import pocket_tools
from artis_sdk.pocket.oracle import bank_of, desk_of, state_of
from artis_sdk.pocket.tasks import tasks
from artis_sdk.records import Outcome, Provenance, Step, ToolCall
from artis_sdk.simulators import Checked, Ladder, MajoritySimulator
from artis_sdk.tools import Toolset
from artis_sdk.trainers.pocket.log import records

# --- a shop ---------------------------------------------------------------------------------------


def same(found: Outcome, truth: Outcome) -> bool:
    assert found.provenance is Provenance.CHECKED
    fields = {"provenance", "duration"}
    return found.model_dump(exclude=fields) == truth.model_dump(exclude=fields)


@given(st.lists(st.sampled_from(CALLS), min_size=1, max_size=5), st.sampled_from(list(Status)))
async def test_a_computed_outcome_is_the_real_one(calls: list[Any], status: Status) -> None:
    """Any sequence of calls: the last one's outcome, with the others as its history."""
    tools = Toolset.from_object(make_shop(status))
    state = tools.state()
    simulator = Checked().fork(Toolset.from_object(make_shop()), None)  # type: ignore[arg-type]
    history: tuple[Step, ...] = ()
    for name, arguments in calls:
        call = ToolCall(tool=name, arguments=arguments)
        truth = real(tools, call)
        assert same(await simulator.predict(call, state, history), truth), (call, truth)
        history = (*history, Step(call=call, outcome=truth))


@pytest.mark.slow
async def test_every_outcome_of_the_pocket_bank_is_computed() -> None:
    tools = pocket_tools(Bank())
    for record in records("held_out", count=40, seed=3, failures=True):
        simulator = Checked(restore=desk_of).fork(tools, None)  # type: ignore[arg-type]
        assert same(await simulator.predict(record.call, record.state, record.history), record.outcome)


def test_the_pocket_books_are_read_back() -> None:
    task = next(tasks("train", seed=1))
    assert state_of(bank_of(state_of(task.bank))) == state_of(task.bank)


# --- what it cannot tell ----------------------------------------------------------------------------


async def predicted(name: str, arguments: dict[str, Any], history: Any = (), **options: Any) -> Outcome:
    tools = Toolset.from_object(make_shop())
    simulator = Checked(**options).fork(tools, None)  # type: ignore[arg-type]
    return await simulator.predict(ToolCall(tool=name, arguments=arguments), tools.state(), history)


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("guess", {"number": 1}, "_secret, which the state does not hold"),
        ("draw", {}, "does not tell with what it returns: it returns what randint gives"),
        ("roll", {}, "does not tell with what it returns: it returns what randint gives"),
    ],
)
async def test_what_the_state_does_not_hold_is_not_told(name: str, arguments: Any, why: str) -> None:
    with pytest.raises(SimulationError, match=why):
        await predicted(name, arguments)


@pytest.mark.parametrize("way", ["text", "join", "list", "loop"])
async def test_the_order_of_a_set_is_not_told(way: str) -> None:
    with pytest.raises(SimulationError, match="order"):
        await predicted("unordered", {"way": way})
    assert (await predicted("unordered", {"way": "zzz"})).value is True


async def test_a_restored_object_tells_what_json_does_not() -> None:
    outcome = await predicted("guess", {"number": 1}, restore=lambda state: [make_shop()])
    assert (outcome.ok, outcome.message) == (False, "wrong")


async def test_a_draw_of_the_history_is_taken_from_it() -> None:
    drawn = Step(call=ToolCall(tool="draw"), outcome=Outcome.success({"number": 4}, Provenance.REAL))
    outcome = await predicted("buy", {"name": "tea"}, (drawn,))
    assert outcome.value == {"order": 4, "left": 2}


async def test_after_an_outcome_that_the_source_does_not_give_nothing_is_told() -> None:
    wrong = Outcome.success({"order": 9, "left": 0}, Provenance.SIMULATED)
    step = Step(call=ToolCall(tool="buy", arguments={"name": "tea"}), outcome=wrong)
    with pytest.raises(SimulationError, match="after buy: an earlier call had another outcome"):
        await predicted("buy", {"name": "tea"}, (step,))


@pytest.mark.parametrize(("name", "type_"), [("fly", "unknown_tool"), ("buy", "TimeoutError")])
async def test_a_call_that_reached_no_world_changed_nothing(name: str, type_: str) -> None:
    """A tool that there is not, or a failure that was injected before the call."""
    failed = Outcome.failure(type_, "no", Provenance.FORCED, raised=True)
    step = Step(call=ToolCall(tool=name, arguments={"name": "tea"}), outcome=failed)
    assert (await predicted("buy", {"name": "tea"}, (step,))).value == {"order": 1, "left": 2}


async def test_a_ladder_asks_the_next_rung_where_the_source_does_not_tell() -> None:
    tools = Toolset.from_object(make_shop())
    rows = [
        record.model_copy(update={"call": ToolCall(tool="guess"), "spec": tools["guess"].spec})
        for record in records("train", count=1, seed=1)
    ]
    ladder = Ladder([Checked(), MajoritySimulator(rows)]).fork(tools, None)  # type: ignore[arg-type]
    told = await ladder.predict(ToolCall(tool="buy", arguments={"name": "tea"}), tools.state(), ())
    left = await ladder.predict(ToolCall(tool="guess", arguments={"number": 1}), tools.state(), ())
    assert (told.provenance, left.provenance) == (Provenance.CHECKED, Provenance.SIMULATED)
