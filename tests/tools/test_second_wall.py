"""Real code that is started past the guard in place: an error before its first line, from Python 3.12 on."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
from helpers.decorated import passed_on
from helpers.firewall import CANARIES, PREDICTED, Remembers
from helpers.sessions import unjudged

from artis_sdk import Direct, Sequential, Session
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import FirewallError, UnknownOutcome
from artis_sdk.records import Provenance
from artis_sdk.tools import Toolset, entered, outside, running_code
from artis_sdk.tools.execute import execute
from artis_sdk.tools.in_place import guarded_in_place
from artis_sdk.tools.second_wall import unwatch, watch

monitoring: Any = getattr(sys, "monitoring", None)
pytestmark = pytest.mark.skipif(
    monitoring is None, reason="needs sys.monitoring: run these tests with Python 3.12 or later"
)


def pay(n: int) -> int:
    CANARIES.append("pay")
    return -n


async def send(n: int) -> int:
    CANARIES.append("send")
    await asyncio.sleep(0)
    return -n


def closed_over(k: int, unset: bool = False) -> Callable[[int], int]:
    def scaled(n: int) -> int:
        CANARIES.append("scaled")
        return -n * (k if not unset else late)

    if unset:
        return scaled
    late = 1
    return scaled


class Till:
    def take(self, n: int) -> int:
        CANARIES.append("take")
        return -n

    def count(self, n: int) -> int:
        def later() -> Till:
            return self  # so that `self` is a cell

        CANARIES.append("count")
        return -n if later() is self else n

    @passed_on
    def open(self, n: int) -> int:
        CANARIES.append("open")
        return -n

    @passed_on
    def close(self, n: int) -> int:
        CANARIES.append("close")
        return -n


TILL, OTHER = Till(), Till()
SCALED, OTHER_SCALED, UNSET = closed_over(3), closed_over(5), closed_over(3, unset=True)


def copy_of(function: Any) -> Any:
    """Another function object of the same code, as serializers and reloaders make it."""
    return FunctionType(
        function.__code__, function.__globals__, function.__name__, None, function.__closure__
    )


COPIES: dict[str, Any] = {
    name: copy_of(function)
    for name, function in [
        ("pay", pay), ("send", send), ("scaled", SCALED), ("other scaled", OTHER_SCALED), ("unset", UNSET),
        ("take", Till.take), ("count", Till.count), ("open", Till.open), ("close", Till.close),
    ]
}  # fmt: skip
"""Made before any session."""


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    CANARIES.clear()
    before = [monitoring.get_tool(n) for n in range(6)]
    yield
    assert [monitoring.get_tool(n) for n in range(6)] == before


WAYS: dict[str, tuple[Callable[[], Toolset], Callable[[Toolset], Any]]] = {
    "copy": (lambda: Toolset(pay), lambda _: COPIES["pay"](1)),
    "function": (lambda: Toolset(pay), lambda tools: tools["pay"].function(1)),
    "async copy": (lambda: Toolset(send), lambda _: COPIES["send"](1)),
    "async function": (lambda: Toolset(send), lambda tools: tools["send"].function(1)),
    "closure": (lambda: Toolset(SCALED), lambda _: COPIES["scaled"](1)),
    "closure, unset": (lambda: Toolset(UNSET), lambda _: COPIES["unset"](1)),
    "method": (lambda: Toolset.from_object(TILL, include=["take"]), lambda _: COPIES["take"](TILL, 1)),
    "by name": (
        lambda: Toolset.from_object(TILL, include=["take"]),
        lambda _: COPIES["take"](n=1, self=TILL),
    ),
    "in a cell": (lambda: Toolset.from_object(TILL, include=["count"]), lambda _: COPIES["count"](TILL, 1)),
    "wrapped": (lambda: Toolset.from_object(TILL, include=["open"]), lambda _: COPIES["open"](TILL, 1)),
    "bound": (lambda: Toolset.from_object(TILL), lambda tools: tools["take"].function(1)),
}


@pytest.mark.parametrize("way", WAYS)
async def test_real_code_past_the_tool_is_refused_before_its_first_line(way: str) -> None:
    make, call = WAYS[way]
    tools, world = make(), Remembers()
    with (
        guarded_in_place(tools),
        running_code("rehearsal"),
        entered(world),
        pytest.raises(FirewallError, match="past the tool") as refusal,
    ):
        await call(tools)
    assert CANARIES == []
    assert world.refused == [refusal.value]
    assert world.handled == 0


async def test_a_coroutine_from_before_the_session_is_refused() -> None:
    early: Coroutine[Any, Any, int] = send(1)
    with (
        guarded_in_place(Toolset(send)),
        running_code("rehearsal"),
        entered(Remembers()),
        pytest.raises(FirewallError, match="coroutine made earlier"),
    ):
        await early
    assert CANARIES == []


async def test_the_guarded_way_is_unchanged_in_the_world() -> None:
    with guarded_in_place(Toolset(send)), running_code("rehearsal"), entered(Remembers()):
        assert await send(1) == PREDICTED
    assert CANARIES == []


@pytest.mark.parametrize(
    ("tools", "call", "ran"),
    [
        (lambda: Toolset(SCALED), lambda: COPIES["other scaled"](1), "scaled"),
        (lambda: Toolset(SCALED), lambda: OTHER_SCALED(1), "scaled"),
        (lambda: Toolset.from_object(TILL), lambda: COPIES["take"](OTHER, 1), "take"),
        (lambda: Toolset.from_object(TILL), lambda: OTHER.count(1), "count"),
        (lambda: Toolset.from_object(TILL, include=["open"]), lambda: TILL.close(1), "close"),
        (lambda: Toolset.from_object(TILL, include=["open"]), lambda: COPIES["open"](OTHER, 1), "open"),
    ],
)
async def test_other_closures_and_objects_of_the_same_code_are_no_tools(
    tools: Callable[[], Toolset], call: Callable[[], int], ran: str
) -> None:
    with guarded_in_place(tools()), running_code("rehearsal"), entered(Remembers()):
        assert call() < 0
    assert len(CANARIES) == 1
    assert CANARIES.pop() == ran


async def test_a_body_that_was_started_on_purpose_is_let_through_with_all_that_it_starts() -> None:
    def sums(n: int) -> int:
        found: list[int] = [COPIES["pay"](n)]
        thread = threading.Thread(target=lambda: found.append(COPIES["pay"](n)))
        thread.start()
        thread.join()
        return sum(found)

    for provenance in (Provenance.REAL, Provenance.SANDBOXED):
        tools = Toolset(pay, send, sums)
        with guarded_in_place(tools), running_code("commit"), entered(Remembers()):
            for name, result in {"sums": -2, "send": -1}.items():
                tool = tools[name]
                assert (await execute(tool, tool.function, (1,), {}, provenance)).value == result
    assert CANARIES == ["pay", "pay", "send"] * 2


async def test_a_world_that_is_entered_in_a_body_is_no_part_of_it() -> None:
    async def rehearses() -> str:
        with entered(Remembers()):
            COPIES["pay"](1)
        return "went on"

    tool = Toolset(rehearses)["rehearses"]
    with (
        guarded_in_place(Toolset(pay)),
        running_code("commit"),
        entered(Remembers()),
        pytest.raises(FirewallError, match="past the tool"),
    ):
        await execute(tool, tool.function, (), {}, Provenance.REAL)
    assert CANARIES == []


async def test_plain_calls_are_refused_where_guarded_ones_are_and_nowhere_else() -> None:
    copy = COPIES["pay"]
    innocent = contextvars.copy_context()
    with guarded_in_place(Toolset(pay)):
        assert copy(1) == -1
        assert await asyncio.to_thread(copy, 1) == -1
        with running_code("rehearsal"):
            with pytest.raises(FirewallError, match="other than the agent"):
                copy(1)
            with pytest.raises(FirewallError, match="does not show whether"):
                innocent.run(copy, 1)

            def declared() -> int:
                with outside():
                    return int(copy(1))

            assert innocent.run(declared) == -1
            with entered(Remembers()):
                late = contextvars.copy_context()
        with pytest.raises(FirewallError, match="is over"):
            late.run(copy, 1)
        assert innocent.run(copy, 1) == -1
    assert late.run(copy, 1) == -1, "no session has it any more, so it is no tool"
    assert CANARIES == ["pay"] * 5


async def test_the_id_is_taken_for_as_long_as_a_session_has_a_function() -> None:
    code = pay.__code__
    with guarded_in_place(Toolset(pay)):
        with guarded_in_place(Toolset(pay, send)):
            assert monitoring.get_tool(3) == "artis_sdk"
        assert monitoring.get_local_events(3, code) == monitoring.events.PY_START
        with running_code("rehearsal"), entered(Remembers()), pytest.raises(FirewallError):
            COPIES["pay"](1)
    assert monitoring.get_tool(3) is None


async def test_without_a_free_id_there_is_one_wall_and_a_note(caplog: pytest.LogCaptureFixture) -> None:
    for tool_id in (3, 4, 5):
        monitoring.use_tool_id(tool_id, "another")
    try:
        with (
            caplog.at_level(logging.WARNING, "artis_sdk"),
            guarded_in_place(Toolset(pay)),
            running_code("rehearsal"),
            entered(Remembers()),
        ):
            assert await asyncio.to_thread(pay, 1) == PREDICTED
        assert "no free tool id" in caplog.text
    finally:
        for tool_id in (3, 4, 5):
            monitoring.free_tool_id(tool_id)
    assert CANARIES == []


async def test_closures_of_one_code_are_watched_until_the_last_has_gone() -> None:
    functions = [copy_of(SCALED), copy_of(OTHER_SCALED)]
    for n, function in enumerate(functions):
        watch(function, lambda _, n=n: f"scaled {n}")  # type: ignore[misc]
    unwatch(functions[0])
    try:
        with running_code("rehearsal"), entered(Remembers()):
            assert SCALED(1) == -3
            with pytest.raises(FirewallError, match="scaled 1"):
                OTHER_SCALED(1)
    finally:
        unwatch(functions[1])


async def test_a_session_s_own_agent_does_no_real_call_past_the_tool(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        try:
            return str(COPIES["pay"](1))
        except FirewallError:
            return "swallowed"

    simulator = ScriptedBackend(["{}"])
    async with unjudged(
        agent, [pay], tmp_path / "j.db", simulator=simulator, strategy=Sequential(2)
    ) as session:
        plan = await session.rehearse("go")
        assert CANARIES == []
        assert not any(attempt.ended == "answer" for attempt in plan.attempts)
        with pytest.raises(UnknownOutcome, match="past the tool"):
            await session.commit(plan)
    async with Session(agent=agent, tools=[pay], strategy=Direct(), journal=tmp_path / "k.db") as session:
        plan = await session.rehearse("go")
        with pytest.raises(UnknownOutcome, match="past the tool"):
            await session.commit(plan)
    assert CANARIES == []
