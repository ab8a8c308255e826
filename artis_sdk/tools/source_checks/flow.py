"""Where statements go on, and where they leave: the conditions of what stands behind them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from artis_sdk.tools.source_checks.standing import Part, both


@dataclass(frozen=True, slots=True)
class Exit:
    """A way out of a statement for which no check is listed.

    Attributes:
        kind: how it leaves.
        parts: the conditions within the statement; not that the ways before it were not taken.
        by: what catches it, if it is an exception.
    """

    kind: Literal["return", "break", "continue", "caught"]
    parts: tuple[Part, ...] = ()
    by: object = None


@dataclass(frozen=True, slots=True)
class Flow:
    """The ways out of a statement or a block.

    Attributes:
        exits: those that are not listed as checks.
        falls: whether it may go on with the next statement.
        silent: of a called function, whether it may return something that is not listed as a failure.
    """

    exits: tuple[Exit, ...] = ()
    falls: bool = True
    silent: bool = True

    def under(self, *parts: Part) -> tuple[Exit, ...]:
        """The exits of a block that runs under conditions; one for all of a block that never goes on."""
        kinds = {(one.kind, id(one.by)) for one in self.exits}
        if not self.falls and len(kinds) == 1:
            return (replace(self.exits[0], parts=parts),)
        return tuple(replace(one, parts=(*parts, *one.parts)) for one in self.exits)

    def without(self, *kinds: str, by: object = None) -> Flow:
        """Without the exits that end here."""
        left = (one for one in self.exits if one.kind not in kinds and (by is None or one.by is not by))
        return replace(self, exits=tuple(left))


@dataclass(slots=True)
class Passage:
    """The conditions on the way through a block."""

    over: tuple[Part, ...]
    exits: list[Exit] = field(default_factory=list)

    def past(self, exits: Iterable[Exit]) -> None:
        """Behind a statement: none of its exits was taken."""
        found = list(exits)
        self.exits += found
        self.over = (*self.over, *behind(found))


def behind(exits: Iterable[Exit]) -> tuple[Part, ...]:
    """The conditions under which none of some exits is taken."""
    ways = [one.parts for one in exits if one.parts]
    wider = [way for way in ways if not any(way != w and way[: len(w)] == w for w in ways)]
    return tuple(dict.fromkeys(both(way).negated() for way in wider))


def beyond(exits: Iterable[Exit], guard: object) -> tuple[Exit, ...]:
    """The exits of a `try` that it does not stop: each taken only where what it stops did not come first."""
    found: list[Exit] = []
    stopped: list[Exit] = []
    for one in exits:
        if one.by is guard:
            stopped.append(one)
        else:
            first = (replace(way, parts=_apart(way.parts, one.parts)) for way in stopped if one.parts)
            found.append(replace(one, parts=(*one.parts, *behind(first))))
    return tuple(found)


def _apart(way: tuple[Part, ...], other: tuple[Part, ...]) -> tuple[Part, ...]:
    """The conditions of a way that another one has not already; none where the two exclude each other."""
    for number, (one, its) in enumerate(zip(way, other, strict=False)):
        if one != its:
            return () if its == one.negated() else way[number:]
    return way[len(other) :]
