"""A world's reply to a call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from artis_sdk.records import Outcome
from artis_sdk.tools.lazy import Settled


@dataclass(frozen=True, slots=True)
class Reply:
    """A world's reply to a call: the outcome, and the Python value or exception behind it."""

    outcome: Outcome
    value: Any = None
    error: BaseException | None = None
    """The exception for a caller's own agent, as from the real tool."""
    awaitable: bool = False
    """Whether the real function returns an awaitable, which the world has awaited for `value`."""

    def result(self) -> Any:
        """Return the value or raise the exception, as the real tool would."""
        if self.error is not None:
            raise self.error
        return Settled(self.value) if self.awaitable else self.value
