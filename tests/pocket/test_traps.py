"""Tasks that cannot be mended once their obvious plan is begun, and an agent that goes on after a refusal."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.pocket.families import FAMILIES, make
from artis_sdk.pocket.oracle import Oracle, books, fulfilled
from artis_sdk.pocket.task import PlannedCall, PocketTask
from artis_sdk.pocket.traps import TRAPS
from artis_sdk.records import Risk
from artis_sdk.trainers.pocket.lessons import Lessons
from artis_sdk.trainers.pocket.scenes import Scene, several_plans

SEEDS = st.integers(min_value=0, max_value=10**6)


def trap(seed: int, family: str) -> PocketTask:
    return make(f"traps-train-{seed}", "train", {family: TRAPS[family]})


@given(seed=SEEDS, family=st.sampled_from(sorted(TRAPS)))
def test_each_has_a_right_plan_and_an_obvious_one(seed: int, family: str) -> None:
    oracle, task = Oracle(), trap(seed, family)
    bank = task.bank
    for turn in task.turns[: 2 if family == "later" else 1]:
        good = oracle.good_ways(bank, turn)
        assert len(good) == 1, "one choice is right, and it has to be found"
        weights = sorted(way.weight for way in turn.ways)
        assert len(weights) == 1 or weights[-1] > weights[-2]
        bank = good[0][1].bank


@given(seed=SEEDS, family=st.sampled_from(sorted(TRAPS)))
def test_what_a_trap_has_begun_no_other_plan_brings_to_an_end(seed: int, family: str) -> None:
    oracle, task = Oracle(), trap(seed, family)
    if oracle.kind(task) != "trap" or len(task.turns) > 1:
        return
    (turn,) = task.turns
    obvious = max(turn.ways, key=lambda way: way.weight)
    begun = oracle.play(task.bank, obvious.calls)
    assert books(begun.bank) != books(task.bank)
    assert not fulfilled(task, begun.bank, oracle)
    assert obvious.short == begun.good, "it is refused, or only looks done"
    for way in turn.ways:
        rest = [call for call in way.calls if call not in obvious.calls]
        if not obvious.short:
            assert not fulfilled(task, oracle.play(begun.bank, rest).bank, oracle)


def test_every_family_has_traps_of_its_own() -> None:
    oracle = Oracle()
    for family in TRAPS:
        kinds = Counter(oracle.kind(trap(seed, family)) for seed in range(100))
        assert kinds["trap"] >= 25, (family, kinds)
        assert kinds["impossible"] <= 5, (family, kinds)


def test_what_is_sent_in_one_turn_is_missing_in_the_next() -> None:
    """`later`: before the first turn another choice would have worked, too, in some tasks."""
    oracle, more = Oracle(), 0
    for seed in range(60):
        task = trap(seed, "later")
        first, then = task.turns[:2]
        before = len(oracle.good_ways(task.bank, then))
        (_, played), *_ = oracle.good_ways(task.bank, first)
        assert len(oracle.good_ways(played.bank, then)) == 1
        more += before > 1
    assert more >= 10


@pytest.mark.parametrize("families", [FAMILIES, TRAPS], ids=["bank", "traps"])
def test_an_agent_that_goes_on_repeats_nothing_and_leaves_nothing_behind(families: object) -> None:
    lessons = Lessons(5, persistent=True)
    oracle, gone_on, recovered = lessons.oracle, 0, 0
    reads = {tool.name for tool in oracle.tools if tool.risk is Risk.READ_ONLY}
    for seed in range(150):
        task = make(f"train-on-{seed}", "train", families)  # type: ignore[arg-type]
        for scene in lessons.scenes(task):
            for way in scene.turn.ways:
                walk = several_plans(scene, way, oracle, lambda ways: ways[0] if ways else None)
                done = [step.call for step in walk.played.steps if step.outcome.ok]
                changing = [(c.tool, str(c.arguments)) for c in done if c.tool not in reads]
                assert len(set(changing)) == len(changing), "nothing is done twice"
                assert walk.plans[0] is way
                planned = [PlannedCall(c.tool, c.arguments) for c in done if c.tool not in reads]
                assert all(call in walk.plans[-1].calls for call in planned)
                assert walk.right == _as_asked(scene, walk.played.bank, oracle)
                gone_on += len(walk.plans) > 1
                recovered += len(walk.plans) > 1 and walk.right
    assert recovered >= 20
    assert gone_on > recovered, "some obstacles cannot be passed any more"


def _as_asked(scene: Scene, bank: object, oracle: Oracle) -> bool:
    good = oracle.good_ways(scene.bank, scene.turn)
    if scene.turn.reads:
        return bool(good)
    return books(bank) in {books(played.bank) for _, played in good}  # type: ignore[arg-type]
