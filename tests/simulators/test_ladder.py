"""The ladder: who answers, who is asked at all, and what is never swallowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from helpers.simulators import Bank, RecordingMeter, call, fork, outcomes, play, step

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.contracts import Simulator
from artis_sdk.errors import (
    ArtisError,
    ConfigurationError,
    FirewallError,
    LimitReached,
    RateLimited,
    ReplayMiss,
    SimulationError,
)
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, Step, ToolCall
from artis_sdk.simulators import Ladder, LLMSimulator, ReplaySimulator, SandboxSimulator

AUDIT = call("audit")


class Fixed(Simulator):
    """Answers, or raises, and counts how often it was asked."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[ToolCall, History]] = []

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        self.asked.append((call, history))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Outcome.success(self.answer, Provenance.SIMULATED)


def replay_of(*steps: Step) -> ReplaySimulator:
    tools = {tool.name: tool for tool in Bank().toolset()}
    return ReplaySimulator(
        CallRecord(at=0, spec=tools[s.call.tool].spec, call=s.call, history=steps[:n], outcome=s.outcome)
        for n, s in enumerate(steps)
    )


def model(reply: Callable[[int], Any]) -> tuple[LLMSimulator, ScriptedBackend]:
    """A model whose n-th entry of an answer has the value `reply(n)`."""

    def script(request: Any) -> str:
        count = request.schema["properties"]["outputs"]["minItems"]
        return json.dumps({"outputs": [{"ok": True, "value": reply(n)} for n in range(count)]})

    backend = ScriptedBackend(script)
    return LLMSimulator(backend), backend


async def test_the_first_rung_that_can_tell_answers() -> None:
    llm, backend = model(lambda n: "from the model")
    history = await play(fork(Ladder([replay_of(step(AUDIT, 1)), llm]), Bank().toolset()), [AUDIT, AUDIT])
    assert outcomes(history) == [("success", 1), ("success", "from the model")]
    assert [s.outcome.provenance for s in history] == [Provenance.REPLAYED, Provenance.SIMULATED]
    assert len(backend.requests) == 1
    assert '"return":1' in backend.requests[0].messages[1].content


@pytest.mark.parametrize("error", [ReplayMiss("audit", "no"), SimulationError("audit", "cannot tell")])
async def test_a_rung_that_cannot_tell_hands_on(error: Exception) -> None:
    first, second, third = Fixed(error), Fixed(2), Fixed(3)
    assert (await Ladder([first, second, third]).predict(AUDIT, None, ())).value == 2
    assert len(first.asked) == 1
    assert third.asked == []


@pytest.mark.parametrize(
    "error",
    [
        LimitReached("tokens", 2, 1),
        RateLimited("b", "slow"),
        FirewallError("audit", "no"),
        ConfigurationError("x"),
        KeyError("bug"),
    ],
)
async def test_everything_else_stops(error: Exception) -> None:
    last = Fixed(1)
    with pytest.raises(type(error)):
        await Ladder([Fixed(error), last]).predict(AUDIT, None, ())
    assert last.asked == []


async def test_when_no_rung_can_tell_every_reason_is_given() -> None:
    ladder = Ladder([Fixed(ReplayMiss("audit", "one")), Fixed(SimulationError("audit", "two"))])
    with pytest.raises(SimulationError, match=r"no rung.*audit: one; audit: two"):
        await ladder.predict(AUDIT, None, ())
    with pytest.raises(ReplayMiss):
        await Ladder([Fixed(ReplayMiss("audit", "one"))]).predict(AUDIT, None, ())
    with pytest.raises(ConfigurationError, match="at least one"):
        Ladder([])


async def test_arguments_are_checked_before_anyone_is_asked() -> None:
    rung = Fixed(1)
    ladder = fork(Ladder([rung]), Bank().toolset())
    bad = call("note", words="x")
    first, second, third = await ladder.predict_turn([AUDIT, bad, AUDIT], None, ())
    assert (second.type, second.provenance) == ("invalid_arguments", Provenance.FORCED)
    assert "text: missing" in (second.message or "")
    assert (first.value, third.value) == (1, 1)
    assert [(made.tool, len(history)) for made, history in rung.asked] == [("audit", 0), ("audit", 2)]


