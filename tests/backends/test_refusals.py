"""Parts of a request that a server refuses are left out from then on, and nothing else is."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest
from helpers.fault_server import Reply, Seen, answer, error, serving
from helpers.full_request import CLOSED, FULL, THOUGHT_SAID

from artis_sdk import errors
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Request

ONCE = RetryPolicy(attempts=1)
FULL_WITHOUT_STOP = Request(messages=FULL.messages[:1])

Refusal = tuple[int, str]
CHAT: dict[str, tuple[Refusal, Callable[[dict[str, Any]], bool]]] = {
    # qwen-code 921, cvdp_benchmark 29
    "temperature": (
        (400, "Unsupported value: 'temperature' does not support 0.3 with this model. Only the default (1)"),
        lambda sent: "temperature" in sent,
    ),
    "temperature of Kimi": (
        (400, "invalid temperature: only 1 is allowed for this model"),
        lambda sent: "temperature" in sent,
    ),
    "top_p": (
        (400, "Unsupported parameter: 'top_p' is not supported with this model."),
        lambda sent: "top_p" in sent,
    ),
    # chuk-llm 3
    "max_tokens": (
        (
            400,
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead.",
        ),
        lambda sent: "max_tokens" in sent,
    ),
    "seed": (
        (422, "[{'loc': ['body', 'seed'], 'msg': 'Extra inputs are not permitted'}]"),
        lambda s: "seed" in s,
    ),
    # reasoning models of OpenAI and xAI
    "stop": (
        (400, "Unsupported parameter: 'stop' is not supported with this model."),
        lambda sent: "stop" in sent,
    ),
    "stop of xAI": ((400, "Argument not supported on this model: stop"), lambda sent: "stop" in sent),
    "tool_choice of DeepSeek R1": (
        (400, "deepseek-reasoner does not support this tool_choice"),
        lambda sent: "tool_choice" in sent,
    ),
    "tool_choice of Qwen": (
        (400, "The tool_choice parameter does not support being set to required or object in thinking mode"),
        lambda sent: "tool_choice" in sent,
    ),
    # langchain 29282, inspect_ai 4916, browser-use 215
    "schema of DeepSeek": (
        (400, "This response_format type is unavailable now"),
        lambda sent: "response_format" in sent,
    ),
    "schema of DeepSeek, before": (
        (
            422,
            "Failed to deserialize the JSON body into the target type: response_format: "
            "response_format.type `json_schema` is unavailable now at line 1 column 12440",
        ),
        lambda sent: "response_format" in sent,
    ),
    "schema of Groq": (
        (400, "This model does not support response format `json_schema`. See supported models at"),
        lambda sent: "response_format" in sent,
    ),
    "strict": (
        (400, "[{'loc': ('body', 'response_format', 'strict'), 'msg': 'Extra inputs are not permitted'}]"),
        lambda sent: "strict" in json.dumps(sent),
    ),
    # jan 8136, freellmapi 1070
    "thoughts of Groq": (
        (
            400,
            "'messages.1' : for 'role:assistant' the following must be satisfied[('messages.1' : property "
            "'reasoning_content' is unsupported)]",
        ),
        lambda sent: "reasoning_content" in json.dumps(sent),
    ),
    # kilocode 10375
    "thoughts of Cerebras": (
        (
            400,
            "messages.1.assistant.reasoning_content: property 'messages.1.assistant.reasoning_content' is "
            "unsupported",
        ),
        lambda sent: "reasoning_content" in json.dumps(sent),
    ),
    "thoughts of DeepSeek R1": (
        (400, "The reasoning_content is an unsupported field of input messages"),
        lambda sent: "reasoning_content" in json.dumps(sent),
    ),
}


def refusing(refusal: Refusal, has: Callable[[dict[str, Any]], bool]) -> Callable[[Seen], Reply]:
    return lambda seen: error(seen, *refusal) if has(seen.json) else answer(seen, "fine")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", CHAT)
async def test_what_is_refused_is_left_out_from_then_on(
    case: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    refusal, has = CHAT[case]
    caplog.set_level(logging.WARNING)
    async with serving(refusing(refusal, has)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, retry=ONCE, strict_tools=True)
        async with aclosing(backend):
            for _ in range(2):
                completion = await backend.complete(FULL, on_token=(lambda text: None) if stream else None)
                assert completion.text == "fine"
        first, second, third = (seen.json for seen in server.requests)
    assert has(first)
    assert second == third, "remembered"
    gone = first.keys() - second.keys()
    if case.startswith("stop"):  # cut here, so taken whole
        gone -= {"stream", "stream_options"}
    assert len(gone) <= 1, "nothing else is left out"
    assert {"model", "messages", "tools"} <= second.keys()
    if case == "max_tokens":
        assert second["max_completion_tokens"] == 7
    if case == "strict":
        assert second["response_format"]["json_schema"]["schema"] == CLOSED
    assert len([record for record in caplog.records if "openai:m" in record.message]) == 1


async def test_the_other_name_of_max_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """void 128, MaxKB 2912"""
    told = (
        "[{'type': 'extra_forbidden', 'loc': ('body', 'max_completion_tokens'), "
        "'msg': 'Extra inputs are not permitted', 'input': 7}]"
    )
    handler = refusing((400, told), lambda sent: "max_completion_tokens" in sent)
    async with serving(handler) as server:
        options: dict[str, Any] = {"max_tokens_field": "max_completion_tokens", "retry": ONCE}
        backend = OpenAIBackend("m", base_url=server.base_url, **options)
        async with aclosing(backend):
            assert (await backend.complete(FULL)).text == "fine"
        assert server.requests[-1].json["max_tokens"] == 7


async def test_several_parts_one_after_the_other() -> None:
    def handle(seen: Seen) -> Reply:
        for name in ("temperature", "top_p", "seed", "max_tokens"):
            if name in seen.json:
                return error(seen, 400, f"Unsupported parameter: '{name}' is not supported with this model.")
        return answer(seen, "fine")

    async with serving(handle) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, retry=ONCE)
        async with aclosing(backend):
            assert (await backend.complete(FULL)).text == "fine"
        assert len(server.requests) == 5
        assert backend.capabilities.temperature is False
        assert backend.capabilities.seed is False


async def test_requests_side_by_side_learn_together() -> None:
    refusal, has = CHAT["temperature"]
    async with serving(refusing(refusal, has)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, retry=ONCE)
        async with aclosing(backend):
            found = await asyncio.gather(*(backend.complete(FULL) for _ in range(8)))
    assert [completion.text for completion in found] == ["fine"] * 8


KEPT = [
    "temperature must be between 0 and 2",
    "The parameter `max_tokens` specified in the request is not valid: integer above maximum value",
    # openclaude 331
    "The parameter `max_completion_tokens` specified in the request are not valid: integer above maximum",
    # vellum-assistant 42635
    "The `reasoning_content` in the thinking mode must be passed back to the API.",
    "Missing `reasoning_content` field in the assistant message at message index 1",
    "model m does not exist",
    "messages: roles must alternate",
    "unknown field 'reasoning_effort'",
]


@pytest.mark.parametrize("message", KEPT)
async def test_other_refusals_are_told(message: str) -> None:
    async with serving(lambda seen: error(seen, 400, message)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with aclosing(backend):
            with pytest.raises(errors.RequestRejected):
                await backend.complete(FULL)
        assert len(server.requests) == 1
        assert backend.capabilities.temperature


async def test_a_field_that_the_developer_sets_is_not_left_out() -> None:
    async with serving(lambda seen: error(seen, 400, "'temperature' is not supported")) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, extra_body={"temperature": 0.5})
        async with aclosing(backend):
            with pytest.raises(errors.RequestRejected, match="temperature"):
                await backend.complete(FULL)
        assert len(server.requests) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", [OpenAIBackend, AnthropicBackend])
async def test_an_answer_is_cut_at_stop_strings_that_the_server_does_not_take(
    wire: type[OpenAIBackend | AnthropicBackend], stream: bool
) -> None:
    field = "stop" if wire is OpenAIBackend else "stop_sequences"

    def handle(seen: Seen) -> Reply:
        if field in seen.json:
            return error(seen, 400, f"Unsupported parameter: '{field}' is not supported with this model.")
        return answer(seen, "fine END and more STOP")

    heard: list[str] = []
    request = Request(messages=FULL.messages[:1], stop=("STOP", "END"))
    async with serving(handle) as server:
        backend = wire("m", base_url=server.base_url, retry=ONCE)
        async with aclosing(backend):
            completion = await backend.complete(request, on_token=heard.append if stream else None)
            assert (completion.text, completion.finish_reason) == ("fine ", "stop")
            assert heard == (["fine "] if stream else [])
            assert (await backend.complete(FULL_WITHOUT_STOP)).text == "fine END and more STOP"
        assert "stop" not in server.requests[-1].json


@pytest.mark.parametrize("wire", [OpenAIBackend, AnthropicBackend])
async def test_no_tools_are_offered_where_no_call_is_wanted_and_the_server_takes_no_choice(
    wire: type[OpenAIBackend | AnthropicBackend],
) -> None:
    handler = refusing((400, "tool_choice is not supported"), lambda sent: "tool_choice" in sent)
    async with serving(handler) as server:
        backend = wire("m", base_url=server.base_url, retry=ONCE)
        async with aclosing(backend):
            for choice in ("none", "required"):
                request = Request(messages=FULL.messages[:1], tools=FULL.tools, tool_choice=choice)
                assert (await backend.complete(request)).text == "fine"
        first, second, third = (seen.json for seen in server.requests)
    assert "tools" in first
    assert "tools" not in second
    assert "tools" in third
    assert "tool_choice" not in third


ANTHROPIC: dict[str, tuple[str, Callable[[dict[str, Any]], bool]]] = {
    "temperature": ("`temperature` is deprecated for this model.", lambda sent: "temperature" in sent),
    "temperature beside thinking": (
        "`temperature` may only be set to 1 when thinking is enabled",
        lambda sent: "temperature" in sent,
    ),
    "both": (
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        lambda sent: "temperature" in sent and "top_p" in sent,
    ),
    "schema": (
        "output_config.format: Extra inputs are not permitted",
        lambda sent: "output_config" in sent,
    ),
    "schema of a model": (
        "'claude-3-haiku' does not support structured outputs (output_format)",
        lambda sent: "output_config" in sent,
    ),
    "cache": ("cache_control: Extra inputs are not permitted", lambda sent: "cache_control" in sent),
    "stop": ("stop_sequences: Extra inputs are not permitted", lambda sent: "stop_sequences" in sent),
    "tool_choice": (
        "Thinking may not be enabled when tool_choice forces tool use; `tool_choice` must be unset",
        lambda sent: "tool_choice" in sent,
    ),
    "thoughts": (
        "messages.1.content.0: unknown content block type `thinking`",
        lambda sent: '"thinking"' in json.dumps(sent),
    ),
}


@pytest.mark.parametrize("case", ANTHROPIC)
async def test_what_an_anthropic_server_refuses(case: str) -> None:
    message, has = ANTHROPIC[case]
    request = Request(
        messages=(FULL.messages[0], THOUGHT_SAID, FULL.messages[2]),
        tools=FULL.tools,
        temperature=0.3,
        top_p=0.9,
        stop=("END",),
        tool_choice="required",
        schema=CLOSED,
    )
    async with serving(refusing((400, message), has)) as server:
        backend = AnthropicBackend("m", base_url=server.base_url, retry=ONCE)
        async with aclosing(backend):
            for _ in range(2):
                assert (await backend.complete(request)).text == "fine"
        first, second, third = (seen.json for seen in server.requests)
    assert has(first)
    assert second == third
