"""The process in which generated calls run: what hangs is ended, and what failed is known by its line."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.failing_tools import Shop
from helpers.generation import Trap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.records import Provenance, ToolCall
from artis_sdk.records.outcome_type import SUCCESS
from artis_sdk.tools import Toolset
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy
from artis_sdk.trainers.generate import GenerationBudget, StartState
from artis_sdk.trainers.generate.runner import Runner
from artis_sdk.trainers.generate.tasks import Draft
from artis_sdk.trainers.generate.worlds import Change

TOOLS = Toolset.from_object(Shop())
TAXONOMY = Taxonomy(TOOLS)


def calls(*names: str) -> Draft:
    return Draft("test", 0, tuple(ToolCall(tool=name, arguments={}) for name in names))


@pytest.fixture
def trap() -> Iterator[Runner]:
    tools = Toolset.from_object(Trap())
    with Runner([StartState(tools)], Taxonomy(tools), budget=GenerationBudget(call_seconds=0.05)) as runner:
        yield runner


@pytest.mark.parametrize("name", ["spin", "sleep", "die"])
def test_a_call_that_does_not_come_back_ends_its_task_and_no_other(trap: Runner, name: str) -> None:
    ran = trap.run(calls("walk", name, "walk"))
    assert [reached.step.call.tool for reached in ran.reached] == ["walk"]
    assert ran.stopped == f"{name} did not end within 0.05 s, or ended its process"
    assert trap.hung == {name: 1}
    after = trap.run(calls("walk", "walk"))
    assert [reached.step.outcome.value for reached in after.reached] == [1, 2]  # a fork of its own
    assert trap.calls == 4


def test_a_call_that_wants_too_much_memory_fails(trap: Runner) -> None:
    ran = trap.run(calls("swell", "walk"))
    assert [reached.type for reached in ran.reached] == ["MemoryError", SUCCESS]


def test_tasks_do_not_see_each_other(trap: Runner) -> None:
    first, second = trap.begin(calls()), trap.begin(calls())
    walk = ToolCall(tool="walk", arguments={})
    values = [trap.call(ran, walk) for ran in (first, second, first, second, second)]
    assert [v.step.outcome.value for v in values if v is not None] == [1, 1, 2, 2, 3]


def test_a_changed_start_state_is_the_rows_state() -> None:
    with Runner([StartState(TOOLS)], TAXONOMY, budget=GenerationBudget()) as runner:
        change = Change(("Shop", "open"), False)
        ran = runner.run(Draft("test", 0, (ToolCall(tool="buy", arguments={"item": "apple"}),), (change,)))
        assert ran.reached[0].step.outcome.message == "the shop is closed"
        assert isinstance(ran.state, dict)
        shop = ran.state["Shop"]
        assert isinstance(shop, dict)
        assert shop["open"] is False
        assert runner.state(0) == TOOLS.state()  # and of no other task


# --- two ways to know a failure ---------------------------------------------------------------------

ITEMS = st.sampled_from(["apple", "pear", "plum", "fig", "", "?", "nut"]) | st.text(max_size=5)
CALLS = st.one_of(
    st.builds(lambda i, c: ("buy", {"item": i, "count": c}), ITEMS, st.integers(-1, 11)),
    st.builds(lambda i, c: ("reserve", {"item": i, "count": c}), ITEMS, st.integers(-2, 5)),
    st.builds(lambda c: ("close", {"code": c}), st.sampled_from(["0", "13", "7", "x", ""])),
    st.builds(lambda n: ("cancel", {"number": n}), st.sampled_from([-3, 0, 1, 5, 99, 100, 1000])),
    st.builds(
        lambda i, c, t: ("note", {"item": i, "count": c, "tone": t}),
        ITEMS, st.integers(-1, 2), st.sampled_from(["kind", "stern", "loud"]),
    ),
    st.builds(lambda i: ("safe", {"item": i}), ITEMS),
)  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Iterator[Runner]:
    with Runner([StartState(TOOLS)], TAXONOMY, budget=GenerationBudget(calls=10**6)) as runner:
        yield runner


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(CALLS, min_size=1, max_size=6))
def test_the_lines_that_ran_and_the_words_that_came_tell_the_same_mode(
    shop: Runner, made: list[tuple[str, dict[str, object]]]
) -> None:
    """The log knows the words only; generation also knows the lines. They must agree."""
    draft = Draft("test", 0, tuple(ToolCall.model_validate({"tool": t, "arguments": a}) for t, a in made))
    ran = shop.run(draft)
    assert ran.stopped is None
    for reached in ran.reached:
        by_words = {mode.key for mode in shop.taxonomy.match(reached.step.call, reached.step.outcome)}
        by_lines = {mode.key for mode in reached.modes}
        if reached.type in (SUCCESS, "KeyError", "IndexError"):  # of a subscript, or of `list.pop`
            assert by_words == by_lines == set()
            continue
        assert reached.step.outcome.provenance in (Provenance.SANDBOXED, Provenance.FORCED)
        assert by_words <= by_lines
        helper = {
            mode.key for mode in reached.modes if mode.path == ("refused",)
        }  # makes what its caller gives
        assert by_lines - helper == by_words