async def test_a_model_at_the_end_is_asked_once_a_turn() -> None:
    llm, backend = model(lambda n: n)
    ladder = fork(Ladder([replay_of(step(AUDIT, "logged")), llm]), Bank().toolset())
    turn = [AUDIT, call("balance", name="ann"), call("balance", name="bob")]
    result = await ladder.predict_turn(turn, None, ())
    assert [o.value for o in result] == ["logged", 0, 1]
    assert len(backend.requests) == 1
    assert await ladder.predict_turn([], None, ()) == []


async def test_rungs_are_forked_with_the_sessions_tools_and_meter() -> None:
    llm, backend = model(lambda n: 1)
    meter = RecordingMeter()
    bank = Bank()
    ladder = Ladder([SandboxSimulator(), llm])
    assert ladder.runs_code
    assert not Ladder([llm]).runs_code
    forked = ladder.fork(bank.toolset(), meter)
    assert forked is not ladder
    assert forked.runs_code
    assert (await forked.predict(call("note", text="x"), None, ())).provenance is Provenance.SANDBOXED
    assert bank.ledger.rows == []
    assert meter.roles == []
    assert backend.requests == []


async def test_a_sandbox_below_makes_good_what_a_rung_above_answered() -> None:
    move = call("transfer", source="ann", target="bob", amount=10)
    real = step(move, {"ann": 90, "bob": 15})
    ladder = fork(Ladder([replay_of(real), SandboxSimulator()]), Bank().toolset())
    history = await play(ladder, [move, call("balance", name="ann"), call("balance", name="bob")])
    assert [s.outcome.value for s in history[1:]] == [90, 15]
    assert [s.outcome.provenance for s in history] == [
        Provenance.REPLAYED, Provenance.SANDBOXED, Provenance.SANDBOXED,
    ]  # fmt: skip


async def test_a_sandbox_that_would_drift_hands_on() -> None:
    move = call("transfer", source="ann", target="bob", amount=10)
    stale = step(move, {"ann": 1, "bob": 2})
    llm, backend = model(lambda n: "from the model")
    ladder = fork(Ladder([replay_of(stale), SandboxSimulator(), llm]), Bank().toolset())
    history = await play(ladder, [move, call("balance", name="ann"), call("balance", name="bob")])
    assert [s.outcome.value for s in history[1:]] == ["from the model"] * 2
    without_a_model = fork(Ladder([replay_of(stale), SandboxSimulator()]), Bank().toolset())
    with pytest.raises(ArtisError, match="outcome that differs from the history"):
        await play(without_a_model, [move, call("balance", name="ann")])
    assert len(backend.requests) == 2


async def test_its_state_is_that_of_its_sandbox_while_nobody_else_has_answered() -> None:
    move = call("transfer", source="ann", target="bob", amount=10)
    bank = Bank()
    ladder = fork(Ladder([replay_of(), SandboxSimulator()]), bank.toolset())
    before = ladder.state()
    assert before == fork(SandboxSimulator(), bank.toolset()).state()
    assert before is not None
    await play(ladder, [move])
    after = ladder.state()
    assert after is not None
    assert after != before
    replayed = fork(
        Ladder([replay_of(step(move, {"ann": 90, "bob": 15})), SandboxSimulator()]), bank.toolset()
    )
    assert replayed.state() == before
    await play(replayed, [move])
    assert replayed.state() is None  # the sandbox has not made this step
    assert fork(Ladder([replay_of()]), bank.toolset()).state() is None


async def test_attempts_of_one_ladder_are_apart() -> None:
    ladder = Ladder([replay_of(), SandboxSimulator()])
    bank = Bank()
    one, two = fork(ladder, bank.toolset()), fork(ladder, bank.toolset())
    await play(one, [call("transfer", source="ann", target="bob", amount=10)])
    assert (await two.predict(call("balance", name="ann"), None, ())).value == 100
