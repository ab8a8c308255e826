"""How a call ends whose value or exception is odd: with a typed outcome, and nothing goes further."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import sys
from collections.abc import Iterator
from enum import Enum
from random import Random
from typing import Any

import numpy as np
import pytest
from helpers.values import KINDS, SURROGATE, AppError, Hostile, arbitrary, is_json

from artis_sdk.errors import ToolFailure, UnknownOutcome
from artis_sdk.records import Outcome, Provenance, Risk
from artis_sdk.tools import GuardedTool, Reply, Toolset, guarded_tool
from artis_sdk.tools.execute import execute

REAL = Provenance.REAL


def tool(function: Any, **settings: Any) -> GuardedTool[..., Any]:
    return next(iter(Toolset(guarded_tool(**settings)(function))))


async def run(guarded: GuardedTool[..., Any], *args: Any, provenance: Provenance = REAL) -> Reply:
    return await execute(guarded, guarded.function, args, {}, provenance)


def returning(value: Any, is_async: bool, **settings: Any) -> GuardedTool[..., Any]:
    async def give_async() -> Any:
        return value

    return tool(give_async if is_async else lambda: value, name="give", **settings)


def raising(error: BaseException, is_async: bool, **settings: Any) -> GuardedTool[..., Any]:
    def fail() -> Any:
        raise error

    async def fail_async() -> Any:
        raise error

    return tool(fail_async if is_async else fail, name="fail", **settings)


both = pytest.mark.parametrize("is_async", [False, True])


# --- values -----------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"iterator", "generator"}))
async def test_any_value_is_an_outcome_and_comes_as_it_was(kind: str, is_async: bool) -> None:
    value = arbitrary(Random(kind), kind)
    reply = await run(returning(value, is_async))
    assert reply.value is value
    assert reply.outcome.ok == (kind != "exception")  # returned instead of raised
    assert is_json(reply.outcome.value)


@both
async def test_an_iterator_that_fails_half_way_is_a_failure_of_the_tool(is_async: bool) -> None:
    def lines() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    reply = await run(returning(lines(), is_async))
    assert (reply.outcome.type, reply.outcome.message) == ("OSError", "the file is gone")


@both
async def test_an_iterator_without_an_end_is_read_so_far(is_async: bool) -> None:
    reply = await run(returning(itertools.count(), is_async))
    shown = reply.outcome.value
    assert isinstance(shown, list)
    assert (len(shown), shown[:2], shown[-1]) == (1_000_001, [0, 1], "<count>")
    assert list(itertools.islice(reply.value, 1_000_002))[-1] == 1_000_001


# --- classifiers ------------------------------------------------------------------------------


class Word(Enum):
    LIMIT = "limit"


@pytest.mark.parametrize(
    ("said", "failure_type"),
    [
        (None, None), (False, None), (np.False_, None), (True, "failure"), (np.True_, "failure"),
        ("limit", "limit"), (Word.LIMIT, "limit"), (402, "402"), (SURROGATE, "cut \\ud83d"),
    ],
)  # fmt: skip
async def test_whatever_a_classifier_says_is_a_type(said: Any, failure_type: str | None) -> None:
    reply = await run(returning(1, False, failures=lambda value: said))
    assert (reply.outcome.failure_type, reply.outcome.value) == (failure_type, 1)
    assert reply.outcome.ok == (failure_type is None)


@both
async def test_a_classifier_sees_the_value_itself(is_async: bool) -> None:
    value = {"success": np.False_, "rows": np.zeros(2)}
    seen = []

    def judge(result: Any) -> str | None:
        seen.append(result)
        return None if result["success"] else "refused"

    reply = await run(returning(value, is_async, failures=judge))
    assert seen == [value]
    assert (reply.outcome.type, reply.outcome.value) == ("refused", {"success": False, "rows": [0.0, 0.0]})


@both
async def test_a_value_that_a_classifier_fails_on_is_kept_and_is_no_success(is_async: bool) -> None:
    reply = await run(returning([1], is_async, failures=lambda value: value["error"]))
    assert (reply.outcome.ok, reply.outcome.type, reply.outcome.value) == (False, "unclassified", [1])
    assert reply.outcome.content() == [1]
    assert "failures= of give raised TypeError on this value" in str(reply.outcome.message)
    reply = await run(raising(KeyError("Ann"), is_async, failures=lambda error: error["code"]))
    assert (reply.outcome.type, reply.outcome.message) == ("KeyError", "'Ann'")


# --- what the agent sees of a failure ---------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (KeyError("Ann"), "KeyError: 'Ann'"),
        (KeyError("Ann Lee"), "KeyError: 'Ann Lee'"),
        (KeyError(("a", 1)), "KeyError: ('a', 1)"),
        (IndexError(), "IndexError"),
        (ValueError("17"), "ValueError: 17"),
        (ValueError("insufficient funds"), "insufficient funds"),
        (LookupError("account A342 is frozen"), "account A342 is frozen"),
        (ToolFailure("t", "Frozen", "eve"), "Frozen: eve"),
        (ToolFailure("t", "error", "eve"), "eve"),
        (ToolFailure("t", 5, {"a": 1}), "5: {'a': 1}"),  # type: ignore[arg-type]
        (AppError("x"), "AppError"),
        (ValueError(SURROGATE), "cut \\ud83d"),
    ],
    ids=repr,
)
async def test_a_failure_says_what_it_is(error: Exception, seen: str) -> None:
    reply = await run(raising(error, False))
    assert reply.outcome.content() == {"error": seen}
    assert reply.error is error
    simulated = reply.outcome.model_copy(update={"provenance": Provenance.SIMULATED})
    assert simulated.content() == reply.outcome.content()
    assert Outcome.model_validate_json(reply.outcome.model_dump_json()) == reply.outcome


# --- what is no Exception ---------------------------------------------------------------------


class Abandon(BaseException):
    """An application's own."""


