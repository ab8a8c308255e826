"""Functions behind a tool's decorators: whoever reaches them from the tool comes to the tool."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from typing import Any

import pytest
from helpers.firewall import CANARIES, PREDICTED, CountingWorld
from tenacity import retry, stop_after_attempt

from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import Toolset, entered, guarded_tool, running_code
from artis_sdk.tools.bridge import with_sync_calls
from artis_sdk.tools.execute import execute
from artis_sdk.tools.in_place import guarded_in_place
from artis_sdk.tools.originals import twins


def counted(function: Callable[..., Any]) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    wrapper.again = lambda: counted(function)  # type: ignore[attr-defined]
    return wrapper


def base_pay(n: int) -> int:
    CANARIES.append("base_pay")
    return -n


plain_pay = counted(base_pay)


@guarded_tool
@retry(stop=stop_after_attempt(2), reraise=True)
def pay(n: int) -> int:
    CANARIES.append("pay")
    return -n


@functools.singledispatch
def send(n: Any) -> int:
    CANARIES.append("send")
    return 0


@send.register
def send_number(n: int) -> int:
    CANARIES.append("send_number")
    return -n


class Till:
    def __init__(self) -> None:
        self.taken = 0

    @counted
    def take(self, n: int) -> int:
        CANARIES.append("take")
        self.taken += n
        return -n


TILL = Till()
INNER: Any = inspect.unwrap(pay)
WAYS: list[tuple[Callable[[], Toolset], Callable[[], Any]]] = [
    (lambda: Toolset(pay), lambda: pay.retry_with(stop=stop_after_attempt(3))(5)),
    (lambda: Toolset(pay), lambda: INNER(5)),
    (lambda: Toolset(pay), lambda: inspect.unwrap(Toolset(pay)["pay"])(5)),
    (lambda: Toolset.from_functions(plain_pay), lambda: base_pay(5)),
    (lambda: Toolset.from_functions(plain_pay), lambda: plain_pay.again()(5)),
    (lambda: Toolset.from_functions(plain_pay), lambda: plain_pay.__wrapped__(5)),
    (lambda: Toolset.from_functions(send), lambda: send.dispatch(int)(5)),
    (lambda: Toolset.from_functions(send), lambda: send_number(5)),
    (lambda: Toolset.from_object(TILL), lambda: TILL.take.__wrapped__(TILL, 5)),
    (lambda: Toolset.from_object(TILL), lambda: inspect.unwrap(Toolset.from_object(TILL)["take"])(TILL, 5)),
]


@pytest.fixture(autouse=True)
def _no_real_bodies_are_left() -> None:
    CANARIES.clear()


@pytest.mark.parametrize("n", range(len(WAYS)))
async def test_a_way_around_the_decorators_leads_to_the_tool(n: int) -> None:
    make, call = WAYS[n]
    with guarded_in_place(make()), running_code("rehearsal"), entered(CountingWorld()):
        assert await with_sync_calls(_run(call)) == PREDICTED
    assert CANARIES == []


def _run(call: Callable[[], Any]) -> Callable[[], Any]:
    async def run() -> Any:
        return call()

    return run


@pytest.mark.parametrize("n", range(len(WAYS)))
async def test_outside_of_worlds_it_is_the_plain_function(n: int) -> None:
    make, call = WAYS[n]
    with guarded_in_place(make()):
        assert call() == -5
    assert call() == -5
    assert len(CANARIES) == 2
    assert not twins


@pytest.mark.parametrize("make", [way[0] for way in WAYS[::3]])
async def test_the_tools_own_body_runs_through_its_decorators(make: Callable[[], Toolset]) -> None:
    (tool,) = make()
    with guarded_in_place([tool]), running_code("commit"), entered(CountingWorld()):
        reply = await execute(tool, tool.function, (5,), {}, Provenance.REAL)
    assert reply.outcome.value == -5
    assert len(CANARIES) == 1


class Drawer:
    def __init__(self) -> None:
        self.taken = 0

    @counted
    def take(self, n: int) -> int:
        self.taken += n
        return -n


async def test_a_sandboxed_body_runs_through_its_decorators_on_its_fork() -> None:
    drawer = Drawer()
    tools = Toolset.from_object(drawer)
    simulator: Any = SandboxSimulator().fork(tools, None)  # type: ignore[arg-type]
    with guarded_in_place(tools), running_code("rehearsal"), entered(CountingWorld()):
        outcome: Outcome = await simulator.predict(ToolCall(tool="take", arguments={"n": 5}), None, ())
    await simulator.aclose()
    assert (outcome.value, drawer.taken) == (-5, 0)


def test_a_library_behind_a_decorator_is_left_alone() -> None:
    """`functools.wraps(json.dumps)` makes no tool of `json.dumps`."""

    def dump(n: int) -> str:
        return json.dumps(n)

    functools.update_wrapper(dump, json.dumps)
    with guarded_in_place(Toolset.from_functions(dump)):
        assert list(twins) == [dump]
