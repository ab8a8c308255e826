"""A real HTTP server that speaks the OpenAI and the Anthropic API, well or badly.

In tests: `async with serving(handler) as server`, where the handler turns each request into a `Reply`,
or a list of replies is given in the order of arrival. As a process of its own, for benchmarks:
`python -m helpers.fault_server --port 0` prints its port, and answers as an agent that makes `--calls`
tool calls and then says that it is done; what a request costs it does not grow with the history.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from helpers.fault_streams import anthropic_events, openai_events

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes
    number: int
    """0 for the server's first request."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def anthropic(self) -> bool:
        return self.path.endswith("/messages")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What goes back over the wire, and how."""

    body: bytes = b""
    status: int = 200
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    delay: float = 0.0
    """Seconds before the first byte."""
    cut: int | None = None
    """The connection is closed after so many bytes of head and body together."""
    drip: float = 0.0
    """Seconds between two bytes of the body."""

    def wire(self) -> tuple[bytes, bytes]:
        """Head and body."""
        lines = [
            f"HTTP/1.1 {self.status} X",
            f"content-type: {self.content_type}",
            f"content-length: {len(self.body)}",
            *(f"{name}: {value}" for name, value in self.headers),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode(), self.body


Handler = Callable[[Seen], Reply]


@dataclass(slots=True)
class Server:
    """A running server. `base_url` is the OpenAI client's; `root_url`, without `/v1`, Anthropic's."""

    port: int
    scheme: str = "http"
    requests: list[Seen] = field(default_factory=list)
    connections: set[asyncio.Transport] = field(default_factory=set)
    peak_connections: int = 0

    @property
    def root_url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.root_url}/v1"


@asynccontextmanager
async def serving(
    handler: Handler | Iterable[Reply],
    *,
    port: int = 0,
    keep: bool = True,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:
    """Serve on localhost while the block runs.

    Args:
        handler: request to reply, or the replies in order; after the last one the connection is cut.
        port: 0 takes a free one.
        keep: keep every request in `Server.requests`.
        tls: serve HTTPS with this context.
    """
    handle = handler if callable(handler) else _scripted(handler)
    server = Server(port, "https" if tls else "http")
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(
        lambda: _Connection(server, handle, keep), "127.0.0.1", port, ssl=tls, backlog=4096
    )
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for transport in tuple(server.connections):
            transport.abort()
        await listener.wait_closed()


def _scripted(replies: Iterable[Reply]) -> Handler:
    left = iter(replies)
    return lambda seen: next(left, Reply(cut=0))


class _Connection(asyncio.Protocol):
    """One keep-alive HTTP/1.1 connection."""

    transport: asyncio.Transport

    def __init__(self, server: Server, handle: Handler, keep: bool) -> None:
        self.server, self.handle, self.keep = server, handle, keep
        self.buffer = b""
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections.add(transport)
        self.server.peak_connections = max(self.server.peak_connections, len(self.server.connections))

    def connection_lost(self, exc: Exception | None) -> None:
        self.server.connections.discard(self.transport)
        for task in self.tasks:
            task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.buffer[:end].decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])
        }
        length = int(headers.get("content-length", "0"))
        if len(self.buffer) < end + 4 + length:
            return
        body = self.buffer[end + 4 : end + 4 + length]
        self.buffer = self.buffer[end + 4 + length :]
        seen = Seen(head[0].split(" ")[1], headers, body, len(self.server.requests))
        if self.keep:
            self.server.requests.append(seen)
        reply = self.handle(seen)
        if reply.delay or reply.drip or reply.cut is not None:
            task = asyncio.ensure_future(self.misbehave(reply))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        else:
            self.transport.write(b"".join(reply.wire()))

    async def misbehave(self, reply: Reply) -> None:
        await asyncio.sleep(reply.delay)
        head, body = reply.wire()
        if reply.cut is not None:
            self.transport.write((head + body)[: reply.cut])
            self.transport.close()
            return
        if not reply.drip:
            self.transport.write(head + body)
            return
        self.transport.write(head)
        for at in range(len(body)):
            await asyncio.sleep(reply.drip)
            self.transport.write(body[at : at + 1])


# --- good answers, in both dialects -----------------------------------------------------------


def answer(
    seen: Seen | bool,
    text: str | None = "",
    calls: Sequence[tuple[str, str, dict[str, Any]]] = (),
    *,
    prompt_tokens: int = 100,
    cached_tokens: int = 0,
    completion_tokens: int = 10,
    finish: str | None = None,
) -> Reply:
    """A completion in the dialect of the request (or of Anthropic, for True).

    Args:
        seen: the request that is answered.
        text: the message's text; None for a null content.
        calls: (id, name, arguments) of each tool call.
        prompt_tokens: all of them, cached ones included.
        finish: the dialect's own stop reason.
    """
    anthropic = seen if isinstance(seen, bool) else seen.anthropic
    made = _anthropic_message if anthropic else _openai_message
    said = _Said(text, calls, (prompt_tokens, cached_tokens, completion_tokens), finish)
    return Reply(
        body=json.dumps(made(said)).encode(),
        headers=(("request-id" if anthropic else "x-request-id", "req_1"),),
    )


class _Said(NamedTuple):
    """What a model says, whatever the dialect."""

    text: str | None
    calls: Sequence[tuple[str, str, dict[str, Any]]]
    usage: tuple[int, int, int]
    """Tokens of the prompt, those of them that were cached, and tokens of the answer."""
    finish: str | None


def _openai_message(said: _Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text}
    if said.calls:
        message["tool_calls"] = [
            {"id": id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for id, name, arguments in said.calls
        ]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "served-model",
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": said.finish or ("tool_calls" if said.calls else "stop"),
            }
        ],
        "usage": {
            "prompt_tokens": said.usage[0],
            "completion_tokens": said.usage[2],
            "total_tokens": said.usage[0] + said.usage[2],
            "prompt_tokens_details": {"cached_tokens": said.usage[1]},
        },
    }


def _anthropic_message(said: _Said) -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "text", "text": said.text}] if said.text else []
    content += [
        {"type": "tool_use", "id": id, "name": name, "input": given} for id, name, given in said.calls
    ]
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served-model",
        "content": content,
        "stop_reason": said.finish or ("tool_use" if said.calls else "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": said.usage[0] - said.usage[1],
            "cache_read_input_tokens": said.usage[1],
            "cache_creation_input_tokens": 0,
            "output_tokens": said.usage[2],
        },
    }


def error(seen: Seen | bool, status: int, message: str, kind: str = "error", **more: Any) -> Reply:
    """An error as the dialect words it."""
    anthropic = seen if isinstance(seen, bool) else seen.anthropic
    body: dict[str, Any] = {"error": {"type": kind, "message": message, **more}}
    if anthropic:
        body["type"] = "error"
    reply = Reply(status=status, body=json.dumps(body).encode())
    return replace(reply, headers=(("request-id" if anthropic else "x-request-id", "req_err"),))


def streamed(reply: Reply, *, until: int | None = None) -> Reply:
    """The same answer as server-sent events, its texts and arguments in pieces of three characters.

    Args:
        until: leave out the events from this one on, as a server does that dies politely.
    """
    whole = json.loads(reply.body)
    events = anthropic_events(whole) if whole.get("type") == "message" else openai_events(whole)
    lines = [b"event: %s\ndata: %s\n\n" % (kind.encode(), data.encode()) for kind, data in events[:until]]
    return replace(reply, body=b"".join(lines), content_type="text/event-stream")


# --- a process of its own ---------------------------------------------------------------------


def agent(
    calls: int,
    tool: str,
    arguments: dict[str, Any],
    *,
    said: str = "done",
    schema_reply: str = "{}",
    delay: float = 0.0,
) -> Handler:
    """An agent that makes so many calls of one tool, one a turn, and then says that it is done.

    A request under a JSON schema is answered by `schema_reply`; one that asks for a stream gets one.
    The number of a turn is read off the request's tool results, so one handler serves any number of
    sessions at once.
    """
    prepared = {
        (anthropic, turn): replace(
            answer(anthropic, None, [(f"call_{turn:08d}", tool, arguments)])
            if turn < calls
            else answer(anthropic, said),
            delay=delay,
        )
        for anthropic in (False, True)
        for turn in range(calls + 1)
    }
    structured = {a: replace(answer(a, schema_reply), delay=delay) for a in (False, True)}

    def choose(seen: Seen) -> Reply:
        if b"json_schema" in seen.body:
            return structured[seen.anthropic]
        if seen.anthropic:
            turn = seen.body.count(b'"tool_result"')
        else:
            turn = seen.body.count(b'"role":"tool"') + seen.body.count(b'"role": "tool"')
        return prepared[seen.anthropic, min(turn, calls)]

    def handle(seen: Seen) -> Reply:
        return streamed(choose(seen)) if b'"stream":true' in seen.body else choose(seen)

    return handle


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--calls", type=int, default=6, help="tool calls before the final answer")
    parser.add_argument("--tool", default="look")
    parser.add_argument("--arguments", type=json.loads, default={})
    parser.add_argument("--schema-reply", default="{}", help="the answer to requests under a JSON schema")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each answer")
    given = parser.parse_args()
    handler = agent(
        given.calls, given.tool, given.arguments, schema_reply=given.schema_reply, delay=given.delay
    )
    async with serving(handler, port=given.port, keep=False) as server:
        print(server.port, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
