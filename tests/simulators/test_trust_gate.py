"""The gate: a simulator is asked about trusted tools only, and a session acts on what it does not know."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import unjudged
from helpers.simulators import call, fork

from artis_sdk import Ladder, LLMSimulator, ReplaySimulator, SandboxSimulator, Sequential, Session
from artis_sdk.backends import ScriptedBackend
from artis_sdk.contracts import Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, RehearsalStopped, SimulationError, UntrustedTool
from artis_sdk.logs import CallLog
from artis_sdk.pocket import Bank, pocket_tools
from artis_sdk.pocket.bank import Account
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Request, State, ToolCall
from artis_sdk.simulators import FROM_LOG, RetrievalSimulator
from artis_sdk.simulators.trust import ToolTrust, Trust, TrustGate, gated
from artis_sdk.tools import Toolset, guarded_tool

DOUBTFUL = ToolTrust(verdict="doubtful", reasons=("failures predicted: 10%, at least 2% of 40",))
TRUSTED = ToolTrust(verdict="trusted")


class Guess(Simulator):
    """Says yes to everything, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        self.asked.append(call.tool)
        return Outcome.success({"moved": True}, Provenance.SIMULATED)


def trust(**verdicts: ToolTrust) -> Trust:
    return Trust(simulator="guess", tools=verdicts)


def bank() -> Bank:
    accounts = [Account("A101", "Ann", "EUR", 100), Account("A102", "Bob", "EUR", 0)]
    return Bank(accounts={account.id: account for account in accounts})


LOOK = call("get_account", account="A101")
SEND = call("transfer", source="A101", target="A102", amount=50)


class Agent:
    """Makes the same calls in every world, one a step."""

    def __init__(self, *calls: ToolCall) -> None:
        self.calls = calls

    def __call__(self, request: Request) -> Any:
        done = sum(message.role == "tool" for message in request.messages)
        return self.calls[done] if done < len(self.calls) else "done"


def session(books: Bank, simulator: Any, agent: Agent, tmp_path: Path, **more: Any) -> Session:
    return unjudged(
        ScriptedBackend(agent),
        pocket_tools(books),
        tmp_path / "journal.db",
        simulator=simulator,
        strategy=Sequential(2),
        **more,
    )


# --- the gate itself ------------------------------------------------------------------------------


async def test_the_simulator_is_never_asked_about_a_tool_that_is_not_trusted() -> None:
    guess = Guess()
    gate = TrustGate(guess, trust(pay=TRUSTED, send=DOUBTFUL))
    assert (await gate.predict(call("pay"), None, ())).ok
    for tool, why in (
        ("send", "doubtful: failures predicted: 10%"),
        ("other", "unknown: it was not measured"),
    ):
        with pytest.raises(UntrustedTool, match=why):
            await gate.predict(call(tool), None, ())
    with pytest.raises(UntrustedTool):
        await gate.predict_turn([call("pay"), call("send")], None, ())
    assert guess.asked == ["pay"]


async def test_a_tool_whose_source_changed_since_it_was_measured_is_unknown() -> None:
    @guarded_tool
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    (tool,) = Toolset(pay)
    assert tool.source_hash is not None
    for measured, passes in ((tool.source_hash, True), (None, True), ("0" * 64, False)):
        verdicts = trust(pay=ToolTrust(verdict="trusted", source_hash=measured))
        forked = fork(TrustGate(Guess(), verdicts), [tool])
        if passes:
            assert (await forked.predict(call("pay", amount=1), None, ())).ok
        else:
            with pytest.raises(UntrustedTool, match="source has changed"):
                await forked.predict(call("pay", amount=1), None, ())


async def test_in_a_ladder_the_next_rung_is_asked() -> None:
    guess, second = Guess(), Guess()
    ladder = Ladder([TrustGate(guess, trust(pay=TRUSTED)), second])
    await ladder.predict(call("pay"), None, ())
    await ladder.predict(call("send"), None, ())
    assert (guess.asked, second.asked) == (["pay"], ["send"])


