"""JSON calls without marks: as the whole answer, in code fences, or behind words at an answer's end.

Many models write so whatever their template teaches (Qwen2.5-Coder, Llama, xLAM, Mistral). Only objects that
name an offered tool count, and only where nothing but a call can be meant: one with words behind it, or one
of several with words between them, may be a quotation or a choice, and is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, NamedTuple

from artis_sdk.backends.tool_formats.json_calls import (
    ARGUMENT_KEYS,
    NAME_KEYS,
    call_objects,
    calls_of,
    malformed,
)
from artis_sdk.backends.tool_formats.json_text import Json, json_at
from artis_sdk.backends.tool_formats.protocol import Tools
from artis_sdk.records import ToolCall

_MAX_TRIES: Final = 256
"""Maximum places of an answer at which JSON is looked for."""
_PLACE = re.compile(r'\{(?=\s*+["}])|\[(?=\s*+\{)')
_FENCE = re.compile(r"```\w*+[ \t]*+\Z")
_BETWEEN = re.compile(r"(?:[\s,;]|```\w*+)*+")
_TOOL_NAME = re.compile(r"[\w.\-:/]{1,64}")
_PREFIX: Final = "functions."


class BareCalls(NamedTuple):
    """Calls without marks in a text."""

    calls: tuple[ToolCall, ...]
    before: str
    """The text before the first call; the whole text without calls."""


class _Value(NamedTuple):
    """A JSON value in a text."""

    start: int
    read: Json

    def holds(self, place: int) -> bool:
        return self.start <= place < self.read.end


def bare_calls(text: str, tools: Tools) -> BareCalls:
    """The calls of offered tools that a text holds without marks, malformed ones included."""
    if not tools:
        return BareCalls((), text)
    named = [place.start() for place in _named(tuple(tools)).finditer(text)]
    if not named:
        return _whole_answer(text, tools)
    values = list(_values(text))
    ours = [value for value in values if _names_tool(value.read.value, tools)]
    lost = [place for place in named if not any(value.holds(place) for value in values)]
    quoted = [value for value in values if value not in ours and _quotes_call(value.read.value, tools)]
    if not ours:
        return _unreadable(text, lost, quoted)
    why = _doubt(text, ours, lost or quoted)
    calls = [_offered(call, tools) for value in ours for call in calls_of(value.read, _raw(text, value))]
    if why is not None:
        calls = [malformed(call.raw or "", call.malformed or why, call.tool) for call in calls]
    return BareCalls(tuple(calls), _before(text, ours[0].start))


def _doubt(text: str, ours: list[_Value], others: object) -> str | None:
    """The reason why calls that can be read may not be meant."""
    if others:
        return "something else that looks like a call stands beside it"
    if _BETWEEN.fullmatch(text, ours[-1].read.end) is None:
        return "text follows it; end an answer with its calls, or answer in words"
    if any(_BETWEEN.fullmatch(text, a.read.end, b.start) is None for a, b in pairwise(ours)):
        return "text stands between the calls, so which of them are meant is not certain"
    return None


def _unreadable(text: str, lost: list[int], quoted: list[_Value]) -> BareCalls:
    """What names an offered tool and is no call that can be read."""
    if lost:
        start = max(text.rfind("{", 0, lost[0]), 0)
        return BareCalls(
            (malformed(text[start:], "the call is not JSON, or breaks off"),), _before(text, start)
        )
    if quoted:
        raw = _raw(text, quoted[0])
        why = "a call stands inside other JSON; write the call alone"
        return BareCalls((malformed(raw, why),), _before(text, quoted[0].start))
    return BareCalls((), text)


def _whole_answer(text: str, tools: Tools) -> BareCalls:
    """An answer that is nothing but a call in form, of a tool that is not offered or with the tool as key."""
    values = list(_values(text)) if text.lstrip()[:1] in ("{", "[", "`") else []
    if len(values) != 1 or not _BETWEEN.fullmatch(text, values[0].read.end):
        return BareCalls((), text)
    (value,) = values
    if not _BETWEEN.fullmatch(text, 0, value.start):
        return BareCalls((), text)
    calls = []
    for item in call_objects(value.read.value):
        name = _name_in_form(item, tools)
        if name is None:
            return BareCalls((), text)
        why = (
            f'write {{"name": "{name}", "arguments": {{...}}}}' if name in tools else "there is no such tool"
        )
        calls.append(malformed(_raw(text, value), why, name))
    return BareCalls(tuple(calls), "")


def _name_in_form(item: Any, tools: Tools) -> str | None:
    """The name in `{"name": ..., "arguments": {...}}` and no other key, or in `{tool: {...}}`."""
    if not isinstance(item, dict):
        return None
    if len(item) == 1 and (name := next(iter(item))) in tools and isinstance(item[name], dict):
        return str(name)
    name, *_ = [item[key] for key in ("name",) if isinstance(item.get(key), str)] or [None]
    keys = item.keys() - {"name"}
    if name and len(item) == 2 and keys <= {"arguments", "parameters"} and _TOOL_NAME.fullmatch(name):
        return name if isinstance(item[next(iter(keys))], dict) else None
    return None


def _values(text: str) -> Iterator[_Value]:
    """The objects and lists of objects in a text, without those inside others."""
    at = 0
    for _ in range(_MAX_TRIES):
        place = _PLACE.search(text, at)
        if place is None:
            return
        read = json_at(text, place.start())
        if isinstance(read, str):
            at = place.end()
            continue
        yield _Value(place.start(), read)
        at = read.end


def _names_tool(value: Any, tools: Tools) -> bool:
    """Whether a value is a call, or a list of calls, of which one names an offered tool."""
    for item in call_objects(value):
        if isinstance(item, dict):
            function = item.get("function")
            inner = function if isinstance(function, dict) else item
            if any(_is_offered(inner.get(key), tools) for key in NAME_KEYS):
                return True
    return False


def _quotes_call(value: Any, tools: Tools) -> bool:
    """Whether a value holds the name of an offered tool beside arguments, at any depth."""
    if isinstance(value, list):
        return any(_quotes_call(item, tools) for item in value)
    if not isinstance(value, dict):
        return False
    if any(_is_offered(value.get(key), tools) for key in NAME_KEYS) and not value.keys().isdisjoint(
        ARGUMENT_KEYS
    ):
        return True
    return any(_quotes_call(item, tools) for item in value.values())


def _is_offered(name: Any, tools: Tools) -> bool:
    return isinstance(name, str) and (name in tools or name.removeprefix(_PREFIX) in tools)


def _offered(call: ToolCall, tools: Tools) -> ToolCall:
    """A call by the offered name; some models write the name space before it."""
    bare = call.tool.removeprefix(_PREFIX)
    return call.model_copy(update={"tool": bare}) if call.tool not in tools and bare in tools else call


def _raw(text: str, value: _Value) -> str:
    return text[value.start : value.read.end]


def _before(text: str, start: int) -> str:
    """The text before a place, without the fence that opens there."""
    before = text[:start].rstrip()
    fence = _FENCE.search(before[-40:])
    return before[: len(before) - len(fence[0])] if fence else text[:start]


@lru_cache(maxsize=64)
def _named(names: tuple[str, ...]) -> re.Pattern[str]:
    """Pattern for a key before the name of an offered tool."""
    keys, tools = "|".join(NAME_KEYS), "|".join(map(re.escape, names))
    # In Python's quotes as well: such a call cannot be read, and is not lost.
    return re.compile(rf"""["'](?:{keys})["']\s*+:\s*+["'](?:{re.escape(_PREFIX)})?(?:{tools})["']""")
