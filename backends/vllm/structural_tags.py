"""Forms of calls as xgrammar's structural tags, for vLLM."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from artis_sdk.backends.tool_formats import grammar
from artis_sdk.records.thinking import THOUGHTS

_ANYTHING: Final = {"type": "any_text"}
_INDENT: Final = 24  # characters of a line break and the blanks behind it
_REPEATED: Final = 128  # characters; xgrammar 0.2.8 raises for longer bounds, and vLLM's engine dies of it
_UNBOUND: Final = frozenset({"pattern", "format", "enum", "const"})
Tag = dict[str, Any]


def schema_tag(schema: dict[str, Any]) -> Tag:
    """A JSON schema as the structural tag of a whole answer."""
    return _whole(_json(schema))


def held_tag(form: grammar.Form) -> Tag:
    """The structural tag of an answer that has a form from its first character on."""
    return _whole(_part(form))


def free_tag(openings: Sequence[grammar.Opening], *, thinking: bool) -> Tag:
    """The structural tag of an answer that is free up to the first beginning of calls, and then held.

    Args:
        openings: the beginnings.
        thinking: whether the prompt has opened a thought that the answer continues.
    """
    rules = [
        [begin + text, _part(form)]
        for one in openings
        for begin in one.begins
        for text, form in one.rests
        if not one.at_start
    ]
    free: Tag = {"type": "dispatch", "rules": rules, "loop": False} if rules else _ANYTHING
    starts = [
        _row({"type": "regex", "pattern": r"\s*"}, _text(begin), _part(form))
        for one in openings
        for begin in one.begins
        for _, form in one.rests
        if one.at_start
    ]
    if starts:
        first = "".join(re.escape(begin[0]) for one in openings for begin in one.begins if one.at_start)
        words: Tag = {"type": "regex", "pattern": rf"\s*[^\s{first}][\s\S]*"}
        free = _optional({"type": "or", "elements": [*starts, words]})
    if thinking:
        ends: list[Tag] = [
            {"type": "tag", "begin": "", "content": _ANYTHING, "end": close} for _, close in THOUGHTS
        ]
        still: Tag = {**_ANYTHING, "excludes": [close for _, close in THOUGHTS]}
        return _whole({"type": "or", "elements": [still, *[_row(end, free) for end in ends]]})
    thoughts: list[Tag] = [
        {"type": "tag", "begin": opened, "content": _ANYTHING, "end": close} for opened, close in THOUGHTS
    ]
    return _whole(_row(_optional({"type": "or", "elements": thoughts}), free))


def with_few_blanks(tag: str) -> str:
    """A structural tag with at most one blank between two parts of its JSON.

    Args:
        tag: JSON text of a structural tag.
    """
    value = json.loads(tag)
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, list):
            waiting += part
        elif isinstance(part, dict):
            if part.get("type") == "json_schema" and "json_schema" in part:
                part["max_whitespace_cnt"] = 1  # everything below is the schema itself
            else:
                waiting += part.values()
    return json.dumps(value)


def _part(form: grammar.Form) -> Tag:
    match form:
        case grammar.Literal(text) | grammar.Mark(text):
            return _text(text)
        case grammar.Until(close, never):
            before: Tag = {**_ANYTHING, "excludes": list(never)} if never else _ANYTHING
            return {"type": "tag", "begin": "", "content": before, "end": close}
        case grammar.SchemaJson(schema, spaced):
            return {**_json(schema), "max_whitespace_cnt": _INDENT} if spaced else _json(schema)
        case grammar.Choice(parts):
            return {"type": "or", "elements": list(map(_part, parts))}
        case grammar.Repeat(part, most):
            return {"type": "repeat", "min": 0, "max": most, "content": _part(part)}
        case _:
            return _row(*map(_part, form.parts))


def _whole(part: Tag) -> Tag:
    return {"type": "structural_tag", "format": part}


def _json(schema: dict[str, Any]) -> Tag:
    """JSON with at most one blank between two parts.

    Without any a model must write `{"a":1}` though it may have learned `{"a": 1}`; with any number a weak
    model fills its whole answer with blanks.
    """
    return {"type": "json_schema", "json_schema": _plain_strings(schema), "max_whitespace_cnt": 1}


def _plain_strings(schema: Any) -> Any:
    """A schema whose strings of bounded length hold no control characters, quotes or backslashes.

    xgrammar 0.2 admits raw control characters in such strings, which is no JSON, and admits no escapes.
    A bound that it cannot compile is left out: the limit of tokens ends such a string, and a call's arguments
    are checked against the whole schema.
    """
    if isinstance(schema, list):
        return list(map(_plain_strings, schema))
    if not isinstance(schema, dict):
        return schema
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    bounded = schema.get("type") == "string" and (isinstance(most, int) or least)
    if not bounded or not _UNBOUND.isdisjoint(schema):
        return {key: _plain_strings(value) for key, value in schema.items()}
    most = None if isinstance(most, int) and most > _REPEATED else most
    least = 0 if least > _REPEATED else least
    kept = {key: value for key, value in schema.items() if key not in ("minLength", "maxLength")}
    if most is None and not least:
        return kept
    return {**kept, "pattern": rf'^[^"\\\x00-\x1f]{{{least},{"" if most is None else most}}}$'}


def _text(text: str) -> Tag:
    return {"type": "const_string", "value": text}


def _row(*parts: Tag) -> Tag:
    return {"type": "sequence", "elements": list(parts) or [_text("")]}


def _optional(part: Tag) -> Tag:
    return {"type": "repeat", "min": 0, "max": 1, "content": part}