def test_what_answers_with_real_outcomes_gets_no_gate() -> None:
    sandbox, replay, guess = SandboxSimulator(), ReplaySimulator(()), Guess()
    verdicts = trust(pay=TRUSTED)
    assert gated(sandbox, verdicts, "skip") is sandbox
    assert gated(replay, verdicts, "skip") is replay
    retrieval = gated(RetrievalSimulator(()), verdicts, "skip")
    assert isinstance(retrieval, TrustGate)
    ladder = gated(Ladder([replay, guess, guess]), verdicts, "stop")
    assert isinstance(ladder, Ladder)
    first, middle, last = ladder.rungs
    assert first is replay
    assert isinstance(middle, TrustGate)
    assert isinstance(last, TrustGate)
    assert (middle.on_doubt, last.on_doubt) == ("skip", "stop")


def test_verdicts_are_kept_in_a_file_beside_the_adapter(tmp_path: Path) -> None:
    verdicts = trust(pay=TRUSTED, send=DOUBTFUL)
    path = verdicts.write(tmp_path)
    assert path.parent == tmp_path
    assert Trust.read(tmp_path) == Trust.read(path) == verdicts
    with pytest.raises(ConfigurationError, match="artis eval simulator"):
        Trust.read(tmp_path / "nowhere")
    path.write_text('{"simulator": 3}')
    with pytest.raises(ConfigurationError, match="not a trust file"):
        Trust.read(tmp_path)


# --- in a session ---------------------------------------------------------------------------------


async def test_an_attempt_ends_before_a_tool_that_is_not_trusted(tmp_path: Path) -> None:
    books, guess = bank(), Guess()
    verdicts = trust(get_account=TRUSTED, transfer=DOUBTFUL)
    async with session(books, guess, Agent(LOOK, SEND), tmp_path, trust=verdicts) as opened:
        plan = await opened.rehearse("Send Bob 50.")
        assert [attempt.ended for attempt in plan.attempts] == ["simulation_error"] * 2
        assert [[step.call.tool for step in a.steps] for a in plan.attempts] == [["get_account"]] * 2
        assert guess.asked == ["get_account"] * 2
        assert "transfer: the simulator guess is not trusted" in plan.notes[0]
        assert plan.guidance is not None
        assert "not trusted for this tool" in plan.guidance  # the agent is told why it ends there
        assert books.accounts["A102"].balance == 0
        result = await opened.commit(plan)
    assert books.accounts["A102"].balance == 50
    assert result.answer == "done"


async def test_where_no_tool_is_trusted_nothing_is_rehearsed_and_the_commit_is_direct(tmp_path: Path) -> None:
    books, guess = bank(), Guess()
    async with session(books, guess, Agent(SEND), tmp_path, trust=trust(transfer=DOUBTFUL)) as opened:
        result = await opened.run("Send Bob 50.")
    plan = result.plan
    assert plan.attempts == ()
    assert plan.guidance is None
    assert "nothing was rehearsed: the simulator guess is trusted for none" in plan.notes[0]
    assert guess.asked == []
    assert books.accounts["A102"].balance == 50


@pytest.mark.parametrize(
    "verdicts",
    [trust(get_account=TRUSTED, transfer=DOUBTFUL), trust(transfer=DOUBTFUL)],
    ids=["some", "none"],
)
async def test_stop_ends_the_rehearsal_before_anything_is_real(tmp_path: Path, verdicts: Trust) -> None:
    books = bank()
    agent = Agent(LOOK, SEND)
    async with session(books, Guess(), agent, tmp_path, trust=verdicts, on_doubt="stop") as opened:
        with pytest.raises(RehearsalStopped, match="trusted for"):
            await opened.run("Send Bob 50.")
    assert books.accounts["A102"].balance == 0


async def test_stop_reaches_through_an_agent_that_swallows_it(tmp_path: Path) -> None:
    books = bank()

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        try:
            tools["transfer"](source="A101", target="A102", amount=50)
        except Exception:  # noqa: BLE001 - as agents do
            return "it did not work"
        return "sent"

    async with unjudged(
        agent,
        pocket_tools(books),
        tmp_path / "journal.db",
        simulator=Guess(),
        trust=trust(get_account=TRUSTED, transfer=DOUBTFUL),
        on_doubt="stop",
        strategy=Sequential(1),
    ) as opened:
        with pytest.raises(RehearsalStopped):
            await opened.rehearse("Send Bob 50.")


