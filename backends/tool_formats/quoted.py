"""Calls that stand word for word in a tool's result: what a model only repeats is no call of its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from artis_sdk.backends.tool_formats.json_calls import malformed
from artis_sdk.records import Message, ToolCall
from artis_sdk.records.marks import BREAK

_ESCAPED = re.compile(r"\\+u([0-9a-fA-F]{4})")
_LAYOUT = re.compile(rf"\\+[nrt]|[\s\\{BREAK}]")
_WHY: Final = (
    "the same text stands in a tool's result, and what is only repeated is no call; answer in words, or call "
    "something else"
)


def without_quotations(calls: tuple[ToolCall, ...], messages: Iterable[Message]) -> tuple[ToolCall, ...]:
    """Calls that were read in a text, with those malformed whose text stands in a tool's result.

    Layout, and JSON in strings of JSON, make no difference.

    Args:
        calls: the calls, with the text of each in `raw`.
        messages: the conversation that the model was shown.
    """
    if not calls:
        return calls
    results = [message.content for message in messages if message.role == "tool"]
    return tuple(
        [malformed(call.raw or "", _WHY, call.tool) if _quotes(call, results) else call for call in calls]
    )


def _quotes(call: ToolCall, results: Iterable[str]) -> bool:
    raw = _bare(call.raw or "")
    if not raw or call.malformed is not None or (not call.arguments and raw[0].isalpha()):
        return False  # `now()` stands in many a text
    return any(call.tool in result and raw in _bare(result) for result in results)


def _bare(text: str) -> str:
    """A text without layout, escapes and breaks in its marks."""
    return _LAYOUT.sub("", _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text))
