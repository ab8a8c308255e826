"""The form of calls in a model's answer, as a tree that each engine turns into a grammar of its own.

`lark` writes it for llama.cpp, `artis_sdk.backends.vllm.structural_tags` for vLLM.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.records import ToolSpec

MOST_CALLS: Final = 16
"""Calls of one held answer: without a bound a model that repeats itself never ends."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A fixed text."""

    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark of a format: one special token where the model's vocabulary has it, else plain text."""

    text: str


@dataclass(frozen=True, slots=True)
class Until:
    """Any text up to a mark, and the mark.

    Args:
        close: the mark, perhaps with text around it.
        never: what the text does not hold, because a reader would not be certain of it.
    """

    close: str
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class SchemaJson:
    """JSON that satisfies a schema."""

    schema: dict[str, Any]
    spaced: bool = False
    """Whether it may be spread over lines. A model that is not let to end a number by a line break, as it
    began, goes on with digits."""


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """Parts one after another."""

    parts: tuple[Form, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of several parts."""

    parts: tuple[Form, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Repeat:
    """A part, at most so many times, or not at all."""

    part: Form
    most: int


Form = Literal | Mark | Until | SchemaJson | Row | Choice | Repeat

_MARKS: Final = re.compile(r"(<[|｜][^<>]*?[|｜]>|｜DSML｜|\]<\]minimax\[>\[|\[TOOL_CALLS\]|</?[\w:]+>)")
"""What may be one special token of a vocabulary."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A beginning of calls in an answer that is free up to there.

    Args:
        begins: spellings of the beginning; the first one in an answer counts.
        rests: texts that may follow it, each with the form of the rest of the answer. Where none of them
            follows, the answer is still free. An empty text always follows.
        at_start: whether it counts only at the start of an answer, which then begins in no other way with
            the same character.
    """

    begins: tuple[str, ...]
    rests: tuple[tuple[str, Form], ...]
    at_start: bool = False


def row(*parts: Form | str) -> Form:
    """Parts one after another; texts are fixed ones."""
    return Row(tuple([Literal(part) if isinstance(part, str) else part for part in parts]))


def marked(text: str) -> Form:
    """A fixed text with the marks in it."""
    return Row(
        tuple([Mark(part) if n % 2 else Literal(part) for n, part in enumerate(split_marks(text)) if part])
    )


def numbered(text: str) -> Form:
    """A fixed text with its marks, and the number of a call in the place of `INDEX`."""
    first, *others = text.split("INDEX")
    number = SchemaJson({"type": "integer", "minimum": 0, "maximum": MOST_CALLS})
    return row(marked(first), *[row(number, marked(part)) for part in others])


def split_marks(text: str) -> list[str]:
    """The parts of a text; every second one is a mark."""
    return _MARKS.split(text)


def optional(part: Form | str) -> Form:
    """A part, or nothing."""
    return Repeat(row(part), 1)


def further(call: Form, *between: str) -> Form:
    """Further calls behind the first one.

    Args:
        call: the form of one call.
        between: texts of which one stands between two calls.
    """
    return Repeat(row(Choice(tuple([Literal(text) for text in between])), call), MOST_CALLS - 1)


def arguments(tool: ToolSpec, *, spaced: bool = False) -> SchemaJson:
    """The arguments of a call. All of them are listed: a model held to it cannot make up others."""
    closed = {"type": "object", "properties": {}, "additionalProperties": False, **tool.parameters}
    return SchemaJson(closed, spaced)


def parameters(tool: ToolSpec) -> dict[str, tuple[dict[str, Any], bool]]:
    """The schema of each parameter, usable alone, and whether it is required."""
    shared: dict[str, Any] = {
        key: tool.parameters[key] for key in ("$defs", "definitions") if key in tool.parameters
    }
    required = tool.parameters.get("required", ())
    properties = tool.parameters.get("properties", {})
    return {name: ({**schema, **shared}, name in required) for name, schema in properties.items()}


def json_call(
    tool: ToolSpec, key: str, *, spaced: bool = False, name_key: str = "name", opening: str = "{"
) -> Form:
    """A call as `{NAME_KEY: ..., KEY: {...}}`."""
    return row(f'{opening}"{name_key}": {json.dumps(tool.name)}', json_rest(tool, key, spaced=spaced))


def json_rest(tool: ToolSpec, key: str, *, spaced: bool = False) -> Form:
    """The same call from behind its name."""
    return row(f', "{key}": ', arguments(tool, spaced=spaced), "}")


def bare_opening(
    tools: Sequence[ToolSpec], key: str, between: Sequence[str] = (", ", "\n", ",\n")
) -> Opening:
    """Calls as JSON without marks, alone, in a list, in a code fence or behind words.

    Other JSON with a name, such as that of a person, is text.

    Args:
        tools: the offered tools.
        key: key of the arguments.
        between: texts of which one stands between two calls; without any there is one call.
    """
    call = Choice(tuple([json_call(tool, key, spaced=True) for tool in tools]))
    more = [further(call, *between)] if between else []
    tail = row(*more, optional("]"), optional("\n```"), optional("\n"))
    rests = [(json.dumps(tool.name)[1:], row(json_rest(tool, key, spaced=True), tail)) for tool in tools]
    return Opening(_BARE, tuple(rests))


_BARE: Final = ('{"name": "', '{"name":"', '{ "name": "', '{\n  "name": "', '{\n    "name": "')
