"""Results that do their work later: awaited inside the call, or refused; never taken for done."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.decorated import passed_on

from artis_sdk import Direct, SandboxSimulator, Sequential, Session, Toolset, guarded_tool
from artis_sdk.contracts import ObservedCall
from artis_sdk.errors import ToolDefinitionError, ToolFailure
from artis_sdk.records import Outcome, Provenance, Result
from artis_sdk.tools import GuardedTool, add_observer, remove_observer

DONE: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_done() -> None:
    DONE.clear()


class Client:
    async def _post(self, n: int) -> dict[str, int]:
        await asyncio.sleep(0)
        if n < 0:
            raise ValueError("negative")
        DONE.append(n)
        return {"paid": n}

    def pay(self, n: int):  # type: ignore[no-untyped-def]
        return self._post(n)

    def pay_annotated(self, n: int) -> Awaitable[dict[str, int]]:
        return self._post(n)

    @passed_on
    async def pay_wrapped(self, n: int) -> dict[str, int]:
        return await self._post(n)

    def pay_task(self, n: int) -> asyncio.Future[dict[str, int]]:
        return asyncio.get_running_loop().create_task(self._post(n))

    async def pay_twice_awaited(self, n: int):  # type: ignore[no-untyped-def]
        return self._post(n)


async def committed(agent: Any, tools: Toolset, tmp_path: Any) -> Result:
    settings: dict[str, Any] = {"strategy": Direct(), "journal": tmp_path / "j.db"}
    async with Session(agent=agent, tools=tools, **settings) as session:
        return await session.run("go")


@pytest.mark.parametrize("name", ["pay", "pay_annotated", "pay_wrapped"])
async def test_an_awaitable_is_awaited_in_the_journaled_call(name: str, tmp_path: Any) -> None:
    client = Client()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        assert (await tools[name](5))["paid"] == 5
        with pytest.raises(ValueError, match="negative"):
            await tools[name](-1)
        return "done"

    tools = Toolset.from_object(client, include=[name])
    result = await committed(agent, tools, tmp_path)
    assert DONE == [5]
    assert [call.outcome.value for call in result.calls] == [{"paid": 5}, None]
    assert result.calls[1].outcome.failure_type == "ValueError"


@pytest.mark.parametrize("name", ["pay", "pay_annotated", "pay_wrapped"])
async def test_a_rehearsal_gives_an_awaitable_too(name: str, tmp_path: Any) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str((await tools[name](5))["paid"])

    client = Client()
    tools = Toolset.from_object(client, include=[name])
    settings: dict[str, Any] = {"evaluate": False, "summarize": False, "journal": tmp_path / "j.db"}
    sandbox = SandboxSimulator(share=[f"{__name__}.DONE"])
    async with Session(
        agent=agent, tools=tools, simulator=sandbox, strategy=Sequential(2), **settings
    ) as session:
        plan = await session.rehearse("go")
        assert [attempt.answer for attempt in plan.attempts] == ["5", "5"]
        DONE.clear()
        result = await session.commit(plan)
    assert result.answer == "5"
    assert DONE == [5]
    assert not result.divergences


async def test_an_async_function_that_returns_an_awaitable_is_awaited_to_the_end(tmp_path: Any) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(await (await tools["pay_twice_awaited"](3)))

    result = await committed(agent, Toolset.from_object(Client(), include=["pay_twice_awaited"]), tmp_path)
    assert result.calls[0].outcome.value == {"paid": 3}
    assert result.answer == "{'paid': 3}"


async def test_outside_of_sessions_the_awaitable_is_the_callers() -> None:
    pay = Toolset.from_object(Client(), include=["pay"])["pay"]
    pending = pay(2)
    assert DONE == []
    assert await pending == {"paid": 2}


async def test_a_log_sees_the_call_when_it_was_awaited() -> None:
    seen: list[tuple[Any, Any]] = []

    class Observer:
        def called(self, call: ObservedCall) -> None:
            seen.append((call.value, call.error))

    observer = Observer()
    add_observer(observer)
    try:
        pay = Toolset.from_object(Client(), include=["pay"])["pay"]
        pending = pay(2)
        assert seen == []
        await pending
        with pytest.raises(ValueError, match="negative"):
            await pay(-2)
    finally:
        remove_observer(observer)
    assert seen[0] == ({"paid": 2}, None)
    assert isinstance(seen[1][1], ValueError)


def generator(n: int) -> Iterator[int]:
    yield n


async def async_generator(n: int) -> AsyncIterator[int]:
    yield n


@contextlib.contextmanager
def manager(n: int) -> Iterator[int]:
    DONE.append(n)
    yield n


@contextlib.asynccontextmanager
async def async_manager(n: int) -> AsyncIterator[int]:
    DONE.append(n)
    yield n


def annotated_iterator(n: int) -> AsyncIterator[int]:
    return async_generator(n)


def annotated_manager(n: int) -> contextlib.AbstractContextManager[int]:
    return manager(n)


@pytest.mark.parametrize(
    "function",
    [
        generator,
        async_generator,
        passed_on(async_generator),
        manager,
        async_manager,
        annotated_manager,
        annotated_iterator,
    ],
)
def test_what_works_later_is_no_tool(function: Any) -> None:
    with pytest.raises(ToolDefinitionError, match="after the call"):
        guarded_tool(function)


@pytest.mark.parametrize("function", [async_generator, manager, async_manager])
async def test_what_only_the_call_shows_is_a_failure_and_does_nothing(function: Any, tmp_path: Any) -> None:
    def hidden(n: int):  # type: ignore[no-untyped-def]
        return function(n)

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        try:
            await asyncio.to_thread(tools["hidden"], 1)
        except ToolFailure as error:
            return str(error)
        return "no error"

    result = await committed(agent, Toolset(hidden), tmp_path)
    assert result.calls[0].outcome.failure_type == "LazyResult"
    assert "after the call" in (result.answer or "")
    assert DONE == []


def test_a_prediction_is_in_the_form_that_the_annotation_promises() -> None:
    tool: GuardedTool[..., Any] = Toolset.from_object(Client())["pay_annotated"]
    reply = tool.reply(Outcome.success({"paid": 1}, Provenance.SIMULATED))
    assert asyncio.run(_await(reply.result())) == {"paid": 1}
    assert reply.outcome.value == {"paid": 1}


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


class Waits:
    def __init__(self, n: int) -> None:
        self.n = n

    def __await__(self) -> Iterator[Any]:
        DONE.append(self.n)
        yield from asyncio.sleep(0).__await__()


async def send(n: int) -> None:
    await asyncio.sleep(0)
    DONE.append(n)


def many(n: int) -> Any:
    return [send(n), send(n + 1)]


def by_name(n: int) -> Any:
    return {"first": {"second": (send(n), "text")}}


def future(n: int) -> Any:
    return concurrent.futures.Future()


async def task(n: int) -> Any:
    return {"task": asyncio.get_running_loop().create_task(asyncio.sleep(0.05))}


def manager_inside(n: int) -> Any:
    return {"lock": contextlib.closing(contextlib.nullcontext()), "made": _managed(n)}


@contextlib.contextmanager
def _managed(n: int) -> Iterator[None]:
    DONE.append(n)
    yield


@pytest.mark.parametrize("tool", [many, by_name, future, task, manager_inside])
async def test_work_left_inside_a_result_is_not_taken_for_done(tool: Any, tmp_path: Any) -> None:
    failures: list[ToolFailure] = []

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        try:
            made = tools[tool.__name__](1)
            if asyncio.iscoroutine(made):
                await made
        except ToolFailure as error:
            failures.append(error)
        return "done"

    result = await committed(agent, Toolset.from_functions(tool), tmp_path)
    assert result.calls[0].outcome.failure_type == "LazyResult"
    assert len(failures) == 1
    assert DONE == []


async def done_tasks(n: int) -> Any:
    finished, _ = await asyncio.wait([asyncio.get_running_loop().create_task(send(n))])
    return {"tasks": list(finished), "n": n}


def done_future(n: int) -> Any:
    future: concurrent.futures.Future[int] = concurrent.futures.Future()
    future.set_result(n)
    return {"future": future, "query": Waits(n)}


@pytest.mark.parametrize("tool", [done_tasks, done_future])
async def test_finished_work_inside_a_result_is_a_value(tool: Any, tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        made = tools[tool.__name__](1)
        if asyncio.iscoroutine(made):
            await made
        return "done"

    result = await committed(agent, Toolset.from_functions(tool), tmp_path)
    assert result.calls[0].outcome.ok


async def test_a_large_result_is_taken_as_it_is(tmp_path: Any) -> None:
    def rows() -> list[dict[str, int]]:
        return [{"n": n} for n in range(5_000)]

    async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
        return str(len(tools["rows"]()))

    assert (await committed(agent, Toolset.from_functions(rows), tmp_path)).answer == "5000"
