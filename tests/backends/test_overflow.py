"""Context overflow in the words of each provider, and what is none; waits in all notations."""

from __future__ import annotations

import json
import re
import time
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from email.utils import formatdate

import pytest
from helpers.fault_server import Reply, error, serving

from artis_sdk import errors
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.durations import retry_after, seconds
from artis_sdk.backends.hosted.overflow import OVERFLOW, is_overflow
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Message, Request

HELLO = Request(messages=(Message(role="user", content="hello"),))

TOO_LONG: list[tuple[str, str]] = [
    (
        "OpenAI",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 8545 tokens. "
        "Please reduce the length of the messages.",
    ),
    ("OpenAI, Responses", "Your input exceeds the context window of this model. Please adjust your input."),
    ("OpenAI, minute", "Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 36042."),
    (
        "Azure",
        "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 509178 tokens.",
    ),
    ("Anthropic", "prompt is too long: 213462 tokens > 200000 maximum"),
    (
        "Anthropic, answer",
        "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease input length",
    ),
    ("Bedrock", "Input is too long for requested model."),
    ("Bedrock, Titan", "400 Bad Request: Too many input tokens. Max input tokens: 8192"),
    ("Bedrock, Nova", "Input Tokens Exceeded: Number of input tokens exceeds maximum length."),
    (
        "Bedrock, Llama",
        "This model's maximum context length is 8192 tokens. Please reduce the length of the prompt",
    ),
    (
        "Gemini",
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
    ),
    (
        "Vertex",
        "Unable to submit request because the input token count is 40210 but model only supports up to 3276.",
    ),
    ("Google", "Input context is too long"),
    ("xAI", "This model's maximum prompt length is 131072 but the request contains 537812 tokens."),
    ("Groq", "Please reduce the length of the messages or completion."),
    (
        "Groq, minute",
        "Request too large for model `m` in organization on tokens per minute (TPM): Limit 6000",
    ),
    (
        "Cerebras",
        "Please reduce the length of the messages or completion. Current length is 9001 while limit is 8192",
    ),
    (
        "OpenRouter",
        "This endpoint's maximum context length is 1048576 tokens. However, you requested 129374 tokens",
    ),
    ("Mistral", "Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum"),
    (
        "Cohere",
        "too many tokens: total number of tokens (prompt and prediction) cannot exceed 4096 - received 4097.",
    ),
    ("Cohere, v2", "too many tokens: size limit exceeded by 1234 tokens. Try using shorter or fewer inputs."),
    (
        "Together",
        "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4097. Given: 5000 `inputs`",
    ),
    (
        "Together, chat",
        "Input token count + `max_tokens` parameter must be less than the context length of the model",
    ),
    ("TGI", "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000"),
    ("Fireworks", "The prompt is too long: 140000, model maximum context length: 131071"),
    (
        "DeepSeek",
        "This model's maximum context length is 65536 tokens. However, you requested 69648 tokens (69648 in "
        "the messages, 0 in the completion).",
    ),
    ("SiliconFlow", "max_total_tokens (100000794) must be less than or equal to max_seq_len (32768)"),
    (
        "vLLM",
        "This model's maximum context length is 4096 tokens. However, you requested 128000 output tokens and "
        "your prompt contains at least 4097 input tokens",
    ),
    ("vLLM, engine", "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
    (
        "vLLM, max_tokens",
        "'max_tokens' or 'max_completion_tokens' is too large: 2000. This model's maximum context length is "
        "4096 tokens and your request has 2104 input tokens (2000 > 4096 - 2104).",
    ),
    (
        "SGLang",
        "The input (61709 tokens) is longer than the model's context length (40960 tokens).",
    ),
    ("SGLang, memory", "Input length (160062 tokens) exceeds the maximum allowed length (59862 tokens)."),
    ("SGLang, sum", "Requested token count exceeds the model's maximum context length of 32768 tokens."),
    ("llama.cpp", "the request exceeds the available context size, try increasing it"),
    ("llama.cpp, later", "request (9000 tokens) exceeds the available context size (8192 tokens)"),
    ("llama.cpp, generation", "Context size has been exceeded."),
    ("llama-cpp-python", "Requested tokens (5000) exceed context window of 4096"),
    (
        "LM Studio",
        "The number of tokens to keep from the initial prompt is greater than the context length (n_keep: "
        "10978 >= n_ctx: 8192).",
    ),
    (
        "LM Studio, before",
        "Trying to keep the first 6491 tokens when context the overflows. However, the model is loaded with "
        "context length of only 4096 tokens",
    ),
    ("LM Studio, first", "Input length 6491 exceeds context length 1500"),
    ("Ollama", "the input length exceeds the context length"),
    ("Ollama, cloud", "prompt too long; exceeded max context length by 1234 tokens"),
    ("GitHub Copilot", "prompt token count of 130001 exceeds the limit of 128000"),
    ("GitHub Models", "Request body too large for gpt-4o model. Max size: 8000 tokens."),
    ("Kimi", "Invalid request: Your request exceeded model token limit: 262144 (requested: 300000)"),
    ("Moonshot", "model max length exceeded, max length:8192"),
    ("MiniMax", "invalid params, context window exceeds limit (2013)"),
    ("Zhipu", "Prompt exceeds max length"),
    ("Zhipu, Chinese", "Prompt 超长"),
    ("DashScope", "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 204800]"),
    ("Qwen", "The input exceeds the maximum allowed input length."),
    ("Volcengine", "Total tokens of image and text exceed max message tokens"),
    ("Baidu", "prompt tokens too long"),
    ("Baidu, characters", "the max input characters is 20000"),
    ("Spark", "token数量超过上限"),
    (
        "Cloudflare",
        "The estimated number of input and maximum output tokens (12000) exceeded this model context window "
        "limit (8000).",
    ),
    ("Perplexity", "The total length of all messages is too long."),
    ("watsonx", "the number of input tokens 5000 cannot exceed the total tokens limit 4096 for this model"),
    ("Databricks", "The prompt token count (150000) cannot exceed 128000. Please reduce the length of your"),
    ("MLC", "Request prompt has 5000 tokens in total, larger than the model input length limit 4096."),
    ("text-generation-webui", "This model maximum context length is 4096 tokens."),
    ("litellm", "The input exceeds the model's maximum context limit of 8192 tokens."),
    ("Replicate", "Your input is too long. Max input length is 4096 tokens"),
    (
        "Nvidia behind OpenRouter",
        'Provider returned error: {"error":{"message":"This model\'s maximum context length is 26 tokens."}}',
    ),
]
CODES = ["context_length_exceeded", "exceed_context_size_error", "tokens_limit_reached", "prompt_too_long"]


def test_there_are_enough_of_them() -> None:
    assert len(TOO_LONG) >= 60
    assert len({words for _, words in TOO_LONG}) == len(TOO_LONG)


@pytest.mark.parametrize(("provider", "message"), TOO_LONG, ids=[provider for provider, _ in TOO_LONG])
def test_the_words_of_each_provider(provider: str, message: str) -> None:
    assert is_overflow(message)
    assert is_overflow(message.upper()), "in any case"


def test_each_pattern_is_of_use() -> None:
    """Each one recognizes a message that stands above."""
    said = [message for _, message in TOO_LONG] + CODES
    idle = [
        words
        for _, words in OVERFLOW
        if not any(re.search(words, one, re.IGNORECASE | re.DOTALL) for one in said)
    ]
    assert idle == []


@pytest.mark.parametrize("status", [400, 413, 422, 500])
@pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend])
async def test_an_overflow_is_not_sent_again(status: int, make: type) -> None:
    async with serving(
        lambda seen: error(seen, status, "prompt is too long: 3 tokens > 2 maximum")
    ) as server:
        backend = make("m", base_url=server.base_url)
        async with aclosing(backend):
            with pytest.raises(errors.ContextOverflow):
                await backend.complete(HELLO)
        assert len(server.requests) == 1


