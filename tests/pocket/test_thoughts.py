"""What the pocket simulator thinks decides what the bank does."""

from __future__ import annotations

import random
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.pocket.bank import Account, Bank, Hold
from artis_sdk.pocket.oracle import Oracle, state_of
from artis_sdk.pocket.task import PlannedCall
from artis_sdk.pocket.tasks import tasks
from artis_sdk.records import History, Step
from artis_sdk.trainers.pocket.changes import changed
from artis_sdk.trainers.pocket.lessons import Lessons
from artis_sdk.trainers.pocket.thoughts import Reason, added, compared, reasons, think

# How the last reason of a refused call reads, by what the bank says then.
REFUSING = {
    "NotFound": ("no ",),
    "Frozen": ("frozen",),
    "BadAmount": ("amount ",),
    "InsufficientFunds": ("over",),
    "OverLimit": ("over",),
    "Expired": ("over", "in", "same"),
    "NotPermitted": ("teller",),
    "WrongCurrency": ("no ", "not", "same"),
    "Duplicate": (" went", "same", "refunded", "active"),
}


@pytest.fixture(scope="module")
def made() -> list[tuple[list[Reason], Step]]:
    """Calls as they are and changed, of many tasks, each with what decides it."""
    lessons, rng = Lessons(seed=1), random.Random(1)
    found = []
    for task in islice(tasks("train", seed=2), 600):
        for scene in lessons.scenes(task):
            calls: list[tuple[Step, History]] = [*lessons.calls(scene)]
            for step, history in [*calls, *changed(lessons.oracle, scene, rng)]:
                found.append((reasons(step.call, state_of(scene.bank), history), step))
    return found


def test_what_is_thought_of_refuses_a_call_exactly_where_the_bank_does(
    made: list[tuple[list[Reason], Step]],
) -> None:
    seen = set()
    for found, step in made:
        assert any(reason.refuses for reason in found) == (not step.outcome.ok), (found, step)
        assert not any(reason.refuses for reason in found[:-1])
        if not step.outcome.ok:
            seen.add(step.outcome.type)
            words = REFUSING[step.outcome.type]
            assert any(word in found[-1].text for word in words), (found, step)
    assert seen == set(REFUSING)


def test_a_thought_ends_with_what_refuses() -> None:
    lessons = Lessons(seed=1)
    for task in islice(tasks("train", seed=2), 60):
        for scene in lessons.scenes(task):
            for step, history in lessons.calls(scene):
                thought = think(step.call, state_of(scene.bank), history)
                assert thought.endswith("!") == (not step.outcome.ok)


def test_what_earlier_steps_took_is_taken_off() -> None:
    oracle = Oracle()
    for task in islice(tasks("train", seed=3), 40):
        account = next(a for a in task.bank.accounts.values() if a.status == "active")
        free, left = task.bank.free_balance(account), account.limit - account.sent_today
        if min(free, left) <= 30:
            continue
        calls = [PlannedCall("withdraw", {"account": account.id, "amount": amount}) for amount in (10, 20)]
        steps = oracle.play(task.bank, calls).steps
        thought = think(steps[1].call, state_of(task.bank), steps[:1])
        assert thought == (
            f"{account.id} active; {added(free, -10)}; {compared(20, free - 10)}; "
            f"{added(left, -10)}; {compared(20, left - 10)}"
        )
        return
    raise AssertionError("no account had money")


def test_a_limit_changed_before_is_worked_out_from_what_was_sent() -> None:
    bank = Bank(operator="manager")
    bank.accounts = {"A101": Account("A101", "Ann", "EUR", 900, limit=500, sent_today=180)}
    calls = [
        PlannedCall("set_limit", {"account": "A101", "amount": 120}),
        PlannedCall("withdraw", {"account": "A101", "amount": 70}),
    ]
    *before, step = Oracle().play(bank, calls).steps
    thought = think(step.call, state_of(bank), tuple(before))
    assert thought.endswith(f"{added(500, -320)}; {added(120, -180)}; {compared(70, -60)}!")
    assert "may send -60 more" in str(step.outcome.message)