async def test_a_trusted_session_rehearses_as_without_trust(tmp_path: Path) -> None:
    books = bank()
    verdicts = trust(get_account=TRUSTED, transfer=TRUSTED)
    verdicts.write(tmp_path)
    plans = []
    for given in ({}, {"trust": verdicts}, {"trust": str(tmp_path)}):
        async with session(books, Guess(), Agent(LOOK, SEND), tmp_path, **given) as opened:
            plans.append(await opened.rehearse("Send Bob 50."))
    outcomes = [[[step.outcome for step in a.steps] for a in plan.attempts] for plan in plans]
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert [plan.notes for plan in plans] == [()] * 3


async def test_replay_answers_what_the_model_is_not_trusted_for(tmp_path: Path) -> None:
    books = bank()
    tools = pocket_tools(books)
    real = Outcome.success({"logged": True}, Provenance.REAL)
    record = CallRecord(at=0.0, spec=tools["transfer"].spec, call=SEND, outcome=real)
    replay = ReplaySimulator([record], match_state=False, match_history=False)
    guess = Guess()
    ladder = Ladder([replay, guess])
    async with session(
        books, ladder, Agent(LOOK, SEND), tmp_path, trust=trust(get_account=TRUSTED)
    ) as opened:
        plan = await opened.rehearse("Send Bob 50.")
    outcomes = [step.outcome.provenance for step in plan.attempts[0].steps]
    assert outcomes == [Provenance.SIMULATED, Provenance.REPLAYED]
    assert plan.attempts[0].ended == "answer"
    assert set(guess.asked) == {"get_account"}


async def test_the_backend_of_a_gated_model_is_still_closed_and_priced(tmp_path: Path) -> None:
    """A name is resolved below the gate."""
    backend = ScriptedBackend(lambda _: '{"outputs": [{"ok": true, "value": 1}]}')
    simulator = LLMSimulator(backend)
    async with session(bank(), simulator, Agent(LOOK), tmp_path, trust=trust(get_account=TRUSTED)) as opened:
        plan = await opened.rehearse("Look.")
    assert [step.outcome.value for step in plan.attempts[0].steps] == [1]


async def test_settings_name_a_trust_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trust(get_account=TRUSTED, transfer=DOUBTFUL).write(tmp_path)
    monkeypatch.setenv("ARTIS_TRUST", str(tmp_path))
    monkeypatch.setenv("ARTIS_ON_DOUBT", "stop")
    async with session(bank(), Guess(), Agent(SEND), tmp_path) as opened:
        with pytest.raises(RehearsalStopped):
            await opened.rehearse("Send Bob 50.")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        async with session(bank(), Guess(), Agent(SEND), tmp_path, trust=tmp_path / "gone.json"):
            pass


def test_an_untrusted_tool_is_a_simulation_error_and_a_stop_is_none() -> None:
    assert issubclass(UntrustedTool, SimulationError)
    assert not issubclass(RehearsalStopped, SimulationError)


class ForkCounter(Guess):
    forks = 0

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        ForkCounter.forks += 1
        return self

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        return [Outcome.success(len(calls), Provenance.SIMULATED) for _ in calls]


async def test_forks_and_whole_turns_reach_the_simulator() -> None:
    ForkCounter.forks = 0
    gate = fork(TrustGate(ForkCounter(), trust(pay=TRUSTED)), [])
    found = await gate.predict_turn([call("pay"), call("pay")], None, ())
    assert [outcome.value for outcome in found] == [2, 2]  # as one turn, not call by call
    assert ForkCounter.forks == 1


@pytest.mark.parametrize("kind", sorted(FROM_LOG.keys() - {"replay"}))
async def test_a_session_predicts_from_a_log_by_name(tmp_path: Path, kind: str) -> None:
    books = bank()
    real = Outcome.success({"logged": True}, Provenance.REAL)
    with CallLog(tmp_path / "calls.db") as log:
        log.append(CallRecord(at=0.0, spec=pocket_tools(books)["transfer"].spec, call=SEND, outcome=real))
    name = f"{kind}:{tmp_path / 'calls.db'}"
    async with session(books, name, Agent(SEND), tmp_path) as opened:
        plan = await opened.rehearse("Send Bob 50.")
    (predicted,) = plan.attempts[0].steps
    assert predicted.outcome.value == {"logged": True}
    assert predicted.outcome.provenance is Provenance.SIMULATED
    with pytest.raises(ConfigurationError, match="there is no file"):
        async with session(books, f"{kind}:nowhere.db", Agent(SEND), tmp_path):
            pass
