"""A rehearsal as a whole: what ends it, what it leaves, and that it leaves nothing running."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from helpers.loop import (
    FAILED,
    PASSED,
    PROSE,
    Ledger,
    adviser,
    agent_of,
    always,
    call,
    judge,
    of_kind,
    pay_then_answer,
    prompt,
    rehearsed,
    task,
)

from artis_sdk.errors import BackendError, ContextOverflow, LimitReached, SimulationError
from artis_sdk.loop.actor import Briefing
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.limits import Limits
from artis_sdk.loop.rehearsal import shown_at_commit
from artis_sdk.loop.strategies import AttemptRunner, Hybrid, Parallel, Sequential
from artis_sdk.prompts import Prompts
from artis_sdk.records import (
    Attempt,
    Evaluation,
    Outcome,
    Provenance,
    Recommendation,
    Request,
    Role,
    Step,
    Task,
)
from artis_sdk.tools.world import firewall


async def test_attempts_are_judged_and_condensed_into_one_recommendation() -> None:
    events: list[Any] = []
    simulator = Ledger()
    _, actor = agent_of(pay_then_answer)
    referee, evaluator = judge()
    _, summarizer = adviser()
    plan = await rehearsed(
        Sequential(2), actor, simulator=simulator, evaluator=evaluator, summarizer=summarizer, events=events
    )
    assert plan.recommendation is not None
    assert plan.guidance == plan.recommendation.recommendation
    assert 'pay(account="a", amount=5)' in plan.guidance
    assert (plan.recommendation.attempt, plan.follows) == (0, 0)
    assert plan.recommendation.rationale == "Pay once."
    assert [attempt.evaluation and attempt.evaluation.correct for attempt in plan.attempts] == [True, True]
    assert [step.outcome.value for step in plan.predicted] == [{"balance": 5}]
    assert [fork.balance for fork in simulator.forks] == [5, 5]  # no attempt sees another's payment
    assert simulator.balance == 10
    assert '"return":{"balance":5}' in prompt(referee.requests[0])
    assert not plan.notes
    assert [event.kind for event in events] == [
        "rehearsal_started",
        *["attempt_started", "call_simulated", "attempt_finished", "attempt_evaluated"] * 2,
        "recommended",
        "rehearsal_finished",
    ]
    assert shown_at_commit(plan) == Briefing(guidance=plan.guidance)


async def test_without_summaries_the_attempts_are_the_guidance() -> None:
    _, actor = agent_of(pay_then_answer)
    plan = await rehearsed(Parallel(2), actor, evaluator=judge(FAILED)[1])
    assert plan.recommendation is None
    assert plan.guidance is not None
    assert plan.guidance.count("<Attempt>") == 2
    assert "It did not." in plan.guidance
    assert shown_at_commit(plan) == Briefing(prior=plan.attempts)


async def test_a_simulator_that_cannot_tell_ends_its_attempt_and_no_other() -> None:
    class OneBroken(Ledger):
        def fork(self, tools: Any, meter: Any) -> Any:
            self._broken = SimulationError("pay", "no idea") if not self.forks else None
            return super().fork(tools, meter)

    _, actor = agent_of(pay_then_answer)
    referee, evaluator = judge()
    plan = await rehearsed(Parallel(3), actor, simulator=OneBroken(), evaluator=evaluator)
    assert [attempt.ended for attempt in plan.attempts] == ["simulation_error", "answer", "answer"]
    first = plan.attempts[0]
    assert first.error == "pay: no idea"
    assert first.steps == ()
    assert first.evaluation is None
    assert len(referee.requests) == 2
    assert "attempt 1 ended early: pay: no idea" in plan.notes
    assert plan.predicted == plan.attempts[2].steps


async def test_nothing_is_summarized_when_no_attempt_shows_anything() -> None:
    _, actor = agent_of(pay_then_answer)
    backend, summarizer = adviser()
    plan = await rehearsed(
        Parallel(2), actor, simulator=Ledger(SimulationError("pay", "no")), summarizer=summarizer
    )
    assert not backend.requests
    assert (plan.recommendation, plan.guidance) == (None, None)


async def test_an_attempt_that_outgrows_the_context_ends_alone() -> None:
    replies = iter([ContextOverflow("agent", "too long"), "done"])
    _, actor = agent_of(lambda request: next(replies))
    plan = await rehearsed(Sequential(2), actor, evaluator=judge()[1])
    assert [attempt.ended for attempt in plan.attempts] == ["context", "answer"]


async def test_a_backend_that_fails_stops_the_run_and_cancels_the_rest() -> None:
    cancelled = 0

    async def script(request: Request) -> Any:
        nonlocal cancelled
        if len(backend.requests) == 3:
            return BackendError("agent", "gone")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled += 1
            raise

    backend, actor = agent_of(script)
    with pytest.raises(BackendError, match="gone"):
        await rehearsed(Parallel(3), actor)
    assert cancelled == 2
    assert not left_over()


async def test_an_unreadable_verdict_leaves_the_attempt_without_one() -> None:
    _, actor = agent_of(pay_then_answer)
    referee, evaluator = judge(always("Looks good to me."))
    plan = await rehearsed(Sequential(1), actor, evaluator=evaluator, summarizer=adviser()[1])
    assert plan.attempts[0].evaluation is None
    assert len(referee.requests) == 2  # asked once more, and no oftener
    assert "attempt 1 is not evaluated" in plan.notes[0]
    assert plan.recommendation is not None


async def test_an_unreadable_summary_leaves_the_attempts_as_guidance() -> None:
    _, actor = agent_of(pay_then_answer)
    _, summarizer = adviser(always("Just do it."), prompts=Prompts(style="paper"))
    plan = await rehearsed(Sequential(1), actor, summarizer=summarizer)
    assert plan.recommendation is None
    assert plan.guidance is not None
    assert "<Attempt>" in plan.guidance
    assert "no recommendation was written" in plan.notes[0]


# --- limits -----------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [Sequential(5), Parallel(5), Hybrid(2, 3)])
async def test_a_limit_ends_the_rehearsal_with_what_is_there(strategy: Any) -> None:
    events: list[Any] = []
    _, actor = agent_of(pay_then_answer)
    budget = Budget(Limits(steps=5, reserve=0))
    _, summarizer = adviser(PROSE, prompts=Prompts(style="paper"))  # ours needs a right attempt
    plan = await rehearsed(
        strategy, actor, evaluator=judge()[1], summarizer=summarizer, budget=budget, events=events
    )
    assert plan.stopped_by == "steps"
    assert plan.usage[Role.ACTION].requests == 5
    assert plan.attempts
    cut = [attempt for attempt in plan.attempts if attempt.ended == "limit"]
    assert cut
    assert all(attempt.error and attempt.evaluation is None for attempt in cut)
    assert plan.recommendation is not None  # out of the reserve, where there is one
    assert len(of_kind(events, "limit_hit")) == 1
    assert sum("the rehearsal ended early: steps limit" in note for note in plan.notes) == 1


async def test_a_cut_attempt_keeps_the_steps_it_made() -> None:
    _, actor = agent_of(always(call("look", account="a")))
    plan = await rehearsed(Sequential(5), actor, budget=Budget(Limits(steps=3, reserve=0)))
    (attempt,) = plan.attempts
    assert len(attempt.steps) == 3
    assert attempt.answer is None


@pytest.mark.parametrize("hanging", ["agent", "simulator", "judge", "adviser"])
async def test_whatever_hangs_is_ended_by_the_seconds(hanging: str) -> None:
    async def hang(*ignored: Any) -> Any:
        await asyncio.sleep(60)

    def unless(name: str, reply: Any) -> Any:
        return hang if name == hanging else always(reply) if isinstance(reply, str) else reply

    _, actor = agent_of(unless("agent", pay_then_answer))
    plan = await rehearsed(
        Parallel(2),
        actor,
        simulator=Ledger(before=hang if hanging == "simulator" else None),
        evaluator=judge(unless("judge", PASSED))[1],
        summarizer=adviser(unless("adviser", '{"recommendation": "x"}'))[1],
        budget=Budget(Limits(seconds=0.3)),
    )
    assert plan.stopped_by == "seconds"
    assert not left_over()


async def test_judges_of_the_caller_s_own_are_ended_by_the_seconds_too() -> None:
    class Slow:
        async def evaluate(self, task: Task, attempt: Attempt) -> Evaluation:
            await asyncio.sleep(60)
            raise AssertionError

        async def summarize(self, task: Task, attempts: Sequence[Attempt]) -> Recommendation:
            await asyncio.sleep(60)
            raise AssertionError

    _, actor = agent_of(pay_then_answer)
    budget = Budget(Limits(seconds=3, reserve=0.5))  # the attempts themselves take milliseconds
    plan = await rehearsed(Parallel(2), actor, evaluator=Slow(), summarizer=Slow(), budget=budget)
    assert plan.stopped_by == "seconds"
    assert [attempt.ended for attempt in plan.attempts] == ["answer", "answer"]
    assert plan.recommendation is None
    assert budget.seconds < 3  # something is left for the commit


async def test_a_strategy_that_asks_for_more_after_a_limit_is_ended() -> None:
    class Greedy:
        name = "greedy"

        async def rehearse(self, rehearsal: AttemptRunner) -> None:
            while True:
                await rehearsal.attempt()

    _, actor = agent_of(always("done"))
    plan = await rehearsed(Greedy(), actor, budget=Budget(Limits(steps=2, reserve=0)))
    assert [attempt.ended for attempt in plan.attempts] == ["answer", "answer", "limit"]


# --- cancellation -----------------------------------------------------------------------------


def left_over() -> set[Any]:
    """Tasks besides this one."""
    return asyncio.all_tasks() - {asyncio.current_task()}


@pytest.mark.parametrize("strategy", [Sequential(2), Parallel(3), Hybrid(2, 2)])
async def test_cancelled_at_any_await_it_leaves_nothing_behind(strategy: Any) -> None:
    async def pause() -> None:
        await asyncio.sleep(0)

    before = left_over()
    for ticks in range(200):
        _, actor = agent_of(pay_then_answer)
        budget = Budget(Limits(tokens=100_000, seconds=60))
        rehearsal = asyncio.create_task(
            rehearsed(
                strategy,
                actor,
                simulator=Ledger(before=pause),
                evaluator=judge()[1],
                summarizer=adviser()[1],
                budget=budget,
            )
        )
        for _ in range(ticks):
            await asyncio.sleep(0)
        finished = rehearsal.done()
        rehearsal.cancel()
        await asyncio.wait([rehearsal])
        assert left_over() == before
        assert (budget._held.tokens, budget._running, len(firewall.running)) == (0, 0, 0)
        if finished:
            assert len(rehearsal.result().attempts) > 1
            assert ticks >= 8
            return
        assert rehearsal.cancelled()
    pytest.fail("it never finished")


async def test_a_limit_reached_by_the_strategy_itself_is_no_error() -> None:
    class Limited:
        name = "limited"

        async def rehearse(self, rehearsal: AttemptRunner) -> None:
            raise LimitReached("steps", 1, 1)

    _, actor = agent_of([])
    assert (await rehearsed(Limited(), actor)).stopped_by == "steps"


async def test_calls_since_the_state_was_taken_are_known_and_are_no_steps_of_the_attempt() -> None:
    made = Step(call=call("look", account="z"), outcome=Outcome.success(1, Provenance.REAL))
    simulator = Ledger()
    _, actor = agent_of(pay_then_answer)
    plan = await rehearsed(Sequential(2), actor, simulator=simulator, given=task(history=(made,)))
    for fork, attempt in zip(simulator.forks, plan.attempts, strict=True):
        assert fork.seen == [(made,)]
        assert [step.call.tool for step in attempt.steps] == ["pay"]
