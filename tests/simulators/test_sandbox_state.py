"""What forks share, what a late or cancelled call leaves unknown, and histories that a fork replays."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any, Self

import pytest
from helpers.sandboxed import REAL, SANDBOX, STRANGER, TOUCHED, Plain, Vault, double, transfer
from helpers.simulators import Bank, call, fork, outcomes, play, step

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import History, Outcome, Provenance, Risk, Step
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset, guarded_tool

# --- calls inside a body ----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def untouched() -> Any:
    """The canaries: no real body has run, no real object has changed."""
    yield
    assert TOUCHED == []
    assert STRANGER.words == REAL.words == REAL.vault.words == []


# --- forks ------------------------------------------------------------------------------------


class Halfway(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.waiting = (n for n in range(3))

    def clone(self) -> Halfway:
        made = Halfway()
        made.items = list(self.items)
        return made


async def test_an_object_that_cannot_be_copied_is_named() -> None:
    halfway = Halfway()
    tools = Toolset.from_object(halfway, include=["add"])
    with pytest.raises(ConfigurationError, match=r"Halfway behind add.*generator.*fork=") as caught:
        fork(SANDBOX, tools)
    assert isinstance(caught.value.__cause__, TypeError)
    history = await play(fork(SandboxSimulator(fork=Halfway.clone), tools), [call("add", item=1)])
    assert outcomes(history) == [("success", [1])]
    assert halfway.items == []


class Written(Plain):
    """A thread adds a row while it is copied, as a real sync call of another session's commit may."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[Any, int] = {self.Key(self, n): n for n in range(3)}

    class Key:
        def __init__(self, of: Written, n: int) -> None:
            self.of, self.n = of, n

        def __deepcopy__(self, memo: dict[int, Any]) -> int:
            writer = threading.Thread(target=lambda: self.of.rows.update({len(self.of.rows): 0}))
            writer.start()
            writer.join()
            return self.n


async def test_an_object_that_is_written_to_while_it_is_copied_ends_the_attempt_alone() -> None:
    tools = Toolset.from_object(Written(), include=["add"])
    with pytest.raises(SimulationError, match=r"add: another thread changed the Written behind it.*lock"):
        fork(SANDBOX, tools)


class SharesItself(Plain):
    def __deepcopy__(self, memo: Any) -> Self:
        return self