@pytest.mark.parametrize("code", CODES)
async def test_overflow_by_its_code(code: str) -> None:
    async with serving(lambda seen: error(seen, 400, "no", code=code)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with aclosing(backend):
            with pytest.raises(errors.ContextOverflow):
                await backend.complete(HELLO)


async def test_a_request_that_no_minute_allows_is_not_sent_again() -> None:
    message = dict(TOO_LONG)["OpenAI, minute"]
    async with serving(lambda seen: error(seen, 429, message, code="rate_limit_exceeded")) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with aclosing(backend):
            with pytest.raises(errors.ContextOverflow):
                await backend.complete(HELLO)
        assert len(server.requests) == 1


async def test_what_openrouter_was_told() -> None:
    raw = json.dumps({"error": {"message": "This model's maximum context length is 262144 tokens."}})
    whole = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}
    async with serving(lambda seen: Reply(status=400, body=json.dumps(whole).encode())) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with aclosing(backend):
            with pytest.raises(errors.ContextOverflow, match="262144"):
                await backend.complete(HELLO)


OTHERS = [
    "Rate limit reached for gpt-4o on tokens per min (TPM): Limit 30000, Used 29000, Requested 2000.",
    "Too many tokens, please wait before trying again.",
    "Too many tokens per minute for this model",
    "You exceeded your current quota, please check your plan and billing details.",
    "Too many requests",
    "This request would exceed your organization's rate limit of 30,000 input tokens per minute",
    "Number of request tokens has exceeded your per-minute rate limit",
    "Invalid 'tools[0].function.name': string too long. Expected a string with maximum length 64.",
    "Invalid 'tools[0].function.description': string too long. Expected maximum length 1024",
    "max_tokens is too large: 99999. This model supports at most 16384 completion tokens",
    "max_tokens must be at least 1",
    "max_tokens must be <= 4096",
    "Unsupported parameter: 'max_tokens' is not supported with this model.",
    "messages: at least one message is required",
    "'tool_call_id' is too long",
    "Invalid schema for function 'pay'",
    "The parameter `top_p` exceeds the maximum of 1",
    "Image exceeds the maximum size of 5 MB",
    "tools: the maximum number of tools is 128",
    "context deadline exceeded",
    "The request was aborted: timeout exceeded",
    "You have exceeded the maximum number of concurrent requests",
    "reasoning_effort is not supported",
]


