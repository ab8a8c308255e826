"""Length of a prompt before a model has counted it."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from pydantic_core import to_json

from artis_sdk.contracts import Backend
from artis_sdk.records import Message, Request, ToolSpec

# English prose is about 4 bytes a token and JSON about 3; a Chinese character is 3 bytes of UTF-8 and
# at most about one token. So the estimate is on the long side.
BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 8  # role, separators, identifiers


@runtime_checkable
class CountsTokens(Protocol):
    """A backend that can count tokens, as local engines can."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, without special tokens."""


def estimate_tokens(text: str) -> int:
    """Tokens of a text from its bytes, on the long side."""
    size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
    return -(-size // BYTES_PER_TOKEN)


def count_tokens(backend: Backend, text: str) -> int:
    """Exact if the backend can count, else estimated."""
    return backend.count_tokens(text) if isinstance(backend, CountsTokens) else estimate_tokens(text)


def message_tokens(message: Message) -> int:
    """Estimated tokens of one message with its calls."""
    total = TOKENS_PER_MESSAGE + estimate_tokens(message.content)
    for call in message.tool_calls:
        total += TOKENS_PER_MESSAGE + estimate_tokens(call.tool + to_json(call.arguments).decode())
    return total


def tools_tokens(tools: tuple[ToolSpec, ...]) -> int:
    """Estimated tokens of the tool documents."""
    return estimate_tokens(to_json([tool.document() for tool in tools]).decode()) if tools else 0


class PromptSize:
    """Estimated size of a growing prompt; each message is looked at once.

    For a request that continues the one before, only the new messages are counted, so a step costs the
    same however long the history is.
    """

    __slots__ = ("_messages", "_tokens", "_tools", "_tools_tokens")

    def __init__(self) -> None:
        self._messages: tuple[Message, ...] = ()
        self._tokens = 0
        self._tools: tuple[ToolSpec, ...] = ()
        self._tools_tokens = 0

    def of(self, request: Request) -> int:
        """Estimated prompt tokens of a request."""
        messages, known = request.messages, self._messages
        start = len(known)
        continues = messages[:start] == known  # the same objects, so no text is compared
        total = self._tokens if continues else 0
        for message in messages[start:] if continues else messages:
            total += message_tokens(message)
        self._messages, self._tokens = messages, total
        if request.tools is not self._tools:
            self._tools, self._tools_tokens = request.tools, tools_tokens(request.tools)
        return total + self._tools_tokens
