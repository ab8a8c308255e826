"""One turn of a model in a rollout, and the paper's tags (section 2.3).

A turn is the text generated between two outputs of tools. Only generated text is ever read: an output of a
tool is never parsed, so it can neither open a call nor end a turn.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic_core import from_json

from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.action_text import parse_actions, parse_literal

THINK: Final = "think"
ANSWER: Final = "answer"
OUTPUT: Final = "output"
CALL: Final = "call"
_OPEN = re.compile(r"<(/?)([A-Za-z_][\w.\-]*)>")


@dataclass(frozen=True, slots=True)
class GeneratedTurn:
    """One generated piece of a rollout."""

    text: str
    """The generated text, special tokens included."""
    calls: tuple[ToolCall, ...] = ()
    answer: str | None = None
    forged: bool = False
    """Whether the turn contains a tool's output that the model wrote itself."""
    opened: frozenset[str] = frozenset()
    """Kinds of tags that the turn opens: `think`, `call`, `answer`, `output`."""
    unclosed: frozenset[str] = frozenset()
    """Kinds of tags that the turn leaves open."""
    tidy: bool = True
    """Whether no text is outside the tags, and a call or the answer comes last."""

    @property
    def ended(self) -> bool:
        """Whether generation must stop until the calls are answered."""
        return bool(self.calls) or self.answer is not None or self.forged


def read_tags(text: str, tools: Mapping[str, ToolSpec]) -> GeneratedTurn:
    """Read a turn of `<think>…</think>`, then `<TOOL>…</TOOL>` or `<answer>…</answer>`.

    Text inside thoughts is not a call. A closed pair of any other name is a call, so that a tool that
    does not exist is answered as such.

    Args:
        text: generated text, complete or not.
        tools: tools that may be called, by name.
    """
    opened: set[str] = set()
    unclosed: set[str] = set()
    tidy, at = True, 0
    while tag := _OPEN.search(text, at):
        tidy = tidy and not text[at : tag.start()].strip()
        closes, name = bool(tag[1]), tag[2]
        kind = name if name in (THINK, ANSWER, OUTPUT) else CALL
        end = -1 if closes else text.find(f"</{name}>", tag.end())
        if closes or (end < 0 and kind == CALL and name not in tools):
            tidy, at = False, tag.end()
            continue
        opened.add(kind)
        if kind == OUTPUT:
            return GeneratedTurn(
                text, forged=True, opened=frozenset(opened), unclosed=frozenset(unclosed), tidy=False
            )
        if end < 0:
            unclosed.add(kind)
            return GeneratedTurn(text, opened=frozenset(opened), unclosed=frozenset(unclosed), tidy=False)
        body, at = text[tag.end() : end], end + len(name) + 3
        if kind == THINK:
            continue
        tidy = tidy and not text[at:].strip()
        call = () if kind == ANSWER else (read_call(name, body, tools.get(name)),)
        answer = body.strip() if kind == ANSWER else None
        return GeneratedTurn(text, call, answer, False, frozenset(opened), frozenset(), tidy)
    return GeneratedTurn(text, opened=frozenset(opened), unclosed=frozenset(unclosed), tidy=False)


def read_call(name: str, body: str, spec: ToolSpec | None) -> ToolCall:
    """The body of a call: a JSON object, `a=1, b="x"`, or the bare value of the one parameter.

    Args:
        name: name of the tag.
        body: text between the tags.
        spec: spec of the tool; None for an unknown name.
    """
    raw, body = f"<{name}>{body}</{name}>", body.strip()
    properties: Mapping[str, Any] = spec.parameters.get("properties", {}) if spec else {}
    required = list(spec.parameters.get("required", ())) if spec else []
    if not body:
        return ToolCall(tool=name, raw=raw)
    if body.startswith("{"):
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError:
            value = None
        if isinstance(value, dict) and (len(properties) != 1 or set(value) <= set(properties)):
            return ToolCall(tool=name, arguments=value, raw=raw)
    only = required[0] if len(required) == 1 else next(iter(properties), None)
    calls = parse_actions(f"[{name}({body})]") or ()
    named = calls[0] if len(calls) == 1 and calls[0].malformed is None else None
    if named is not None and (len(properties) != 1 or set(named.arguments) <= set(properties)):
        return named.model_copy(update={"raw": raw})
    if spec is None:  # no tool has this name
        return ToolCall(tool=name, raw=raw)
    if only is None or (len(properties) > 1 and len(required) != 1):
        why = calls[0].malformed if calls else "write the arguments as a JSON object"
        return ToolCall(tool=name, malformed=why, raw=raw)
    if properties[only].get("type") == "string":
        return ToolCall(tool=name, arguments={only: body}, raw=raw)
    try:
        return ToolCall(tool=name, arguments={only: parse_literal(body)}, raw=raw)
    except ValueError as error:
        return ToolCall(tool=name, malformed=str(error), raw=raw)


def format_shares(turns: Sequence[GeneratedTurn], required: Iterable[str]) -> tuple[float, float]:
    """Adherence of a rollout to its format: the paper's relaxed and strict measures.

    Args:
        turns: all turns of the rollout.
        required: kinds of tags that must occur, such as `think` and `answer`.

    Returns:
        The share of the kinds (required or opened) that occur at least once and are never left open; and 1.0
        if all turns are tidy, all calls parse and the last turn answers, else 0.0.
    """
    opened = frozenset[str]().union(*(turn.opened for turn in turns))
    unclosed = frozenset[str]().union(*(turn.unclosed for turn in turns))
    forged = any(turn.forged for turn in turns)
    kinds = (opened | set(required)) - {OUTPUT}
    good = kinds & (opened - unclosed)
    relaxed = 0.0 if forged else len(good) / len(kinds) if kinds else 1.0
    parsed = all(call.malformed is None for turn in turns for call in turn.calls)
    answered = bool(turns) and turns[-1].answer is not None
    whole = parsed and answered and kinds == good and not forged and all(turn.tidy for turn in turns)
    return relaxed, float(whole)


def escape(text: str, reserved: Iterable[str]) -> str:
    """A tool's output without anything that a reader could take for a tag or a special token.

    The first character of each occurrence becomes an HTML character reference. Tags of all
    names are escaped, so that the result does not depend on the present tools.

    Args:
        text: output of a tool.
        reserved: texts of special and added tokens.
    """
    words = sorted({word for word in reserved if word}, key=len, reverse=True)
    tag = r"</?[A-Za-z_][\w.\-]*>?"
    pattern = re.compile("(?=" + "|".join([tag, *map(re.escape, words)]) + ")(.)", re.DOTALL)
    return pattern.sub(lambda match: "&lt;" if match[1] == "<" else f"&#{ord(match[1])};", text)


def cut(text: str, limit: int) -> str:
    """A text of at most about `limit` characters: its beginning, and the number of characters left out."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}… [{len(text) - limit} more characters]"


Reader = Callable[[str], GeneratedTurn]
"""Reads the text generated so far in a turn."""
