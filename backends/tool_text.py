"""Tool calls in a model's text: which format a model writes, how it is read, and a grammar that holds
the model to it.

Formats are told by the marks in the model's own chat template. A model without one is given the text
format of `artis_sdk.records.action_text` in its system message.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

from pydantic_core import from_json

from artis_sdk.records import ToolCall, ToolSpec
from artis_sdk.records.action_text import parse_actions
from artis_sdk.records.thinking import leading_thought_end


class ToolFormat(StrEnum):
    """How a model writes a tool call."""

    HERMES = "hermes"
    """`<tool_call>{"name": ..., "arguments": ...}</tool_call>`: Hermes, Qwen 2.5 and 3."""
    LLAMA = "llama"
    """`{"name": ..., "parameters": ...}` as the whole answer, several with semicolons: Llama 3.1."""
    MISTRAL = "mistral"
    """`[TOOL_CALLS][{"name": ..., "arguments": ...}]`."""
    MISTRAL_NAMED = "mistral_named"
    """`[TOOL_CALLS]name[ARGS]{...}`: since 2025."""
    TEXT = "text"
    """`[f(a=1), g()]`: the paper's."""


HERMES_OPEN, HERMES_CLOSE = "<tool_call>", "</tool_call>"
MISTRAL_OPEN, MISTRAL_ARGUMENTS = "[TOOL_CALLS]", "[ARGS]"
PYTHON_TAG = "<|python_tag|>"
MARKS: Mapping[ToolFormat, tuple[str, ...]] = {
    ToolFormat.HERMES: (HERMES_OPEN,),
    ToolFormat.LLAMA: (PYTHON_TAG, '{"name"'),
    ToolFormat.MISTRAL: (MISTRAL_OPEN,),
    ToolFormat.MISTRAL_NAMED: (MISTRAL_OPEN,),
    ToolFormat.TEXT: ("[",),
}
"""What the calls of a format begin with; text before it can be shown at once."""

_HERMES_BLOCK = re.compile(rf"{HERMES_OPEN}(.*?)(?:{HERMES_CLOSE}|\Z)", re.DOTALL)
_MISTRAL_NAMED = re.compile(r"\s*([\w.\-/:]+)(?:\[CALL_ID\][\w-]*)?\[ARGS\]")
_NAME = re.compile(r'"name"\s*:\s*"([^"\\]*)"')


def detect(template: str | None) -> ToolFormat | None:
    """The format that a chat template teaches; None where it knows no tools, or a format not known here."""
    if template is None or "tools" not in template:
        return None
    if HERMES_OPEN in template and "<arg_key>" not in template and "<function=" not in template:
        return ToolFormat.HERMES
    if MISTRAL_OPEN in template:
        return ToolFormat.MISTRAL_NAMED if MISTRAL_ARGUMENTS in template else ToolFormat.MISTRAL
    if '"parameters"' in template and ("ipython" in template or PYTHON_TAG in template):
        return ToolFormat.LLAMA
    return None


def parse(text: str, format: ToolFormat) -> tuple[str, tuple[ToolCall, ...]]:
    """Read the calls in an answer.

    Args:
        text: the whole answer, exactly as the model wrote it.
        format: what the model was told to write.

    Returns:
        The text outside the calls, and the calls in order. What begins like a call and cannot be read
        is a call with `malformed` set, and keeps its text in `raw`.
    """
    match format:
        case ToolFormat.HERMES:
            return _parse_hermes(text)
        case ToolFormat.LLAMA:
            return _parse_llama(text)
        case ToolFormat.MISTRAL | ToolFormat.MISTRAL_NAMED:
            return _parse_mistral(text)
        case ToolFormat.TEXT:
            calls = parse_actions(text)
            return ("", tuple(calls)) if calls else (text, ())


