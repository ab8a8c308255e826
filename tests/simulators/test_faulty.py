"""Injected faults: what the caller is told, what is true in the world behind it, and the report."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from helpers.sessions import unjudged
from helpers.simulators import Bank, call, fork, outcomes, play
from hypothesis import given, settings
from hypothesis import strategies as st

from artis_sdk import Parallel, Session
from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.loop.foresee import foreseen_calls
from artis_sdk.records import Attempt, History, Provenance, Risk, Step, ToolCall
from artis_sdk.records.calls import CARRIED_OUT
from artis_sdk.simulators import Fault, Faulty, Ladder, LLMSimulator, SandboxSimulator, fault_report
from artis_sdk.simulators.sandbox import ForkedSandbox
from artis_sdk.tools import Toolset, guarded_tool

PAY = call("transfer", source="ann", target="bob", amount=30)
LOOK = call("balance", name="bob")


async def played(*calls: ToolCall, faults: list[Fault], bank: Bank | None = None) -> tuple[History, Bank]:
    """The history of an attempt, and the bank of its fork at the end."""
    attempt = fork(Faulty(SandboxSimulator(), faults), (bank or Bank()).toolset())
    history = await play(attempt, calls)
    assert isinstance(attempt, Faulty)
    assert isinstance(attempt.simulator, ForkedSandbox)
    owner = attempt.simulator.tools["balance"].owner
    assert isinstance(owner, Bank)
    await attempt.aclose()
    return history, owner


@pytest.mark.parametrize(
    ("kind", "told", "bob"),
    [
        ("refused", ("PermissionError", {"error": "the service refused this call"}), 5),
        ("rate_limited", ("RateLimited", None), 5),
        ("timeout", ("timeout", None), 35),
        ("lost", ("ConnectionError", None), 35),
    ],
)
async def test_the_caller_sees_the_failure_and_the_world_the_truth(kind: Any, told: Any, bob: int) -> None:
    history, bank = await played(PAY, LOOK, faults=[Fault(kind=kind, tool="transfer")])
    struck, seen = history
    assert struck.outcome.type == told[0]
    assert struck.outcome.raised
    assert told[1] is None or struck.outcome.content() == told[1]
    assert (struck.outcome.fault, struck.outcome.provenance) == (kind, Provenance.FORCED)
    assert seen.outcome.value == bob == bank.accounts["bob"]
    assert struck.outcome.reached_world is (kind in CARRIED_OUT)


async def test_a_lost_answer_and_a_retry_pay_twice() -> None:
    history, bank = await played(PAY, PAY, faults=[Fault(kind="lost", tool="transfer", nth=1)])
    assert bank.accounts == {"ann": 40, "bob": 65}
    assert [step.outcome.ok for step in history] == [False, True]


async def test_a_call_that_fails_by_itself_is_not_struck() -> None:
    dear = call("transfer", source="ann", target="bob", amount=1000)
    history, _ = await played(dear, faults=[Fault(kind="lost")])
    assert outcomes(history) == [("ValueError", {"error": "insufficient funds"})]
    assert history[0].outcome.fault is None


async def test_half_of_an_answer_arrives() -> None:
    history, bank = await played(PAY, LOOK, faults=[Fault(kind="partial")])
    assert history[0].outcome.value == {"ann": 70}, "two accounts were returned"
    assert (history[1].outcome.value, history[1].outcome.fault) == (35, None), "a number has no half"
    assert bank.accounts == {"ann": 70, "bob": 35}


async def test_a_slow_call_takes_its_time() -> None:
    attempt = fork(Faulty(SandboxSimulator(), [Fault(kind="slow", seconds=3600)]), Bank().toolset())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await attempt.predict(LOOK, None, ())
    await attempt.aclose()
    history, _ = await played(LOOK, faults=[Fault(kind="slow", seconds=0.0)])
    assert (history[0].outcome.value, history[0].outcome.fault) == (5, "slow")


async def test_calls_are_chosen_by_tool_arguments_number_and_predicate() -> None:
    faults = [
        Fault(kind="refused", tool="balance", where={"name": "bob"}, nth=[2, 3], message="no"),
        Fault(kind="refused", where=lambda made: made.arguments.get("amount", 0) > 20, type="TooMuch"),
    ]
    ann = call("balance", name="ann")
    history, _ = await played(LOOK, ann, LOOK, ann, LOOK, LOOK, PAY, faults=faults)
    assert [step.outcome.type for step in history] == [
        *("success", "success", "PermissionError", "success", "PermissionError", "success"),
        "TooMuch",
    ]


async def test_chances_are_the_same_for_the_same_seed() -> None:
    def faulty(seed: int) -> Faulty:
        return Faulty(SandboxSimulator(), [Fault(kind="refused", probability=0.5)], seed=seed)

    async def types(one: Faulty) -> list[list[str]]:
        found = []
        for _ in range(2):
            attempt = fork(one, Bank().toolset())
            found.append([step.outcome.type for step in await play(attempt, [LOOK] * 40)])
            await attempt.aclose()
        return found

    first, again, other = [await types(faulty(seed)) for seed in (1, 1, 2)]
    assert first == again != other
    assert first[0] != first[1], "each attempt has its own chances"
    assert 5 < first[0].count("success") < 35


CALLS = st.lists(
    st.sampled_from([PAY, LOOK, call("transfer", source="bob", target="ann", amount=3)]), max_size=8
)
FAULTS = st.lists(
    st.builds(
        Fault,
        kind=st.sampled_from(["refused", "rate_limited", "timeout", "lost", "partial"]),
        tool=st.sampled_from(["balance", "transfer", None]),
        nth=st.one_of(st.none(), st.integers(1, 4)),
        probability=st.sampled_from([0.5, 1.0]),
    ),
    min_size=1,
    max_size=4,
)


@given(CALLS, FAULTS)
@settings(max_examples=60, deadline=None)
def test_the_world_holds_exactly_the_calls_that_were_made(calls: list[ToolCall], faults: list[Fault]) -> None:
    history, bank = asyncio.run(played(*calls, faults=faults))
    plain = Bank()
    for step in history:
        if step.call.tool == "transfer" and step.outcome.reached_world:
            try:
                plain.transfer(**step.call.arguments)
            except ValueError:
                assert step.outcome.fault is None
    assert bank.accounts == plain.accounts


async def test_turns_without_a_fault_go_to_the_simulator_as_a_whole() -> None:
    asked: list[int] = []

    def script(request: Any) -> str:
        count = request.schema["properties"]["outputs"]["minItems"]
        asked.append(count)
        return '{"outputs": [' + ", ".join(['{"ok": true, "value": 1}'] * count) + "]}"

    simulator = Faulty(LLMSimulator(ScriptedBackend(script)), [Fault(kind="refused", tool="transfer", nth=2)])
    attempt = fork(simulator, Bank().toolset())
    first = await attempt.predict_turn([LOOK, PAY], None, ())
    history = tuple(Step(call=c, outcome=o) for c, o in zip([LOOK, PAY], first, strict=True))
    second = await attempt.predict_turn([LOOK, PAY], None, history)
    assert asked == [2, 1]
    assert [one.fault for one in (*first, *second)] == [None, None, None, "refused"]


async def test_a_history_with_foreign_faults_is_refused() -> None:
    (struck,), _ = await played(PAY, faults=[Fault(kind="lost")])
    attempt = fork(Faulty(SandboxSimulator(), [Fault(kind="refused")]), Bank().toolset())
    with pytest.raises(SimulationError, match="a fault that was not injected here"):
        await attempt.predict(LOOK, None, (struck,))
    await attempt.aclose()


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "explode"},
        {"kind": "lost", "probability": 1.5},
        {"kind": "lost", "nth": 0},
        {"kind": "lost", "nth": []},
        {"kind": "lost", "nth": True},
        {"kind": "lost", "seconds": 3.0},
        {"kind": "slow"},
        {"kind": "slow", "seconds": -1.0},
        {"kind": "partial", "message": "half"},
    ],
)
def test_a_wrong_fault_is_refused_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="Fault"):
        Fault(**wrong)


def test_no_faults_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="at least one fault"):
        Faulty(SandboxSimulator(), [])


# --- in a session ----------------------------------------------------------------------------


class Till:
    def __init__(self) -> None:
        self.paid: list[int] = []

    @guarded_tool(risk=Risk.READ_ONLY)
    def payments(self) -> list[int]:
        """The payments so far."""
        return list(self.paid)

    @guarded_tool
    def pay(self, amount: int) -> str:
        """Pay."""
        self.paid.append(amount)
        return "paid"


async def careless(task: str, *, tools: Any, guidance: str | None) -> str:
    for _ in range(3):
        try:
            return str(await asyncio.to_thread(tools["pay"], 10))
        except ConnectionError:
            continue
    return "gave up"


async def careful(task: str, *, tools: Any, guidance: str | None) -> str:
    try:
        return str(await asyncio.to_thread(tools["pay"], 10))
    except ConnectionError:
        if 10 in await asyncio.to_thread(tools["payments"]):
            return "paid"
        return str(await asyncio.to_thread(tools["pay"], 10))


async def rehearsed(agent: Any, simulator: Any, tmp_path: Any, till: Till) -> Any:
    tools, journal = Toolset.from_object(till), tmp_path / "journal.db"
    async with unjudged(agent, tools, journal, simulator=simulator, strategy=Parallel(2)) as session:
        return await session.rehearse("Pay 10.")


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: Ladder([one])], ids=["alone", "in a ladder"])
async def test_the_report_tells_the_careless_agent_from_the_careful_one(wrap: Any, tmp_path: Any) -> None:
    faulty = wrap(Faulty(SandboxSimulator(), [Fault(kind="lost", tool="pay", nth=1)]))
    till = Till()
    plan = await rehearsed(careless, faulty, tmp_path, till)
    report = fault_report(plan.attempts, plan.task.tools)
    assert [(one.kind, one.asked, one.retried, one.made, one.did_twice) for one in report] == [
        ("lost", False, 1, 2, True)
    ] * 2
    assert str(report[0]) == "attempt 1: lost: pay(amount=10): did not ask, retried, MADE 2 TIMES"
    assert "(injected: lost)" in str(plan.attempts[0])

    plan = await rehearsed(careful, faulty, tmp_path, till)
    report = fault_report(plan.attempts, plan.task.tools)
    assert [(one.asked, one.retried, one.made) for one in report] == [(True, 0, 1)] * 2
    assert till.paid == [], "nothing real ran"


async def test_only_calls_that_were_made_are_foreseen(tmp_path: Any) -> None:
    refused = Faulty(SandboxSimulator(), [Fault(kind="refused", tool="pay", nth=1, type="ConnectionError")])
    lost = Faulty(SandboxSimulator(), [Fault(kind="lost", tool="pay", nth=1)])

    async def foreseen(agent: Any, simulator: Any) -> list[str]:
        plan = await rehearsed(agent, simulator, tmp_path, Till())
        return [one.call.tool for one in foreseen_calls(plan)]

    assert await foreseen(careful, refused) == ["payments", "pay"], "the refused call is not in it"
    assert await foreseen(careful, lost) == ["pay", "payments"]


async def test_the_model_behind_it_sees_no_secret(tmp_path: Any) -> None:
    seen: list[str] = []

    def script(request: Any) -> str:
        seen.append(str(request.messages))
        return '{"outputs": [{"ok": true, "value": "paid"}]}'

    @guarded_tool
    def login(password: str) -> str:
        """Log in."""
        raise AssertionError("real")

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(await asyncio.to_thread(tools["login"], "hunter2-secret"))

    async with Session(
        agent=agent,
        tools=Toolset(login),
        simulator=Faulty(LLMSimulator(ScriptedBackend(script)), [Fault(kind="refused", nth=9)]),
        strategy=Parallel(1),
        evaluate=False,
        summarize=False,
        journal=tmp_path / "journal.db",
    ) as session:
        plan = await session.rehearse("Log in.")
    assert isinstance(plan.attempts[0], Attempt)
    assert plan.attempts[0].answer == "paid"
    assert seen
    assert "hunter2-secret" not in "".join(seen)
