"""Agents of other frameworks, played in sessions: their tools, a scripted model, what must hold."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Handler, Reply, Seen, answer, serving, streamed

from artis_sdk import Parallel, Session, Toolset, guarded_tool
from artis_sdk.contracts import Agent, Simulator
from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import CommittedCall, History, Outcome, Plan, Provenance, Result, State, Step, ToolCall
from artis_sdk.tools.late_guard import LateGuardWarning

Function = Callable[..., Any]
Turn = Sequence[tuple[str, dict[str, Any]]]
"""The calls that the model makes at once: names and arguments."""

PAY: Turn = [("pay", {"target": "bob", "amount": 5})]
LOOK: Turn = [("balance", {"owner": "bob"})]
NO_FUNDS = "ann has only 3"


@dataclass(frozen=True, slots=True)
class Money:
    """Three sync tools and what their real bodies did."""

    functions: list[Function]
    """What is registered in the framework."""
    tools: Toolset
    """The same, as the session gets them."""
    real: list[tuple[Any, ...]]


def plain() -> Money:
    """Undecorated functions, as frameworks take them."""
    real: list[tuple[Any, ...]] = []

    def pay(target: str, amount: int) -> dict[str, Any]:
        """Send money.

        Args:
            target: who receives.
            amount: whole euros.
        """
        real.append(("pay", target, amount))
        return {"sent": amount}

    def balance(owner: str) -> int:
        """What an owner has.

        Args:
            owner: whose account.
        """
        real.append(("balance", owner))
        return 100

    return Money([pay, balance], Toolset(pay, balance), real)


def decorated() -> Money:
    """Functions under `@guarded_tool`."""
    money = plain()
    functions = [guarded_tool(function) for function in money.functions]
    return Money([*functions], Toolset(*functions), money.real)


def methods() -> Money:
    """Bound methods of an object, of which the session has the toolset."""
    real: list[tuple[Any, ...]] = []

    class Till:
        def pay(self, target: str, amount: int) -> dict[str, Any]:
            """Send money.

            Args:
                target: who receives.
                amount: whole euros.
            """
            real.append(("pay", target, amount))
            return {"sent": amount}

        def balance(self, owner: str) -> int:
            """What an owner has.

            Args:
                owner: whose account.
            """
            real.append(("balance", owner))
            return 100

    till = Till()
    return Money([till.pay, till.balance], Toolset.from_object(till), real)


def entries(money: Money) -> Money:
    """Registered are the session's own tools, as it gives them to its agent in `tools`."""
    return Money([*money.tools], money.tools, money.real)


KINDS = {"plain functions": plain, "@guarded_tool": decorated, "bound methods": methods}


class Predicts(Simulator):
    """Predicts success, and for amounts above 50 a failure of a given type."""

    def __init__(self, failure: str = "NoFunds") -> None:
        self._failure = failure

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        if call.arguments.get("amount", 0) > 50:
            return Outcome.failure(self._failure, NO_FUNDS, Provenance.SIMULATED, raised=True)
        if call.tool == "balance":
            return Outcome.success(95, Provenance.SIMULATED)
        return Outcome.success({"sent": call.arguments["amount"]}, Provenance.SIMULATED)


# --- the model ------------------------------------------------------------------------------------


def model(*turns: Turn, said: str = "done") -> Handler:
    """A model that makes these calls, turn by turn, and then says that it is done.

    Of the turns it plays those whose tools a request offers, so several agents may share the script; the
    number of a turn is read off the request, from the last question on, so it plays any number of attempts at
    once.
    """

    def handle(seen: Seen) -> Reply:
        reply = say(seen)
        return streamed(reply) if seen.json.get("stream") else reply

    def say(seen: Seen) -> Reply:
        offered = {tool["function"]["name"] for tool in seen.json.get("tools", ())}
        mine = [turn for turn in turns if _names(turn) <= offered]
        messages = seen.json["messages"]
        asked = max((n for n, message in enumerate(messages) if message["role"] == "user"), default=0)
        played = sum(
            {call["function"]["name"] for call in message["tool_calls"]} <= offered
            for message in messages[asked:]
            if message.get("tool_calls")
        )
        if played >= len(mine):
            return answer(seen, said)
        calls = [
            (f"call_{len(seen.json['messages'])}_{n}", name, given)
            for n, (name, given) in enumerate(mine[played])
        ]
        return answer(seen, None, calls)

    return handle


def _names(turn: Turn) -> set[str]:
    return {name for name, _ in turn}


def tool_results(request: Seen) -> list[str]:
    """The texts of the tool results in a request."""
    found = [message["content"] for message in request.json["messages"] if message["role"] == "tool"]
    return [text if isinstance(text, str) else json.dumps(text) for text in found]


# --- the session ----------------------------------------------------------------------------------

MakeAgent = Callable[[Sequence[Function], str], Agent]
"""Registers functions with a framework whose model is at an address, and makes the session's agent of it."""


@dataclass(frozen=True, slots=True)
class Played:
    """Three rehearsals at once and a commit."""

    plan: Plan
    result: Result
    journal: list[tuple[str, str]]
    """Tool and state of each call."""
    real_in_rehearsals: int
    real_in_commit: int


