"""The paper's type(o): `success`, or the kind of failure of an outcome.

A tool that declares its `failures=` decides this when the call is recorded. Third-party code declares
nothing and returns its failures as values, so the contents of a value count as well.
"""

from __future__ import annotations

import re
from typing import Any

from artis_sdk.records.calls import Outcome, ToolCall

SUCCESS = "success"
HOLE = "<*>"
"""Replacement for a literal in a masked message."""

_LONGEST = 120  # characters of a type
_UNTYPED = frozenset({None, "", "failure", "error"})
_WORDS = r"error|errors|exception|failure|err"
_FAILURE_KEY = re.compile(rf"(?:^|_)(?:{_WORDS})(?:_?(?:message|msg|code|type|reason|details?|text))?$")
_BARE_KEY = re.compile(rf"(?:{_WORDS})(?:_?code)?$")
_CODE_KEYS = ("code", "error_code", "error_type", "type", "reason_code")
_REASON_KEYS = ("message", "msg", "reason", "detail", "details", "description", "content", "text", "title")
_FLAGS = frozenset({"success", "ok", "succeeded", "successful", "is_success"})
_ERROR_FLAGS = frozenset({"is_error", "failed", "is_failure", "has_error"})
_STATUS_KEYS = ("status_code", "http_status", "status", "code")
_BAD_STATUS = re.compile(r"(?:error|err|fail(?:ed|ure)?|denied|rejected|refused|unauthorized|forbidden)$")
_CODE = re.compile(r"[A-Za-z][\w.-]{1,63}$|\d{3,6}$")
_CLASS = re.compile(r"\s*(?:[a-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Warning|Failure))\b\s*(?:[:(]|$)")
_STARTS_AS_ERROR = re.compile(r"\s*(?:error|exception|failure|failed|fatal(?: error)?)\s*:\s*", re.IGNORECASE)
_DEEPEST = 4


def outcome_type(outcome: Outcome, call: ToolCall | None = None) -> str:
    """The type of an outcome (section 4.3.1), the same word wherever issue types are compared.

    In this order: the type by the tool's own `failures=` (an exception's class, a classifier's word);
    the exception class, code or field, or status that a returned value names; else its message with the
    literals masked. A value that names no failure is a success.

    Args:
        outcome: an outcome of any provenance.
        call: its call, whose arguments are masked too if the message repeats them unquoted.
    """
    if outcome.failure_type not in _UNTYPED and not outcome.ok:
        return str(outcome.failure_type)
    found = returned_type(outcome.value, call)
    if found is None and not outcome.ok:
        found = _of_text(outcome.message or "", call) if outcome.message else "failure"
    return found or SUCCESS


def returned_type(value: Any, call: ToolCall | None = None) -> str | None:
    """The failure type that a returned value names; None if it names no failure."""
    return _of_value(value, call, 0)


def failure_text(value: Any) -> str | None:
    """The message of a returned failure; None without one, and for a success."""
    if returned_type(value) is None:
        return None
    return value if isinstance(value, str) else _reason(value, 0)


# --- values ---------------------------------------------------------------------------------------


