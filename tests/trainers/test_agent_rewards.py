"""Rewards: the paper's, ToolRL's, the caller's own."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.agent import a_task
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.errors import TrainingError
from artis_sdk.records import Outcome, Provenance, Step, ToolCall
from artis_sdk.trainers.agent.rewards import (
    PAPER,
    Rewards,
    answer,
    state_share,
    succeeded,
    tool_execution,
    tool_match,
)
from artis_sdk.trainers.agent.rollout import Rollout
from artis_sdk.trainers.agent.tape import Tape
from artis_sdk.trainers.agent.turns import read_tags


def call(tool: str, /, **arguments: Any) -> ToolCall:
    return ToolCall(tool=tool, arguments=arguments)


def rollout(
    *calls: ToolCall, text: str = "<answer>yes</answer>", ok: bool = True, state: Any = None, **task: Any
) -> Rollout:
    outcome = (
        Outcome.success(1, Provenance.SANDBOXED) if ok else Outcome.failure("E", "", Provenance.SANDBOXED)
    )
    made = Rollout(
        a_task(**task), Tape(()), [read_tags(text, {})], [Step(call=c, outcome=outcome) for c in calls]
    )
    made.end, made.state, made.required = "answer", state, frozenset({"answer"})
    return made


def test_an_error_that_a_tool_returned_is_a_call_that_failed() -> None:
    """As it is one for the simulator's data and for its measures."""
    made = rollout(call("add"), call("add"))
    refused = Outcome.success({"error": "no such account"}, Provenance.SANDBOXED)
    made.steps[1] = Step(call=call("add"), outcome=refused)
    assert made.ran == 1
    assert tool_execution(made) == 0.0


def test_the_papers_weights() -> None:
    rewards = Rewards()
    assert rewards.weights == PAPER == {"answer": 2.0, "format": 0.15, "tool_execution": 0.5}
    assert PAPER["format"] < PAPER["answer"] / 10
    right = rollout(call("add"))
    assert rewards.total(rewards.components(right)) == pytest.approx(2.65)
    wrong = rollout(call("add"), text="<answer>no</answer>", ok=False)
    assert rewards.total(rewards.components(wrong)) == pytest.approx(-0.35)


def test_a_failed_call_takes_and_no_call_gets_nothing() -> None:
    def executed(*oks: bool) -> float:
        made = rollout(*[call("add")] * len(oks))
        made.steps = [step for ok in oks for step in rollout(call("add"), ok=ok).steps]
        return tool_execution(made)

    assert executed() == 0.0
    assert executed(False) == executed(False, False) == -1.0
    assert executed(True) == executed(True, True) == 1.0
    assert executed(True, False) == 0.0
    assert executed(True, True, True, False) == 0.5
    # None of these weighs as much as a right answer: a wrong one with calls that ran stays behind.
    rewards = Rewards()
    guessed = rewards.components(rollout(call("add"), text="<answer>no</answer>"))
    failed = rewards.components(rollout(call("add"), ok=False))
    assert (rewards.total(guessed) or 0) < (rewards.total(failed) or 0)


def test_an_answer_is_compared_without_case_and_space() -> None:
    assert answer(rollout(text="<answer>  YES. </answer>")) == 1.0
    assert answer(rollout(text="<answer>yes and no</answer>")) == 0.0
    unfinished = rollout()
    unfinished.end = "turns"
    assert answer(unfinished) == 0.0


def test_a_check_of_the_callers() -> None:
    judged = rollout(check=lambda made: 0.5 if made.answer == "yes" else 0.0)
    assert answer(judged) == 0.5
    assert not succeeded(judged)
    for wrong in (2.0, -1.0, float("nan")):
        with pytest.raises(TrainingError, match="must be from 0 to 1"):
            answer(rollout(check=lambda made, wrong=wrong: wrong))
    with pytest.raises(TrainingError, match="no answer, no check and no goal"):
        answer(rollout(calls=(call("add"),)))


def test_the_final_state_is_what_counts() -> None:
    goal = {"Shop": {"orders": {"P1": 2}, "stock": {"P1": 3, "P2": 5}}}
    assert answer(rollout(goal=goal, state=goal)) == 1.0
    other = {"Shop": {"orders": {}, "stock": {"P1": 3, "P2": 5}, "more": 1}}
    assert answer(rollout(goal=goal, state=other)) == pytest.approx(2 / 3)
    assert answer(rollout(goal=goal, answer="no", state=goal)) == 0.0
    with pytest.raises(TrainingError, match="a simulator does not have: set its calls"):
        answer(rollout(goal=goal))
    assert answer(rollout(call("add", a=1), goal=goal, calls=(call("add", a=1),))) == 1.0


STATES = st.recursive(
    st.integers(0, 3), lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3), max_leaves=8
)


@given(STATES, STATES)
def test_a_share_of_a_state_is_whole_only_for_what_is_in_it(goal: Any, state: Any) -> None:
    share = state_share(goal, state)
    assert 0.0 <= share <= 1.0
    assert state_share(goal, goal) == 1.0
    if isinstance(goal, dict) and goal:
        assert (share == pytest.approx(1.0)) == _within(goal, state)


def _within(goal: Any, state: Any) -> bool:
    if isinstance(goal, dict) and goal:
        return isinstance(state, dict) and all(k in state and _within(v, state[k]) for k, v in goal.items())
    return bool(goal == state)


def test_toolrl_counts_names_arguments_and_values() -> None:
    right = (call("add", a=1, b=2), call("echo", text="x"))
    most = 1 + 2 + 3
    assert tool_match(rollout(*right, calls=right)) == 1.0
    assert tool_match(rollout(*reversed(right), calls=right)) == 1.0
    assert tool_match(rollout(calls=right)) == 0.0
    assert tool_match(rollout()) is None
    value = (call("add", a=1, b=9), call("echo", text="x"))
    assert tool_match(rollout(*value, calls=right)) == pytest.approx((1 + 2 + 2) / most)
    named = (call("add", a=1, c=2), call("echo", text="x"))
    assert tool_match(rollout(*named, calls=right)) == pytest.approx((1 + (1 / 3 + 1) + 1 + 1) / most)
    twice = (*right, call("add", a=1, b=2))
    assert tool_match(rollout(*twice, calls=right)) == pytest.approx((2 / 3 + 5) / most)


def test_own_rewards_are_plain_functions() -> None:
    rewards = Rewards(
        {"answer": 1.0, "short": 0.5}, {"short": lambda made: 1.0 if len(made.steps) < 2 else None}
    )
    assert rewards.components(rollout()) == {"answer": 1.0, "short": 1.0}
    assert rewards.total(rewards.components(rollout())) == 1.5
    many = rewards.components(rollout(call("add"), call("add")))
    assert many == {"answer": 1.0, "short": None}
    assert rewards.total(many) == 1.0
    assert Rewards(own={"calls": lambda made: -len(made.steps)}).weights == {**PAPER, "calls": 1.0}
    with pytest.raises(TrainingError, match="unknown reward shrot"):
        Rewards({"shrot": 1.0})
    with pytest.raises(TrainingError, match="returned nan"):
        Rewards(own={"bad": lambda made: float("nan")}).components(rollout())
