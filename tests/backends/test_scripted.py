"""The scripted backend, and the conformance suite on it."""

from __future__ import annotations

import asyncio
import random

import pytest

from artis_sdk.backends import ScriptedBackend, resolve
from artis_sdk.backends.conformance import suite as conformance
from artis_sdk.backends.conformance.tools import tools_required
from artis_sdk.backends.scripted import Reply
from artis_sdk.errors import BackendClosed, ConfigurationError, RateLimited
from artis_sdk.records import Capabilities, Completion, Message, Request, ToolCall, ToolSpec, Usage

HELLO = Request(messages=(Message(role="user", content="hello there"),))


def imitate(request: Request) -> Reply:
    """What a well-behaved model would say to the conformance checks."""
    if request.tools and request.tool_choice == "required":
        return ToolCall(tool="move", arguments={"direction": "north", "fast": True})
    if request.schema is not None:
        if "verdict" in request.schema["properties"]:
            return '{"explanation": "It did.", "verdict": {"correct": true, "suggestion": ""}}'
        return '{"correct": true, "grade": "fair", "tags": []}'
    text = " ".join(random.Random(request.seed or 0).choices(("up", "down", "left"), k=6))
    return text[: 4 * (request.max_tokens or 64)]


HOLDS = Capabilities(seed=True, streaming=True, held_calls=True)


def honest() -> ScriptedBackend:
    return ScriptedBackend(imitate, capabilities=HOLDS)


async def checked(check: conformance.Check, profile: conformance.Profile) -> None:
    try:
        await check(profile)
    except conformance.Skip as skip:
        pytest.skip(str(skip))


@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
async def test_scripted_conforms(check: conformance.Check) -> None:
    broken = {
        "rate limited": (lambda: ScriptedBackend([RateLimited("scripted", "slow down")]), RateLimited),
        "empty script": (lambda: ScriptedBackend([]), ConfigurationError),
    }
    await checked(check, conformance.Profile(make=honest, broken=broken))


class Rude(ScriptedBackend):
    """Breaks one law after `imitate`, by way of `spoil`."""

    def __init__(self, **spoil: object) -> None:
        super().__init__(imitate, capabilities=HOLDS)
        self.spoil = spoil

    async def complete(self, request: Request, *, on_token: object = None) -> Completion:
        completion = await super().complete(request)
        return completion.model_copy(update=self.spoil)


class CutShort(ScriptedBackend):
    """Its first answers are cut by `max_tokens`, before there is a whole call."""

    def __init__(self, times: int) -> None:
        super().__init__(imitate)
        self.times = times

    async def complete(self, request: Request, *, on_token: object = None) -> Completion:
        completion = await super().complete(request)
        if len(self.requests) > self.times:
            return completion
        return completion.model_copy(update={"tool_calls": (), "finish_reason": "length"})


async def test_an_answer_that_was_cut_is_asked_for_again() -> None:
    backend = CutShort(2)
    await tools_required(conformance.Profile(make=lambda: backend))
    assert len(backend.requests) == 3
    with pytest.raises(AssertionError, match="cut at 400 tokens: raise structured_tokens"):
        await tools_required(conformance.Profile(make=lambda: CutShort(3)))


CALL = ToolCall(tool="fly", arguments={})
WRONG = ToolCall(tool="move", arguments={"direction": "up", "fast": True})
RIGHT = '{"correct": true, "suggestion": ""}'


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        ("plain_chat", {"raw": ""}),
        ("plain_chat", {"usage": honest()._completion("x", HELLO).usage.model_copy(update={"requests": 0})}),
        ("tools_required", {"tool_calls": ()}),
        ("tools_required", {"tool_calls": (CALL,), "finish_reason": "tool_calls"}),
        ("tools_required", {"tool_calls": (CALL, CALL), "finish_reason": "tool_calls"}),
        ("tools_refused", {"tool_calls": (CALL,), "finish_reason": "tool_calls"}),
        ("json_schema", {"text": '{"correct": 1}', "raw": "x"}),
        ("json_schema", {"text": '{"correct": true, "grade": "fair", "tags": [', "raw": "x"}),
        ("required_calls_end", {"tool_calls": (), "text": "I would rather not.", "raw": "x"}),
        ("required_calls_end", {"text": "I look.", "raw": "x"}),
        ("required_calls_end", {"tool_calls": (WRONG,), "finish_reason": "tool_calls"}),
        ("offered_calls_fit", {"tool_calls": (WRONG,), "finish_reason": "tool_calls", "raw": "x"}),
        ("bounded_strings", {"text": f'{{"explanation": "{"x" * 31}", "verdict": {RIGHT}}}', "raw": "x"}),
        ("bounded_strings", {"text": f'{{"explanation": "a\\x0f", "verdict": {RIGHT}}}', "raw": "x"}),
        ("bounded_without_a_limit", {"usage": Usage(requests=1, prompt_tokens=9, completion_tokens=4097)}),
        ("same_seed_same_text", {"text": "always the same"}),
        ("usage_counts", {"usage": honest()._completion("x", HELLO).usage}),
        ("streaming", {}),
    ],
)
async def test_conformance_catches(check: str, spoil: dict[str, object]) -> None:
    profile = conformance.Profile(make=lambda: Rude(**spoil))
    results = {result.check: result.outcome for result in await conformance.run(profile)}
    assert results[check] == "failed"
    assert results["closing_twice"] == "passed"


