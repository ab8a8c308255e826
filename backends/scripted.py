"""A backend with scripted answers: for tests, without a network, a key or a cost."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence

from pydantic_core import to_json

from artis_sdk.errors import BackendClosed, ConfigurationError
from artis_sdk.records import Capabilities, Completion, Message, Request, ToolCall, Usage

Reply = str | Completion | ToolCall | Sequence[ToolCall] | Exception
"""A text, a whole completion, one or more native tool calls, or an error to raise."""

Script = Iterable[Reply] | Callable[[Request], Reply | Awaitable[Reply]]
"""Replies in the order in which requests arrive, or a function of the request, sync or async."""

_BYTES_PER_TOKEN = 4
_TOKENS_PER_MESSAGE = 4  # role and separators


class ScriptedBackend:
    """Answers from a script and keeps every request it was sent.

    Usage is estimated so that it is the same on every machine: a text counts one token for every
    four bytes of UTF-8, rounded up; a message adds four; calls and tools count as their JSON. Stop
    strings cut a text as in a real engine. An exception in the script is raised unchanged, once, like
    the error after a real backend's retries.

    Args:
        replies: the script. It may run out, which raises `ConfigurationError`.
        name: name of the backend.
        capabilities: capabilities that it claims.
        delay: seconds that each answer takes.
    """

    def __init__(
        self,
        replies: Script,
        *,
        name: str = "scripted",
        capabilities: Capabilities | None = None,
        delay: float = 0.0,
    ) -> None:
        self.requests: list[Request] = []
        self.name = name
        self.capabilities = capabilities or Capabilities(seed=True, streaming=True, local=True)
        self._delay = delay
        self._closed = False
        self._function = replies if callable(replies) else None
        self._replies = iter(()) if callable(replies) else iter(replies)

    @classmethod
    def from_spec(
        cls,
        model: str,
        *,
        replies: Script = (),
        capabilities: Capabilities | None = None,
        delay: float = 0.0,
    ) -> ScriptedBackend:
        """The constructor for `resolve("scripted:NAME", replies=[...])`."""
        return cls(replies, name=f"scripted:{model}", capabilities=capabilities, delay=delay)

    def __repr__(self) -> str:
        return f"<ScriptedBackend {self.name}, {len(self.requests)} requests>"

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """The script's next answer; with `on_token` its text comes word by word.

        Raises:
            ConfigurationError: the script has run out, or holds a value that is not a reply, or the
                request names an adapter without `capabilities.adapters`.
            BackendClosed: the backend is closed.
        """
        if self._closed:
            raise BackendClosed(self.name, "the backend is closed")
        if request.adapter is not None and not self.capabilities.adapters:
            raise ConfigurationError(f"{self.name} has no adapters; requested: {request.adapter!r}")
        self.requests.append(request)
        reply = await self._next(request)
        await asyncio.sleep(self._delay)  # even at 0 another task gets its turn, as with a real backend
        completion = self._completion(reply, request)
        if on_token is not None and self.capabilities.streaming:
            for piece in re.findall(r"\s*\S+|\s+", completion.text):
                on_token(piece)
        return completion

    async def aclose(self) -> None:
        """See `Backend.aclose`."""
        self._closed = True

    async def _next(self, request: Request) -> Reply:
        if self._function is not None:
            reply = self._function(request)
            return await reply if inspect.isawaitable(reply) else reply
        for reply in self._replies:
            return reply
        raise ConfigurationError(
            f"{self.name}: the script has run out: this is request {len(self.requests)}, and there are "
            f"{len(self.requests) - 1} replies"
        )

    def _completion(self, reply: Reply, request: Request) -> Completion:
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Completion):
            return reply
        if isinstance(reply, str):
            text = _cut(reply, request.stop)
            return Completion(text=text, raw=text, model=self.name, usage=_usage(request, text))
        calls = (reply,) if isinstance(reply, ToolCall) else tuple(reply)
        if not calls or not all(isinstance(call, ToolCall) for call in calls):
            raise ConfigurationError(f"{self.name}: the script holds {reply!r}, which is not a reply")
        raw = _calls_json(calls)
        return Completion(
            tool_calls=calls,
            finish_reason="tool_calls",
            raw=raw,
            model=self.name,
            usage=_usage(request, raw),
        )


def estimate_tokens(text: str) -> int:
    """One token for every four bytes of UTF-8, rounded up."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def _cut(text: str, stop: tuple[str, ...]) -> str:
    ends = [at for at in (text.find(s) for s in stop) if at >= 0]
    return text[: min(ends)] if ends else text


def _calls_json(calls: tuple[ToolCall, ...]) -> str:
    return to_json([{"name": call.tool, "arguments": call.arguments} for call in calls]).decode()


def _message_tokens(message: Message) -> int:
    known = message._wire.get("scripted")
    if known is None:
        calls = _calls_json(message.tool_calls) if message.tool_calls else ""
        known = _TOKENS_PER_MESSAGE + estimate_tokens(message.content) + estimate_tokens(calls)
        message._wire["scripted"] = known
    return int(known)


def _usage(request: Request, answer: str) -> Usage:
    prompt = sum(map(_message_tokens, request.messages))
    if request.tools:
        prompt += estimate_tokens(to_json([tool.document() for tool in request.tools]).decode())
    return Usage(requests=1, prompt_tokens=prompt, completion_tokens=estimate_tokens(answer))
