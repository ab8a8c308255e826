"""Until when a plan holds: a length of time from when it is made, or a moment."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from artis_sdk.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Lasting:
    """How long a plan holds.

    Moments are of the wall clock, in seconds since the epoch, so that another process can read them; a
    monotonic clock would mean nothing there.
    """

    seconds: float | None = None
    """Seconds from when the plan is made."""
    until: float | None = None
    """Seconds since the epoch."""

    @classmethod
    def of(cls, expires: float | datetime | None) -> Self:
        """From seconds, or a moment with a time zone; None for no end.

        Raises:
            ConfigurationError: it is not ahead, or says no time zone.
        """
        if expires is None:
            return cls()
        if not isinstance(expires, datetime):
            if not isinstance(expires, int | float):
                raise ConfigurationError(
                    f"expires must be a number of seconds or a datetime, not {type(expires).__name__}"
                )
            if not (math.isfinite(expires) and expires > 0):
                raise ConfigurationError(f"expires must be a number of seconds above 0, not {expires!r}")
            check_moment(time.time() + expires)
            return cls(seconds=float(expires))
        if expires.tzinfo is None:
            raise ConfigurationError(
                f"expires={expires.isoformat()} says no time zone: take datetime.now(UTC) + "
                "timedelta(hours=12), or expires.astimezone() for this machine's"
            )
        if expires.timestamp() <= time.time():
            raise ConfigurationError(f"expires={expires.isoformat()} has passed already")
        return cls(until=expires.timestamp())

    def end(self) -> float | None:
        """The end of a plan that is made now, in seconds since the epoch; None without one."""
        return self.until if self.seconds is None else time.time() + self.seconds


def check_moment(seconds: float) -> None:
    """Refuse an end that no date says, such as one in milliseconds.

    Args:
        seconds: seconds since the epoch.

    Raises:
        ConfigurationError: it is no number, or beyond the year 9999.
    """
    try:
        datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ConfigurationError(
            f"expires={seconds!r} is no moment: {error}; give it in seconds, not in milliseconds"
        ) from None
