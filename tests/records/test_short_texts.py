"""Records print as short texts that a person can read, whatever they hold."""

from __future__ import annotations

import pytest
from helpers.hostile import SAMPLES, texts
from helpers.plans import a_plan, a_result, approved, pay
from hypothesis import given

from artis_sdk.records import Attempt, Evaluation, Plan, Recommendation, Result, Task
from artis_sdk.visible import visible

PLAN = approved(a_plan(*(pay(n) for n in range(3)), value={"ok": True}))
RESULT = a_result(PLAN)


def test_a_plan() -> None:
    assert repr(PLAN) == f'<Plan {PLAN.id[:8]} "Pay bob 8.": 2 attempts, 3 foreseen calls, approved by ann>'
    assert str(PLAN).splitlines() == [
        f'Plan {PLAN.id[:8]} "Pay bob 8.": 2 attempts, 3 foreseen calls, approved by ann',
        "<Attempt 1: 1 call, judged wrong>",
        "<Attempt 2: 3 calls, judged correct>",
        "recommendation:",
        "Pay bob 8.",
        '1. pay(who="payee 0", amount=0) → {"ok":true}  (irreversible, 2 of 2 attempts)',
        '2. pay(who="payee 1", amount=1) → {"ok":true}  (read_only, 1 of 2 attempts)',
        '3. pay(who="payee 2", amount=2) → {"ok":true}  (reversible, 1 of 2 attempts)',
    ]
    bare = Plan(task=Task(query="q"), strategy="direct")
    assert repr(bare) == f'<Plan {bare.id[:8]} "q": 0 attempts, 0 foreseen calls, not approved>'


def test_a_result_and_its_calls() -> None:
    told = f'Result of plan {PLAN.id[:8]}: 5 calls, 2 unforeseen, 1 diverged, 1 missed; "Paid."'
    assert repr(RESULT) == f"<{told}>"
    lines = str(RESULT).splitlines()
    assert lines[0] == told
    assert lines[1] == (
        '1. pay(who="payee 0", amount=0) → insufficient_funds: Paid.  (irreversible, foreseen, diverged)'
    )
    assert lines[2].endswith("(irreversible, changed)")
    assert 'not made: wipe(why="Paid."): Paid.' in lines
    assert 'missed: pay(who="payee 2", amount=2)' in lines
    assert lines[-1] == "note: Paid."
    as_predicted = RESULT.calls[2]
    assert repr(as_predicted) == (
        '<CommittedCall pay(who="payee 1", amount=1) → {"ok":true}  (read_only, foreseen, as predicted)>'
    )


def test_a_recommendation_prints_its_text() -> None:
    advice = Recommendation(recommendation="First look.\nThen pay.", rationale="r" * 500)
    assert str(advice) == "First look.\nThen pay."
    assert repr(advice) == '<Recommendation "First look.\\nThen pay.">'


def test_an_attempt() -> None:
    attempt = PLAN.attempts[1]
    assert repr(attempt) == "<Attempt 2: 3 calls, judged correct>"
    assert str(attempt).splitlines()[-1] == "  Paid."
    assert (
        repr(Attempt(index=0, ended="simulation_error")) == "<Attempt 1: 0 calls, ended by simulation error>"
    )
    wrong = Attempt(index=0, evaluation=Evaluation(correct=False))
    assert wrong.verdict == "judged wrong"


@given(texts())
def test_short_and_harmless(text: str) -> None:
    plan = approved(a_plan((text, {text: text}), query=text, advice=text, text=text, value=text), by=text)
    result = a_result(plan, text)
    parts: list[Plan | Result | object] = [plan, result, *plan.attempts, *result.calls, plan.recommendation]
    for part in parts:
        for shown in (repr(part), str(part)):
            assert all(char.isprintable() or char in "\n\t" for char in shown)
        if part is not plan:  # whose approver's name is whole
            assert "\n" not in repr(part)
            assert len(repr(part)) < 600


def test_a_long_value_is_cut_and_says_so() -> None:
    long = a_plan(pay(1, memo="x" * 100_000), value="y" * 100_000, query="z" * 100_000)
    assert len(str(long)) < 1_000
    assert "…" in str(long)
    assert len(repr(a_result(long, "w" * 100_000))) < 200


def test_hostile_texts_are_all_in_the_text_of_an_attempt() -> None:
    for sample in SAMPLES:
        assert visible(sample, lines=True) in str(Recommendation(recommendation=sample))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pay b\u043eb", r"pay b\u043eb"),
        ("\uff42ob", r"\uff42ob"),
        ("paypa\u04cf and \u0430pple", r"paypa\u04cf and \u0430pple"),
        ("Боб и bob", "Боб и bob"),
        ("5 μm, naïve, Δx", "5 μm, naïve, Δx"),
        ("Diyarbakır Yıldız", "Diyarbakır Yıldız"),
        ("отчет_Q3_final.pdf", "отчет_Q3_final.pdf"),
        ("私はＮＨＫとTBSを見る", "私はＮＨＫとTBSを見る"),
    ],
)
def test_a_letter_that_poses_as_an_ascii_one_is_told(text: str, shown: str) -> None:
    assert visible(text) == shown
