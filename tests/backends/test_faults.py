"""Real HTTP, really broken: each fault ends in a retry or in the error that says why."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from helpers.fault_server import Handler, Reply, Seen, answer, error, serving, streamed

from artis_sdk import errors
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Completion, Message, Request

KEY = "sk-very-secret-0123456789"
GATEWAY_KEY = "gw-very-secret-9876543210"
HELLO = Request(messages=(Message(role="user", content="hello"),))
QUICK = RetryPolicy(first=0.01, cap=0.02, total=5.0, attempts=3)
DIALECTS = pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend], ids=["openai", "anthropic"])
STREAMS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
Make = Callable[..., HostedBackend]
Fault = tuple[Handler, type[errors.BackendError]]
"""What the server does, and the error that it leads to."""


def each(faults: Mapping[str, Any]) -> Callable[[Callable[..., Any]], Any]:
    """A test of each fault, with the fault as an argument, in both dialects, whole and streamed."""
    every = pytest.mark.parametrize("fault", [pytest.param(fault, id=name) for name, fault in faults.items()])
    return lambda test: DIALECTS(STREAMS(every(test)))


def connect(make: Make, server: Any, **options: Any) -> HostedBackend:
    return make("m", base_url=server.base_url, api_key=KEY, **{"retry": QUICK, "timeout": 2.0, **options})


def fine(seen: Seen) -> Reply:
    reply = answer(seen, "fine")
    return streamed(reply) if seen.json.get("stream") else reply


def once(fault: Handler) -> Handler:
    """The fault first, and good answers from then on."""
    return lambda seen: fault(seen) if seen.number == 0 else fine(seen)


async def ask(backend: HostedBackend, stream: bool = False) -> Completion:
    return await backend.complete(HELLO, on_token=(lambda text: None) if stream else None)


# --- what is sent again -----------------------------------------------------------------------

AGAIN: dict[str, Fault] = {
    "429": (lambda seen: error(seen, 429, "slow down"), errors.RateLimited),
    "429 with a wait": (
        lambda seen: replace(error(seen, 429, "slow down"), headers=(("retry-after", "0.1"),)),
        errors.RateLimited,
    ),
    "429 with a wait in ms": (
        lambda seen: replace(error(seen, 429, "slow down"), headers=(("retry-after-ms", "100"),)),
        errors.RateLimited,
    ),
    "429 with a date": (
        lambda seen: replace(error(seen, 429, "x"), headers=(("retry-after", formatdate(usegmt=True)),)),
        errors.RateLimited,
    ),
    "500": (lambda seen: error(seen, 500, "oh"), errors.ServerFailed),
    "500 without a body": (lambda seen: Reply(status=500), errors.ServerFailed),
    "502 in HTML": (
        lambda seen: Reply(status=502, body=b"<html><h1>Bad gateway</h1></html>", content_type="text/html"),
        errors.ServerFailed,
    ),
    "529": (lambda seen: error(seen, 529, "overloaded", "overloaded_error"), errors.ServerFailed),
    "408": (lambda seen: error(seen, 408, "too late"), errors.BackendTimeout),
    "409": (lambda seen: error(seen, 409, "locked"), errors.ServerFailed),
    "425": (lambda seen: error(seen, 425, "too early"), errors.ServerFailed),
    "cut before the head": (lambda seen: Reply(cut=0), errors.ConnectionLost),
    "cut in the head": (lambda seen: replace(answer(seen, "no"), cut=20), errors.ConnectionLost),
    "cut in the body": (lambda seen: replace(answer(seen, "no"), cut=200), errors.ConnectionLost),
    "no answer": (lambda seen: replace(answer(seen, "no"), delay=60), errors.BackendTimeout),
    "slow drip": (lambda seen: replace(answer(seen, "no"), drip=0.05), errors.BackendTimeout),
    "overloaded in a 200": (
        lambda seen: Reply(body=json.dumps({"error": {"type": "overloaded_error", "message": "x"}}).encode()),
        errors.ServerFailed,
    ),
}


@each(AGAIN)
async def test_what_may_pass_is_sent_again(make: Make, stream: bool, fault: Fault) -> None:
    handler, expected = fault
    timeout = 0.3 if expected is errors.BackendTimeout else 2.0
    async with serving(once(handler)) as server:
        backend = connect(make, server, timeout=timeout)
        assert (await ask(backend, stream)).text == "fine"
        assert len(server.requests) == 2
        await backend.aclose()
    async with serving(handler) as server:
        backend = connect(make, server, timeout=timeout, retry=RetryPolicy(attempts=1))
        with pytest.raises(expected) as caught:
            await ask(backend, stream)
        assert caught.value.retryable
        assert len(server.requests) == 1
        await backend.aclose()


@DIALECTS
async def test_the_attempts_are_counted_and_the_last_error_is_raised(make: Make) -> None:
    async with serving(lambda seen: error(seen, 500, f"number {seen.number}")) as server:
        backend = connect(make, server)
        with pytest.raises(errors.ServerFailed, match="number 2"):
            await ask(backend)
        assert len(server.requests) == 3
        await backend.aclose()


@DIALECTS
async def test_retry_after_is_waited_for(make: Make) -> None:
    async with serving(
        once(lambda s: replace(error(s, 429, "x"), headers=(("retry-after", "0.3"),)))
    ) as server:
        backend = connect(make, server)
        started = time.monotonic()
        await ask(backend)
        assert time.monotonic() - started >= 0.3
        await backend.aclose()


@DIALECTS
async def test_a_wait_beyond_the_policy_is_not_begun(make: Make) -> None:
    async with serving(lambda s: replace(error(s, 429, "x"), headers=(("retry-after", "3600"),))) as server:
        backend = connect(make, server)
        with pytest.raises(errors.RateLimited) as caught:
            await asyncio.wait_for(ask(backend), 2)
        assert caught.value.retry_after == 3600
        assert len(server.requests) == 1
        await backend.aclose()


# --- what is not ------------------------------------------------------------------------------


def shaped(change: Callable[[dict[str, Any]], object]) -> Handler:
    """A good answer with something changed in it."""

    def handle(seen: Seen) -> Reply:
        reply = answer(seen, "fine")
        whole = json.loads(reply.body)
        change(whole)
        return replace(reply, body=json.dumps(whole).encode())

    return handle


def no_choices(whole: dict[str, Any]) -> None:
    whole["choices"] = []
    whole.pop("content", None)


def strange_end(whole: dict[str, Any]) -> None:
    whole["stop_reason"] = "tired"
    if "choices" in whole:
        whole["choices"][0]["finish_reason"] = "tired"


FINAL: dict[str, Fault] = {
    "400": (lambda seen: error(seen, 400, "bad"), errors.RequestRejected),
    "401": (lambda seen: error(seen, 401, f"wrong key {KEY}"), errors.AuthenticationFailed),
    "403": (lambda seen: error(seen, 403, "no"), errors.AuthenticationFailed),
    "404": (lambda seen: error(seen, 404, "no such model"), errors.RequestRejected),
    "413": (lambda seen: error(seen, 413, "large", "request_too_large"), errors.ContextOverflow),
    "422": (lambda seen: error(seen, 422, "bad"), errors.RequestRejected),
    "no quota": (
        lambda seen: error(seen, 429, "pay", "insufficient_quota", code="insufficient_quota"),
        errors.RequestRejected,
    ),
    "overflow by code": (
        lambda seen: error(seen, 400, "no", code="context_length_exceeded"),
        errors.ContextOverflow,
    ),
    "overflow by message": (
        lambda seen: error(seen, 400, "prompt is too long: 300000 tokens > 200000 maximum"),
        errors.ContextOverflow,
    ),
    "told not to": (
        lambda seen: replace(error(seen, 500, "oh"), headers=(("x-should-retry", "false"),)),
        errors.ServerFailed,
    ),
    "redirect": (
        lambda seen: Reply(status=307, headers=(("location", "http://localhost:1/"),)),
        errors.RequestRejected,
    ),
}


@each(FINAL)
async def test_what_cannot_pass_is_not_sent_again(make: Make, stream: bool, fault: Fault) -> None:
    handler, expected = fault
    async with serving(once(handler)) as server:
        backend = connect(make, server)
        with pytest.raises(expected) as caught:
            await ask(backend, stream)
        assert type(caught.value) is expected
        assert len(server.requests) == 1
        assert (await ask(backend, stream)).text == "fine"  # the backend goes on working
        await backend.aclose()


# --- answers that are none, which are asked for once more ---------------------------------------

ODD: dict[str, Handler] = {
    "an HTML page": lambda seen: Reply(body=b"<html>Log in</html>", content_type="text/html"),
    "nothing": lambda seen: Reply(),
    "truncated JSON": lambda seen: (lambda reply: replace(reply, body=reply.body[:-30]))(
        answer(seen, "fine")
    ),
    "a list": lambda seen: Reply(body=b"[]"),
    "null": lambda seen: Reply(body=b"null"),
    "an empty object": lambda seen: Reply(body=b"{}"),
    "no choices": shaped(no_choices),
    "choices: null": shaped(lambda whole: whole.update({"choices": None, "content": 1})),
    "strange end": shaped(strange_end),
}


@each(ODD)
async def test_an_answer_that_is_none_is_asked_for_once_more(
    make: Make, stream: bool, fault: Handler
) -> None:
    async with serving(once(fault)) as server:
        backend = connect(make, server, timeout=30.0)
        assert (await ask(backend, stream)).text == "fine"
        assert len(server.requests) == 2
        await backend.aclose()
    async with serving(fault) as server:
        backend = connect(make, server, retry=RetryPolicy(first=0.01), timeout=30.0)
        with pytest.raises(errors.MalformedResponse):
            await ask(backend, stream)
        assert len(server.requests) == 2, "each is paid for"
        await backend.aclose()


@DIALECTS
async def test_an_error_says_what_happened(make: Make) -> None:
    async with serving(lambda seen: error(seen, 400, "temperature is not supported")) as server:
        backend = connect(make, server)
        with pytest.raises(errors.RequestRejected) as caught:
            await ask(backend)
        assert str(caught.value) == f"{backend.name}: HTTP 400: temperature is not supported"
        assert (caught.value.status, caught.value.request_id) == (400, "req_err")
        await backend.aclose()


@DIALECTS
async def test_no_server(make: Make) -> None:
    async with serving([]) as server:
        pass
    backend = connect(make, server)
    with pytest.raises(errors.ConnectionLost, match=r"refused|Connect call failed|Cannot connect"):
        await ask(backend)
    await backend.aclose()


# --- faults of the model, which are answers ----------------------------------------------------


@DIALECTS
@STREAMS
async def test_an_unknown_tool_is_the_loops_business(make: Make, stream: bool) -> None:
    def handle(seen: Seen) -> Reply:
        reply = answer(seen, None, [("call_1", "no_such_tool", {"a": [1, "é"]})])
        return streamed(reply) if stream else reply

    async with serving(handle) as server:
        backend = connect(make, server)
        completion = await ask(backend, stream)
        (call,) = completion.tool_calls
        assert (call.id, call.tool, call.arguments, call.malformed) == (
            "call_1",
            "no_such_tool",
            {"a": [1, "é"]},
            None,
        )
        assert completion.finish_reason == "tool_calls"
        await backend.aclose()


@DIALECTS
@STREAMS
async def test_invalid_tool_json_is_a_malformed_call(make: Make, stream: bool) -> None:
    def handle(seen: Seen) -> Reply:
        reply = answer(seen, None, [("call_1", "look", {"a": 1}), ("call_2", "look", {"a": 2})])
        whole = json.loads(reply.body)
        if seen.anthropic:
            whole["content"][0]["input"] = ["not", "an", "object"]
        else:
            whole["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] = '{"a": '
        reply = replace(reply, body=json.dumps(whole).encode())
        return streamed(reply) if stream else reply

    async with serving(handle) as server:
        backend = connect(make, server)
        bad, good = (await ask(backend, stream)).tool_calls
        assert bad.malformed
        assert bad.raw in ('{"a": ', '["not","an","object"]')
        assert bad.arguments == {}
        assert (good.arguments, good.malformed) == ({"a": 2}, None)
        await backend.aclose()


@DIALECTS
async def test_a_compressed_answer(make: Make) -> None:
    def handle(seen: Seen) -> Reply:
        reply = answer(seen, "fine")
        return replace(reply, body=gzip.compress(reply.body), headers=(("content-encoding", "gzip"),))

    async with serving(handle) as server:
        backend = connect(make, server)
        assert (await ask(backend)).text == "fine"
        await backend.aclose()


# --- secrets ----------------------------------------------------------------------------------


@DIALECTS
@STREAMS
async def test_the_key_is_nowhere(make: Make, stream: bool, caplog: pytest.LogCaptureFixture) -> None:
    """Not in an error, its causes, a repr or a log, whatever the server says."""
    caplog.set_level(logging.DEBUG)
    echoes = [
        lambda seen: error(seen, 401, f"Incorrect key: {seen.headers.get('authorization')}"),
        lambda seen: error(seen, 500, str(seen.headers)),
        lambda seen: Reply(body=str(seen.headers).encode(), content_type="text/html"),
        lambda seen: Reply(status=400, body=str(seen.headers).encode(), content_type="text/html"),
        lambda seen: Reply(body=json.dumps({"error": str(seen.headers)}).encode()),
        lambda seen: shaped(lambda whole: whole.update({"choices": None, "stop_reason": KEY}))(seen),
        lambda seen: Reply(cut=0),
        lambda seen: error(seen, 400, f"Unknown gateway key {seen.headers['x-gateway-key']}"),
        lambda seen: Reply(body=b"x" * 190 + KEY.encode(), content_type="text/html"),  # cut in the middle
    ]
    sent = []
    for handler in echoes:
        async with serving(handler) as server:
            headers = {"X-Gateway-Key": f"Bearer {GATEWAY_KEY}"}
            retry = RetryPolicy(attempts=2, first=0.001)
            backend = connect(make, server, retry=retry, extra_headers=headers)
            with pytest.raises(errors.BackendError) as caught:
                await ask(backend, stream)
            told = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(backend)
            assert KEY[:8] not in told
            assert GATEWAY_KEY not in told
            sent += [KEY in str(seen.headers) for seen in server.requests]
            await backend.aclose()
    assert all(sent), "the key did go out"
    assert KEY not in caplog.text
