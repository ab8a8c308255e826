"""gpt-oss's messages, each with a channel and perhaps a recipient: `<|channel|>commentary
to=functions.f <|constrain|>json<|message|>{...}<|call|>`."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from artis_sdk.backends.tool_formats.json_calls import malformed, named_call
from artis_sdk.backends.tool_formats.json_text import skip_blanks
from artis_sdk.backends.tool_formats.protocol import Tools
from artis_sdk.records import ToolCall
from artis_sdk.records.thinking import THOUGHTS

_MESSAGE: Final = "<|message|>"
_END = re.compile(r"<\|end\|>|<\|return\|>")
_START = re.compile(r"<\|start\|>")
_AFTER_CALL = re.compile(r"\s*(?:<\|(?:call|end|return)\|>\s*)?(?=<\|start\|>|\Z)")
_RECIPIENT = re.compile(r"\bto=([^\s<]+)")
_CHANNEL = re.compile(r"<\|channel\|>\s*(\w+)")
_SPOKEN = re.compile(r"<\|channel\|>[\w? ]|\A\s*to=functions\.")
_NOBODY: Final = frozenset({"assistant", "user", "all"})


class Harmony(NamedTuple):
    """An answer's messages by their channels."""

    thoughts: str
    """The thoughts between the usual marks, as everything behind the reader expects them."""
    text: str
    calls: tuple[ToolCall, ...]


def is_harmony(text: str) -> bool:
    """Whether an answer consists of such messages."""
    return _SPOKEN.search(text) is not None


def read_harmony(text: str, tools: Tools) -> Harmony:
    """Read an answer. What stands in no readable message is text."""
    thoughts: list[str] = []
    said: list[str] = []
    calls: list[ToolCall] = []
    at = 0
    while at < len(text):
        message = text.find(_MESSAGE, at)
        end = _END.search(text, at)
        if message < 0 or (end and end.start() < message):  # a header without a message
            stop = end.end() if end else len(text)
            header = text[at:stop]
            calls += _addressed(header, tools)
            if message < 0 and not end and not calls and not _RECIPIENT.search(header):
                said.append(header)
            at = _next_start(text, stop)
            continue
        header = text[at:message]
        # A stray header may stand before the message's own: the last one counts.
        recipient = _last(_RECIPIENT, header.rpartition("<|start|>")[2])
        channel = _last(_CHANNEL, header)
        at = message + len(_MESSAGE)
        if channel != recipient and recipient and recipient not in _NOBODY:
            call, at = _call(text, at, recipient, tools)
            calls.append(call)
            continue
        end = _END.search(text, at)
        body = text[at : end.start() if end else len(text)]
        (thoughts if channel == "analysis" else said).append(body)
        at = _next_start(text, end.end()) if end else len(text)
    opened, closed = THOUGHTS[0]
    joined = "\n".join(thoughts)
    thought = f"{opened}\n{joined}\n{closed}\n\n" if any(thoughts) else ""
    return Harmony(thought, "\n".join(said), tuple(calls))


def _call(text: str, at: int, recipient: str, tools: Tools) -> tuple[ToolCall, int]:
    name = recipient.removeprefix("functions.")
    if name == recipient and name not in tools:
        end = _END.search(text, at)
        stop = end.end() if end else len(text)
        why = f"{recipient!r:.80} is no function; calls go to functions.NAME"
        return malformed(text[at:stop], why, name), _next_start(text, stop)
    call, stop = named_call(name, text, at, at)
    after = _AFTER_CALL.match(text, stop)
    if call.malformed is None and after is None:
        call = malformed(text[at:stop], "the arguments are not JSON alone", name)
    if after is None:
        end = _START.search(text, stop)
        return call, _next_start(text, end.start() if end else len(text))
    return call, _next_start(text, after.end())


def _addressed(header: str, tools: Tools) -> list[ToolCall]:
    """The call of a header that breaks off, or has lost its mark."""
    recipient = _last(_RECIPIENT, header)
    if not recipient.startswith("functions.") and recipient not in tools:
        return []
    name = recipient.removeprefix("functions.")
    return [malformed(header, "the call breaks off before its arguments", name)]


def _last(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.findall(text)
    return str(found[-1]) if found else ""


def _next_start(text: str, at: int) -> int:
    """The place behind blanks and the mark that begins a message."""
    at = skip_blanks(text, at)
    return at + len("<|start|>") if text.startswith("<|start|>", at) else at
