"""Hosted backends over real HTTP when nothing is broken: limits, cancellation, closing, cost."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from helpers.fault_server import Reply, Seen, Server, agent, answer, error, serving, streamed

from artis_sdk import errors
from artis_sdk.backends import resolve
from artis_sdk.backends.anthropic import AnthropicBackend
from artis_sdk.backends.conformance import suite as conformance
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.records import Message, Request, ToolCall, ToolSpec

HELLO = Request(messages=(Message(role="user", content="hello"),))
DIALECTS = pytest.mark.parametrize("make", [OpenAIBackend, AnthropicBackend], ids=["openai", "anthropic"])
Make = Callable[..., HostedBackend]


def connect(make: Make, server: Server, **options: Any) -> HostedBackend:
    return make("m", base_url=server.base_url, **{"timeout": 5.0, **options})


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what the server sees."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # the server has no event to wait for
            await asyncio.sleep(0.01)


# --- the conformance suite, against a server that behaves ---------------------------------------


def model(seen: Seen) -> Reply:
    """What a server with a good model does with the conformance checks' requests."""
    sent = seen.json
    prompt = sum(len(str(message["content"])) for message in sent["messages"])
    limit = sent.get("max_tokens", 64)
    if prompt > 100_000:
        return error(seen, 400, "prompt is too long")
    kind = (sent.get("tool_choice") or {}).get("type") if seen.anthropic else sent.get("tool_choice")
    calls: list[tuple[str, str, dict[str, Any]]] = []
    text: str | None = None
    if kind in ("required", "any"):
        calls = [(f"c{i}", "look", {"where": "here"}) for i in range(2)]
    elif b"json_schema" in seen.body and b"verdict" in seen.body:
        text = '{"explanation": "It did.", "verdict": {"correct": true, "suggestion": ""}}'
    elif b"json_schema" in seen.body:
        text = '{"correct": true, "grade": "good", "tags": [{"label": "low", "urgent": false}]}'
    else:
        words = random.Random(sent.get("seed", 0)).choices(["north", "south", "east", "up"], k=min(limit, 20))
        text = " ".join(words)
        for stop in sent.get("stop") or sent.get("stop_sequences") or ():
            text = text.split(stop)[0]
    reply = answer(seen, text, calls, prompt_tokens=prompt, completion_tokens=min(limit, 20))
    if sent.get("logprobs"):
        whole = json.loads(reply.body)
        whole["choices"][0]["logprobs"] = {"content": [{"token": "n", "logprob": -0.1}] * 5}
        reply = replace(reply, body=json.dumps(whole).encode())
    return streamed(reply) if sent.get("stream") else reply


@DIALECTS
@pytest.mark.parametrize("check", conformance.CHECKS, ids=lambda check: check.__name__)
async def test_hosted_backends_conform(make: Make, check: conformance.Check) -> None:
    async with (
        serving(model) as server,
        serving(lambda seen: error(seen, 401, "no")) as closed,
        serving(lambda seen: error(seen, 429, "slow")) as busy,
    ):
        once = RetryPolicy(attempts=1)
        broken: dict[str, tuple[conformance.Make, type[errors.ArtisError]]] = {
            "wrong key": (lambda: connect(make, closed), errors.AuthenticationFailed),
            "too busy": (lambda: connect(make, busy, retry=once), errors.RateLimited),
        }
        profile = conformance.Profile(
            make=lambda: connect(make, server, context_window=60_000), timeout=20, broken=broken
        )
        try:
            await check(profile)
        except conformance.Skip as skip:
            pytest.skip(str(skip))


# --- limits, cancellation, closing --------------------------------------------------------------


@DIALECTS
async def test_no_more_than_max_concurrency_at_once(make: Make) -> None:
    async with serving(lambda seen: replace(answer(seen, "x"), delay=0.02)) as server:
        backend = connect(make, server, max_concurrency=3)
        await asyncio.gather(*(backend.complete(HELLO) for _ in range(12)))
        assert server.peak_connections == 3
        await backend.aclose()