@pytest.mark.parametrize(
    ("real", "make", "message"),
    [
        (SharesItself(), copy.deepcopy, "the object itself"),
        (Plain(), lambda plain: plain, "the object itself"),
        (Plain(), lambda plain: plain.items.clear(), "None"),
    ],
)
def test_a_fork_that_is_none_is_refused(real: Plain, make: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fork(SandboxSimulator(fork=make), Toolset.from_object(real))


class Sharing:
    """Its copy keeps the same vault: calls to it would reach the real one."""

    def __init__(self) -> None:
        self.vault = STRANGER

    def __deepcopy__(self, memo: dict[int, Any]) -> Sharing:
        memo[id(self.vault)] = self.vault
        return Sharing()

    @guarded_tool
    def put_there(self, word: str) -> list[str]:
        return self.vault.put(word)


async def test_what_a_copy_shares_with_the_original_is_outside() -> None:
    tools = Toolset(Sharing().put_there)
    with pytest.raises(ConfigurationError, match=r"share Sharing\.vault"):
        fork(SANDBOX, tools)
    for share in ("Sharing.vault", Vault, STRANGER):
        attempt = fork(SandboxSimulator(share=[share]), tools)
        with pytest.raises(SimulationError, match="not part of the sandbox"):
            await attempt.predict(call("put_there", word="x"), None, ())


async def test_an_unforked_sandbox_predicts_nothing() -> None:
    with pytest.raises(SimulationError, match="until it is forked"):
        await SANDBOX.predict(call("audit"), None, ())
    assert SANDBOX.runs_code
    assert fork(SANDBOX, ()).runs_code
    with pytest.raises(SimulationError, match="no tool of this name"):
        await fork(SANDBOX, ()).predict(call("audit"), None, ())


# --- timeouts and cancellation ----------------------------------------------------------------


async def test_a_call_that_runs_on_after_its_timeout_leaves_the_state_unknown() -> None:
    bank = Bank()
    before = pickle.dumps(bank)
    attempt, other = fork(SANDBOX, bank.toolset()), fork(SANDBOX, bank.toolset())
    history = await play(attempt, [call("slow", seconds=0.4)])
    assert outcomes(history)[0][0] == "timeout"
    with pytest.raises(SimulationError, match="slow is still running"):
        await attempt.predict(call("balance", name="ann"), None, history)
    assert (await other.predict(call("balance", name="slow"), None, ())).type == "KeyError"
    await asyncio.sleep(0.5)
    outcome = await attempt.predict(call("balance", name="slow"), None, history)
    assert outcome.value == 2
    assert pickle.dumps(bank) == before


async def test_a_reading_call_that_runs_on_changes_nothing() -> None:
    class Slow:
        @guarded_tool(timeout=0.02, risk=Risk.READ_ONLY)
        def read(self, until: float) -> int:
            gate.wait(until)
            return 1

    gate = threading.Event()
    history = await play(
        fork(SANDBOX, Toolset.from_object(Slow())), [call("read", until=5), call("read", until=0)]
    )
    gate.set()
    assert [s.outcome.type for s in history] == ["timeout", "success"]


async def test_a_cancelled_call_leaves_the_state_unknown() -> None:
    class Waits:
        @guarded_tool
        async def wait(self) -> None:
            await asyncio.sleep(5)

        @guarded_tool
        async def now(self) -> int:
            return 1

    attempt = fork(SANDBOX, Toolset.from_object(Waits()))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(attempt.predict(call("wait"), None, ()), 0.05)
    with pytest.raises(SimulationError, match="wait did not run to its end"):
        await attempt.predict(call("now"), None, ())


# --- histories --------------------------------------------------------------------------------


async def test_steps_that_others_answered_are_made_good() -> None:
    attempt = fork(SANDBOX, Bank().toolset())
    one = step(transfer(10), {"ann": 90, "bob": 15}, Provenance.REPLAYED)
    forced = Step(call=call("nope"), outcome=Outcome.failure("unknown_tool", "", Provenance.FORCED))
    history: History = (one, forced)
    outcome = await attempt.predict(transfer(10), None, history)
    assert outcome.value == {"ann": 80, "bob": 25}
    with pytest.raises(
        SimulationError, match="transfer: it ran in the sandbox, but it is missing in the history"
    ):
        await attempt.predict(transfer(10), None, history)


async def test_a_history_that_the_real_code_contradicts_is_refused_for_good() -> None:
    attempt = fork(SANDBOX, Bank().toolset())
    wrong = step(transfer(10), {"ann": 91, "bob": 15}, Provenance.SIMULATED)
    with pytest.raises(SimulationError, match="outcome that differs from the history"):
        await attempt.predict(call("audit"), None, (wrong,))
    with pytest.raises(SimulationError, match="its history could not be run in full"):
        await attempt.predict(call("audit"), None, (wrong,))


async def test_a_history_that_lost_a_step_is_refused() -> None:
    attempt = fork(SANDBOX, Bank().toolset())
    history = await play(attempt, [transfer(1), transfer(2)])
    await attempt.predict(call("audit"), None, history)
    for shorter in (history[:1], history):
        with pytest.raises(SimulationError):
            await attempt.predict(call("audit"), None, shorter)


async def test_a_step_of_a_tool_that_cannot_be_forked_loses_the_state() -> None:
    bank = Bank()
    attempt = fork(SANDBOX, Toolset(bank.audit, bank.ledger.note, double))
    with pytest.raises(SimulationError, match="double"):
        await attempt.predict(call("audit"), None, (step(call("double", number=1), 2),))
    with pytest.raises(SimulationError, match="its history could not be run in full"):
        await attempt.predict(call("audit"), None, ())
