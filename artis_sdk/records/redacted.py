"""What stands in a record where a secret stood."""

from __future__ import annotations

import re

from pydantic import JsonValue

PLACEHOLDER = r"\[redacted:[0-9a-f]{8}\]"
"""Matches one placeholder; `artis_sdk.logs.redact.Redactor` writes them."""
_ONE = re.compile(PLACEHOLDER)


def is_redacted(value: JsonValue) -> bool:
    """Whether a placeholder stands anywhere in the value, in keys too."""
    if isinstance(value, dict):
        return any(map(is_redacted, value)) or any(map(is_redacted, value.values()))
    if isinstance(value, list):
        return any(map(is_redacted, value))
    return isinstance(value, str) and _ONE.search(value) is not None


def without_redacted(value: JsonValue) -> JsonValue:
    """The value with null for each text that holds a placeholder."""
    if isinstance(value, dict):
        return {key: without_redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_redacted(item) for item in value]
    return None if is_redacted(value) else value


def may_be_same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values can have been equal before redaction: a placeholder stands for any value.

    Placeholders differ from process to process, so that two of them say nothing about their secrets. Numbers
    and booleans are distinguished by type; 1 and 1.0 are one number.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(may_be_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(may_be_same, one, other))
    for pattern, value in ((one, other), (other, one)):
        if isinstance(pattern, str) and is_redacted(pattern):
            if _ONE.fullmatch(pattern):
                return True
            if isinstance(value, str) and _fits(_ONE.split(pattern), value):
                return True
    return isinstance(one, bool) is isinstance(other, bool) and one == other


def _fits(parts: list[str], text: str) -> bool:
    """Whether the text is made of these parts with anything between them; linear in its length."""
    first, *middle, last = parts
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