def grammar(format: ToolFormat, tools: Sequence[ToolSpec], special: Callable[[str], int | None]) -> str:
    """A grammar, in llguidance's Lark dialect, of one or more calls of these tools.

    Args:
        format: what the model was told to write.
        tools: what may be called.
        special: the id of a mark that is one special token of the model's vocabulary, else None.
    """

    def mark(text: str) -> str:
        id = special(text)
        return _quoted(text) if id is None else f"<[{id}]>"

    each = {
        ToolFormat.HERMES: '{mark} "\\n" {body} "\\n" {close}',
        ToolFormat.MISTRAL_NAMED: "{mark} {name} {args} {arguments}",
    }.get(format, "{body}")
    rules = []
    for number, tool in enumerate(tools):
        key = "parameters" if format is ToolFormat.LLAMA else "arguments"
        head = _quoted(f'{{"name": {json.dumps(tool.name)}, "{key}": ')
        call = each.format(
            mark=mark(MARKS[format][0]),
            close=mark(HERMES_CLOSE),
            args=mark(MISTRAL_ARGUMENTS),
            name=_quoted(tool.name),
            body=f'{head} arguments_{number} "}}"',
            arguments=f"arguments_{number}",
        )
        if format is ToolFormat.TEXT:
            call, more = _text_call(number, tool)
            rules += more
        else:
            rules.append(f"arguments_{number}: %json {_styled(_closed(tool.parameters))}")
        rules.append(f"call_{number}: {call}")
    calls = " | ".join(f"call_{number}" for number in range(len(tools)))
    start = {
        ToolFormat.HERMES: 'call ("\\n" call)*',
        ToolFormat.LLAMA: 'call ("; " call)*',
        ToolFormat.MISTRAL: f'{mark(MISTRAL_OPEN)} "[" call (", " call)* "]"',
        ToolFormat.MISTRAL_NAMED: "call+",
        ToolFormat.TEXT: '"[" call (", " call)* "]"',
    }[format]
    return "\n".join([f"start: {start}", f"call: {calls}", *rules, ""])


def _text_call(number: int, tool: ToolSpec) -> tuple[str, list[str]]:
    """A call in the text format: required arguments in order, then optional ones; values are JSON."""
    properties = tool.parameters.get("properties", {})
    required = [name for name in properties if name in tool.parameters.get("required", ())]
    optional = [name for name in properties if name not in required]
    shared = {"$defs": tool.parameters["$defs"]} if "$defs" in tool.parameters else {}
    values = {name: f"value_{number}_{place}" for place, name in enumerate(properties)}
    rules = [f"{rule}: %json {_styled({**properties[name], **shared})}" for name, rule in values.items()]
    written = {name: f"{_quoted(name + '=')} {rule}" for name, rule in values.items()}
    inside = ' ", " '.join(written[name] for name in required)
    for name in optional:
        inside += f' (", " {written[name]})?' if inside else f"{written[name]}"
    if inside and not required:
        inside = f"({inside})?"
    return f'{_quoted(tool.name + "(")} {inside} ")"', rules


def text_format_prompt(tools: Sequence[ToolSpec]) -> str:
    """How a model that knows no tools is told of them: a paragraph for its system message."""
    documents = "\n".join(json.dumps(tool.document(), ensure_ascii=False) for tool in tools)
    return (
        "You can call functions. To call some, answer with nothing but a list such as"
        " [name(parameter=value), other()], with literal values; what they return comes back to you."
        f" Otherwise answer in words. The functions:\n{documents}"
    )


def mistral_id(id: str) -> str:
    """A call's id as Mistral's templates take it: nine letters and digits."""
    return id if re.fullmatch(r"[a-zA-Z0-9]{9}", id) else hashlib.sha256(id.encode()).hexdigest()[:9]