def test_a_payment_made_before_names_its_amount_as_the_bank_does() -> None:
    bank = Bank()
    bank.accounts = {name: Account(name, "Ann", "EUR", 900) for name in ("A101", "A102")}
    pay = PlannedCall("transfer", {"source": "A101", "target": "A102", "amount": 90})
    *before, step = Oracle().play(bank, [pay, pay]).steps
    thought = think(step.call, state_of(bank), tuple(before))
    assert thought == "A101 active; A102 active; A101 A102 not; EUR EUR same; before 0090 0090 same; 90 went!"
    assert str(step.outcome.message).startswith("90 went")


def test_what_is_left_follows_from_the_steps_before() -> None:
    oracle = Oracle()
    for task in islice(tasks("train", seed=3), 40):
        account = next(a for a in task.bank.accounts.values() if a.status == "active")
        if min(task.bank.free_balance(account), account.limit - account.sent_today) <= 30:
            continue
        calls = [
            PlannedCall("withdraw", {"account": account.id, "amount": 20}),
            PlannedCall("get_account", {"account": account.id}),
            PlannedCall("get_limit", {"account": account.id}),
        ]
        steps = oracle.play(task.bank, calls).steps
        for step, field in zip(steps[1:], ("free", "left"), strict=True):
            value, thought = step.outcome.value, think(step.call, state_of(task.bank), steps[:1])
            assert isinstance(value, dict)
            assert thought.split()[-1] == f"{value[field]:04}"
        return
    raise AssertionError("no account had money")


def test_a_closed_account_and_a_released_hold_refuse() -> None:
    bank = Bank(operator="manager")
    bank.accounts = {"A101": Account("A101", "Ann", "EUR", 0), "A102": Account("A102", "Bo", "EUR", 50)}
    bank.holds = {"H101": Hold("H101", "A102", 20)}
    done = [PlannedCall("close_account", {"account": "A101"}), PlannedCall("release_hold", {"hold": "H101"})]
    oracle = Oracle()
    for refused in (PlannedCall("get_account", {"account": "A101"}), done[1]):
        *before, step = oracle.play(bank, [*done, refused]).steps
        assert not step.outcome.ok
        assert reasons(step.call, state_of(bank), tuple(before))[-1].refuses
    for n, step in enumerate(before):
        assert step.outcome.ok
        assert not any(reason.refuses for reason in reasons(step.call, state_of(bank), tuple(before[:n])))


def test_a_comparison_and_a_difference_are_written_out() -> None:
    assert [compared(1, 20), compared(2, 2), compared(390, 370), compared(80, -310)] == [
        "0001 0020 00 00 02 in",
        "0002 0002 00 00 00 22 same",
        "0390 0370 00 33 97 over",
        "0080 -0310 over",
    ]
    assert [added(450, -80), added(80, 570), added(40, -350)] == [
        "0450 -0080 000 587, 403 000 0370",
        "0080 +0570 000 875, 056 000 0650",
        "0040 -0350 000 541 303 000 -0310",
    ]


@given(start=st.integers(0, 4999), change=st.integers(-4999, 4999))
def test_each_digit_of_a_sum_is_worked_out_from_those_above_it(start: int, change: int) -> None:
    *_, first, second, third, fourth, result = added(start, change).split()
    assert int(result) == start + change
    assert result[-4:] == fourth[2] + third[2] + second[2] + first[2]
    carried = 0
    for rank in (first, second, third, fourth):
        place = int(rank[0]) + (int(rank[1]) + carried) * (1 if change > 0 else -1)
        assert int(rank[2]) == place % 10
        assert rank.endswith(",") == (not 0 <= place <= 9)
        carried = rank.count(",")
    assert not carried
