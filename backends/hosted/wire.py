"""The common parts of the hosted backends' translations: JSON bytes, each made once."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic_core import PydanticSerializationError, ValidationError, from_json, to_json

from artis_sdk.records import Message, ToolCall, Usage, new_id
from artis_sdk.records.marks import in_all_texts, put_together

T = TypeVar("T")

_REMEMBERED = 64  # tool lists and schemas in use at once; more only cost their translation again
_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def encode(value: Any) -> bytes:
    """A value as JSON. Lone surrogates, which UTF-8 cannot hold, become question marks."""
    try:
        return to_json(value, inf_nan_mode="strings")
    except (PydanticSerializationError, UnicodeEncodeError):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def fragments(messages: tuple[Message, ...], key: str, translate: Callable[[Message], T]) -> list[T]:
    """Each message's translation, made on first sight and remembered in the message.

    For a history seen before this makes no Python call, however long it is.
    """
    pieces = []
    for message in messages:
        wire = message.__pydantic_private__["_wire"]  # type: ignore[index]  # `_wire` is a call each
        piece = wire.get(key)
        if piece is None:
            piece = wire[key] = translate(message)
        pieces.append(piece)
    return pieces


class NotACompletion(ValueError):
    """The JSON does not follow the API; the text says why."""


MISREAD = (KeyError, IndexError, TypeError, AttributeError, ValidationError)
"""Errors of reading JSON of an unexpected shape."""


def not_a(what: str, error: Exception) -> NotACompletion:
    """One of `MISREAD`, in one line."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return NotACompletion(f"not a {what}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    return NotACompletion(f"not a {what}: {type(error).__name__}: {error}")


class Remembered:
    """A translation to JSON, remembered by the identity of the translated object."""

    def __init__(self, translate: Callable[[Any], bytes]) -> None:
        self._translate = translate
        self._known: dict[int, tuple[Any, bytes]] = {}  # holds the value, so that its id stays its own

    def __call__(self, value: Any) -> bytes:
        known = self._known.get(id(value))
        if known is not None:
            return known[1]
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        made = self._translate(value)
        self._known[id(value)] = (value, made)
        return made


_TYPED = frozenset({"type", "enum", "const", "anyOf", "$ref"})
_UNENFORCED = frozenset({"oneOf", "allOf", "not", "if"})


def is_closed(schema: Any, *, all_required: bool) -> bool:
    """Whether a schema leaves nothing open, which is what the official servers enforce: every value has
    a type, and every object lists its properties and allows no others.

    Args:
        all_required: every listed property must also be required, as OpenAI's strict mode wants.
    """
    if not isinstance(schema, dict) or not _UNENFORCED.isdisjoint(schema) or _TYPED.isdisjoint(schema):
        return False
    parts = [*schema.get("anyOf", ()), *schema.get("$defs", {}).values()]
    if schema.get("type") == "object":
        properties = schema.get("properties", {})
        parts += properties.values()
        if schema.get("additionalProperties") is not False:
            return False
        if all_required and set(schema.get("required", ())) != set(properties):
            return False
    elif schema.get("type") == "array":
        parts.append(schema.get("items"))
    return all(is_closed(part, all_required=all_required) for part in parts)


def safe_id(id: str) -> str:
    """A call's id in the form that every API accepts; a foreign id is always rewritten the same way."""
    return (
        id if _ID.fullmatch(id) else "call_" + hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()[:32]
    )


def safe_name(name: str) -> str:
    """A called tool's name in the form that every API accepts, even if a model made it up."""
    return name if _NAME.fullmatch(name) else re.sub(r"[^a-zA-Z0-9_-]", "_", name)[:64] or "unnamed"


def read_call(id: Any, name: Any, arguments: Any, taken: set[str]) -> ToolCall:
    """A native tool call from the model's text; a call that does not parse is kept and marked malformed.

    Args:
        id: the server's id; a missing one or one in `taken` is replaced.
        name: the tool's name.
        arguments: a JSON text or an object; an empty text means no arguments.
        taken: the ids of the turn's earlier calls; this call's id is added.
    """
    if not isinstance(id, str) or not id or id in taken:
        id = new_id()
    taken.add(id)
    tool = name if isinstance(name, str) else ""
    raw = arguments if isinstance(arguments, str) else encode(arguments).decode()
    given, wrong = _read_arguments(arguments)
    if wrong is None and not tool:
        wrong = "the call names no tool"
    if wrong is not None:
        return ToolCall(id=id, tool=tool, raw=raw, malformed=wrong)
    return ToolCall(id=id, tool=tool, arguments=given, raw=raw)


def _read_arguments(arguments: Any) -> tuple[dict[str, Any], str | None]:
    """The arguments, or their error."""
    if isinstance(arguments, str):
        try:
            arguments = from_json(arguments, allow_inf_nan=False) if arguments.strip() else {}
        except ValueError as error:
            return {}, f"the arguments are not JSON: {error}"
    if arguments is None:
        return {}, None
    if not isinstance(arguments, dict):
        return {}, "the arguments are not a JSON object"
    return arguments, None


def counted(prompt: int, cached: int, completion: int) -> Usage:
    """The usage of one request; tokens."""
    if min(prompt, cached, completion) < 0:
        raise NotACompletion("the usage has a negative number of tokens")
    return Usage(requests=1, prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """The arguments for the model's next request: for a malformed call, the text that it wrote."""
    return {"malformed": call.raw or ""} if call.malformed is not None else dict(call.arguments)


def with_marks(call: ToolCall) -> ToolCall:
    """A call with the control marks that were broken up in what the model saw; its `raw` stays as it came."""
    arguments = in_all_texts(call.arguments, put_together)
    return call if arguments == call.arguments else call.model_copy(update={"arguments": arguments})
