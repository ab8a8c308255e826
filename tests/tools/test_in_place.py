"""Functions guarded under their own names while a session has them: whoever calls them comes to the tool."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from helpers.firewall import CANARIES, PREDICTED, CountingWorld

from artis_sdk.errors import ConfigurationError, FirewallError
from artis_sdk.records import Risk
from artis_sdk.tools import Invocation, Toolset, entered, guarded_tool, running_code
from artis_sdk.tools.bridge import with_sync_calls
from artis_sdk.tools.in_place import guarded_in_place
from artis_sdk.tools.late_guard import LateGuardWarning
from artis_sdk.tools.originals import twins
from artis_sdk.tools.reply import Reply


def pay(n: int, *, note: str = "") -> int:
    CANARIES.append("pay")
    return -n


async def send(n: int) -> int:
    CANARIES.append("send")
    return -n


def closed_over(k: int) -> Callable[[int], int]:
    def scaled(n: int) -> int:
        CANARIES.append("scaled")
        return -n * k

    return scaled


class Till:
    rate = 1

    def take(self, n: int) -> int:
        CANARIES.append("take")
        return -n

    def take_twice(self, n: int) -> int:
        CANARIES.append("take_twice")
        return self.take(n) + self.take(n)

    @classmethod
    def open(cls, n: int) -> int:
        CANARIES.append("open")
        return -n * cls.rate

    @staticmethod
    def count(n: int) -> int:
        CANARIES.append("count")
        return -n


class BigTill(Till):
    __slots__ = ()

    def take(self, n: int) -> int:
        return super().take(n)


@pytest.fixture(autouse=True)
def _no_real_bodies_are_left() -> None:
    CANARIES.clear()


async def in_a_world(agent: Callable[[], Any]) -> Any:
    async def run() -> Any:
        result = agent()
        return await result if inspect.isawaitable(result) else result

    with running_code("rehearsal"), entered(CountingWorld()):
        return await with_sync_calls(run)


SCALED = closed_over(3)
TILL, OTHER, BIG = Till(), Till(), BigTill()
HELD: list[Callable[..., Any]] = [pay, send, SCALED, TILL.take, functools.partial(pay, 1)]
"""As another framework's tools hold them, from before the session."""


@pytest.mark.parametrize(
    ("tools", "call"),
    [
        (lambda: Toolset(pay), lambda: pay(1)),
        (lambda: Toolset(pay), lambda: HELD[0](1, note="x")),
        (lambda: Toolset(pay), lambda: HELD[4]()),
        (lambda: Toolset.from_functions(send), lambda: send(1)),
        (lambda: Toolset.from_functions(send), lambda: HELD[1](1)),
        (lambda: Toolset(SCALED), lambda: SCALED(1)),
        (lambda: Toolset.from_object(TILL), lambda: TILL.take(1)),
        (lambda: Toolset.from_object(TILL), lambda: Till.take(TILL, 1)),
        (lambda: Toolset.from_object(TILL), lambda: HELD[3](1)),
        (lambda: Toolset.from_object(TILL), lambda: Till.open(1)),
        (lambda: Toolset.from_object(TILL), lambda: Till.count(1)),
        (lambda: Toolset.from_object(BIG), lambda: BIG.take(1)),
    ],
)
async def test_the_plain_function_leads_to_the_tool(
    tools: Callable[[], Toolset], call: Callable[[], Any]
) -> None:
    with guarded_in_place(tools()):
        assert await in_a_world(call) == PREDICTED
    assert CANARIES == []


async def test_outside_of_worlds_and_afterwards_it_is_the_plain_function() -> None:
    code, signature = pay.__code__, inspect.signature(pay)
    with guarded_in_place(Toolset(pay, send)):
        assert pay in twins
        assert pay(2, note="x") == -2
        assert await send(2) == -2
        assert inspect.signature(pay) == signature
        assert inspect.iscoroutinefunction(send)
        assert "CANARIES" in inspect.getsource(pay)
        with pytest.raises(TypeError, match="missing 1 required positional argument"):
            pay()
    assert pay.__code__ is code
    assert "__signature__" not in vars(pay)
    assert pay not in twins
    assert CANARIES == ["pay", "send"]


async def test_two_sessions_may_have_one_function() -> None:
    first, second = guarded_in_place(Toolset(pay)), guarded_in_place(Toolset(pay))
    with first:
        with second:
            assert await in_a_world(lambda: pay(1)) == PREDICTED
        assert await in_a_world(lambda: pay(1)) == PREDICTED
    assert pay(1) == -1
    assert CANARIES == ["pay"]