async def test_conformance_catches_a_stop_string_in_the_text() -> None:
    class Unstoppable(ScriptedBackend):
        async def complete(self, request: Request, *, on_token: object = None) -> Completion:
            return Completion(text="on and on", raw="on and on", usage=self._completion("x", request).usage)

    results = await conformance.run(conformance.Profile(make=lambda: Unstoppable([])))
    assert {r.check: r.outcome for r in results}["stop_strings"] == "failed"


async def test_conformance_calls_a_hang_a_failure() -> None:
    profile = conformance.Profile(make=lambda: ScriptedBackend(imitate, delay=30), timeout=0.02)
    results = {result.check: result.outcome for result in await conformance.run(profile)}
    assert results["plain_chat"] == "failed"
    assert results["closing_in_flight"] == "failed"
    assert results["closing_twice"] == "passed"
    assert len(asyncio.all_tasks()) == 1, "no check leaves a request behind"


async def test_any_check_can_be_skipped_with_a_reason() -> None:
    skip = {check.__name__: "not here" for check in conformance.CHECKS}
    results = await conformance.run(conformance.Profile(make=honest, skip=skip))
    assert {(result.outcome, result.detail) for result in results} == {("skipped", "not here")}


async def test_replies_come_in_order_and_requests_are_kept() -> None:
    call = ToolCall(tool="look", arguments={"where": "here"})
    whole = Completion(text="as it is", raw="r")
    backend = ScriptedBackend(["one", call, [call, call], whole])
    assert (await backend.complete(HELLO)).text == "one"
    single = await backend.complete(HELLO)
    assert (single.tool_calls, single.finish_reason) == ((call,), "tool_calls")
    assert (await backend.complete(HELLO)).tool_calls == (call, call)
    assert await backend.complete(HELLO) is whole
    assert backend.requests == [HELLO] * 4
    with pytest.raises(ConfigurationError, match=r"this is request 5, and there are 4 replies"):
        await backend.complete(HELLO)


async def test_functions_sync_and_async() -> None:
    async def later(request: Request) -> str:
        return request.messages[-1].content.upper()

    assert (await ScriptedBackend(later).complete(HELLO)).text == "HELLO THERE"
    assert (await ScriptedBackend(lambda r: str(len(r.messages))).complete(HELLO)).text == "1"


async def test_errors_in_the_script_are_raised_as_they_are() -> None:
    error = RateLimited("scripted", "slow down", retry_after=3)
    backend = ScriptedBackend([error, "fine"])
    with pytest.raises(RateLimited) as caught:
        await backend.complete(HELLO)
    assert caught.value is error
    assert (await backend.complete(HELLO)).text == "fine"


async def test_what_is_no_reply_is_refused() -> None:
    for wrong in ([], [1], ()):
        with pytest.raises(ConfigurationError, match="not a reply"):
            await ScriptedBackend([wrong]).complete(HELLO)  # type: ignore[list-item]


async def test_usage_is_the_documented_estimate() -> None:
    tool = ToolSpec(name="t", parameters={})
    usage = (await ScriptedBackend(["12345"]).complete(HELLO)).usage
    assert (usage.requests, usage.prompt_tokens, usage.completion_tokens) == (1, 4 + 3, 2)
    offered = Request(messages=HELLO.messages, tools=(tool,))
    document = len('[{"name":"t","description":"","parameters":{}}]')
    with_tool = (await ScriptedBackend(["é"]).complete(offered)).usage
    assert with_tool.prompt_tokens == 7 + -(-document // 4)
    assert with_tool.completion_tokens == 1


async def test_closed_and_adapters() -> None:
    backend = ScriptedBackend(["a"])
    asked = Request(messages=HELLO.messages, adapter="sft")
    with pytest.raises(ConfigurationError, match="adapter"):
        await backend.complete(asked)
    await backend.aclose()
    with pytest.raises(BackendClosed):
        await backend.complete(HELLO)
    able = ScriptedBackend(["a"], capabilities=Capabilities(adapters=True))
    assert (await able.complete(asked)).text == "a"


async def test_resolve_makes_one() -> None:
    backend = resolve("scripted:judge", replies=["fine"])
    assert backend.name == "scripted:judge"
    assert (await backend.complete(HELLO)).text == "fine"
