"""Rules by which a returned value may be a failure, or a success, and that only a person can settle.

A rule that is on counts such values as failures until a person says no; one that is off counts them as
successes until a person says yes. `artis logs failures` shows both, and the answers stand in the settings
as `failure_rules`, by tool or for all tools (`*`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

ALL_TOOLS: Final = "*"

RULES: Final[dict[str, str]] = {
    "text": "a text that says that it failed",
    "exit_code": "an exit code other than 0",
    "code": "a code other than 0 beside a message",
    "status": "a status that is a word such as `failed`",
    "other_error": "an error field with another word before it",
}
"""What each rule goes by, by its name. The first three are off, the others on."""

_TEXT = re.compile(
    r"\s*(?:error|fatal|exception)\b(?!s? (?:rate|handling|log))|\s*(?:failed|failure|unable) to\b"
    r"|\s*an? (?:\w+ )?error (?:occurred|happened)\b"
    r"|\s*(?:could|can|did|does|do|was|were|is)(?: not|n't|not)\b.{0,40}"
    r"\b(?:find|found|open|read|connect|exist|permitted)"
    r"|\s*(?:access|permission) denied|\s*(?:connection|request) (?:refused|timed out|failed)"
    r"|\s*(?:unknown|invalid|unauthorized|forbidden)\b|\s*no such \w+"
    r"|\s*[\w/.-]+: [^\n]{0,120}\b(?:no such file"
    r"|not found|permission denied|cannot|invalid option|is a directory)",
    re.IGNORECASE,
)
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):[\s\S]*?\n([A-Za-z_][\w.]*(?::[^\n]*)?)\s*$")
_EXIT_KEYS: Final = ("exit_code", "exitCode", "returncode", "return_code", "exit_status")
_CODE_KEYS: Final = ("code", "ret", "retcode", "errno", "ret_code")
_MESSAGES: Final = ("message", "msg", "errmsg", "detail")
_OTHER = re.compile(r".+_(?:error|errors|exception|failure)$")


class Rule(NamedTuple):
    """A doubtful rule that a value falls under."""

    name: str
    why: str
    said: Any
    """What the failure's type is read from."""


class Answers:
    """A person's answers.

    Args:
        given: whether it is a failure, by tool or `*`, and by rule.
    """

    def __init__(self, given: Mapping[str, Mapping[Any, bool]]) -> None:
        self._given = given

    def __bool__(self) -> bool:
        return bool(self._given)

    def says(self, tool: str, rule: str) -> bool | None:
        """The answer for a tool, else that for all tools; None without one."""
        own = self._given.get(tool, {}).get(rule)
        return own if own is not None else self._given.get(ALL_TOOLS, {}).get(rule)


_answers = Answers({})


def settle(given: Mapping[str, Mapping[Any, bool]]) -> None:
    """Have these answers count in this process; the settings do it when they are read."""
    global _answers
    _answers = Answers(given)


def settled() -> Answers:
    """The answers that count in this process."""
    return _answers


def doubtful(value: Any, *, counted: bool) -> Rule | None:
    """The doubtful rule that decides about a value; None where none does.

    Args:
        value: a returned value.
        counted: whether the value counts as a failure by the rules without doubt and those that are on.
    """
    if isinstance(value, str) and not counted:
        return _of_text(value)
    if not isinstance(value, dict):
        return None
    return _on(value) if counted else _off(value)


def _of_text(text: str) -> Rule | None:
    ends = _TRACEBACK.search(text[-4000:])
    if ends:
        return Rule("text", RULES["text"], ends[1])
    return Rule("text", RULES["text"], text) if _TEXT.match(text[:400]) else None


def _off(value: dict[str, Any]) -> Rule | None:
    for name in _EXIT_KEYS:
        said = _number(value.get(name))
        if said:
            text = value.get("stderr") or value.get("output") or value.get("stdout")
            return Rule("exit_code", RULES["exit_code"], text or f"exit code {said}")
    for name in _CODE_KEYS:
        text = next((value[key] for key in _MESSAGES if isinstance(value.get(key), str)), None)
        said = _number(value.get(name))
        if said and text and said not in range(100, 400):
            return Rule("code", RULES["code"], {"code": said, "message": text})
    return None


def _on(value: dict[str, Any]) -> Rule | None:
    plain = {"error", "errors", "exception", "failure", "err", "success", "ok", "isError", "is_error"}
    if plain & value.keys():
        return None
    status = value.get("status")
    if isinstance(status, str) and len(value) > 1:
        return Rule("status", RULES["status"], value)
    if any(_OTHER.match(str(key)) for key in value):
        return Rule("other_error", RULES["other_error"], value)
    return None


def _number(said: Any) -> int | None:
    return said if isinstance(said, int) and not isinstance(said, bool) else None
