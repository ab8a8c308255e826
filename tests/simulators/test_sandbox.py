"""The sandbox: real code over forks, and nothing real is touched, whatever is called."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import pickle
import threading
from collections.abc import Callable
from typing import Any, Self

import pytest
from helpers.simulators import Bank, Ledger, call, fork, outcomes, play, step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.errors import ConfigurationError, FirewallError, SimulationError
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import History, Outcome, Provenance, Risk, Step, ToolCall
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset, entered, guarded_tool, outside, running_code

SANDBOX = SandboxSimulator()


def transfer(amount: int, source: str = "ann") -> ToolCall:
    return call("transfer", source=source, target="bob", amount=amount)


async def test_the_real_code_answers_and_the_real_objects_stay() -> None:
    bank = Bank()
    before = pickle.dumps(bank)
    history = await play(
        fork(SANDBOX, bank.toolset()),
        [transfer(60), transfer(60), transfer(1, "eve"), call("interest", percent=10)],
    )
    assert outcomes(history) == [
        ("success", {"ann": 40, "bob": 65}),
        ("ValueError", {"error": "insufficient funds"}),
        ("Frozen", {"error": "Frozen: eve"}),
        ("success", 115),
    ]
    assert {s.outcome.provenance for s in history} == {Provenance.SANDBOXED}
    assert pickle.dumps(bank) == before


names = st.sampled_from(["ann", "bob", "eve", "zoe"])
amounts = st.integers(-5, 120)
calls = st.one_of(
    st.builds(lambda s, t, a: call("transfer", source=s, target=t, amount=a), names, names, amounts),
    st.builds(lambda n: call("balance", name=n), names),
    st.builds(lambda n: call("explode", name=n), names),
    st.builds(lambda p: call("interest", percent=p), amounts),
    st.builds(lambda t: call("note", text=t), st.text(max_size=3)),
    st.just(call("audit")),
    st.just(call("transfer", source=1)),
)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), calls), max_size=12))
def test_attempts_see_neither_each_other_nor_the_real_objects(sequence: list[tuple[int, ToolCall]]) -> None:
    async def run() -> None:
        real = Bank()
        before = pickle.dumps(real)
        tools = real.toolset()
        attempts = [fork(SANDBOX, tools) for _ in range(3)]
        together: list[list[Step]] = [[], [], []]
        for index, made in sequence:
            outcome = await attempts[index].predict(made, None, tuple(together[index]))
            together[index].append(Step(call=made, outcome=outcome))
            assert pickle.dumps(real) == before
        for steps in together:
            alone = await play(fork(SANDBOX, Bank().toolset()), [s.call for s in steps])
            assert outcomes(alone) == outcomes(steps)

    asyncio.run(run())


async def test_what_objects_share_they_share_in_the_fork() -> None:
    ledger = Ledger()
    one, two = Bank(ledger), Bank(ledger)
    tools = Toolset.from_object(one, include=["transfer"]) + Toolset.from_object(
        two, include=["transfer"], prefix="two_"
    )
    tools += Toolset(ledger.note)
    arguments = transfer(1).arguments
    history = await play(
        fork(SANDBOX, tools),
        [transfer(1), ToolCall(tool="two_transfer", arguments=arguments), call("note", text="x")],
    )
    assert [s.outcome.value for s in history] == [{"ann": 99, "bob": 6}, {"ann": 99, "bob": 6}, 3]
    assert ledger.rows == []


class Plain:
    """A third-party class that nobody edited."""

    def __init__(self) -> None:
        self.items: list[int] = []

    def add(self, item: int) -> list[int]:
        self.items.append(item)
        return self.items


async def test_undecorated_objects_are_forked_too() -> None:
    plain = Plain()
    history = await play(
        fork(SANDBOX, Toolset.from_object(plain)), [call("add", item=1), call("add", item=2)]
    )
    assert [s.outcome.value for s in history] == [[1], [1, 2]]
    assert plain.items == []


# --- calls inside a body ----------------------------------------------------------------------

TOUCHED: list[str] = []


@guarded_tool
def free(word: str) -> str:
    """A plain function."""
    TOUCHED.append(word)
    return word


@guarded_tool
async def free_async(word: str) -> str:
    TOUCHED.append(word)
    return word


class Vault:
    def __init__(self) -> None:
        self.words: list[str] = []

    @guarded_tool
    def put(self, word: str) -> list[str]:
        self.words.append(word)
        return self.words

    @guarded_tool
    async def put_async(self, word: str) -> list[str]:
        self.words.append(word)
        return self.words


STRANGER = Vault()


class Nested:
    """Its methods make guarded calls in every way that code has."""

    def __init__(self) -> None:
        self.vault = Vault()
        self.words: list[str] = []

    @guarded_tool
    def put(self, word: str) -> list[str]:
        self.words.append(word)
        return self.words

    @guarded_tool
    def by_self(self) -> list[str]:
        return self.put("a")

    @guarded_tool
    def by_part(self) -> list[str]:
        assert self.vault.put("b") is self.vault.words
        return self.vault.words

    @guarded_tool
    def by_global(self) -> list[str]:
        return REAL.put("c")

    @guarded_tool
    async def by_await(self) -> list[str]:
        await self.vault.put_async("d")
        await asyncio.create_task(self.vault.put_async("e"))
        await asyncio.to_thread(self.vault.put, "f")
        self.vault.put("g")
        return self.vault.words

    @guarded_tool
    def by_thread(self) -> list[str]:
        found: list[list[str]] = []
        thread = threading.Thread(target=lambda: found.append(self.put("h")))
        thread.start()
        thread.join()
        return found[0]

    @guarded_tool
    def by_lost_context(self) -> str:
        """Nothing says whose such a call is."""
        try:
            contextvars.Context().run(self.put, "h")
        except FirewallError as error:
            return type(error).__name__
        return "made"

    @guarded_tool
    def to_stranger(self) -> list[str]:
        self.words.append("before")
        return STRANGER.put("i")

    @guarded_tool
    def to_function(self) -> str:
        return free("j")

    @guarded_tool
    async def to_async_function(self) -> str:
        return await free_async("k")

    @guarded_tool
    def swallows(self) -> str:
        try:
            return free("l")
        except SimulationError:
            return "nothing happened"

    @guarded_tool
    def escapes(self) -> str:
        with outside():
            return free("m")

    @guarded_tool
    def wrong(self) -> list[str]:
        return self.put(3)  # type: ignore[arg-type]


REAL = Nested()
INSIDE = ("by_self", "by_part", "by_global", "by_await", "by_thread", "by_lost_context", "to_stranger",
          "to_function", "to_async_function", "swallows", "escapes", "wrong", "put")  # fmt: skip


def nested_tools(*more: Any) -> Toolset:
    return Toolset(*(getattr(REAL, name) for name in INSIDE), *more)


@pytest.fixture(autouse=True)
def untouched() -> Any:
    """The canaries: no real body has run, no real object has changed."""
    yield
    assert TOUCHED == []
    assert STRANGER.words == REAL.words == REAL.vault.words == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("by_self", ["a"]),
        ("by_part", ["b"]),
        ("by_global", ["c"]),
        ("by_await", ["d", "e", "f", "g"]),
        ("by_thread", ["h"]),
    ],
)
@pytest.mark.parametrize("in_world", [False, True])
async def test_nested_calls_go_to_the_same_fork(name: str, value: Any, in_world: bool) -> None:
    attempt = fork(SANDBOX, nested_tools())
    tools = nested_tools()
    with running_code("rehearsal"):
        if in_world:
            world = SimulatedWorld(attempt, None)
            with entered(world):
                (reply,) = await world.handle_turn([tools[name].parse(call(name))])
            outcome = reply.outcome
        else:
            outcome = await attempt.predict(call(name), None, ())
    assert (outcome.type, outcome.content()) == ("success", value)


async def test_a_nested_call_that_lost_its_context_ends_the_attempt_though_the_body_swallows_it() -> None:
    tools = nested_tools()
    with running_code("rehearsal"):
        world = SimulatedWorld(fork(SANDBOX, tools), None)
        with entered(world), pytest.raises(FirewallError, match="copy_context"):
            await world.handle_turn([tools["by_lost_context"].parse(call("by_lost_context"))])
        with pytest.raises(FirewallError, match="copy_context"):
            world.check()


@pytest.mark.parametrize("name", ["to_stranger", "to_function", "to_async_function", "swallows"])
async def test_a_call_that_would_leave_the_sandbox_ends_the_attempt(name: str) -> None:
    attempt = fork(SANDBOX, nested_tools(free))
    with pytest.raises(SimulationError, match="not part of the sandbox"):
        await attempt.predict(call(name), None, ())
    with pytest.raises(SimulationError, match=f"{name} did not run to its end"):
        await attempt.predict(call("put", word="x"), None, ())


async def test_a_body_cannot_declare_itself_outside() -> None:
    with pytest.raises(FirewallError, match="outside"):
        await fork(SANDBOX, nested_tools()).predict(call("escapes"), None, ())


async def test_nested_calls_are_checked_as_in_every_world() -> None:
    outcome = await fork(SANDBOX, nested_tools()).predict(call("wrong"), None, ())
    assert outcome.type == "invalid_arguments"


async def test_a_call_left_behind_by_a_body_is_refused() -> None:
    late: list[asyncio.Task[Any]] = []

    class Leaves:
        def __init__(self) -> None:
            self.words: list[str] = []

        @guarded_tool
        async def put(self, word: str) -> None:
            self.words.append(word)

        @guarded_tool
        async def leave(self) -> None:
            async def later() -> None:
                await asyncio.sleep(0.01)
                await self.put("late")

            late.append(asyncio.create_task(later()))

    real = Leaves()
    await fork(SANDBOX, Toolset.from_object(real)).predict(call("leave"), None, ())
    with pytest.raises(FirewallError, match="left behind"):
        await late[0]
    assert real.words == []


async def test_many_attempts_run_at_once() -> None:
    async def one(amount: int) -> list[tuple[str, Any]]:
        history = await play(fork(SANDBOX, tools), [transfer(amount), call("interest", percent=amount)])
        return outcomes(history)

    bank = Bank()
    before, tools = pickle.dumps(bank), bank.toolset()
    together = await asyncio.gather(*(one(amount) for amount in range(40)))
    assert together == [await one(amount) for amount in range(40)]
    assert pickle.dumps(bank) == before


# --- functions --------------------------------------------------------------------------------


@guarded_tool
def double(number: int) -> int:
    return 2 * number


async def test_functions_have_nothing_to_fork() -> None:
    attempt = fork(SANDBOX, Toolset(double))
    with pytest.raises(SimulationError, match=r"double: .*pure=") as caught:
        await attempt.predict(call("double", number=2), None, ())
    assert "method of an object" in str(caught.value)
    attempt = fork(SandboxSimulator(pure=["double"]), Toolset(double))
    history = await play(
        attempt, [call("double", number=2), call("double", number="x"), call("double", number=1)]
    )
    assert [s.outcome.type for s in history] == ["success", "invalid_arguments", "success"]
    assert [s.outcome.provenance for s in history][1] is Provenance.FORCED
    assert history[0].outcome.value == 4


@pytest.mark.parametrize("pure", [["doubel"], ["balance"]])
def test_pure_names_must_be_functions(pure: list[str]) -> None:
    with pytest.raises(ConfigurationError, match=pure[0]):
        fork(SandboxSimulator(pure=pure), Toolset(double, Bank().balance))


async def test_a_pure_function_may_be_called_inside_a_body_but_not_another_of_its_name() -> None:
    class Caller:
        @guarded_tool
        def twice(self, number: int) -> int:
            return double(double(number))

        @guarded_tool
        def impostor(self, number: int) -> int:
            return other(number)

    @guarded_tool(name="double")
    def other(number: int) -> int:
        TOUCHED.append("other")
        return number

    caller = Caller()
    attempt = fork(SandboxSimulator(pure=["double"]), Toolset(double, caller.twice, caller.impostor))
    assert (await attempt.predict(call("twice", number=3), None, ())).value == 12
    attempt = fork(SandboxSimulator(pure=["double"]), Toolset(double, caller.twice, caller.impostor))
    with pytest.raises(SimulationError, match="not part of the sandbox"):
        await attempt.predict(call("impostor", number=3), None, ())


# --- forks ------------------------------------------------------------------------------------


class Locked(Plain):
    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()

    def clone(self) -> Locked:
        made = Locked()
        made.items = list(self.items)
        return made


async def test_an_object_that_cannot_be_copied_is_named() -> None:
    locked = Locked()
    tools = Toolset.from_object(locked, include=["add"])
    with pytest.raises(ConfigurationError, match=r"Locked behind add.*lock.*fork=") as caught:
        fork(SANDBOX, tools)
    assert isinstance(caught.value.__cause__, TypeError)
    history = await play(fork(SandboxSimulator(fork=Locked.clone), tools), [call("add", item=1)])
    assert outcomes(history) == [("success", [1])]
    assert locked.items == []


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
    with pytest.raises(SimulationError, match="transfer: ran in the sandbox and is not in the history"):
        await attempt.predict(transfer(10), None, history)


async def test_a_history_that_the_real_code_contradicts_is_refused_for_good() -> None:
    attempt = fork(SANDBOX, Bank().toolset())
    wrong = step(transfer(10), {"ann": 91, "bob": 15}, Provenance.SIMULATED)
    with pytest.raises(SimulationError, match="another outcome than the history"):
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
