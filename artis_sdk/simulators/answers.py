"""Answers of a simulator model: the schema that constrains them, and their reader, which guesses nothing."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from pydantic import JsonValue
from pydantic_core import from_json

from artis_sdk.prompts import encode_spaced
from artis_sdk.records import Outcome, Provenance
from artis_sdk.records.action_text import parse_literal
from artis_sdk.records.thinking import strip_thinking
from artis_sdk.tools.protocols import CheckedTool

_OPEN, _CLOSE = "<Output>", "</Output>"

_ENTRY: Final[dict[str, Any]] = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"ok": {"const": True}, "value": {}},
            "required": ["ok", "value"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {
                "ok": {"const": False},
                "failure_type": {"type": "string"},
                "message": {"type": "string"},
                "value": {},
            },
            "required": ["ok", "failure_type", "message"],
            "additionalProperties": False,
        },
    ]
}
_KEYS: Final = {"ok", "value", "failure_type", "message"}


class UnreadableAnswer(Exception):
    """The model's text does not have the requested form; the message says why."""


@cache
def answer_schema(count: int, thought: bool = False) -> dict[str, Any]:
    """JSON schema of a typed answer: `{"outputs": [...]}` with one entry for each of `count` calls.

    With a thought it is `{"thought": "...", "outputs": [...]}`: first the reasons for the outcome.

    An entry is `{"ok": true, "value": ...}`, or `{"ok": false, "failure_type": "...", "message":
    "...", "value": ...}`, whose value is what a tool returned that fails without an exception.
    """
    said: dict[str, Any] = {"thought": {"type": "string"}} if thought else {}
    said["outputs"] = {"type": "array", "items": _ENTRY, "minItems": count, "maxItems": count}
    return {"type": "object", "properties": said, "required": list(said), "additionalProperties": False}


def typed_entries(text: str, count: int) -> list[JsonValue]:
    """The entries of an answer in the typed form; a thought and words around the object are ignored.

    Raises:
        UnreadableAnswer: invalid JSON, another shape, or another number of entries.
    """
    body = _unfenced(text)
    try:
        answer = from_json(body[max(body.find("{"), 0) : body.rfind("}") + 1])
    except ValueError as error:
        raise UnreadableAnswer(f"it is not valid JSON ({error})") from None
    if not isinstance(answer, dict) or set(answer) - {"thought"} != {"outputs"}:
        raise UnreadableAnswer('it is not an object {"outputs": [...]}')
    return _counted(answer["outputs"], count)


def typed_answer(outcomes: Iterable[Outcome], thought: str | None = None) -> str:
    """The typed answer that says these outcomes, as `typed_entries` and `typed_outcome` read it back.

    Spaces are where engines with JSON grammars put them, and data is escaped as in prompts, so that
    no text in it is a control token.
    """
    said: dict[str, JsonValue] = {} if thought is None else {"thought": thought}
    return encode_spaced({**said, "outputs": [_entry(outcome) for outcome in outcomes]})


def _entry(outcome: Outcome) -> dict[str, JsonValue]:
    if outcome.ok:
        return {"ok": True, "value": outcome.value}
    entry: dict[str, JsonValue] = {
        "ok": False,
        "failure_type": outcome.type,
        "message": outcome.message or "",
    }
    if not outcome.raised and outcome.value is not None:
        entry["value"] = outcome.value
    return entry


def plain_entries(text: str, count: int) -> list[JsonValue]:
    """The entries of an answer in the paper's form, `<Output>[...]</Output>`, as JSON or Python literals.

    Raises:
        UnreadableAnswer: no list between the tags, or another number of entries.
    """
    body = _unfenced(text)
    if _OPEN in body:
        body = body.partition(_OPEN)[2]
        body = body.rpartition(_CLOSE)[0] or body
    try:
        answer = from_json(body)
    except ValueError:
        try:
            answer = parse_literal(body)
        except ValueError as error:
            raise UnreadableAnswer(f"there is no JSON list between {_OPEN} and {_CLOSE} ({error})") from None
    return _counted(answer, count)


def typed_outcome(entry: JsonValue, tool: CheckedTool | None, raw: str) -> Outcome:
    """An entry of the typed form as an outcome.

    A returned value that the tool's own `failures=` rules call a failure is one, of the type they say.

    Raises:
        UnreadableAnswer: it does not say success or failure, or contradicts itself.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("ok"), bool) or not set(entry) <= _KEYS:
        raise UnreadableAnswer(
            f"an entry is an object with ok, value, failure_type, message, not {entry!r:.80}"
        )
    failure_type, message = entry.get("failure_type"), entry.get("message")
    if entry["ok"]:
        if "value" not in entry or failure_type or message:
            raise UnreadableAnswer(f"a success has a value and no failure, not {entry!r:.80}")
        return _returned(entry["value"], tool, raw)
    if not isinstance(failure_type, str) or not failure_type or not isinstance(message, str | None):
        raise UnreadableAnswer(f"a failure has a failure_type and a message, not {entry!r:.80}")
    if entry.get("value") is None:
        return Outcome.failure(failure_type, message or "", Provenance.SIMULATED, raised=True, raw=raw)
    returned = _returned(entry["value"], tool, raw)
    if not returned.ok:
        return returned
    return returned.model_copy(update={"ok": False, "failure_type": failure_type, "message": message})


def plain_outcome(entry: JsonValue, tool: CheckedTool | None, raw: str) -> Outcome:
    """An entry of the paper's form, the tool's return value, as an outcome.

    The tool's own `failures=` rules say what a failure is. Where they say nothing, an object with the
    one key `error` and a text is a raised error of type `error`: that is how histories show raised
    errors. Everything else is a success.

    Raises:
        UnreadableAnswer: the tool's rules cannot read it.
    """
    outcome = _returned(entry, tool, raw)
    if not outcome.ok or not isinstance(entry, dict) or set(entry) != {"error"}:
        return outcome
    message = entry["error"]
    if not isinstance(message, str):
        return outcome
    return Outcome.failure("error", message, Provenance.SIMULATED, raised=True, raw=raw)


def _returned(value: JsonValue, tool: CheckedTool | None, raw: str) -> Outcome:
    if tool is None:
        return Outcome.success(value, Provenance.SIMULATED, raw=raw)
    try:
        outcome = tool.outcome(value, Provenance.SIMULATED)
    except Exception as error:  # a user's classifier, on a value of an unknown shape
        raise UnreadableAnswer(f"the failures= rules of {tool.name} cannot read it ({error!r})") from error
    return outcome.model_copy(update={"raw": raw})


def _unfenced(text: str) -> str:
    """The text after the model's thoughts, without a code fence around it."""
    body = strip_thinking(text)
    if body.startswith("```") and body.endswith("```") and "\n" in body:
        body = body.partition("\n")[2][:-3]
    return body


def _counted(entries: Any, count: int) -> list[JsonValue]:
    if not isinstance(entries, list):
        raise UnreadableAnswer("the outputs are not a list")
    if len(entries) != count:
        raise UnreadableAnswer(f"it has {len(entries)} entries for {count} calls")
    return entries
