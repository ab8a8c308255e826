"""The sandbox: real code over forks, and nothing real is touched, whatever is called."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from helpers.sandboxed import REAL, SANDBOX, STRANGER, TOUCHED, Plain, double, transfer
from helpers.simulators import Bank, Ledger, call, fork, outcomes, play
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import Provenance, Step, ToolCall
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset, guarded_tool


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


async def test_undecorated_objects_are_forked_too() -> None:
    plain = Plain()
    history = await play(
        fork(SANDBOX, Toolset.from_object(plain)), [call("add", item=1), call("add", item=2)]
    )
    assert [s.outcome.value for s in history] == [[1], [1, 2]]
    assert plain.items == []


# --- calls inside a body ----------------------------------------------------------------------


@pytest.fixture(autouse=True)
def untouched() -> Any:
    """The canaries: no real body has run, no real object has changed."""
    yield
    assert TOUCHED == []
    assert STRANGER.words == REAL.words == REAL.vault.words == []


# --- functions --------------------------------------------------------------------------------


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