@pytest.mark.parametrize("message", OTHERS)
def test_other_limits_are_none(message: str) -> None:
    assert not is_overflow(message)


# --- waits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2", 2.0),
        ("0.5", 0.5),
        ("2s", 2.0),
        ("1m30s", 90.0),
        ("6m0s", 360.0),
        ("1h2m3.5s", 3723.5),
        ("250ms", 0.25),
        ("20.5ms", 0.0205),
        ("2 seconds", 2.0),
        ("1 minute", 60.0),
        ("1 min 30 sec", 90.0),
        ("2 days", 172_800.0),
        ("", None),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("soon", None),
        ("12 apples", None),
        ("1s later", None),
    ],
)
def test_durations(text: str, expected: float | None) -> None:
    assert seconds(text) == (None if expected is None else pytest.approx(expected))


def test_points_in_time() -> None:
    soon = time.time() + 60
    iso = (datetime.now(UTC) + timedelta(seconds=60)).isoformat().replace("+00:00", "Z")
    for text in (str(soon), str(int(soon * 1000)), formatdate(soon, usegmt=True), iso):
        found = seconds(text)
        assert found is not None
        assert 57 < found <= 61
    assert seconds("Mon, 01 Jan 2001 00:00:00 GMT") == 0.0


@pytest.mark.parametrize(
    ("headers", "message", "expected"),
    [
        ({"retry-after": "2s"}, "", 2.0),
        ({"retry-after": "1m30s"}, "", 90.0),
        ({"retry-after-ms": "250", "retry-after": "9"}, "", 0.25),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, "", 360.0),
        ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "9s"}, "", None),
        ({"x-ratelimit-reset": "3"}, "", 3.0),
        ({"x-ratelimit-remaining": "7", "x-ratelimit-reset": "3"}, "", None),
        ({}, "Rate limit reached. Please try again in 1.5s. Visit https://x", 1.5),
        ({}, "Please try again in 6m0s.", 360.0),
        ({}, "try again in 20ms.", 0.02),
        ({}, "Please retry after 33 seconds.", 33.0),
        ({}, "Please retry in 34.07s.", 34.07),
        ({}, '{"@type": "RetryInfo", "retryDelay": "34s"}', 34.0),
        ({}, "please try again later", None),
        ({"retry-after": "4"}, "try again in 20s", 4.0),
    ],
)
def test_where_servers_say_how_long(headers: dict[str, str], message: str, expected: float | None) -> None:
    assert retry_after(headers, message) == (None if expected is None else pytest.approx(expected))


def test_an_anthropic_limit_is_reset_at_a_time() -> None:
    at = (datetime.now(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    headers = {"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": at}
    found = retry_after(headers)
    assert found is not None
    assert 27 < found <= 30


async def test_the_wait_in_a_refusals_words_is_waited_for() -> None:
    message = "Rate limit reached for m. Please try again in 300ms."
    async with serving(
        lambda seen: error(seen, 429, message) if seen.number == 0 else Reply(status=400)
    ) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, retry=RetryPolicy(first=0.001, attempts=2))
        started = time.monotonic()
        async with aclosing(backend):
            with pytest.raises(errors.RequestRejected):
                await backend.complete(HELLO)
        assert time.monotonic() - started >= 0.3
