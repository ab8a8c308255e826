"""Message transcripts: OpenAI's chat and Responses, Anthropic, LangChain, AI SDK, Bedrock, Gemini.

A transcript is a list of messages, or an object that holds one: a request (`messages`, `input`,
`contents`), a response (`choices`, `output`), or both. There may also be `tools` (their documents), `id`
(or `session_id`, `conversation_id`, `thread_id`) and `state`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.codec import dumps
from artis_sdk.logs.importers.collect import Calls
from artis_sdk.logs.importers.documents import tool_documents
from artis_sdk.logs.importers.format import TraceFormat
from artis_sdk.logs.importers.found import Place, TraceSession, Unusable
from artis_sdk.logs.importers.read import parsed, pick
from artis_sdk.logs.importers.shapes import ANSWERS
from artis_sdk.records import ToolSpec

_MESSAGES: Final = ("messages", "input", "items", "contents", "output")
_NESTED: Final = ("request", "body", "input", "response", "output", "inputBodyJson", "outputBodyJson")
_TEXTS: Final = (*_MESSAGES, *_NESTED)
"""Fields that a table may hold as text."""
_PIECES: Final = ("content_block_", "message_start", "message_delta", "message_stop", "response.")
_NAMES: Final = "id|session_id|sessionId|conversation_id|thread_id|session|requestId"
_TOOLS: Final = "tools|toolConfig.tools|tool_config.tools|config.tools|functions"


class Transcripts:
    """Reads transcripts; two that are equal and have no id are two sessions."""

    def __init__(self) -> None:
        self._unnamed: Counter[str] = Counter()

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """See `TraceReader.add`."""
        return list(self._read(value, str(place)))

    def rest(self) -> Iterable[TraceSession]:
        """Nothing: no transcript spans several values."""
        return ()

    def _read(self, value: JsonValue, place: str) -> Iterator[TraceSession]:
        if isinstance(value, list) and value and not all(map(_is_message, value)):
            for number, item in enumerate(value):
                yield from self._read(item, f"{place}[{number}]")
        else:
            yield self._transcript(value, place)

    def _transcript(self, value: JsonValue, place: str) -> TraceSession:
        given = value if isinstance(value, dict) else {"messages": value}
        given = {**given, **{name: parsed(given[name]) for name in _TEXTS if name in given}}
        lists = list(_message_lists(given, place))
        if not lists:
            raise Unusable("not a transcript: it needs a list of messages under `messages`")
        calls, tools = Calls(), dict[str, ToolSpec]()
        for where, messages in lists:
            for number, message in enumerate(messages):
                if _is_piece(message):
                    raise Unusable("pieces of a stream: a transcript holds whole messages")
                calls.message(message, f"{where}[{number}]")
                if message.get("type") == "mcp_list_tools":
                    tools |= tool_documents(message.get("tools"))
        for holder in (given, *(given[name] for name in _NESTED if isinstance(given.get(name), dict))):
            tools |= tool_documents(pick(holder, _TOOLS))
        found, left_out = calls.found()
        return TraceSession(self._name(given, value), found, tools, given.get("state"), left_out)

    def _name(self, given: dict[str, Any], value: JsonValue) -> str:
        name = pick(given, _NAMES)
        if isinstance(name, str | int) and not isinstance(name, bool):
            return str(name)
        digest = blake2b(dumps(value).encode(), digest_size=16).hexdigest()
        self._unnamed[digest] += 1
        times = self._unnamed[digest]
        return digest if times == 1 else f"{digest}-{times}"


MESSAGES: Final = TraceFormat(
    "messages", "OpenAI, Anthropic, LangChain, AI SDK, Bedrock or Gemini messages", Transcripts
)


def _message_lists(given: dict[str, Any], place: str) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The lists of messages in a transcript, request before response, each with its place."""
    for name in _MESSAGES:
        messages = given.get(name)
        if isinstance(messages, list) and all(map(_is_message, messages)):
            yield f"{place} {name}", messages
        elif isinstance(messages, list) and (name == "messages" or any(map(_is_message, messages))):
            raise Unusable(f"not a transcript: not every one of its `{name}` is a message")
    choices = pick(given, "choices|candidates")
    for number, choice in enumerate(choices if isinstance(choices, list) else ()):
        message = pick(choice, "message|content")
        if isinstance(message, dict):
            yield f"{place} choices[{number}]", [message]
    if isinstance(given.get("message"), dict):
        yield f"{place} message", [given["message"]]
    if "role" in given and isinstance(given.get("content"), list):  # a response of Anthropic is a message
        yield place, [given]
    for name in _NESTED:
        if isinstance(given.get(name), dict):
            yield from _message_lists(given[name], f"{place} {name}")


def _is_piece(message: dict[str, Any]) -> bool:
    """Whether it is an event of a stream, of OpenAI's Responses or of Anthropic."""
    kind = message.get("type")
    return isinstance(kind, str) and kind.startswith(_PIECES)


def _is_message(value: JsonValue) -> bool:
    if not isinstance(value, dict):
        return False
    kind = value.get("type")
    if isinstance(kind, str) and kind in ANSWERS:
        return True
    if any(isinstance(value.get(name), list) for name in _MESSAGES):
        return False
    return "role" in value or "parts" in value or isinstance(kind, str)
