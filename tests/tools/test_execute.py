"""The one way to a tool's real code, and that nobody else takes it."""

from __future__ import annotations

import ast
import asyncio
import contextvars
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import artis_sdk
from artis_sdk.errors import FirewallError, SimulationError, ToolFailure, UnknownOutcome
from artis_sdk.records import Provenance, Risk
from artis_sdk.tools import GuardedTool, Invocation, Reply, Toolset, entered, guarded_tool
from artis_sdk.tools.execute import execute

REAL, SANDBOXED = Provenance.REAL, Provenance.SANDBOXED
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def tool(function: Any, **settings: Any) -> GuardedTool[..., Any]:
    return next(iter(Toolset(guarded_tool(**settings)(function))))


async def run(
    guarded: GuardedTool[..., Any], *args: Any, provenance: Provenance = REAL, **more: Any
) -> Reply:
    return await execute(guarded, guarded.function, args, {}, provenance, **more)


def add(a: int, b: int = 1) -> int:
    return a + b


async def add_async(a: int, b: int = 1) -> int:
    await asyncio.sleep(0)
    return a + b


@pytest.mark.parametrize("function", [add, add_async])
async def test_a_value_comes_with_its_outcome(function: Any) -> None:
    reply = await run(tool(function), 2, 3)
    assert reply.result() == 5
    assert (reply.outcome.value, reply.outcome.provenance, reply.outcome.ok) == (5, REAL, True)
    assert reply.outcome.duration is not None
    assert 0 <= reply.outcome.duration < 5


@pytest.mark.parametrize("is_async", [False, True])
async def test_an_exception_comes_unchanged_with_its_outcome(is_async: bool) -> None:
    error = LookupError("gone")

    def fail() -> None:
        raise error

    async def fail_async() -> None:
        raise error

    reply = await run(tool(fail_async if is_async else fail))
    assert reply.error is error
    assert (reply.outcome.type, reply.outcome.raised) == ("LookupError", True)


async def test_a_sync_function_runs_in_a_thread_with_this_context() -> None:
    def look() -> tuple[str, int]:
        return variable.get(), threading.get_ident()

    variable.set("set")
    value, thread = (await run(tool(look))).result()
    assert value == "set"
    assert thread != threading.get_ident()
    (used,) = (t for t in threading.enumerate() if t.ident == thread)
    assert used.name.startswith("artis-call"), "it is kept for other calls"
    assert not used.daemon, "the interpreter does not exit in the middle of a call"


async def test_an_iterator_is_read_once_and_given_whole() -> None:
    def numbers() -> Iterator[int]:
        return iter([1, 2])

    reply = await run(tool(numbers))
    assert reply.outcome.value == [1, 2]
    assert list(reply.value) == [1, 2]


async def test_many_calls_at_once_do_not_wait_for_a_pool() -> None:
    barrier = threading.Barrier(40, timeout=20)
    replies = await asyncio.gather(*(run(tool(lambda: barrier.wait() >= 0, name="meet")) for _ in range(40)))
    assert all(reply.value for reply in replies)


# --- time -------------------------------------------------------------------------------------


async def hang() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("provenance", "risk", "unknown"),
    [
        (REAL, Risk.IRREVERSIBLE, True),
        (REAL, Risk.REVERSIBLE, True),
        (REAL, Risk.READ_ONLY, False),
        (SANDBOXED, Risk.IRREVERSIBLE, False),
    ],
)
async def test_a_timeout_is_unknown_where_something_may_have_changed(
    is_async: bool, provenance: Provenance, risk: Risk, unknown: bool
) -> None:
    go = threading.Event()
    guarded = tool(hang if is_async else lambda: go.wait(), name="slow", timeout=0.01, risk=risk)
    if unknown:
        with pytest.raises(UnknownOutcome, match=r"timeout of 0\.01 s; it may still take effect"):
            await run(guarded, provenance=provenance)
    else:
        reply = await run(guarded, provenance=provenance)
        assert (reply.outcome.type, reply.outcome.raised) == ("timeout", True)
        assert isinstance(reply.error, ToolFailure)
    go.set()


async def test_a_tools_own_timeout_error_is_its_failure() -> None:
    async def impatient() -> None:
        raise TimeoutError("theirs")

    reply = await run(tool(impatient, timeout=5))
    assert (reply.outcome.type, reply.outcome.message) == ("TimeoutError", "theirs")


async def test_a_call_that_ends_after_its_timeout_is_heard_of() -> None:
    go, late = threading.Event(), asyncio.get_running_loop().create_future()
    guarded = tool(lambda: go.wait() and "done", name="slow", timeout=0.01)
    with pytest.raises(UnknownOutcome):
        await run(guarded, late=late.set_result)
    go.set()
    reply = await asyncio.wait_for(late, 5)
    assert reply.outcome.value == "done"


async def test_a_call_that_ends_after_its_cancellation_is_heard_of() -> None:
    go, begun, late = threading.Event(), threading.Event(), asyncio.get_running_loop().create_future()

    def slow() -> str:
        begun.set()
        go.wait()
        raise LookupError("too late")

    task = asyncio.create_task(run(tool(slow), late=late.set_result))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go.set()
    assert (await asyncio.wait_for(late, 5)).outcome.type == "LookupError"


async def test_a_call_that_has_ended_when_its_cancellation_arrives_is_heard_of() -> None:
    go, begun, late = threading.Event(), threading.Event(), asyncio.get_running_loop().create_future()

    def slow() -> str:
        begun.set()
        go.wait()
        return "done"

    task = asyncio.create_task(run(tool(slow), late=late.set_result))
    await asyncio.to_thread(begun.wait)
    go.set()
    time.sleep(0.3)  # noqa: ASYNC251  its end waits behind this callback
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await asyncio.wait_for(late, 5)).outcome.value == "done"


