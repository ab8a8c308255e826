"""The paper's type(o): `success`, or the kind of failure of an outcome. One set of rules, in this order:

1. What the tool's own `failures=` says, of a success too; it is recorded with the outcome.
2. A mark of the protocol: a raised exception, an error mark beside an imported or an MCP result.
3. The conventional envelopes of a returned value, also where the value is their JSON text: an error code,
   an error field, a flag, a status; lists of failures.
4. A text that begins like an error, `Error: ...` or `KeyError: ...`.
5. What a person settled for a tool: `failure_rules` in the settings, see `doubtful_rule`.

A value of which none of these holds is a success. The same rules read what was called and what was imported.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic_core import from_json

from artis_sdk.records.calls import Outcome, Step, ToolCall
from artis_sdk.records.doubtful_rules import doubtful, settled
from artis_sdk.records.masking import HOLE, mask

__all__ = [
    "HOLE",
    "SUCCESS",
    "doubtful_rule",
    "failed_type",
    "failure_text",
    "mask",
    "outcome_type",
    "returned_type",
]

SUCCESS = "success"

_UNTYPED = frozenset({None, "", "failure", "error"})
_WORDS = r"error|errors|exception|failure|err"
_FAILURE_KEY = re.compile(rf"(?:^|_)(?:{_WORDS})(?:_?(?:message|msg|code|type|reason|details?|text))?$")
_BARE_KEY = re.compile(rf"(?:{_WORDS})(?:_?code)?$")
# Error fields that are of no failure of this call: of one before, of a measurement, of an option.
_OTHER_ERRORS = re.compile(
    r"^(?:last|latest|previous|prev|first|recent|past|on|if|ignore|handle|retry|standard|std|mean|max|min|rms"
    r"|squared|absolute|relative|rounding|sampling|measurement|allowed|expected|known|training|test|validation_loss"
    r"|margin_of)_"
)
_NUMBER_KEY = re.compile(r"(?:err|error)_?(?:code|no|num|number)$")
_CODE_KEYS = ("code", "error_code", "error_type", "type", "reason_code")
_REASON_KEYS = ("message", "msg", "reason", "detail", "details", "description", "content", "text", "title")
_FLAGS = frozenset({"success", "ok", "succeeded", "successful", "is_success"})
_ERROR_FLAGS = frozenset({"is_error", "failed", "is_failure", "has_error"})
_STATUS_KEYS = ("status_code", "http_status", "status", "code")
_BAD_STATUS = re.compile(r"(?:error|err|fail(?:ed|ure)?|denied|rejected|refused|unauthorized|forbidden)$")
_NOTHING = frozenset(
    {"", "0", "none", "null", "nil", "no", "n/a", "na", "-", "false", "ok", "okay", "success", "succeeded"}
    | {"no error", "no errors", "noerror", "no_error", "successful", "undefined"}
)
"""Words of an error field that mean no error."""
_CODE = re.compile(r"[A-Za-z][\w.-]{1,63}$|-?\d{3,6}$")
_CLASS = re.compile(r"\s*(?:[a-z_]\w*\.)*([A-Z]\w*(?:Error|Exception|Warning|Failure))\b\s*(?:[:(]|- |$)")
_MADE = re.compile(r"([A-Z]\w*)\(.*\)\s*$", re.MULTILINE)
"""An exception as Python writes it, behind an error mark: LangGraph's `Error: PaymentDeclined('no')`."""
_STARTS_AS_ERROR = re.compile(r"\s*(?:error|exception|failure|failed|fatal(?: error)?)\s*:\s*", re.IGNORECASE)
_DEEPEST = 4
_LONGEST_JSON = 1_000_000  # characters of a text that is read as JSON


def outcome_type(outcome: Outcome, call: ToolCall | None = None) -> str:
    """The type of an outcome (section 4.3.1), the same word wherever issue types are compared.

    In the order of this module: the type by the tool's own `failures=` (an exception's class, a classifier's
    word, success); the exception class, code or field, or status that a returned value names; else its
    message with the literals masked. A value that names no failure is a success.

    Args:
        outcome: an outcome of any provenance.
        call: its call, whose arguments are masked too if the message repeats them unquoted.
    """
    if outcome.declared:
        return outcome.type
    if outcome.failure_type not in _UNTYPED and not outcome.ok:
        return str(outcome.failure_type)
    found = returned_type(outcome.value, call)
    if found is None and not outcome.ok:
        found = _of_text(outcome.message, call) if outcome.message else failed_type(outcome.value, call)
    return found or SUCCESS


