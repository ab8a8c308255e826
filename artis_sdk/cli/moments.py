"""Moments on the command line: a date and time, or a distance from now."""

from __future__ import annotations

import re
import time
from datetime import datetime

from artis_sdk.errors import ConfigurationError

_DISTANCE = re.compile(r"(\d+)\s*([hdw])")
_HOURS = {"h": 1, "d": 24, "w": 7 * 24}


def moment(given: str, option: str, *, ahead: bool = False) -> float:
    """A moment in seconds since the epoch.

    Args:
        given: ISO 8601 date or time, local unless it says otherwise; or hours, days or weeks, `12h`.
        option: name of the option, for errors.
        ahead: whether a distance leads into the future.

    Raises:
        ConfigurationError: it is neither.
    """
    distance = _DISTANCE.fullmatch(given.strip())
    if distance is not None:
        seconds = int(distance[1]) * _HOURS[distance[2]] * 3600
        return time.time() + (seconds if ahead else -seconds)
    try:
        return datetime.fromisoformat(given).timestamp()
    except ValueError:
        what = "a time" if ahead else "an age"
        raise ConfigurationError(
            f"{option} {given!r} is neither a date such as 2026-01-31 nor {what} such as 12h, 90d or 8w"
        ) from None