async def test_another_object_of_the_class_is_not_the_tools() -> None:
    with guarded_in_place(Toolset.from_object(TILL, include=["take"])):
        assert OTHER.take(1) == -1
        assert await in_a_world(lambda: TILL.take(1)) == PREDICTED
    assert CANARIES == ["take"]


async def test_a_decorated_function_that_a_framework_took_before_is_guarded_too() -> None:
    registered: list[Callable[[int], int]] = []

    def tool_plain(function: Callable[[int], int]) -> Callable[[int], int]:
        registered.append(function)
        return function

    with pytest.warns(LateGuardWarning):

        @guarded_tool
        @tool_plain
        def charge(n: int) -> int:
            CANARIES.append("charge")
            return -n

    with guarded_in_place(Toolset(charge)):
        assert await in_a_world(lambda: registered[0](1)) == PREDICTED
        assert await in_a_world(lambda: charge(1)) == PREDICTED
        assert charge(1) == -1
    assert CANARIES == ["charge"]


def test_what_cannot_be_guarded_in_place_is_refused_with_the_line_that_mends_it() -> None:
    box: list[int] = []
    before = pay.__code__
    with (
        pytest.raises(ConfigurationError, match=r"append.*`def append\(\.\.\.\)"),
        guarded_in_place(Toolset(pay) + Toolset.from_object(box, include=["append"], check_types=False)),
    ):
        pass
    assert pay.__code__ is before, "what was guarded before the refusal is plain again"


def test_a_decorated_builtin_has_no_other_name() -> None:
    cached = guarded_tool(functools.lru_cache(pay))
    with guarded_in_place(Toolset(cached)):
        pass


class RecordingWorld(CountingWorld):
    def __init__(self) -> None:
        super().__init__()
        self.invocations: list[Invocation] = []

    async def handle(self, invocation: Invocation) -> Reply:
        self.invocations.append(invocation)
        return await super().handle(invocation)


# --- several sessions with one function -------------------------------------------------------------


async def test_of_two_sessions_with_one_function_the_agents_own_decides() -> None:
    """Another session that calls the function read-only does not make this one's calls so."""
    mine = Toolset.from_functions(pay)
    others = Toolset.from_functions(pay, risks={"pay": Risk.READ_ONLY})
    for tools, risk in ((mine, Risk.IRREVERSIBLE), (others, Risk.READ_ONLY)):
        world = RecordingWorld()
        with guarded_in_place(mine), guarded_in_place(others), entered(world, tools):
            await with_sync_calls(_paid)
        (invocation,) = world.invocations
        assert invocation.tool.risk is risk
        assert CANARIES == []


async def test_of_a_function_of_other_sessions_the_greatest_risk_counts() -> None:
    """An agent whose session has another tool, or code of which no session is known."""
    careful = Toolset.from_functions(pay)
    careless = Toolset.from_functions(pay, risks={"pay": Risk.READ_ONLY})
    world = RecordingWorld()
    with guarded_in_place(careful), guarded_in_place(careless), entered(world, Toolset.from_functions(send)):
        await with_sync_calls(_paid)
    assert [one.tool.risk for one in world.invocations] == [Risk.IRREVERSIBLE]
    assert CANARIES == []


async def _paid() -> int:
    return pay(3)


class Account:
    @classmethod
    def close(cls, n: int) -> int:
        CANARIES.append("close")
        return n if cls is Savings else -n


class Savings(Account):
    pass


class Current(Account):
    pass


async def test_a_class_method_on_another_class_is_refused_and_never_made_on_this_one() -> None:
    tools = Toolset.from_object(Savings())
    with guarded_in_place(tools):
        assert await in_a_world(lambda: Savings.close(1)) == PREDICTED
        with pytest.raises(FirewallError, match="called on Current, and the session's tool is that of"):
            await in_a_world(lambda: Current.close(5))
        assert CANARIES == []
        assert Current.close(2) == -2  # outside every world it is the plain method


async def test_a_class_method_of_two_classes_goes_to_each_ones_tool() -> None:
    tools = Toolset.from_object(Savings(), prefix="savings_")
    tools += Toolset.from_object(Current(), prefix="current_")
    world = RecordingWorld()
    with guarded_in_place(tools), entered(world, tools):
        await with_sync_calls(_closed)
    assert [one.tool.name for one in world.invocations] == ["savings_close", "current_close"]


async def _closed() -> int:
    Savings.close(1)
    return Current.close(2)


async def test_the_object_may_come_by_its_parameters_name() -> None:
    till = Till()
    with guarded_in_place(Toolset.from_object(till)):
        assert await in_a_world(lambda: Till.take(self=till, n=3)) == PREDICTED
    assert CANARIES == []
    assert Till.take(self=till, n=3) == -3
