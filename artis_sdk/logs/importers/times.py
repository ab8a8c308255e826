"""Times in foreign logs, in whatever unit they are written."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, Final

# A number of seconds since the epoch is below 1e11 until the year 5138, and one of milliseconds is above
# it from March 1973 on; likewise for the finer units.
_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (math.inf, 1e9))


def seconds(given: Any) -> float | None:
    """A time as seconds since the epoch; None for what is no time, as 0, which is written for none.

    Args:
        given: a number, or its text, of seconds, milliseconds, microseconds or nanoseconds, told apart by
            its size; a text in ISO 8601, UTC unless it says otherwise; or `[seconds, nanoseconds]`.
    """
    if isinstance(given, bool):
        return None
    if isinstance(given, list) and len(given) == 2 and all(map(_is_number, given)):
        return float(given[0]) + float(given[1]) / 1e9 or None
    if isinstance(given, str):
        return _of_text(given.strip())
    if not _is_number(given) or not math.isfinite(given):
        return None
    return float(given) / next(scale for top, scale in _UNITS if abs(given) < top) or None


def nanoseconds(given: Any) -> float | None:
    """A number of nanoseconds, or its text, as seconds; None for anything else."""
    try:
        return None if isinstance(given, bool) else int(given) / 1e9 or None
    except (TypeError, ValueError):
        return None


def _is_number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool)


def _of_text(text: str) -> float | None:
    try:
        return seconds(float(text) if "." in text else int(text))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