class PanicException(BaseException):
    """As Python extensions in Rust raise it."""


@both
@pytest.mark.parametrize(
    "error",
    [
        *(SystemExit(3), GeneratorExit("x"), SystemExit(), Abandon("ship"), PanicException("index 3")),
        BaseExceptionGroup("two", [Abandon("a"), ValueError("b")]),
    ],
)
async def test_what_would_end_the_application_is_a_failure_of_the_tool(
    error: BaseException, is_async: bool
) -> None:
    reply = await run(raising(error, is_async))
    assert (reply.outcome.type, reply.outcome.message, reply.outcome.raised) == (
        type(error).__name__,
        str(error),
        True,
    )
    assert isinstance(reply.error, ToolFailure)
    assert reply.error.__cause__ is error


@both
@pytest.mark.parametrize(
    "error",
    [
        pytest.skip.Exception("a test's"),
        pytest.fail.Exception("a test's"),
        type("Stop", (pytest.skip.Exception,), {})("a subclass of it"),
        BaseExceptionGroup("in a group", [ValueError("b"), pytest.skip.Exception("a test's")]),
    ],
    ids=repr,
)
async def test_a_test_frameworks_signal_passes(error: BaseException, is_async: bool) -> None:
    with pytest.raises(type(error)) as raised:
        await run(raising(error, is_async))
    assert raised.value is error


@both
async def test_hypothesis_and_greenlets_are_not_disturbed(is_async: bool) -> None:
    from greenlet import GreenletExit
    from hypothesis.errors import StopTest

    for error in (GreenletExit(), StopTest(1)):
        with pytest.raises(type(error)):
            await run(raising(error, is_async))


async def test_sys_exit_in_the_middle_of_an_async_tool() -> None:
    async def leave() -> None:
        await asyncio.sleep(0)
        sys.exit("bye")

    reply = await run(tool(leave))
    assert reply.outcome.content() == {"error": "SystemExit: bye"}


async def test_a_keyboard_interrupt_of_the_tools_own_thread_is_its_failure() -> None:
    reply = await run(raising(KeyboardInterrupt("own"), False))
    assert reply.outcome.type == "KeyboardInterrupt"


def test_a_keyboard_interrupt_on_the_event_loop_is_the_users() -> None:
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run(raising(KeyboardInterrupt(), True)))


def test_a_call_that_is_closed_is_no_failure() -> None:
    """A coroutine that is dropped gets `GeneratorExit` from outside, and must let it pass."""

    async def hang() -> None:
        await asyncio.sleep(60)

    async def start() -> None:
        call = run(tool(hang))
        call.send(None)  # as far as the sleep
        dropped.append(call)

    dropped: list[Any] = []
    context = contextvars.copy_context()
    with asyncio.Runner() as runner:
        runner.run(start(), context=context)
    context.run(dropped[0].close)


# --- time -------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [ConnectionError("cut"), TimeoutError("theirs"), SystemExit(1)])
@pytest.mark.parametrize("risk", [Risk.IRREVERSIBLE, Risk.REVERSIBLE])
async def test_a_timeout_stays_unknown_whatever_the_tool_makes_of_it(
    error: BaseException, risk: Risk
) -> None:
    async def send() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise error from None

    with pytest.raises(UnknownOutcome, match="did not end within its timeout"):
        await run(tool(send, timeout=0.01, risk=risk))
    reply = await run(tool(send, timeout=0.01, risk=Risk.READ_ONLY))
    assert reply.outcome.type == "timeout"
    reply = await run(tool(send, timeout=0.01), provenance=Provenance.SANDBOXED)
    assert reply.outcome.type == "timeout"


async def test_a_value_given_after_the_timeout_is_known() -> None:
    async def send() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "sent"
        return "never"

    assert (await run(tool(send, timeout=0.01))).outcome.value == "sent"


async def test_a_cancellation_that_the_tool_turns_into_another_error_stays_one() -> None:
    begun = asyncio.Event()

    async def send() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ConnectionError("cut") from None

    task = asyncio.create_task(run(tool(send)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_task_group_that_fails_is_a_failure_and_no_cancellation(wrapped: bool) -> None:
    """The group itself asks for the cancellation of the task around it."""

    async def child() -> None:
        await asyncio.sleep(0)
        raise ValueError("in a task")

    async def send() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
        except ExceptionGroup as errors:
            if wrapped:
                raise ConnectionError("cut") from errors
            raise

    reply = await run(tool(send))
    assert reply.outcome.type == ("ConnectionError" if wrapped else "ExceptionGroup")


async def test_hostile_arguments_are_refused_or_shown_never_a_crash() -> None:
    guarded = tool(lambda value: None, name="take")
    assert guarded.bind(Hostile()).call.arguments == {"value": "<Hostile>"}
    typed: GuardedTool[..., Any] = tool(_typed)
    with pytest.raises(ToolFailure, match=r"n: input should be a valid integer, got <Hostile>"):
        typed.bind(Hostile())


def _typed(n: int) -> None: ...
