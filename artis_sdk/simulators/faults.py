"""Faults as a test orders them: the calls that fail, and how."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final, get_args

from pydantic import JsonValue

from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.records.calls import CARRIED_OUT, FaultKind

Where = Mapping[str, Any] | Callable[[ToolCall], bool]
"""Arguments that a call must have, or a predicate over the call."""

_FAILURES: Final[dict[FaultKind, tuple[str, str]]] = {
    "refused": ("PermissionError", "the service refused this call"),
    "rate_limited": ("RateLimited", "too many calls; the call was not made, try again later"),
    "timeout": ("timeout", "did not end within its timeout; it may still take effect"),
    "lost": ("ConnectionError", "the connection was closed before the answer arrived"),
}
"""Type and message of the failure that the caller sees, by kind."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way in which calls fail. All conditions must hold; without any, it strikes every call.

    Args:
        kind: the fault.

            - `refused`: the call is not made; the caller sees a failure.
            - `rate_limited`: the call is not made; the failure says to come back later.
            - `timeout`: the call **is made**; the caller sees a time-out.
            - `lost`: the call **is made**; the caller sees that the connection broke.
            - `slow`: the call is made, and its outcome arrives `seconds` later.
            - `partial`: the call is made, and the caller sees the first half of a list, an object or a text.
              A value that has no half arrives whole.

            A call that is made and fails by itself is not struck: its caller sees that failure.
        tool: name of the tool; None for every tool.
        where: arguments that the call must have, each equal to the given one, or a predicate over the call.
        nth: numbers of the calls that it strikes, among those of one attempt that have this tool and
            arguments, from 1; None for all of them.
        probability: share of the calls that it strikes, from 0 to 1.
        type: failure type that the caller sees; None for the usual one of the kind.
        message: message of that failure; None for the usual one.
        seconds: delay of a `slow` call, in seconds.

    Raises:
        ConfigurationError: a value is out of its range, or does not belong to this kind.
    """

    kind: FaultKind
    tool: str | None = None
    where: Where | None = None
    nth: int | Collection[int] | None = None
    probability: float = 1.0
    type: str | None = None
    message: str | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(FaultKind):
            raise ConfigurationError(f"Fault(kind={self.kind!r}): use {', '.join(get_args(FaultKind))}")
        if not 0 <= self.probability <= 1:
            raise ConfigurationError(f"Fault(probability={self.probability!r}): it must lie between 0 and 1")
        if any(isinstance(n, bool) or not isinstance(n, int) or n < 1 for n in self.numbers or ()):
            raise ConfigurationError(f"Fault(nth={self.nth!r}): calls are counted from 1")
        if self.numbers is not None and not self.numbers:
            raise ConfigurationError("Fault(nth=...) is empty, so it would strike no call")
        slow = self.kind == "slow"
        if slow != (self.seconds is not None) or (self.seconds is not None and not 0 <= self.seconds < 1e6):
            raise ConfigurationError("Fault(seconds=...) is the delay of a `slow` call, and only of that")
        if (self.type is not None or self.message is not None) and self.kind not in _FAILURES:
            raise ConfigurationError(f"Fault(kind={self.kind!r}) is no failure: it has no type or message")

    @property
    def numbers(self) -> Collection[int] | None:
        """`nth` as a collection."""
        return (self.nth,) if isinstance(self.nth, int) else self.nth

    @property
    def call_is_made(self) -> bool:
        """Whether the call takes effect in the simulated world."""
        return self.kind in CARRIED_OUT

    def fits(self, call: ToolCall) -> bool:
        """Whether tool and arguments are the ones it strikes."""
        if self.tool is not None and self.tool != call.tool:
            return False
        if self.where is None:
            return True
        if callable(self.where):
            return bool(self.where(call))
        given = call.arguments
        return all(name in given and given[name] == value for name, value in self.where.items())

    def outcome(self, true: Outcome | None) -> Outcome | None:
        """The outcome that the caller sees instead of the true one; None if it cannot strike that one.

        Args:
            true: outcome of the call in the simulated world; None for a call that was not made.
        """
        if true is not None and not true.ok:
            return None
        if self.kind in _FAILURES:
            type_, message = _FAILURES[self.kind]
            return Outcome.failure(
                self.type or type_,
                self.message or message,
                Provenance.FORCED,
                raised=True,
                fault=self.kind,
            )
        assert true is not None
        made: dict[str, Any] = {"provenance": Provenance.FORCED, "fault": self.kind, "raw": None}
        if self.kind == "slow":
            return true.model_copy(
                update={**made, "duration": (true.duration or 0.0) + (self.seconds or 0.0)}
            )
        half = _first_half(true.value)
        return None if half is None else true.model_copy(update={**made, "value": half})


class Strikes:
    """The faults of one attempt: counts its calls and draws its chances.

    Args:
        faults: faults, of which the first that fits strikes.
        random: source of the chances.
    """

    def __init__(self, faults: Sequence[Fault], random: Random) -> None:
        self._faults = faults
        self._random = random
        self._seen = [0] * len(faults)

    def draw(self, call: ToolCall) -> Fault | None:
        """The fault that strikes this call. Every fault counts every call that fits it, struck or not."""
        found: Fault | None = None
        for index, fault in enumerate(self._faults):
            if not fault.fits(call):
                continue
            self._seen[index] += 1
            strikes = fault.numbers is None or self._seen[index] in fault.numbers
            if fault.probability < 1:
                strikes = self._random.random() < fault.probability and strikes
            if strikes and found is None:
                found = fault
        return found


def _first_half(value: JsonValue) -> JsonValue | None:
    """The first half of a value, rounded up; None for a value that would stay whole."""
    if not isinstance(value, list | dict | str) or len(value) < 2:
        return None
    length = (len(value) + 1) // 2
    if isinstance(value, dict):
        return dict(list(value.items())[:length])
    return value[:length]
