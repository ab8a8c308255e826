"""What one attempt changed in its world: the state before and after, only where they differ."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pydantic import BaseModel, JsonValue

from artis_sdk.records.calls import FROZEN, State
from artis_sdk.records.places import JsonPath
from artis_sdk.records.same_call import canonical

_INDEX = re.compile(r"\[(\d{1,18})\]")
"""Key of a list's item."""
MOST_PLACES: Final = 200
"""Places that differ before the rest is only counted."""
LONGEST: Final = 2_000
"""Characters of a value as JSON before its length stands in its place. Nothing is cut: half of a secret would
not be found any more."""


class StateChange(BaseModel):
    """The state of an attempt's world before its first call and after its last one, where they differ.

    A list stands as an object with a key for each index that differs, `[0]`.
    """

    model_config = FROZEN

    state: tuple[State, State]
    """Before and after; a part that one of them lacks was added or removed."""
    left_out: int = 0
    """Number of further places that differ."""

    def places(self) -> Iterator[tuple[JsonPath, JsonPart, JsonPart]]:
        """Each place that differs, with its value before and after."""
        yield from _leaves((), *self.state)


class Absent:
    """No value: the place is not there."""


ABSENT: Final = Absent()
JsonPart = JsonValue | Absent


def state_change(before: State, after: State) -> StateChange:
    """The parts of two states that differ.

    Args:
        before: state before the first call, as JSON.
        after: state after the last one.
    """
    found = list(_differences((), before, after))
    sides: tuple[dict[str, JsonValue], dict[str, JsonValue]] = ({}, {})
    for path, *values in found[:MOST_PLACES]:
        for side, value in zip(sides, values, strict=True):
            here = side
            for key in path[:-1]:
                here = here.setdefault(key, {})  # type: ignore[assignment]
            if not isinstance(value, Absent):
                here[path[-1] if path else ""] = _sized(value)
    return StateChange(state=sides, left_out=max(0, len(found) - MOST_PLACES))


def _differences(
    path: tuple[str, ...], before: JsonPart, after: JsonPart
) -> Iterator[tuple[tuple[str, ...], JsonPart, JsonPart]]:
    one, other = _parts(before), _parts(after)
    if one is None or other is None or isinstance(before, dict) is not isinstance(after, dict):
        if type(before) is not type(after) or before != after:
            yield path, before, after
        return
    if one == other:
        return
    for key in dict.fromkeys((*one, *other)):
        yield from _differences((*path, key), one.get(key, ABSENT), other.get(key, ABSENT))


def _parts(value: JsonPart) -> dict[str, JsonValue] | None:
    """The parts of an object or a list by key; None for a value without parts."""
    if isinstance(value, dict):
        return value
    return {f"[{n}]": item for n, item in enumerate(value)} if isinstance(value, list) else None


def _leaves(
    path: JsonPath, before: JsonPart, after: JsonPart
) -> Iterator[tuple[JsonPath, JsonPart, JsonPart]]:
    if not (isinstance(before, dict) and isinstance(after, dict)):
        yield path, before, after
        return
    for key in dict.fromkeys((*before, *after)):
        index = _INDEX.fullmatch(key)
        place = key if index is None else int(index[1])
        yield from _leaves((*path, place), before.get(key, ABSENT), after.get(key, ABSENT))


def _sized(value: JsonValue) -> JsonValue:
    length = len(canonical(value))
    return value if length <= LONGEST else f"<{type(value).__name__} of {length:,} characters>"