async def play(make: MakeAgent, money: Money, journal: Path, *turns: Turn) -> Played:
    """Rehearse three times at once, then commit; check that nothing real is in the one, and all in the other.

    Args:
        make: registers the tools, before there is a session.
        money: the tools.
        journal: its file.
        turns: what the model calls.
    """
    called = sorted(name for turn in turns for name, _ in turn if name in ("pay", "balance"))
    async with serving(model(*turns)) as server:
        agent = make(money.functions, server.base_url)
        async with session(agent, money, journal) as s:
            plan = await s.rehearse("Send Bob five euros.")
            rehearsed = len(money.real)
            assert money.real == []
            assert [sorted(map(_tool, attempt.steps)) for attempt in plan.attempts] == [called] * 3, (
                plan.notes
            )
            assert [attempt.ended for attempt in plan.attempts] == ["answer"] * 3
            assert plan.notes == ()
            result = await s.commit(plan)
    journaled = calls_in(journal)
    assert sorted(name for name, *_ in money.real) == called
    assert sorted(map(_tool, result.calls)) == called
    assert sorted(journaled) == [(name, "done") for name in called]
    return Played(plan, result, journaled, rehearsed, len(money.real) - rehearsed)


@dataclass(frozen=True, slots=True)
class Failed:
    """Three rehearsals in which a payment fails."""

    plan: Plan
    seen: set[str]
    """Texts of the tool results that the model was shown."""


async def fail(make: MakeAgent, money: Money, journal: Path, failure: str = "NoFunds") -> Failed:
    """Rehearse a payment that is predicted to fail, with this failure type."""
    async with serving(model([("pay", {"target": "bob", "amount": 80})])) as server:
        agent = make(money.functions, server.base_url)
        async with session(agent, money, journal, failure) as s:
            plan = await s.rehearse("Send Bob eighty euros.")
    assert money.real == []
    assert [[step.outcome.failure_type for step in attempt.steps] for attempt in plan.attempts] == [
        [failure]
    ] * 3
    return Failed(plan, {text for request in server.requests for text in tool_results(request)})


async def check_told(make: MakeAgent, money: Money, journal: Path, failure: str = "NoFunds") -> None:
    """Rehearse such a payment: the model reads why it failed, and answers."""
    failed = await fail(make, money, journal, failure)
    assert {attempt.ended for attempt in failed.plan.attempts} == {"answer"}
    assert failed.seen
    assert all(NO_FUNDS in text for text in failed.seen)


async def check_ended_by_it(make: MakeAgent, journal: Path) -> Failed:
    """Rehearse such a payment: the tool's error ends the framework's run."""
    failed = await fail(make, plain(), journal)
    assert {attempt.ended for attempt in failed.plan.attempts} == {"error"}
    return failed


class FrameworkLaws:
    """What holds for every framework; a test class names the framework."""

    distribution: str
    runs: str
    """How it runs sync tools."""
    make: MakeAgent

    @pytest.mark.parametrize("kind", KINDS)
    async def test_sealed(self, kind: str, tmp_path: Path, row: Any) -> None:
        played = await play(self.make, KINDS[kind](), tmp_path / "j.db", LOOK, PAY)
        row(self.distribution, self.runs, kind, played)

    async def test_calls_at_once(self, tmp_path: Path) -> None:
        await play(self.make, plain(), tmp_path / "j.db", [*PAY, *LOOK, *PAY], PAY)


def session(agent: Agent, money: Money, journal: Path, failure: str = "NoFunds") -> Session:
    """A session of `Parallel(3)` whose simulator is `Predicts`."""
    return Session(
        agent=agent, tools=money.tools, journal=journal, simulator=Predicts(failure), strategy=Parallel(3),
        evaluate=False, summarize=False,
    )  # fmt: skip


def _tool(step: Step | CommittedCall) -> str:
    return step.call.tool


def calls_in(journal: Path) -> list[tuple[str, str]]:
    """Tool and state of each call in a journal."""
    with closing(sqlite3.connect(journal)) as file:
        return file.execute("SELECT tool, state FROM call ORDER BY rowid").fetchall()


def late(register: Callable[[Function], object]) -> Money:
    """`@guarded_tool` on top of a decorator by which a framework has taken the function already."""

    def registering(function: Function) -> Function:
        register(function)
        return function

    real: list[tuple[Any, ...]] = []
    with pytest.warns(LateGuardWarning, match="pay: .*already holds the function"):

        @guarded_tool
        @registering
        def pay(target: str, amount: int) -> dict[str, Any]:
            """Send money."""
            real.append(("pay", target, amount))
            return {"sent": amount}

    return Money([], Toolset(pay), real)


async def check_registered_before(
    register: Callable[[Function], Any], agent_of: Callable[[list[Any], str], Agent], journal: Path
) -> None:
    """A function that the framework has taken before it is guarded is called in the world all the same.

    Args:
        register: makes the framework's tool of a function.
        agent_of: makes an agent from such tools and its model's address.
        journal: file of the journal.
    """
    taken: list[Any] = []
    money = late(lambda function: taken.append(register(function)))
    await play(lambda _, url: agent_of(taken, url), money, journal, PAY)


def check_decorator_below_is_refused(decorator: Callable[[Function], Any]) -> None:
    """A framework's own decorator below ours leaves no function to guard."""
    with pytest.raises(ToolDefinitionError, match="wrap the call in a `def`"):

        @guarded_tool
        @decorator
        def pay(target: str, amount: int) -> int:
            """Send money."""
            return amount
