"""The pocket world's tasks: held-out ones are new, and the checker looks at the final state alone."""

from __future__ import annotations

import copy
from collections import Counter
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.pocket.families import FAMILIES, HIDDEN, make
from artis_sdk.pocket.oracle import KINDS, Oracle, books, fulfilled, state_of
from artis_sdk.pocket.task import PocketTask
from artis_sdk.pocket.tasks import FamiliesName, tasks
from artis_sdk.pocket.words import Part, held, phrase
from artis_sdk.simulators.cut import Cutter

SEEDS = st.integers(min_value=0, max_value=10**6)


def some(part: Part, count: int, families: FamiliesName = "bank") -> list[PocketTask]:
    return list(islice(tasks(part, seed=9, families=families), count))


def words_of(task: PocketTask) -> tuple[set[str], set[int]]:
    """Names and amounts that a task speaks of."""
    names = {account.owner for account in task.bank.accounts.values()}
    amounts = {
        call.arguments["amount"]
        for turn in task.turns
        for way in turn.ways
        for call in way.calls
        if "amount" in call.arguments
    }
    return names, amounts


@pytest.mark.parametrize("families", ["bank", "traps"])
def test_no_held_out_task_is_in_the_training_data(families: FamiliesName) -> None:
    train, apart = some("train", 600, families), some("held_out", 300, families)
    names = set().union(*(words_of(task)[0] for task in train))
    amounts = set().union(*(words_of(task)[1] for task in train))
    queries = {turn.query for task in train for turn in task.turns}
    for task in apart:
        mine, sums = words_of(task)
        assert not mine & names
        assert not sums & amounts
        assert not any(turn.query in queries for turn in task.turns)


def test_both_are_a_task_of_each_in_turn() -> None:
    both = [task.id for task in some("train", 6, "both")]
    assert both[::2] == [task.id for task in some("train", 3, "bank")]
    assert both[1::2] == [task.id for task in some("train", 3, "traps")]


@given(seed=SEEDS)
def test_the_parts_are_told_by_the_words_themselves(seed: int) -> None:
    """Not by a sample of them: whatever the seed, no training task has a held-out name or amount."""
    names, amounts = words_of(make(f"train-{seed}-0", "train"))
    assert not any(held(name) for name in names)
    assert not any(held(f"amount {amount}") for amount in amounts)
    names, amounts = words_of(make(f"held_out-{seed}-0", "held_out"))
    assert all(held(name) for name in names)
    assert all(held(f"amount {amount}") for amount in amounts)


def test_wordings_are_apart() -> None:
    import random

    forms = tuple(f"form {n}" for n in range(9))
    parts = {
        part: {phrase(random.Random(n), part, (forms, {})) for n in range(400)}
        for part in ("train", "held_out")
    }
    assert not parts["train"] & parts["held_out"]
    assert len(parts["held_out"]) > 8


def test_a_task_is_the_same_every_time() -> None:
    assert make("train-3-7", "train") == make("train-3-7", "train")


def test_every_family_comes_up_and_most_hide_something() -> None:
    oracle = Oracle()
    made = some("held_out", 400)
    assert {task.family for task in made} >= {*FAMILIES, "turns", "miss_func"}
    for family in HIDDEN:
        of = [task for task in made if task.family == family]
        assert 0.2 < sum(map(oracle.hidden, of)) / len(of) < 0.95


@given(seed=SEEDS)
def test_good_plans_fulfil_and_what_is_left_undone_does_not(seed: int) -> None:
    oracle = Oracle()
    task = make(f"held_out-{seed}-1", "held_out")
    before = copy.deepcopy(task.bank)
    bank, changed = task.bank, False
    for turn in task.turns:
        good = oracle.good_ways(bank, turn)
        if good:
            bank, changed = good[-1][1].bank, changed or not turn.reads
    assert task.bank == before, "playing a plan leaves the task's own books alone"
    assert fulfilled(task, bank, oracle)
    if changed:
        assert not fulfilled(task, task.bank, oracle)


@given(seed=SEEDS)
def test_one_call_more_or_another_amount_is_not_fulfilled(seed: int) -> None:
    oracle = Oracle()
    task = make(f"train-{seed}-2", "train")
    good = oracle.good_ways(task.bank, task.turns[0])
    if len(task.turns) > 1 or not good or task.turns[0].reads:
        return
    bank = copy.deepcopy(good[0][1].bank)
    account = next(iter(bank.accounts.values()))
    account.balance += 1
    assert not fulfilled(task, bank, oracle)


def test_a_refused_plan_of_two_payments_leaves_the_books_wrong_for_good() -> None:
    """The first payment went through: no later call can make the final state right."""
    oracle = Oracle()
    found = 0
    for task in some("train", 800):
        if task.family != "two":
            continue
        for way in task.turns[0].ways:
            played = oracle.play(task.bank, way.calls)
            moved = [step for step in played.steps if step.call.tool == "transfer" and step.outcome.ok]
            if not played.good and moved:
                found += 1
                assert not fulfilled(task, played.bank, oracle)
                assert books(played.bank) != books(task.bank)
    assert found > 5


@pytest.mark.parametrize("part", ["train", "held_out"])
def test_a_focused_state_shows_what_the_call_needs(part: Part) -> None:
    """Every account that a call names, or that what it names belongs to, is in the prompt."""
    oracle = Oracle()
    for task in some(part, 120):
        state = state_of(task.bank)
        for way in task.turns[-1].ways:
            steps = oracle.play(task.bank, way.calls).steps
            for n, step in enumerate(steps):
                left = Cutter().cut([step.call], state, steps[:n], room=None, focus=True).state
                assert isinstance(left, dict)
                assert isinstance(left["rows"], dict)
                shown = left["rows"].keys()
                named = {v for k, v in step.call.arguments.items() if k != "owner" and isinstance(v, str)}
                assert named & task.bank.accounts.keys() <= shown
                for hold in named & task.bank.holds.keys():
                    assert task.bank.holds[hold].account in shown
                for transfer in named & task.bank.transfers.keys():
                    assert task.bank.transfers[transfer].target in shown


def test_kinds_are_found_by_playing() -> None:
    """A trap is a refusal behind a part that stays done; what is repairable can be put right after it."""
    oracle = Oracle()
    seen: Counter[str] = Counter()
    for task in islice(tasks("held_out"), 150):
        kind = oracle.kind(task)
        seen[kind] += 1
        if len(task.turns) > 1 or not task.turns[0].ways:
            continue
        turn = task.turns[0]
        begun = oracle.play(task.bank, max(turn.ways, key=lambda way: way.weight).calls)
        good = oracle.good_ways(task.bank, turn)
        assert begun.good is (kind == "obvious")
        assert bool(good) is (kind in ("obvious", "repairable")) or kind == "trap"
        damaged = not fulfilled(task, begun.bank, oracle) and oracle.damaged(task, begun.bank)
        assert damaged is (kind == "trap")
        assert not oracle.damaged(task, task.bank)
        for _, played in good:
            assert not oracle.damaged(task, played.bank)
    assert min(seen[kind] for kind in KINDS) > 2
