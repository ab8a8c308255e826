"""What the pocket simulator thinks decides what the bank does."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from artis_sdk.pocket.changes import changed
from artis_sdk.pocket.lessons import Lessons
from artis_sdk.pocket.oracle import Oracle, state_of
from artis_sdk.pocket.tasks import Call, tasks
from artis_sdk.pocket.thoughts import compared, think
from artis_sdk.records import History, Step


@pytest.fixture(scope="module")
def made() -> list[tuple[str, Step]]:
    """Calls as they are and changed, of many tasks, each with its thought."""
    lessons, rng = Lessons(seed=1), random.Random(1)
    found = []
    for task in islice(tasks("train", seed=2), 400):
        for scene in lessons.scenes(task):
            calls: list[tuple[Step, History]] = [*lessons.calls(scene, failures=1.0)]
            for step, history in [*calls, *changed(lessons.oracle, scene, rng)]:
                found.append((think(step.call, state_of(scene.bank), history), step))
    return found


def test_amounts_are_compared_as_the_bank_compares_them(made: list[tuple[str, Step]]) -> None:
    compared_ = [
        (thought, step)
        for thought, step in made
        if step.call.tool in ("withdraw", "place_hold")
        and any(thought.endswith(word) for word in ("in", "over", "same"))
        if step.outcome.type in ("success", "InsufficientFunds", "OverLimit")
    ]
    assert len(compared_) > 60
    for thought, step in compared_:
        assert ("over" in thought) == (not step.outcome.ok), thought


def test_a_transfer_that_nothing_speaks_against_goes_through(made: list[tuple[str, Step]]) -> None:
    seen = set()
    for thought, step in made:
        arguments = step.call.arguments
        if step.call.tool != "transfer" or step.outcome.type in ("NotFound", "BadAmount"):
            continue
        if arguments["source"] == arguments["target"] or step.outcome.type == "Closed":
            continue
        parts = thought.split("; ")
        if parts[0].startswith("no "):
            continue  # there is no account to pay
        *_, alike = parts[1].split()
        before = next((part.split()[1:] for part in parts if part.startswith("before")), [])
        refused = {
            "Frozen": "frozen" in parts[0],
            "WrongCurrency": alike == "not",
            "Duplicate": str(arguments["amount"]) in before,
            "InsufficientFunds": parts[-2].endswith("over"),
            "OverLimit": parts[-1].endswith("over"),
        }
        expected = next((name for name, is_so in refused.items() if is_so), "success")
        assert step.outcome.type == expected, (thought, step)
        seen.add(expected)
    assert len(seen) == 6


def test_refunds_and_limits(made: list[tuple[str, Step]]) -> None:
    expired = [(thought, step) for thought, step in made if step.call.tool == "refund" and thought]
    assert {step.outcome.type for _, step in expired} >= {"success", "Expired"}
    for thought, step in expired:
        assert ("30 over" in thought) == (step.outcome.type == "Expired"), thought
    raised = [(thought, step) for thought, step in made if step.call.tool == "set_limit" and ";" in thought]
    for thought, step in raised:
        refused = thought.startswith("teller") and thought.endswith("over")
        assert refused == (step.outcome.type == "NotPermitted") or step.outcome.type == "BadAmount"


def test_what_earlier_steps_took_is_taken_off() -> None:
    oracle = Oracle()
    for task in islice(tasks("train", seed=3), 40):
        account = next(a for a in task.bank.accounts.values() if a.status == "active")
        free, left = task.bank.free_balance(account), account.limit - account.sent_today
        if min(free, left) <= 20:
            continue
        calls = [Call("withdraw", {"account": account.id, "amount": amount}) for amount in (10, 20)]
        steps = oracle.play(task.bank, calls).steps
        thought = think(steps[1].call, state_of(task.bank), steps[:1])
        assert f"{free} -10 {free - 10}; {left} -10 {left - 10}; {compared(20, free - 10)}" in thought
        return
    raise AssertionError("no account had money")


def test_a_comparison_is_written_out() -> None:
    assert [compared(1, 2), compared(2, 2), compared(3, 2)] == ["1 2 in", "2 2 same", "3 2 over"]