_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def _styled(schema: Mapping[str, Any]) -> str:
    """A schema with the spacing that models write, and no other: blanks would fill an answer."""
    return json.dumps({**schema, "x-guidance": _STYLE})


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _closed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of arguments that lists them all: a model held to it cannot make up others."""
    return {"type": "object", "properties": {}, "additionalProperties": False, **parameters}


def _parse_hermes(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    start = leading_thought_end(text)
    outside: list[str] = [text[:start]]
    calls: list[ToolCall] = []
    at = start
    for block in _HERMES_BLOCK.finditer(text, start):
        outside.append(text[at : block.start()])
        calls.append(_one_call(block[1], block[0]))
        at = block.end()
    if not calls:
        return text, ()
    outside.append(text[at:])
    return _joined(outside), tuple(calls)


def _parse_llama(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    body = text.strip()
    tagged = body.startswith(PYTHON_TAG)
    body = body.removeprefix(PYTHON_TAG).strip()
    if not body.startswith("{") or not (tagged or _NAME.search(body[:200])):
        return text, ()
    calls = tuple(_one_call(part, part) for part in _json_values(body, ";"))
    return "", calls


def _parse_mistral(text: str) -> tuple[str, tuple[ToolCall, ...]]:
    before, mark, rest = text.partition(MISTRAL_OPEN)
    if not mark:
        return text, ()
    if MISTRAL_ARGUMENTS in rest:
        return before, tuple(_mistral_named(part) for part in rest.split(MISTRAL_OPEN))
    try:
        listed = from_json(rest.strip(), allow_inf_nan=False)
    except ValueError as error:
        return before, (_malformed(rest, f"the calls are not JSON: {error}"),)
    if not isinstance(listed, list):
        return before, (_malformed(rest, "the calls do not stand in a list"),)
    return before, tuple(_from_object(item, json.dumps(item, ensure_ascii=False)) for item in listed)


def _mistral_named(part: str) -> ToolCall:
    name = _MISTRAL_NAMED.match(part)
    if name is None:
        return _malformed(part, "a call names its function before [ARGS]")
    try:
        arguments = from_json(part[name.end() :].strip(), allow_inf_nan=False)
    except ValueError as error:
        return _malformed(part, f"the arguments are not JSON: {error}", name[1])
    return _from_object({"name": name[1], "arguments": arguments}, part)


def _one_call(body: str, raw: str) -> ToolCall:
    try:
        value = from_json(body.strip(), allow_inf_nan=False)
    except ValueError as error:
        return _malformed(raw, f"the call is not JSON: {error}")
    return _from_object(value, raw)


def _from_object(value: Any, raw: str) -> ToolCall:
    if not isinstance(value, dict):
        return _malformed(raw, "the call is not a JSON object")
    function = value.get("function")
    if isinstance(function, dict):  # as the OpenAI API nests it
        value = function
    name = value.get("name")
    if not isinstance(name, str) or not name:
        return _malformed(raw, "the call names no function", "")
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):  # JSON in JSON, as the OpenAI API writes it
        try:
            arguments = from_json(arguments, allow_inf_nan=False) if arguments.strip() else {}
        except ValueError as error:
            return _malformed(raw, f"the arguments are not JSON: {error}", name)
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict):
        return _malformed(raw, "the arguments are not a JSON object", name)
    return ToolCall(tool=name, arguments=arguments, raw=raw)


def _malformed(raw: str, why: str, name: str | None = None) -> ToolCall:
    if name is None:
        found = _NAME.search(raw)
        name = found[1] if found else ""
    return ToolCall(tool=name, malformed=why, raw=raw)


def _json_values(text: str, separator: str) -> Iterator[str]:
    """The JSON values of a text that are parted by a separator; a separator inside a string parts none."""
    decoder = json.JSONDecoder()
    at = 0
    while at < len(text):
        try:
            end = decoder.raw_decode(text, at)[1]
        except ValueError:
            yield text[at:]
            return
        yield text[at:end]
        rest = text[end:].lstrip()
        if rest and not rest.startswith(separator):
            yield rest
            return
        at = len(text) - len(rest.removeprefix(separator).lstrip())


def _joined(pieces: list[str]) -> str:
    """What stands before the calls as it is, and what is said after them."""
    before, after = "".join(pieces[:2]), [piece for piece in pieces[2:] if piece.strip()]
    return before + "".join(after)