def _of_value(value: Any, call: ToolCall | None, depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        starts = _STARTS_AS_ERROR.match(value) or (_CLASS.match(value) if "\n" not in value[:80] else None)
        return _of_text(value, call) if starts else None
    if isinstance(value, list):
        types = [_of_value(item, call, depth + 1) for item in value[:3]]
        return types[0] if types and all(types) else None
    return _of_fields(value, call, depth) if isinstance(value, dict) else None


def _of_fields(value: dict[str, Any], call: ToolCall | None, depth: int) -> str | None:
    keys = {_snake(key): key for key in value}
    for name, key in keys.items():
        if _FAILURE_KEY.search(name) and _says_failure(name, value[key]):
            return _code(value, keys) or _of_error(value[key], call, depth) or name
    flag = next((name for name in keys if name in _FLAGS and value[keys[name]] is False), None)
    flag = flag or next((name for name in keys if name in _ERROR_FLAGS and value[keys[name]] is True), None)
    flag = flag or next((n for n in keys if _is_status(n, call) and value[keys[n]] is False), None)
    if flag is not None and (flag != "status" or _reason(value, depth)):
        said = _code(value, keys) or _of_error(_reason(value, depth), call, depth)
        return said or f"{flag}={str(value[keys[flag]]).lower()}"
    status = next(
        (s for name in _STATUS_KEYS if name in keys and (s := _bad_status(value[keys[name]]))), None
    )
    return None if status is None else _code(value, keys) or status


def _says_failure(name: str, said: Any) -> bool:
    """`{"error": null}` is a success, and `{"standard_error": 0.1}` is a number."""
    if isinstance(said, bool) or said is None:
        return said is True and _BARE_KEY.match(name) is not None
    if isinstance(said, int | float):
        return said != 0 and _BARE_KEY.match(name) is not None
    return bool(said)


def _of_error(said: Any, call: ToolCall | None, depth: int) -> str | None:
    if isinstance(said, str):
        return _of_text(said, call)
    if isinstance(said, int | float) and not isinstance(said, bool):
        return str(said)
    if isinstance(said, list):
        return _of_error(said[0], call, depth + 1) if said and depth <= _DEEPEST else None
    if isinstance(said, dict):
        keys = {_snake(key): key for key in said}
        return _code(said, keys) or _of_error(_reason(said, depth + 1), call, depth + 1)
    return None


def _code(value: dict[str, Any], keys: dict[str, str]) -> str | None:
    """The value's own name for its failure, if that is a word or a number, not a sentence."""
    failing = ("error", "errors", "exception", "failure")
    for name in _CODE_KEYS:
        said = value.get(keys.get(name, ""))
        if isinstance(said, int) and not isinstance(said, bool):
            said = str(said)
        # `type` is the kind of a value, unless it is in an error.
        if isinstance(said, str) and _CODE.match(said) and (name != "type" or not set(failing) & set(keys)):
            return said
    return None


def _reason(value: Any, depth: int) -> str | None:
    """The sentence in a failure, under any key."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, str):
        return value or None
    if isinstance(value, list):
        return _reason(value[0], depth + 1) if value else None
    if not isinstance(value, dict):
        return None
    keys = {_snake(key): key for key in value}
    named = [key for name, key in keys.items() if _FAILURE_KEY.search(name)]
    for key in (*named, *(keys[name] for name in _REASON_KEYS if name in keys)):
        found = _reason(value[key], depth + 1)
        if found is not None:
            return found
    return None


def _bad_status(said: Any) -> str | None:
    if isinstance(said, int) and not isinstance(said, bool):
        return str(said) if 400 <= said <= 599 else None
    return said.lower() if isinstance(said, str) and _BAD_STATUS.match(said.lower()) else None


def _is_status(name: str, call: ToolCall | None) -> bool:
    """Whether False is an answer, as of a tool that returns a status."""
    return name == "status" or (name.endswith("_status") and (call is None or name not in _snake(call.tool)))


def _snake(key: Any) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", str(key)).replace("-", "_").lower()


# --- messages -------------------------------------------------------------------------------------


def _of_text(text: str, call: ToolCall | None) -> str:
    named = _CLASS.match(text)
    if named:
        return named[1]
    body = _STARTS_AS_ERROR.sub("", text, count=1)
    return body.strip() if _CODE.match(body.strip()) else mask(body, call)


_QUOTED = re.compile(r"(?<!\w)(?:'(?:[^'\n]|(?<=\w)'(?=\w))*'|\"[^\"\n]*\"|`[^`\n]*`)(?!\w)")
_ADDRESSES = re.compile(r"\b\w+://\S+|[\w.+-]+@[\w-]+\.[\w.-]+|(?<![\w>])/[\w.-]+(?:/[\w.-]+)*")
_DIGITS = re.compile(r"[$€£]?[+-]?\w*\d\w*(?:[.,:/-]\w*\d\w*)*%?")
_BRACKETS = re.compile(r"\[[^][]*]|\{[^{}]*}|\((?:<\*>[,\s]*)+\)")
_LIST_AT_END = re.compile(r"^((?:\S+\s+){3,}\S*\w:\s*)[\w.-]+(?:,\s*[\w.-]+)*\.?$")
_RUN = re.compile(r"<\*>(?:[\s,;|+&]*(?:and |or )?<\*>)+")


def mask(message: str, call: ToolCall | None = None) -> str:
    """A message with its literals replaced by `HOLE`, so that messages of one kind become equal.

    Masked are what is quoted, bracketed, an address or a path, or has a digit in it; the call's own
    arguments; and a list of words after a colon at the end.

    Args:
        message: the message, of which the first line counts, up to 120 characters of the result.
        call: the call that it answers.
    """
    text = message.strip().partition("\n")[0]
    for value in _arguments(call):
        text = re.sub(rf"(?<![\w<]){re.escape(value)}(?![\w>])", HOLE, text, count=1)
    for pattern in (_QUOTED, _ADDRESSES, _DIGITS):
        text = pattern.sub(HOLE, text)
    while _BRACKETS.search(text):
        text = _BRACKETS.sub(HOLE, text)
    text = _LIST_AT_END.sub(rf"\1{HOLE}", _RUN.sub(HOLE, text))
    return " ".join(text.split())[:_LONGEST] or "failure"


def _arguments(call: ToolCall | None) -> list[str]:
    """Texts of a call's arguments as a message may repeat them, longest first."""
    found: set[str] = set()
    left: list[Any] = [] if call is None else list(call.arguments.values())
    while left and len(found) < 64:
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
        elif isinstance(value, str) and 1 < len(value.strip()) <= 400:
            found.add(value.strip())
    return sorted(found, key=lambda text: (-len(text), text))