@DIALECTS
async def test_many_connections_when_asked_for(make: Make) -> None:
    async with serving(lambda seen: replace(answer(seen, "x"), delay=1.0)) as server:
        backend = connect(make, server, max_concurrency=300, timeout=20.0)
        await asyncio.gather(*(backend.complete(HELLO) for _ in range(300)))
        assert server.peak_connections == 300
        await backend.aclose()


@DIALECTS
async def test_a_slot_is_free_while_a_retry_waits(make: Make) -> None:
    def handle(seen: Seen) -> Reply:
        if "waits" in seen.body.decode() and seen.number == 0:
            return replace(error(seen, 429, "x"), headers=(("retry-after", "0.5"),))
        return answer(seen, "x")

    async with serving(handle) as server, asyncio.TaskGroup() as group:
        backend = connect(make, server, max_concurrency=1)
        waits = group.create_task(
            backend.complete(Request(messages=(Message(role="user", content="waits"),)))
        )
        await until(lambda: bool(server.requests))
        async with asyncio.timeout(0.3):
            await backend.complete(HELLO)
        assert not waits.done()
        await waits
        await backend.aclose()


@DIALECTS
async def test_cancelling_closes_the_connection(make: Make) -> None:
    async with serving(lambda seen: replace(answer(seen, "x"), delay=60)) as server:
        backend = connect(make, server, max_concurrency=2, timeout=60)
        for on_token in (None, lambda text: None):
            tasks = [asyncio.create_task(backend.complete(HELLO, on_token=on_token)) for _ in range(2)]
            await until(lambda: len(server.connections) == 2)
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in done)
            await until(lambda: not server.connections)
        await backend.aclose()


@DIALECTS
async def test_cancelling_a_stream_closes_the_connection(make: Make) -> None:
    async with serving(lambda seen: replace(streamed(answer(seen, "a long answer")), drip=0.001)) as server:
        backend = connect(make, server)
        heard = asyncio.Event()
        task = asyncio.create_task(backend.complete(HELLO, on_token=lambda text: heard.set()))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: not server.connections)
        await backend.aclose()


@DIALECTS
async def test_closing_ends_what_is_under_way(make: Make) -> None:
    """One request is sent, one waits for its slot, one for its retry: all end at once."""

    def handle(seen: Seen) -> Reply:
        return error(seen, 503, "x") if seen.number == 0 else replace(answer(seen, "x"), delay=60)

    async with serving(handle) as server:
        backend = connect(make, server, max_concurrency=1, timeout=60, retry=RetryPolicy(first=60, cap=60))
        tasks = [asyncio.create_task(backend.complete(HELLO)) for _ in range(3)]
        await until(lambda: len(server.requests) == 2)
        await backend.aclose()
        async with asyncio.timeout(2):
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [errors.BackendClosed] * 3


@DIALECTS
async def test_a_second_event_loop_is_refused(make: Make) -> None:
    async with serving(lambda seen: answer(seen, "x")) as server:
        backend = connect(make, server)
        await backend.complete(HELLO)
        with pytest.raises(errors.ConfigurationError, match="event loop"):
            await asyncio.to_thread(lambda: asyncio.run(backend.complete(HELLO)))
        await backend.aclose()


