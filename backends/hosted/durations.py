"""How long a server asks to wait, in all the ways in which servers say it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

_UNIT = r"ms|milliseconds?|s(?:ec(?:ond)?s?)?|m(?:in(?:ute)?s?)?|h(?:ours?|rs?)?|d(?:ays?)?"
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}  # by the unit's first letter
_PART = re.compile(rf"(\d+(?:\.\d+)?)\s*({_UNIT})(?![a-z])[\s,]*")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_TOLD = re.compile(
    rf"(?:try again|retry|wait)(?: in| after|:)?\s*((?:{_PART.pattern})+)"
    r"|retryDelay['\"]?\s*:\s*['\"](\d+(?:\.\d+)?s)",
    re.IGNORECASE,
)
_YEAR_2001 = 1e9  # a larger number of seconds is a point in time, and 1,000 times as large one in ms
_RESETS = ("requests", "tokens", "input-tokens", "output-tokens")


def retry_after(headers: Mapping[str, str], message: str = "") -> float | None:
    """Seconds that a server asks to wait; None if it does not say.

    `retry-after-ms`, then Retry-After, then when the limit that is used up is reset, then its words.

    Args:
        headers: headers of the response, with names in lower case.
        message: the server's message.
    """
    milliseconds = seconds(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    for name in ("retry-after", *_used_up(headers)):
        found = seconds(headers.get(name, ""))
        if found is not None:
            return found
    told = _TOLD.search(message)
    return seconds(told[1] or told[4]) if told else None


def seconds(text: str) -> float | None:
    """Seconds from now: `2`, `2s`, `1m30s`, `250ms`, a date of HTTP or of ISO 8601, or seconds or
    milliseconds since 1970. None for anything else."""
    text = text.strip()
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        found = _duration(text.lower())
        return found if found is not None else _date(text)
    if not 0.0 <= number < float("inf"):
        return None
    if number < _YEAR_2001:
        return number
    return max(0.0, (number / 1000 if number >= 1000 * _YEAR_2001 else number) - time.time())


def _used_up(headers: Mapping[str, str]) -> list[str]:
    """Names of the headers that say when a limit is reset, of the limits that are used up."""
    used = [f"x-ratelimit-reset-{of}" for of in _RESETS if headers.get(f"x-ratelimit-remaining-{of}") == "0"]
    used += [
        f"anthropic-ratelimit-{of}-reset"
        for of in _RESETS
        if headers.get(f"anthropic-ratelimit-{of}-remaining") == "0"
    ]
    if headers.get("x-ratelimit-remaining", "0") == "0":
        used += ["x-ratelimit-reset", "ratelimit-reset"]
    return used


def _duration(text: str) -> float | None:
    if not _DURATION.fullmatch(text):
        return None
    return sum(
        float(number) * (0.001 if unit.startswith(("ms", "mil")) else _SECONDS[unit[0]])
        for number, unit in _PART.findall(text)
    )


def _date(text: str) -> float | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            return max(0.0, read(text).timestamp() - time.time())
        except ValueError:
            continue
    return None
