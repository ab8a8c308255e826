"""Streams over real HTTP: told as they come, whole at the end, and never taken for whole when cut."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from helpers.backends import ANTHROPIC, JSON, LAW, OPENAI
from helpers.fault_server import Handler, Reply, Seen, Server, answer, serving, streamed
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk import errors
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Completion, Message, Request

HELLO = Request(messages=(Message(role="user", content="hello"),))
QUICK = RetryPolicy(first=0.01, cap=0.02, total=5.0, attempts=3)
DIALECTS = pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend], ids=["openai", "anthropic"])
Make = Callable[..., HostedBackend]


def connect(make: Make, server: Server) -> HostedBackend:
    return make("m", base_url=server.base_url, retry=QUICK, timeout=5.0)


def once(fault: Handler) -> Handler:
    """The fault first, and good streams from then on."""
    return lambda seen: fault(seen) if seen.number == 0 else streamed(answer(seen, "fine"))


async def ask(backend: HostedBackend) -> Completion:
    return await backend.complete(HELLO, on_token=lambda text: None)


@DIALECTS
async def test_a_stream_adds_up_to_the_answer_without_one(make: Make) -> None:
    """Text, calls, usage and the end are the same both ways, and the text comes in pieces."""

    def handle(seen: Seen) -> Reply:
        reply = answer(
            seen,
            "Grüße, 世界 🙂",
            [("c1", "look", {"at": "ü"}), ("c2", "go", {})],
            prompt_tokens=9,
            cached_tokens=4,
        )
        return streamed(reply) if seen.json.get("stream") else reply

    async with serving(handle) as server:
        backend = connect(make, server)
        heard: list[str] = []
        whole = await backend.complete(HELLO)
        told = await backend.complete(HELLO, on_token=heard.append)
        same = {"text", "tool_calls", "finish_reason", "usage", "model"}
        assert told.model_dump(include=same) == whole.model_dump(include=same)
        assert json.loads(told.raw) == json.loads(whole.raw)
        assert "".join(heard) == whole.text
        assert len(heard) > 3
        await backend.aclose()


def cut_stream(seen: Seen) -> Reply:
    return streamed(answer(seen, "a rather long answer"), until=6)


@DIALECTS
async def test_a_cut_stream_is_an_error_and_not_told_twice(make: Make) -> None:
    async with serving(once(cut_stream)) as server:
        backend = connect(make, server)
        heard: list[str] = []
        with pytest.raises(errors.ConnectionLost, match="before the answer did") as caught:
            await backend.complete(HELLO, on_token=heard.append)
        assert "".join(heard).startswith("a r")
        assert not caught.value.retryable
        assert len(server.requests) == 1
        await backend.aclose()


@DIALECTS
async def test_a_stream_cut_before_the_first_word_is_sent_again(make: Make) -> None:
    async with serving(once(lambda seen: streamed(answer(seen, "fine"), until=1))) as server:
        backend = connect(make, server)
        assert (await ask(backend)).text == "fine"
        await backend.aclose()


@DIALECTS
async def test_a_connection_cut_inside_a_stream(make: Make) -> None:
    async with serving(lambda seen: replace(streamed(answer(seen, "a long answer")), cut=900)) as server:
        backend = connect(make, server)
        heard: list[str] = []
        with pytest.raises(errors.ConnectionLost):
            await backend.complete(HELLO, on_token=heard.append)
        await backend.aclose()


@DIALECTS
async def test_an_error_inside_a_stream(make: Make) -> None:
    def handle(seen: Seen) -> Reply:
        reply = streamed(answer(seen, "a long answer"), until=6)
        event = {"type": "error", "error": {"type": "overloaded_error", "message": "sorry"}}
        return replace(
            reply, body=reply.body + b"event: error\ndata: " + json.dumps(event).encode() + b"\n\n"
        )

    async with serving(handle) as server:
        backend = connect(make, server)
        with pytest.raises(errors.ServerFailed, match="sorry"):
            await ask(backend)
        await backend.aclose()


@DIALECTS
@pytest.mark.parametrize(
    "event", [b"not json", b"[]", b'{"type": "content_block_delta"}', b'{"choices": [1]}']
)
async def test_nonsense_inside_a_stream(make: Make, event: bytes) -> None:
    async with serving(
        lambda seen: Reply(body=b"data: " + event + b"\n\n", content_type="text/event-stream")
    ) as server:
        backend = connect(make, server)
        with pytest.raises((errors.MalformedResponse, errors.ConnectionLost)):
            await ask(backend)
        await backend.aclose()


@DIALECTS
async def test_a_server_that_does_not_stream(make: Make) -> None:
    async with serving(lambda seen: answer(seen, "all at once")) as server:
        backend = connect(make, server)
        heard: list[str] = []
        assert (await backend.complete(HELLO, on_token=heard.append)).text == "all at once"
        assert heard == ["all at once"]
        await backend.aclose()


@LAW
@given(st.data())
def test_events_of_any_shape_are_taken_or_refused(data: st.DataObject) -> None:
    """Whatever the events hold, the outcome is a completion or an error of ours."""
    for backend, reply in ((OPENAI, answer(False, "x", [("c", "t", {})])), (ANTHROPIC, answer(True, "x"))):
        lines = streamed(reply).body.decode().splitlines()
        sent = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
        at = data.draw(st.integers(0, len(sent) - 1))
        spoiled = sent[at]
        key = data.draw(st.sampled_from(sorted(spoiled)))
        sent[at] = {**spoiled, key: data.draw(JSON)}
        assembly = backend.assembly()
        try:
            for event in sent:
                assert isinstance(backend._assembled(assembly.feed, event), str)
            if assembly.finished:
                assert isinstance(backend._completion(backend._assembled(assembly.json), None), Completion)
        except errors.MalformedResponse:
            pass
