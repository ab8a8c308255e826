"""The requests of the conformance checks, and the laws of every completion."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from artis_sdk.contracts import Backend
from artis_sdk.errors import ArtisError
from artis_sdk.records import Completion, Message, Request, ToolCall, ToolSpec

MOST_CALLS = 16
"""Maximum calls of a turn of a backend that holds calls to their schemas."""

Make = Callable[[], Backend | Awaitable[Backend]]
Check = Callable[["Profile"], Awaitable[None]]


class Skip(Exception):
    """The check does not apply; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The backend to check, and its expected behaviour."""

    make: Make
    """Function that makes a backend that nothing else uses; the closing checks close it. Start a slow
    engine here: its start does not count in `timeout`."""
    shared: Backend | None = None
    """Open backend for all other checks, which leave it open, for engines that start slowly; None if each
    check makes and closes its own."""
    max_tokens: int = 64
    """Maximum tokens of text answers."""
    structured_tokens: int = 400
    """Maximum tokens of answers under a schema and of tool calls; enough for any model to finish them."""
    timeout: float = 120.0
    """Seconds after which a check counts as hanging."""
    concurrency: int = 32
    overflow: Request | None = None
    """Request longer than the model's context; None to make it from `capabilities.context_window`."""
    broken: Mapping[str, tuple[Make, type[ArtisError]]] = field(default_factory=dict)
    """Backends that cannot answer, by their fault, each with the error that it must raise when it is
    made or used."""
    skip: Mapping[str, str] = field(default_factory=dict)
    """Reasons why checks cannot apply, by name of the check."""


# --- what the checks ask for ------------------------------------------------------------------

# Every field is finite, so that a model with random weights also finishes.


class Tag(BaseModel):
    model_config = ConfigDict(extra="forbid")

    label: Literal["low", "middle", "high"]
    urgent: bool


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")

    correct: bool
    grade: Literal["good", "fair", "poor"]
    tags: list[Tag] = Field(max_length=2)


class Right(BaseModel):
    model_config = ConfigDict(extra="forbid")

    correct: Literal[True]
    suggestion: Literal[""]


class Wrong(BaseModel):
    model_config = ConfigDict(extra="forbid")

    correct: Literal[False]
    suggestion: str = Field(max_length=20)


class Judgement(BaseModel):
    """As sessions ask it of a judge."""

    model_config = ConfigDict(extra="forbid")

    explanation: str = Field(max_length=30)
    verdict: Right | Wrong


class MoveArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    direction: Literal["north", "south", "east", "west"]
    fast: bool


class LookArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")

    where: Literal["here", "there"]


ARGUMENTS: dict[str, type[BaseModel]] = {"move": MoveArguments, "look": LookArguments}
TOOLS = (
    ToolSpec(name="move", description="Move one step.", parameters=MoveArguments.model_json_schema()),
    ToolSpec(name="look", description="Look around.", parameters=LookArguments.model_json_schema()),
)


def ask(text: str, *, system: str = "You are a test.") -> tuple[Message, ...]:
    """A conversation of one question."""
    return (Message(role="system", content=system), Message(role="user", content=text))


def two_calls_answered() -> tuple[Message, ...]:
    """A conversation in which one turn made two calls, one of which failed."""
    calls = (
        ToolCall(id="call_a1", tool="move", arguments={"direction": "north", "fast": True}),
        ToolCall(id="call_b2", tool="look", arguments={"where": "here"}),
    )
    return (
        *ask("Go north and look."),
        Message(role="assistant", content="I go.", tool_calls=calls),
        Message(role="tool", tool_call_id="call_a1", content='{"error": "a wall"}', failed=True),
        Message(role="tool", tool_call_id="call_b2", content='{"seen": ["a wall", "Füße", "\\u0000"]}'),
    )


# --- the laws of every completion -------------------------------------------------------------


def check_completion(completion: Completion, request: Request) -> None:
    """Check the laws of any answer to any request."""
    usage = completion.usage
    assert usage.requests >= 1, "a completion counts its request"
    assert usage.prompt_tokens > 0, "the prompt has tokens"
    assert 0 <= usage.cached_tokens <= usage.prompt_tokens, "cached tokens are among the prompt's"
    assert usage.completion_tokens >= 0
    if request.max_tokens is not None:
        assert usage.completion_tokens <= request.max_tokens, "max_tokens holds"
    if completion.text or completion.tool_calls:
        assert completion.raw, "the model's exact text is kept"
    ids = [call.id for call in completion.tool_calls]
    assert len(set(ids)) == len(ids), "two calls of one turn have one id"
    assert all(ids), "every call has an id"
    for call in completion.tool_calls:
        assert call.tool or call.malformed, "a call without a name is malformed"
    if completion.tool_calls:
        assert completion.finish_reason in ("tool_calls", "length")
    for stop in request.stop:
        assert stop not in completion.text, f"the stop string {stop!r} is in the text"


def check_known_calls(completion: Completion) -> None:
    """Every call names an offered tool and its arguments fit that tool's schema."""
    for call in completion.tool_calls:
        assert call.malformed is None, f"malformed call: {call.malformed}: {call.raw}"
        assert call.tool in ARGUMENTS, f"a call of {call.tool!r}, which was not offered"
        ARGUMENTS[call.tool].model_validate(call.arguments)


def may_apply(profile: Profile, check: Check) -> None:
    reason = profile.skip.get(check.__name__)
    if reason is not None:
        raise Skip(reason)


@asynccontextmanager
async def opened(profile: Profile, check: Check) -> AsyncIterator[Backend]:
    """The backend of one check, under the check's time limit."""
    may_apply(profile, check)
    if profile.shared is not None:
        async with asyncio.timeout(profile.timeout):
            yield profile.shared
        return
    backend = await made(profile.make)
    async with asyncio.timeout(profile.timeout):
        try:
            yield backend
        finally:
            await backend.aclose()


async def made(make: Make) -> Backend:
    backend = make()
    return await backend if inspect.isawaitable(backend) else backend


async def answered(backend: Backend, request: Request) -> Completion:
    completion = await backend.complete(request)
    check_completion(completion, request)
    return completion


async def uncut(backend: Backend, request: Request) -> Completion:
    """A finished answer: one cut at `max_tokens` shows nothing. A model with random weights may make calls
    without end, so there are three trials."""
    for _ in range(3):
        completion = await answered(backend, request)
        if completion.finish_reason != "length":
            return completion
    raise AssertionError(f"three answers were cut at {request.max_tokens} tokens: raise structured_tokens")


def need(condition: bool, reason: str) -> None:
    if not condition:
        raise Skip(reason)


async def make_and_ask(make: Make) -> Completion:
    backend = await made(make)
    try:
        return await backend.complete(Request(messages=ask("Hi."), max_tokens=8))
    finally:
        await backend.aclose()


async def raises(
    expected: type[Exception] | tuple[type[Exception], ...], awaitable: Awaitable[object], what: str
) -> None:
    try:
        answer = await awaitable
    except expected:
        return
    raise AssertionError(f"{what}: no error, but {answer!r}")
