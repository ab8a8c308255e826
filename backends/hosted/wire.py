"""The common parts of the hosted backends' translations: JSON bytes, each made once."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final, Generic, TypeVar

from pydantic_core import PydanticSerializationError, ValidationError, from_json, to_json

from artis_sdk.records import Completion, Message, ToolCall, Usage, new_id
from artis_sdk.records.marks import BREAK, break_up, in_all_texts, put_together
from artis_sdk.records.remembered import Remembered

T = TypeVar("T")

NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
"""Tools' own names by the names that an API took, where it took all of them."""

_REMEMBERED = 64  # tool lists and schemas in use at once; more only cost their translation again
_LONG = 4096  # characters from which on a line is looked for among the remembered ones
_LARGE = 1 << 19  # characters of the longest line that is remembered
_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_MANY = 10**12  # tokens; no answer has as many


def encode(value: Any) -> bytes:
    """A value as JSON. Lone surrogates, which UTF-8 cannot hold, become question marks."""
    try:
        return to_json(value, inf_nan_mode="strings")
    except (PydanticSerializationError, UnicodeEncodeError):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def data_json(text: str, *, thoughts: bool = True) -> bytes:
    """A text as JSON, with control marks broken up.

    Long lines are translated once: in each prompt of an attempt stand the same tools' documents and the same
    state. No mark holds a line break.

    Args:
        text: data.
        thoughts: as for `break_up`.
    """
    if len(text) < _LONG:
        return encode(break_up(text, thoughts=thoughts))
    pieces: list[bytes] = []
    short: list[str] = []
    for line in text.split("\n"):
        if not _LONG <= len(line) <= _LARGE:
            short.append(line)
            continue
        if short:
            pieces.append(_bare("\n".join(short), thoughts))
            short = []
        pieces.append(_remembered(line, thoughts))
    if short:
        pieces.append(_bare("\n".join(short), thoughts))
    return b'"%s"' % b"\\n".join(pieces)


def _bare(text: str, thoughts: bool) -> bytes:
    return encode(break_up(text, thoughts=thoughts))[1:-1]


_remembered = lru_cache(maxsize=32)(_bare)


def fragments(messages: tuple[Message, ...], key: str, translate: Callable[[Message], T]) -> list[T]:
    """Each message's translation, made on first sight and remembered in the message.

    For a history seen before this takes no step of Python, however long it is.
    """
    wires: list[Any] = list(map(getattr, messages, repeat("_translated"), repeat(None)))
    place = -1
    for _ in range(wires.count(None)):
        place = wires.index(None, place + 1)
        wires[place] = messages[place]._wire
    pieces: list[Any] = list(map(dict.get, wires, repeat(key)))
    place = -1
    for _ in range(pieces.count(None)):
        place = pieces.index(None, place + 1)
        pieces[place] = wires[place][key] = translate(messages[place])
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


class Translated(Generic[T]):
    """A translation of a schema, or of a tuple of tools, remembered by identity; for a tuple, by that of its
    items: each session puts the same tools into a tuple of its own, and shows it in each request."""

    def __init__(self, translate: Callable[[Any], T]) -> None:
        self._translate = translate
        self._by_items: dict[tuple[int, ...], tuple[Any, T]] = {}  # holds the items, so that ids stay theirs
        self._seen = Remembered(self._of_items, _REMEMBERED)

    def forget(self) -> None:
        """Translate everything again: the server takes something else now."""
        self._by_items.clear()
        self._seen.forget()

    def __call__(self, value: Any) -> T:
        return self._seen(value)

    def _of_items(self, value: Any) -> T:
        items = tuple(map(id, value)) if isinstance(value, tuple) else (id(value),)
        known = self._by_items.get(items)
        if known is not None:
            return known[1]
        if len(self._by_items) >= _REMEMBERED:
            self._by_items.clear()
        made = self._translate(value)
        self._by_items[items] = (value, made)
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


def read_call(id: Any, name: Any, arguments: Any, taken: set[str], wrong: str | None = None) -> ToolCall:
    """A native tool call from the model's text; a call that does not parse is kept and marked malformed.

    Args:
        id: the server's id; a missing one or one in `taken` is replaced.
        name: the tool's name.
        arguments: a JSON text or an object; an empty text means no arguments.
        taken: the ids of the turn's earlier calls; this call's id is added.
        wrong: why the call cannot be read, if that is known already.
    """
    if not isinstance(id, str) or not id or id in taken:
        id = new_id()
    taken.add(id)
    tool = name if isinstance(name, str) else ""
    raw = arguments if isinstance(arguments, str) else encode(arguments).decode()
    given: dict[str, Any] = {}
    if wrong is None:
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
            arguments = read_json(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError) as error:
            return {}, f"the arguments are not JSON: {error}"
    if arguments is None:
        return {}, None
    if not isinstance(arguments, dict):
        return {}, "the arguments are not a JSON object"
    return arguments, None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):  # which of its values was meant nobody can say
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{repeated!r} is given twice")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)


def read_json(text: str) -> Any:
    """A JSON text of a model, of which nothing is guessed.

    Raises:
        ValueError: it is not JSON, gives a name of an object twice, or has a number that is not finite.
        RecursionError: it is nested too deep.
    """
    return _DECODER.decode(text)


def count(value: Any) -> int:
    """A number of tokens in a server's answer; 0 for anything else, as the answer itself is there."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    if isinstance(value, int | float) and 0 <= value < _MANY:  # False for NaN
        return int(value)
    return 0


def counted(prompt: Any, cached: Any, completion: Any) -> Usage:
    """The usage of one request; tokens."""
    if type(prompt) is type(cached) is type(completion) is int and min(prompt, cached, completion) >= 0:
        return Usage(requests=1, prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completion)
    return Usage(
        requests=1,
        prompt_tokens=count(prompt),
        cached_tokens=count(cached),
        completion_tokens=count(completion),
    )


def fields_of(value: Any) -> dict[str, Any]:
    """An object's fields; none if it is no object."""
    return value if isinstance(value, dict) else {}


def arguments_object(call: ToolCall) -> dict[str, Any]:
    """The arguments for the model's next request: for a malformed call, the text that it wrote."""
    return {"malformed": call.raw or ""} if call.malformed is not None else dict(call.arguments)


def sent_arguments(call: ToolCall) -> dict[str, Any]:
    """`arguments_object` with control marks broken up. What the model wrote of a malformed call goes back as
    it came."""
    given = arguments_object(call)
    if call.malformed is not None:
        given = in_all_texts(given, put_together)
    broken: dict[str, Any] = in_all_texts(given, break_up)
    return broken


def with_whole_texts(completion: Completion, *, is_json: bool) -> Completion:
    """An answer with the control marks that were broken up in what the model saw.

    Args:
        completion: the answer.
        is_json: whether it is held to a schema, so that the breaks may be escaped.
    """
    text = put_together(completion.text) if BREAK in completion.text else completion.text
    if is_json and "\\u" in text:
        text = _whole_json(text)
    return completion if text == completion.text else completion.model_copy(update={"text": text})


def _whole_json(text: str) -> str:
    try:
        value = from_json(text)
    except ValueError:
        return text
    whole = in_all_texts(value, put_together)
    return text if whole == value else encode(whole).decode()


def with_marks(call: ToolCall) -> ToolCall:
    """A call with the control marks that were broken up in what the model saw; its `raw` stays as it came."""
    if call.raw is not None and BREAK not in call.raw and "\\u" not in call.raw:
        return call
    arguments = in_all_texts(call.arguments, put_together)
    return call if arguments == call.arguments else call.model_copy(update={"arguments": arguments})
