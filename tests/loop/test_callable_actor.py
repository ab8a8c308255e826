"""A caller's own agent in simulated worlds: routing, failure, limits, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from typing import Any

import pytest
from helpers.loop import TOOLS, Ledger, adviser, judge, look, pay, prompt, rehearsed, task

from artis_sdk.errors import AgentError, ConfigurationError, FirewallError, SimulationError
from artis_sdk.loop.actor import Briefing
from artis_sdk.loop.budget import Budget, Unmetered
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.limits import Limits
from artis_sdk.loop.strategies import Hybrid, Parallel, Sequential
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.tools.world import firewall


async def careful(task: str, *, tools: Any, guidance: str | None) -> str:
    """Looks with an async tool, pays with a sync one, on the loop and in a thread."""
    balance = (await look(account="a"))["balance"]
    pay(account="a", amount=1)
    await asyncio.to_thread(pay, account="a", amount=1)
    return f"had {balance}, {guidance and 'guided'}"


async def test_its_calls_sync_and_async_go_to_the_attempt_s_own_world() -> None:
    simulator = Ledger()
    actor = CallableActor(careful, TOOLS)
    plan = await rehearsed(Parallel(3), actor, simulator=simulator, evaluator=judge()[1])
    assert [attempt.answer for attempt in plan.attempts] == ["had 10, None"] * 3
    assert [fork.balance for fork in simulator.forks] == [8, 8, 8]
    for attempt in plan.attempts:
        assert [step.call.tool for step in attempt.steps] == ["look", "pay", "pay"]
        assert attempt.evaluation is not None


async def test_it_is_given_the_task_the_tools_and_advice() -> None:
    got: list[Any] = []

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        got.append((task, tools, guidance))
        await look(account="a")
        return f"answer-{len(got)}."

    actor = CallableActor(agent, TOOLS)
    await rehearsed(Sequential(3), actor, evaluator=judge()[1])
    assert [(task, tools) for task, tools, _ in got] == [("Pay 5 from a.", TOOLS)] * 3
    assert got[0][2] is None
    assert "answer-1." in got[1][2]
    assert "answer-2." not in got[1][2]
    assert got[2][2].count("<Attempt>") == 2
    await actor.act(task(), SimulatedWorld(Ledger(), None), Unmetered(), Briefing(guidance="Look first."))
    assert got[3][2] == "Look first."


class Odd(Exception):
    """Raised by an agent."""


async def test_a_failing_agent_is_an_attempt_that_can_be_judged() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await look(account="a")
        raise Odd("lost")

    referee, evaluator = judge()
    plan = await rehearsed(Sequential(2), CallableActor(agent, TOOLS), evaluator=evaluator)
    for attempt in plan.attempts:
        assert (attempt.ended, attempt.error) == ("error", "the agent failed: Odd: lost")
        assert len(attempt.steps) == 1
        assert attempt.evaluation is not None
    assert "the agent failed: Odd: lost" in prompt(referee.requests[0])


async def test_outside_a_rehearsal_its_exception_propagates_with_its_cause() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        raise Odd("lost")

    with pytest.raises(AgentError, match="Odd: lost") as caught:
        await CallableActor(agent, TOOLS).act(task(), SimulatedWorld(Ledger(), None), Unmetered())
    assert isinstance(caught.value.__cause__, Odd)


async def test_a_predicted_failure_that_it_lets_pass_is_its_own_failure() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await asyncio.to_thread(pay, account="a", amount=999)
        return "paid"

    plan = await rehearsed(Sequential(1), CallableActor(agent, TOOLS))
    (attempt,) = plan.attempts
    assert attempt.ended == "error"
    assert [step.outcome.type for step in attempt.steps] == ["NoCover"]


async def swallowing(task: str, *, tools: Any, guidance: str | None) -> str:
    """As agent frameworks do: whatever a tool raises becomes text for the model."""
    last = ""
    for _ in range(20):
        try:
            await look(account="a")
        except Exception as error:  # noqa: BLE001 - the very thing that is tested
            last = str(error)
    return f"all is well {last}"


async def test_a_simulator_s_error_that_it_swallows_ends_the_attempt_all_the_same() -> None:
    plan = await rehearsed(
        Sequential(1), CallableActor(swallowing, TOOLS), simulator=Ledger(SimulationError("look", "no idea"))
    )
    assert [attempt.ended for attempt in plan.attempts] == ["simulation_error"]


async def test_a_simulator_s_error_that_it_wraps_is_no_failure_of_the_agent() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        try:
            return str(await look(account="a"))
        except SimulationError as error:
            raise Odd("a tool broke") from error

    plan = await rehearsed(
        Sequential(1), CallableActor(agent, TOOLS), simulator=Ledger(SimulationError("look", "no idea"))
    )
    assert [(attempt.ended, attempt.error) for attempt in plan.attempts] == [
        ("simulation_error", "look: no idea")
    ]


async def test_a_call_that_lost_its_context_is_refused_while_it_is_rehearsed() -> None:
    refused: list[BaseException] = []

    def call() -> None:
        try:
            pay(account="a", amount=1)
        except FirewallError as error:
            refused.append(error)

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        thread = threading.Thread(target=call)
        contextvars.Context().run(thread.start)
        await asyncio.to_thread(thread.join)
        return "done"

    plan = await rehearsed(Parallel(2), CallableActor(agent, TOOLS))
    assert len(refused) == 2
    assert [attempt.ended for attempt in plan.attempts] == ["refused", "refused"]
    assert [attempt.steps for attempt in plan.attempts] == [(), ()]


async def test_its_calls_are_its_steps_also_when_it_swallows_the_limit() -> None:
    budget = Budget(Limits(steps=10, reserve=0.5))
    plan = await rehearsed(Sequential(3), CallableActor(swallowing, TOOLS), budget=budget)
    assert plan.stopped_by == "steps"
    (attempt,) = plan.attempts
    assert (attempt.ended, len(attempt.steps)) == ("limit", 5)
    assert budget.steps == 5


async def test_one_that_hangs_is_ended_by_the_seconds() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await look(account="a")
        await asyncio.sleep(60)
        return ""

    plan = await rehearsed(
        Parallel(2), CallableActor(agent, TOOLS), budget=Budget(Limits(seconds=0.1)), summarizer=adviser()[1]
    )
    assert plan.stopped_by == "seconds"
    assert [(attempt.ended, len(attempt.steps)) for attempt in plan.attempts] == [("limit", 1)] * 2


async def test_one_that_cancels_itself_has_failed_and_nobody_else() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        raise asyncio.CancelledError

    plan = await rehearsed(Parallel(2), CallableActor(agent, TOOLS))
    assert [attempt.ended for attempt in plan.attempts] == ["error", "error"]


async def test_what_it_leaves_behind_is_refused() -> None:
    left: list[asyncio.Task[Any]] = []

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async def later() -> Any:
            await asyncio.sleep(0.01)
            return await look(account="a")

        left.append(asyncio.create_task(later()))
        return "done"

    plan = await rehearsed(Sequential(1), CallableActor(agent, TOOLS))
    assert plan.attempts[0].steps == ()
    with pytest.raises(FirewallError):
        await left[0]


@pytest.mark.parametrize("strategy", [Sequential(2), Parallel(3), Hybrid(2, 2)])
async def test_cancelled_at_any_await_it_leaves_nothing_behind(strategy: Any) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await look(account="a")
        pay(account="a", amount=1)
        await asyncio.gather(look(account="b"), look(account="c"))
        return "done"

    async def pause() -> None:
        await asyncio.sleep(0)

    before = asyncio.all_tasks()
    for ticks in range(300):
        rehearsal = asyncio.create_task(
            rehearsed(
                strategy,
                CallableActor(agent, TOOLS),
                simulator=Ledger(before=pause),
                evaluator=judge()[1],
                budget=Budget(Limits(seconds=60)),
            )
        )
        for _ in range(ticks):
            await asyncio.sleep(0)
        finished = rehearsal.done()
        rehearsal.cancel()
        await asyncio.wait([rehearsal])
        for _ in range(3):  # a gather that is cancelled ends its tasks in the next turns of the loop
            await asyncio.sleep(0)
        assert asyncio.all_tasks() == before
        assert not firewall.running
        if finished:
            assert [attempt.answer for attempt in rehearsal.result().attempts] == ["done"] * (
                len(rehearsal.result().attempts)
            )
            return
        assert rehearsal.cancelled()
    pytest.fail("it never finished")


# --- what may be an agent ---------------------------------------------------------------------


class Agent:
    """An object with an async `__call__`, as frameworks have them."""

    async def __call__(self, task: str, *, tools: Any, guidance: str | None) -> str:
        return f"{len(tools)} tools"


async def with_more(task: str, model: str, *, tools: Any, guidance: str | None, extra: int = 0) -> str:
    return model


@pytest.mark.parametrize(
    ("agent", "answer"), [(Agent(), "2 tools"), (functools.partial(with_more, model="m"), "m")]
)
async def test_any_async_callable_is_an_agent(agent: Any, answer: str) -> None:
    plan = await rehearsed(Sequential(1), CallableActor(agent, TOOLS))
    assert plan.attempts[0].answer == answer


def sync(task: str, *, tools: Any, guidance: str | None) -> str:
    return ""


async def without_guidance(task: str, *, tools: Any) -> str:
    return ""


@pytest.mark.parametrize(
    ("agent", "reason"),
    [(sync, "not async"), ("gpt", "not callable"), (without_guidance, "guidance"), (with_more, "model")],
)
def test_what_is_no_agent_is_refused_before_anything_runs(agent: Any, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        CallableActor(agent, TOOLS)


async def test_an_answer_that_is_no_text_is_a_failure() -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> Any:
        return {"answer": 1}

    plan = await rehearsed(Sequential(1), CallableActor(agent, TOOLS))
    assert plan.attempts[0].error == "the agent must return a str, and returned dict"