def succeeded(step: Step) -> bool:
    """Whether a call did what it is for: a tool may also answer with an error instead of raising it."""
    return outcome_type(step.outcome, step.call) == SUCCESS


def returned_type(value: Any, call: ToolCall | None = None) -> str | None:
    """The failure type that a returned value names; None if it names no failure."""
    found = _of_value(value, call, 0)
    if not settled():
        return found
    tool = "" if call is None else call.tool
    rule = doubtful(value, counted=found is not None)
    if rule is None or (says := settled().says(tool, rule.name)) is None:
        return found
    return (found or failed_type(rule.said, call)) if says else None


class Doubt(NamedTuple):
    """A rule that may take a success for a failure, or a failure for a success, of one tool."""

    rule: str
    """Name of the rule, as in the settings."""
    why: str
    """What the rule goes by."""
    failure: bool
    """Whether the value counts as a failure now."""


def doubtful_rule(value: Any, call: ToolCall | None = None) -> Doubt | None:
    """The doubtful rule by which a returned value counts as it does, unless a person settled it."""
    failure = returned_type(value, call) is not None
    rule = doubtful(value, counted=_of_value(value, call, 0) is not None)
    if rule is None or settled().says("" if call is None else call.tool, rule.name) is not None:
        return None
    return Doubt(rule.name, rule.why, failure)


def failed_type(value: Any, call: ToolCall | None = None) -> str:
    """The failure type of a value that is known to be a failure, as by an error mark beside it."""
    return _of_value(value, call, 0) or _of_error(_read(value), call, 0) or "failure"


def failure_text(value: Any) -> str | None:
    """The message of a returned failure; None without one, and for a success."""
    if returned_type(value) is None:
        return None
    read = _read(value)
    return read if isinstance(read, str) else _reason(read, 0)


# --- values ---------------------------------------------------------------------------------------


def _read(value: Any) -> Any:
    """The value, or what its JSON text shows: a tool may return either."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and len(value) <= _LONGEST_JSON:
        try:
            return from_json(value)
        except ValueError:
            return value
    return value


def _of_value(value: Any, call: ToolCall | None, depth: int) -> str | None:
    if depth > _DEEPEST:
        return None
    value = _read(value) if depth == 0 else value
    if isinstance(value, str):
        starts = _STARTS_AS_ERROR.match(value) or (_CLASS.match(value) if "\n" not in value[:80] else None)
        return _of_text(value, call) if starts else None
    if isinstance(value, list):
        types = [_of_value(item, call, depth + 1) for item in value[:3]]
        return types[0] if types and all(types) else None
    return _of_fields(value, call, depth) if isinstance(value, dict) else None


def _of_fields(value: dict[str, Any], call: ToolCall | None, depth: int) -> str | None:
    keys = {_snake(key): key for key in value}
    if any(_NUMBER_KEY.search(name) and _is_zero(value[key]) for name, key in keys.items()):
        return None
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


def _is_zero(said: Any) -> bool:
    """Whether an error number says success."""
    if isinstance(said, str):
        return said.strip().lower() in _NOTHING - {""} or said.strip("0") == "" != said
    return said == 0 and not isinstance(said, bool)


def _says_failure(name: str, said: Any) -> bool:
    """`{"error": null}` is a success, and `{"standard_error": 0.1}` is a number."""
    if _OTHER_ERRORS.match(name):
        return False
    if isinstance(said, bool) or said is None:
        return said is True and _BARE_KEY.match(name) is not None
    if isinstance(said, int | float):
        return said != 0 and _BARE_KEY.match(name) is not None
    if isinstance(said, str):
        return said.strip().lower().rstrip(".!") not in _NOTHING
    return bool(said)


def _of_error(said: Any, call: ToolCall | None, depth: int) -> str | None:
    if isinstance(said, str):
        return _of_text(said, call) if said.strip() else None
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
    for name in (*_CODE_KEYS, *(key for key in keys if _NUMBER_KEY.search(key))):
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
    named = [key for name, key in keys.items() if _FAILURE_KEY.search(name) and not _OTHER_ERRORS.match(name)]
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


def _of_text(text: str, call: ToolCall | None) -> str:
    starts = _STARTS_AS_ERROR.match(text)
    body = text if starts is None else text[starts.end() :]
    named = _CLASS.match(text) or _CLASS.match(body) or (starts and _MADE.match(body))
    if named:
        return named[1]
    return body.strip() if _CODE.match(body.strip()) else mask(body, call)
