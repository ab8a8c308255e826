"""Functions guarded under their own names while a session has them: whoever calls them comes to the tool."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from helpers.firewall import CANARIES, PREDICTED, CountingWorld

from artis_sdk.errors import ConfigurationError
from artis_sdk.tools import Toolset, entered, guarded_tool, running_code
from artis_sdk.tools.bridge import with_sync_calls
from artis_sdk.tools.in_place import guarded_in_place
from artis_sdk.tools.late_guard import LateGuardWarning
from artis_sdk.tools.originals import twins


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
        (lambda: Toolset.from_object(TILL), lambda: BigTill.open(1)),
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
