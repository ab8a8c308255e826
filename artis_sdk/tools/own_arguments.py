"""Arguments as a call's own: what the caller changes while the call waits does not change the call."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from pathlib import PurePath
from types import NoneType
from typing import Any, Final
from uuid import UUID

from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.plain_forms import inherits, public_attributes, stand_in

_JSON: Final[frozenset[type]] = frozenset((str, bool, NoneType))
_FIXED: Final[frozenset[type]] = _JSON | {
    int, float, complex, bytes, datetime, date, time, timedelta, Decimal, UUID,
}  # fmt: skip
_CONTAINERS: Final[frozenset[type]] = frozenset((list, dict, tuple, set))
_WORD: Final = 2**63
_DEEPEST: Final = 200  # containers inside one another; what is deeper is not copied


def is_fixed(value: Any) -> bool:
    """Whether nobody can change the value: a text, a number, a date and the like, of exactly that type."""
    return _is_of(_FIXED, value)


def is_json(value: Any) -> bool:
    """Whether the value is JSON as it is, and no container: what is read back is the same."""
    kind = type(value)
    if kind is int:
        return bool(-_WORD < value < _WORD)
    return _is_of(_JSON, value) or (kind is float and isfinite(value))


def is_container(value: Any) -> bool:
    """Whether it is a list, a dictionary, a tuple or a set, of exactly that type."""
    return _is_of(_CONTAINERS, value)


def _is_of(kinds: frozenset[type], value: Any) -> bool:
    kind = type(value)
    return type(kind) is type and kind in kinds  # hashing a class may run its metaclass


def owned(value: Any) -> tuple[Any, bool]:
    """The value with lists, dictionaries, sets and tuples of its own, and whether it is JSON as it is.

    Other objects stay the caller's. One list at two places stays one. Dictionaries whose keys are no texts or
    numbers stay the caller's, too: to copy them would run the keys' own code.
    """
    copy = _Copy()
    return copy.of(value, 0), copy.is_json


def without_form(value: Any) -> bool:
    """Whether a part of the value is shown as `<its type>` alone, so that two of them look alike."""
    waiting, seen = [value], {id(value)}
    for part in waiting:
        if is_container(part):
            items = part.values() if type(part) is dict else part
            inner = [one for one in items if not is_fixed(one) and id(one) not in seen]
            seen.update(map(id, inner))
            waiting += inner
        elif not is_fixed(part) and jsonable(part) == stand_in(part):
            return True
    return False


def same_types(one: Any, other: Any, depth: int = 0) -> bool:
    """Whether two values of one JSON form are of the same types, in their containers and fields, too.

    Bytes, paths, patterns and numbers are then also the same: a field of bytes takes any text.
    """
    kind = type(one)
    if kind is not type(other) or depth > _DEEPEST:
        return False
    if kind is set:
        return set(map(type, one)) == set(map(type, other))
    if kind is dict:
        return one.keys() == other.keys() and all(same_types(one[k], other[k], depth + 1) for k in one)
    if kind is list or inherits(kind, tuple):
        pairs = zip(one, other, strict=False)
        return len(one) == len(other) and all(same_types(a, b, depth + 1) for a, b in pairs)
    if is_fixed(one):
        return bool(one == other or (one != one and other != other))  # NaN is not itself
    if kind is re.Pattern:
        return bool((one.pattern, one.flags) == (other.pattern, other.flags))
    if inherits(kind, PurePath):
        return str(one) == str(other)
    mine, theirs = public_attributes(one), public_attributes(other)
    return all(same_types(mine[name], theirs[name], depth + 1) for name in mine.keys() & theirs.keys())


class _Copy:
    """One value being copied."""

    def __init__(self) -> None:
        self.is_json = True
        self._made: dict[int, Any] = {}

    def of(self, value: Any, depth: int) -> Any:
        if not is_container(value) or depth > _DEEPEST:
            self.is_json = self.is_json and is_json(value)
            return value
        if id(value) in self._made:
            self.is_json = False  # as a tree it is another value
            return self._made[id(value)]
        kind = type(value)
        if kind is list:
            items = self._made[id(value)] = list(value)
            self._fill(items, enumerate(items), depth)
            return items
        if kind is dict and all(map(is_fixed, value)):
            copy = self._made[id(value)] = dict(value)
            self._fill(copy, list(copy.items()), depth)
            self.is_json = self.is_json and all(type(key) is str for key in copy)
            return copy
        self.is_json = False
        if kind is tuple:
            return tuple(self.of(item, depth + 1) for item in value)
        return self._made.setdefault(id(value), value.copy()) if kind is set else value

    def _fill(self, made: Any, items: Iterable[tuple[Any, Any]], depth: int) -> None:
        for key, item in items:
            kind = type(item)  # the same as `is_json`, for most items and sooner
            if kind is str or kind is bool or (kind is int and -_WORD < item < _WORD):
                continue
            made[key] = self.of(item, depth + 1)