@DIALECTS
async def test_https_and_its_certificates(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that the environment trusts is taken, any other is refused."""
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -keyout {key} -out {certificate}"
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    made = await asyncio.create_subprocess_exec(*command.split(), *names, stderr=DEVNULL)
    assert await made.wait() == 0
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    async with serving(lambda seen: answer(seen, "x"), tls=tls) as server:
        stranger = connect(make, server, retry=RetryPolicy(attempts=1))
        with pytest.raises(errors.ConnectionLost, match=r"(?i)certificate"):
            await stranger.complete(HELLO)
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        friend = connect(make, server)
        assert (await friend.complete(HELLO)).text == "x"
        await stranger.aclose()
        await friend.aclose()


async def test_the_keys_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-the-environment")
    async with serving(lambda seen: answer(seen, "x")) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, extra_headers={"x-team": "blue"})
        await backend.complete(HELLO)
        headers = server.requests[0].headers
        assert headers["authorization"] == "Bearer from-the-environment"
        assert headers["x-team"] == "blue"
        assert server.requests[0].path == "/v1/chat/completions"
        await backend.aclose()


async def test_wrong_settings_are_refused_at_once() -> None:
    with pytest.raises(errors.ConfigurationError, match="http"):
        OpenAIBackend("m", base_url="localhost:8000")
    with pytest.raises(errors.ConfigurationError, match="positive"):
        OpenAIBackend("m", base_url="http://localhost", max_concurrency=0)
    with pytest.raises(errors.ConfigurationError, match="messages"):
        AnthropicBackend("m", base_url="http://localhost", extra_body={"messages": []})
    backend = OpenAIBackend("m", base_url="http://localhost")
    with pytest.raises(errors.ConfigurationError, match="adapter"):
        await backend.complete(Request(messages=HELLO.messages, adapter="sft"))


# --- cost ---------------------------------------------------------------------------------------


def history(turns: int) -> tuple[Message, ...]:
    messages = [Message(role="system", content="s"), Message(role="user", content="u")]
    for turn in range(turns):
        call = ToolCall(id=f"call_{turn}", tool="look", arguments={"turn": turn})
        messages += [
            Message(role="assistant", tool_calls=(call,)),
            Message(role="tool", tool_call_id=call.id, content='{"seen": "a wall"}'),
        ]
    return tuple(messages)


@DIALECTS
async def test_function_calls_a_request_are_few_and_flat_in_history(make: Make) -> None:
    """Python function calls do not depend on the machine; the SDK's own lower layer is most of them."""
    server = ("-P", "-m", "helpers.fault_server")
    process = await asyncio.create_subprocess_exec(sys.executable, *server, "--calls", "100", stdout=PIPE)
    try:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        backend = make("m", base_url=f"http://127.0.0.1:{port}/v1")
        tools = (ToolSpec(name="look", parameters={"type": "object", "properties": {}}),)
        short = await calls_of(backend, Request(messages=history(6), tools=tools))
        long = await calls_of(backend, Request(messages=history(80), tools=tools))
        await backend.aclose()
    finally:
        process.terminate()
        await process.wait()
    assert short < 1100, short
    assert abs(long - short) <= 5


async def calls_of(backend: HostedBackend, request: Request) -> int:
    """Python function calls of one request, once connections and translations are there."""
    counts: list[int] = []

    def count(frame: FrameType, event: str, arg: object) -> None:
        counts[-1] += event == "call"

    for _ in range(3):
        await backend.complete(request)
    for _ in range(10):
        counts.append(0)
        sys.setprofile(count)
        try:
            await backend.complete(request)
        finally:
            sys.setprofile(None)
    return min(counts)  # timers of other tests share the loop


@DIALECTS
async def test_the_scripted_server_plays_an_agent(make: Make) -> None:
    async with serving(agent(2, "look", {"a": 1}, schema_reply='{"ok": true}')) as server:
        backend = connect(make, server)
        said = await backend.complete(Request(messages=history(0)))
        assert said.tool_calls[0].arguments == {"a": 1}
        assert (await backend.complete(Request(messages=history(2)))).text == "done"
        assert (await backend.complete(replace(HELLO, schema={"type": "object"}))).text == '{"ok": true}'
        heard: list[str] = []
        await backend.complete(Request(messages=history(3)), on_token=heard.append)
        assert heard == ["don", "e"]
        await backend.aclose()


async def test_resolve_reaches_a_server() -> None:
    async with serving(lambda seen: answer(seen, seen.json["model"])) as server:
        for spec in ("openai:a:b/c", "anthropic:a:b/c"):
            backend = resolve(spec, base_url=server.base_url)
            assert backend.name == spec
            assert (await backend.complete(HELLO)).text == "a:b/c"
            await backend.aclose()
