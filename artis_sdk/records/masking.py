"""Messages of failures with their literals masked, so that messages of one kind are one type."""

from __future__ import annotations

import re
from typing import Any

from artis_sdk.records.calls import ToolCall

HOLE = "<*>"
"""Replacement for a literal in a masked message."""

_LONGEST = 120  # characters of a type
_QUOTED = re.compile(
    r"(?<!\w)(?:'(?:[^'\n]|(?<=\w)'(?=\w))*'|\"[^\"\n]*\"|`[^`\n]*`)(?!\w)"
    r"|“[^”\n]*”|‘[^’\n]*’|«[^»\n]*»|„[^“”\n]*[“”]|「[^」\n]*」"
)
_ADDRESSES = re.compile(
    r"\b\w+://\S+|[\w.+-]+@[\w-]+\.[\w.-]+|(?<![\w>])~?/[\w.-]+(?:/[\w.-]+)*/?|\b[A-Za-z]:\\[^\s:,;]+"
    r"|(?<![\w/])\.{0,2}[\w-]+(?:/[\w.-]+){2,}|(?<![\w/.])\.{1,2}/[\w./-]+"
)
_FILES = re.compile(
    r"(?<![\w.])[\w-]+(?:\.[\w-]+)*\.(?:txt|md|csv|tsv|json|jsonl|ya?ml|toml|ini|cfg|conf|xml|html?|pdf|docx?"
    r"|xlsx?|pptx?|png|jpe?g|gif|svg|zip|tar|gz|log|sql|db|sqlite|py|js|ts|sh|java|c|h|cpp|go|rs|rb)\b"
)
# A word with a digit: numbers with sign, unit, fraction or exponent, dates, times, hashes, UUIDs, versions.
_DIGITS = re.compile(r"[$€£¥]?(?<!<)[+-]?\w*\d\w*(?:[.,:/+-]\w*\d\w*)*(?:[%°]| ?(?:AM|PM)\b)?")
_HEX = re.compile(r"\b(?:[0-9a-f]{2}:){3,}[0-9a-f]{2}\b|\b(?=[0-9a-fA-F]*[a-f])[0-9a-f]{12,}\b")
_CONSTANTS = re.compile(r"(?<![\w.])(?:True|False|None|NaN|nan|[+-]?(?:Infinity|inf))\b(?! of\b)")
_BRACKETS = re.compile(r"\[[^][]*]|\{[^{}]*}|\((?:<\*>[,\s]*)+\)")
_MONTHS = re.compile(
    r"\b(?:(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?,? )?"
    r"(?:<\*> )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.? <\*>(?:,? <\*>)*"
)
_LIST_AT_END = re.compile(r"^((?:\S+\s+){3,}\S*\w:\s*)[\w.-]+(?:,\s*[\w.-]+)*\.?$")
_RUN = re.compile(r"<\*>(?:[\s,;|+&]*(?:and |or )?<\*>)+")


def mask(message: str, call: ToolCall | None = None) -> str:
    """A message with its literals replaced by `HOLE`, so that messages of one kind become equal.

    Masked are what is quoted or bracketed; addresses, paths and file names; whatever has a digit in it, and
    hexadecimal words; dates; Python's constants; the call's own arguments; and a list of words after a colon
    at the end.

    Args:
        message: the message, of which the first line counts, up to 120 characters of the result.
        call: the call that it answers.
    """
    text = message.strip().partition("\n")[0]
    for value in _arguments(call):
        text = _without(text, value)
    for pattern in (_QUOTED, _ADDRESSES, _FILES, _HEX, _DIGITS, _CONSTANTS):
        text = pattern.sub(HOLE, text)
    while _BRACKETS.search(text):
        text = _BRACKETS.sub(HOLE, text)
    text = _LIST_AT_END.sub(rf"\1{HOLE}", _RUN.sub(HOLE, _MONTHS.sub(HOLE, text)))
    return " ".join(text.split())[:_LONGEST] or "failure"


def _without(text: str, value: str) -> str:
    """The text without one argument; a single letter is one only between marks, as in `grep: a: ...`."""
    if len(value) == 1:
        return re.sub(rf"(?<=[:=(]) ?{re.escape(value)}(?=[:,)]|$)", f" {HOLE}", text, count=1)
    return re.sub(rf"(?<![\w<]){re.escape(value)}(?![\w>])", HOLE, text, count=1)


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
        elif isinstance(value, bool) or value is None:
            found |= {str(value), {True: "true", False: "false", None: "null"}[value]}
        elif isinstance(value, str) and 0 < len(value.strip()) <= 400:
            found.add(value.strip())
    return sorted(found, key=lambda text: (-len(text), text))
