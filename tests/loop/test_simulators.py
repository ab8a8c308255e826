"""Rehearsals over the real simulators: a sandbox of a stateful object, and a model."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.loop import PASSED, TOOLS, agent_of, always, call, judge, pay_then_answer, rehearsed, task

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.callable_actor import CallableActor
from artis_sdk.loop.evaluate import ModelEvaluator
from artis_sdk.loop.limits import Limits
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.loop.rehearsal import rehearse
from artis_sdk.loop.strategies import Parallel, Sequential
from artis_sdk.prompts import encode
from artis_sdk.records import Plan, Provenance, Request, Role, Task
from artis_sdk.simulators import LLMSimulator, SandboxSimulator
from artis_sdk.tools import Toolset


class Bank:
    """A stateful object of somebody else's."""

    def __init__(self) -> None:
        self.balances = {"a": 10, "b": 0}
        self.calls = 0

    def move(self, source: str, target: str, amount: int) -> dict[str, int]:
        """Move money.

        Args:
            source: from which account.
            target: to which account.
            amount: in cents.
        """
        self.calls += 1
        if self.balances[source] < amount:
            raise ValueError("insufficient funds")
        self.balances[source] -= amount
        self.balances[target] += amount
        return dict(self.balances)


def moving(request: Request) -> Any:
    """Moves 8 cents, then 8 more, then answers."""
    results = sum(message.role == "tool" for message in request.messages)
    return call("move", source="a", target="b", amount=8) if results < 2 else "done"


async def in_sandbox(bank: Bank, agent: Any, strategy: Any) -> Plan:
    tools = Toolset.from_object(bank)
    actor = agent(tools)
    return await rehearse(
        Task(query="Move it.", tools=tools.specs, state=tools.state()),
        actor=actor,
        simulator=SandboxSimulator(),
        tools=tools,
        strategy=strategy,
        budget=Budget(),
        evaluator=judge()[1],
        summarizer=None,
    )


@pytest.mark.parametrize("strategy", [Parallel(4), Sequential(4)])
async def test_each_attempt_has_its_own_bank_and_the_real_one_stays_as_it_is(strategy: Any) -> None:
    bank = Bank()
    plan = await in_sandbox(bank, lambda tools: ModelActor(ScriptedBackend(moving), tools), strategy)
    for attempt in plan.attempts:
        first, second = attempt.steps
        assert first.outcome.value == {"a": 2, "b": 8}
        assert second.outcome.type == "ValueError"
        assert first.outcome.provenance is Provenance.SANDBOXED
    assert vars(bank) == vars(Bank())


async def test_a_caller_s_own_agent_moves_money_in_the_sandbox() -> None:
    bank = Bank()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        left = tools["move"](source="a", target="b", amount=3)
        try:
            tools["move"](source="a", target="b", amount=30)
        except ValueError as error:
            return f"{left['a']}, then {error}"
        return "?"

    plan = await in_sandbox(bank, lambda tools: CallableActor(agent, tools), Parallel(3))
    assert {attempt.answer for attempt in plan.attempts} == {"7, then insufficient funds"}
    assert vars(bank) == vars(Bank())


def predicting(value: Any) -> str:
    return encode({"outputs": [{"ok": True, "value": value, "failure_type": None, "message": None}]})


async def test_a_model_as_simulator_is_metered_like_everybody() -> None:
    events: list[Any] = []
    model = ScriptedBackend(always(predicting({"balance": 5})), name="simulator")
    _, actor = agent_of(pay_then_answer)
    plan = await rehearsed(
        Parallel(3),
        actor,
        simulator=LLMSimulator(model),
        evaluator=judge()[1],
        budget=Budget(emit=events.append),
    )
    assert plan.usage[Role.SIMULATION].requests == len(model.requests) == 3
    assert {event.attempt for event in events if event.role is Role.SIMULATION} == {0, 1, 2}
    assert [attempt.steps[0].outcome.value for attempt in plan.attempts] == [{"balance": 5}] * 3


async def test_one_model_can_play_every_part() -> None:
    def script(request: Request) -> Any:
        system = request.messages[0].content
        if "simulator" in system:
            return predicting({"balance": 5})
        if "You check whether" in system:
            return PASSED
        return pay_then_answer(request)

    backend = ScriptedBackend(script)
    plan = await rehearsed(
        Sequential(2),
        ModelActor(backend, TOOLS),
        simulator=LLMSimulator(backend),
        evaluator=ModelEvaluator(backend),
    )
    counts = {role: usage.requests for role, usage in plan.usage.items()}
    assert counts == {Role.ACTION: 4, Role.SIMULATION: 2, Role.EVALUATION: 2}


async def test_a_simulator_that_cannot_be_read_ends_its_attempt() -> None:
    replies = iter(["?", "?", predicting({"balance": 5})])
    model = ScriptedBackend(lambda request: next(replies), name="simulator")
    _, actor = agent_of(pay_then_answer)
    plan = await rehearsed(Sequential(2), actor, simulator=LLMSimulator(model))
    assert [attempt.ended for attempt in plan.attempts] == ["simulation_error", "answer"]


async def test_a_limit_met_by_the_simulator_ends_the_attempt_as_a_limit() -> None:
    model = ScriptedBackend(always(predicting({"balance": 5})), name="simulator")
    _, actor = agent_of(always(call("look", account="a")))
    plan = await rehearsed(
        Sequential(3),
        actor,
        simulator=LLMSimulator(model),
        budget=Budget(Limits(tokens=20_000)),
        given=task(),
    )
    assert plan.stopped_by == "tokens"
    assert plan.attempts[-1].ended == "limit"
