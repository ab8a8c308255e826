"""Strategies over whole attempts: who sees whom, what runs at once, and when it stops."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from helpers.loop import (
    FAILED,
    PASSED,
    adviser,
    agent_of,
    always,
    call,
    judge,
    of_kind,
    pay_then_answer,
    prompt,
    rehearsed,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.strategies import (
    Direct,
    Hybrid,
    Parallel,
    Sequential,
    SequentialRevision,
    WeightedBestOfN,
)
from artis_sdk.prompts import Prompts
from artis_sdk.records import Request, Role

WRONG, TOLD = '{"correct": false}', '{"suggestion": "Look first."}'


class Numbered:
    """An agent that signs its k-th answer, so that prompts tell which attempts they show."""

    def __init__(self) -> None:
        self.attempts = 0
        self.seen: list[set[int]] = []

    def __call__(self, request: Request) -> Any:
        if request.messages[-1].role == "tool":
            self.attempts += 1
            return f"signed-{self.attempts - 1}."
        text = prompt(request)
        self.seen.append({k for k in range(50) if f"signed-{k}." in text})
        assert text.count("<Attempt>") == len(self.seen[-1])
        return call("look", account="a")


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 6), st.booleans())
async def test_a_sequential_attempt_sees_exactly_those_before_it(n: int, judged: bool) -> None:
    script = Numbered()
    _, actor = agent_of(script, prompts=Prompts(style="paper"))  # ours shows no answers
    plan = await rehearsed(Sequential(n), actor, evaluator=judge()[1] if judged else None)
    assert script.seen == [set(range(k)) for k in range(n)]
    assert [attempt.index for attempt in plan.attempts] == list(range(n))


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 6))
async def test_a_parallel_attempt_sees_no_other(n: int) -> None:
    script = Numbered()
    _, actor = agent_of(script, prompts=Prompts(style="paper"))  # ours shows no answers
    plan = await rehearsed(Parallel(n), actor, evaluator=judge()[1])
    assert script.seen == [set()] * n
    assert [attempt.index for attempt in plan.attempts] == list(range(n))


@settings(deadline=None, max_examples=8)
@given(st.integers(1, 4), st.integers(1, 4))
async def test_a_hybrid_attempt_sees_all_earlier_rounds_and_nothing_of_its_own(
    width: int, rounds: int
) -> None:
    script = Numbered()
    _, actor = agent_of(script, prompts=Prompts(style="paper"))  # ours shows no answers
    await rehearsed(Hybrid(width, rounds), actor, evaluator=judge()[1])
    assert script.seen == [set(range(width * k)) for k in range(rounds) for _ in range(width)]


@pytest.mark.parametrize("strategy", [Parallel(5), Hybrid(5, 1)])
async def test_attempts_are_in_flight_together(strategy: Any) -> None:
    together = asyncio.Barrier(5)

    async def script(request: Request) -> Any:
        async with asyncio.timeout(5):  # one by one they would never meet
            await together.wait()
        return "done"

    backend, actor = agent_of(script)
    await rehearsed(strategy, actor)
    assert len(backend.requests) == 5


async def test_sequential_attempts_show_verdicts_and_suggestions() -> None:
    backend, actor = agent_of(pay_then_answer)
    await rehearsed(Sequential(2), actor, evaluator=judge(FAILED)[1])
    text = prompt(backend.requests[2])
    assert '"correct":false' in text
    assert '<Suggestion>"Look first."</Suggestion>' in text


async def test_earlier_attempts_are_calls_with_outcomes_and_the_request_stands_behind_them() -> None:
    backend, actor = agent_of(pay_then_answer)
    _, evaluator = judge(lambda request: WRONG if "correct" in str(request.schema) else TOLD)
    await rehearsed(Sequential(2), actor, evaluator=evaluator)
    first, second = (backend.requests[n].messages[-1].content for n in (0, 2))
    assert first == "Pay 5 from a."
    assert '"action":{"name":"pay","arguments":{"account":"a","amount":5}}' in second
    assert '"return":{"balance":5}' in second
    assert '<Suggestion>"Look first."</Suggestion>' in second
    assert "done" not in second, "an answer in words is repeated by small agents"
    assert second.startswith(first)
    assert second.endswith(f"by calls:\n{first}")


@pytest.mark.parametrize(
    ("strategy", "suggestions"), [(Sequential(3), 2), (Parallel(3), 0), (Hybrid(2, 2), 2)]
)
async def test_a_suggestion_is_asked_for_once_and_only_where_an_attempt_follows(
    strategy: Any, suggestions: int
) -> None:
    _, actor = agent_of(pay_then_answer)
    referee, evaluator = judge(lambda request: WRONG if "correct" in str(request.schema) else TOLD)
    plan = await rehearsed(strategy, actor, evaluator=evaluator, summarizer=adviser()[1])
    asked = ["suggestion" in str(request.schema) for request in referee.requests]
    assert asked.count(True) == suggestions
    assert asked.count(False) == len(plan.attempts)
    told = [attempt.evaluation.suggestion for attempt in plan.attempts if attempt.evaluation]
    assert told.count("Look first.") == suggestions
    assert (plan.recommendation, plan.guidance, plan.follows) == (None, None, None)
    assert plan.notes == ("there is no advice: no attempt was judged correct",)


async def test_a_suggestion_that_cannot_be_read_is_a_note() -> None:
    _, actor = agent_of(pay_then_answer)
    _, evaluator = judge(lambda request: WRONG if "correct" in str(request.schema) else "")
    plan = await rehearsed(Sequential(2), actor, evaluator=evaluator)
    assert len(plan.attempts) == 2
    assert "attempt 1 has no suggestion" in plan.notes[0]


async def test_without_evaluation_only_the_trajectory_is_shown() -> None:
    backend, actor = agent_of(pay_then_answer)
    plan = await rehearsed(Sequential(2), actor, evaluator=None, summarizer=adviser()[1])
    text = prompt(backend.requests[2])
    assert "<Action>" in text
    assert "<Evaluation>" not in text
    assert plan.recommendation is not None
    assert Role.EVALUATION not in plan.usage


@settings(deadline=None, max_examples=30)
@given(st.lists(st.booleans(), min_size=6, max_size=6), st.integers(1, 4))
async def test_stop_after_counts_passes_in_a_row(verdicts: list[bool], k: int) -> None:
    replies = iter(verdicts)
    _, actor = agent_of(always("done"))
    _, evaluator = judge(lambda request: PASSED if next(replies) else FAILED)
    plan = await rehearsed(Sequential(6, stop_after=k), actor, evaluator=evaluator)
    row = "".join("x" if passed else "-" for passed in verdicts)
    at = row.find("x" * k)
    assert len(plan.attempts) == (6 if at < 0 else at + k)


async def test_there_is_no_early_stop_by_default() -> None:
    _, actor = agent_of(always("done"))
    plan = await rehearsed(Sequential(), actor, evaluator=judge(PASSED)[1])
    assert len(plan.attempts) == 5


async def test_stop_after_without_evaluations_is_refused_before_anything_runs() -> None:
    backend, actor = agent_of(always("done"))
    with pytest.raises(ConfigurationError, match="stop_after"):
        await rehearsed(Sequential(stop_after=1), actor)
    assert not backend.requests


@pytest.mark.parametrize("n", [1, 3, 5])
@pytest.mark.parametrize("kind", [Sequential, Parallel])
async def test_usage_by_role_is_what_the_backends_counted(kind: Any, n: int) -> None:
    agent, actor = agent_of(pay_then_answer)
    referee, evaluator = judge()
    adviser_backend, summarizer = adviser()
    events: list[Any] = []
    budget = Budget(emit=events.append)
    plan = await rehearsed(
        kind(n), actor, evaluator=evaluator, summarizer=summarizer, budget=budget, events=events
    )
    for role, backend in ((Role.ACTION, agent), (Role.EVALUATION, referee), (Role.SUMMARY, adviser_backend)):
        assert plan.usage[role].requests == len(backend.requests)
        told = [
            event.usage.prompt_tokens for event in of_kind(events, "model_answered") if event.role is role
        ]
        assert plan.usage[role].prompt_tokens == sum(told)
    # The paper's table 4: N evaluations a turn, and one summary.
    assert plan.usage[Role.EVALUATION].requests == n
    assert plan.usage[Role.SUMMARY].requests == 1


@pytest.mark.parametrize(
    "strategy", [Direct(), Sequential(0), Parallel(0), WeightedBestOfN(5), SequentialRevision(5)]
)
async def test_what_needs_no_rehearsal_makes_no_call(strategy: Any) -> None:
    agent, actor = agent_of([])
    plan = await rehearsed(strategy, actor, evaluator=judge()[1], summarizer=adviser()[1])
    assert not agent.requests
    assert (plan.attempts, plan.recommendation, plan.guidance, plan.usage) == ((), None, None, {})
    assert plan.strategy == strategy.name


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Sequential(-1),
        lambda: Sequential(stop_after=0),
        lambda: Sequential(2.0),  # type: ignore[arg-type]
        lambda: Parallel(True),
        lambda: Hybrid(0, 1),
        lambda: Hybrid(1, 0),
        lambda: WeightedBestOfN(-1),
        lambda: SequentialRevision(-1),
    ],
)
def test_numbers_are_checked(wrong: Any) -> None:
    with pytest.raises(ConfigurationError):
        wrong()