async def test_a_call_that_ends_in_time_is_not_late() -> None:
    heard: list[Reply] = []
    assert (await run(tool(add), 1, late=heard.append)).value == 2
    await asyncio.sleep(0.01)
    assert heard == []


async def test_a_call_that_ends_after_its_event_loop_harms_nothing() -> None:
    go, ended = threading.Event(), threading.Event()

    def slow() -> None:
        go.wait()
        ended.set()

    def other_loop() -> None:
        with pytest.raises(UnknownOutcome):
            asyncio.run(run(tool(slow, timeout=0.01), late=lambda reply: None))

    await asyncio.to_thread(other_loop)
    go.set()
    assert await asyncio.to_thread(ended.wait, 5)


# --- what must stop the run -------------------------------------------------------------------


@pytest.mark.parametrize("error", [SimulationError("inner", "lost"), FirewallError("inner", "no")])
@pytest.mark.parametrize("is_async", [False, True])
async def test_an_error_of_ours_inside_a_body_is_no_failure_of_the_tool(
    error: Exception, is_async: bool
) -> None:
    def body() -> None:
        raise error

    async def body_async() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await run(tool(body_async if is_async else body))
    assert caught.value is error


async def test_a_tool_failure_inside_a_body_is_the_tools_failure() -> None:
    def body() -> None:
        raise ToolFailure("inner", "limit", "too much")

    assert (await run(tool(body))).outcome.type == "limit"


async def test_nested_calls_go_through_the_same_world() -> None:
    class Recording:
        def __init__(self) -> None:
            self.calls: list[str] = []

        async def handle(self, invocation: Invocation) -> Reply:
            self.calls.append(invocation.tool.name)
            return await execute(
                invocation.tool, invocation.tool.function, invocation.args, invocation.kwargs, REAL
            )

        async def handle_turn(self, invocations: Any) -> list[Reply]:
            return [await self.handle(invocation) for invocation in invocations]

    inner = guarded_tool(add)
    inner_async = guarded_tool(add_async)

    @guarded_tool
    def outer(depth: int) -> int:
        return inner(depth) if depth < 2 else outer(depth - 1)

    @guarded_tool
    async def outer_async(depth: int) -> int:
        return outer(depth) + await inner_async(1)

    world = Recording()
    with entered(world):
        assert await outer_async(3) == 4
    assert world.calls == ["outer_async", "outer", "outer", "outer", "add", "add_async"]


async def test_a_sandbox_fills_in_the_idempotency_key() -> None:
    def keyed(key: str) -> str:
        return key

    guarded = tool(keyed, idempotency_key="key")
    assert len((await run(guarded, provenance=SANDBOXED)).value) == 32
    reply = await run(guarded)  # for real only the commit gives one
    assert reply.outcome.type == "TypeError"


async def test_a_classifier_sees_what_was_returned() -> None:
    guarded = tool(add, failures=lambda value: "big" if value == 3 else None)
    outcome = (await run(guarded, 2)).outcome
    assert (outcome.ok, outcome.type, outcome.value, outcome.raised) == (False, "big", 3, False)


# --- nobody else ------------------------------------------------------------------------------

PACKAGE = Path(artis_sdk.__file__).parent
READS_FUNCTIONS = (
    *("tools/", "simulators/interpreter/", "integrations/"),
    *("simulators/code_reach.py", "simulators/digest.py"),
)
"""The sandbox's two look at names and closures. The interpreter reads functions;
`tests/simulators/test_checked_sealed.py` holds it to start none. The integrations read those of the
frameworks' own tools; `tests/frameworks/test_laws.py` counts the calls."""
RUNS_REAL_CODE = {"tools/execute.py", "commit/commit.py", "simulators/sandbox.py"}


def uses_of_real_code(source: str) -> set[str]:
    """How a file could run a tool's real code: by `execute`, `.function` or `__wrapped__`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "artis_sdk.tools.execute":
            found.add("import")
        elif isinstance(node, ast.ImportFrom | ast.Import):
            found.update("import" for alias in node.names if alias.name.endswith("tools.execute"))
        elif isinstance(node, ast.Attribute) and node.attr in ("function", "__wrapped__"):
            found.add(node.attr)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("unwrap", "inspect.unwrap"):
            found.add("unwrap")
    return found


def test_only_the_commit_and_the_sandbox_run_real_code() -> None:
    files = [
        p for p in PACKAGE.rglob("*.py") if p.relative_to(PACKAGE).parts[0] not in ("backends", "trainers")
    ]
    used = {str(p.relative_to(PACKAGE)): uses_of_real_code(p.read_text()) for p in files}
    outside_tools = {name for name, uses in used.items() if uses and not name.startswith(READS_FUNCTIONS)}
    assert outside_tools <= RUNS_REAL_CODE
    assert {name for name, uses in used.items() if "import" in uses} <= RUNS_REAL_CODE
    assert len(used) > 20


def test_the_check_sees_each_way() -> None:
    assert uses_of_real_code("from artis_sdk.tools.execute import execute") == {"import"}
    assert uses_of_real_code("import artis_sdk.tools.execute") == {"import"}
    assert uses_of_real_code("tool.function()") == {"function"}
    assert uses_of_real_code("tool.__wrapped__()") == {"__wrapped__"}
    assert uses_of_real_code("inspect.unwrap(tool)") == {"unwrap"}
