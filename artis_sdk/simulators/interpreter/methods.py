"""Builtins and methods of plain values and containers, bounded in time and size."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any, Final

from artis_sdk.simulators.interpreter.operators import (
    LONGEST,
    attempt,
    iterated,
    numeric,
    stored_key,
    text_of,
)
from artis_sdk.simulators.interpreter.values import (
    CONTAINERS,
    CannotTell,
    Hole,
    StoredDict,
    plain,
)

_STR = frozenset(
    [
        "lower",
        "upper",
        "casefold",
        "title",
        "capitalize",
        "strip",
        "lstrip",
        "rstrip",
        "split",
        "rsplit",
        "splitlines",
        "partition",
        "rpartition",
        "startswith",
        "endswith",
        "replace",
        "join",
        "find",
        "rfind",
        "index",
        "count",
        "isdigit",
        "isalpha",
        "isalnum",
        "isspace",
        "isupper",
        "islower",
        "isnumeric",
        "isdecimal",
        "isidentifier",
        "removeprefix",
        "removesuffix",
    ]
)
_READ = {
    str: _STR,
    dict: frozenset({"get", "keys", "values", "items", "copy"}),
    list: frozenset({"index", "count", "copy"}),
    tuple: frozenset({"index", "count"}),
    set: frozenset({"union", "intersection", "difference", "issubset", "issuperset", "isdisjoint", "copy"}),
    frozenset: frozenset({"union", "intersection", "difference", "issubset", "issuperset", "isdisjoint"}),
    datetime: frozenset({"date", "isoformat", "weekday", "replace"}),
    date: frozenset({"isoformat", "weekday"}),
    timedelta: frozenset({"total_seconds"}),
    int: frozenset({"bit_length"}),
    float: frozenset({"is_integer"}),
}
TIME_FIELDS: Final = frozenset(
    ["year", "month", "day", "hour", "minute", "second", "days", "seconds", "tzinfo"]
)
_CHANGE = {
    dict: frozenset({"pop", "setdefault", "update", "clear"}),
    list: frozenset({"append", "extend", "insert", "remove", "pop", "clear", "reverse"}),
    set: frozenset({"add", "discard", "remove", "update", "clear"}),
}


def has_method(value: Any, name: str) -> bool:
    """Whether it may call this method of a plain value or container."""
    kind = base_of(value)
    return name in _READ.get(kind, ()) or name in _CHANGE.get(kind, ())


def method(value: Any, name: str, values: list[Any], named: dict[str, Any]) -> Any:
    """Call a method of a plain value or container."""
    hole = next((v for v in (*values, *named.values()) if isinstance(v, Hole)), None)
    if hole is not None and not (
        name in ("append", "add", "insert") or (name in ("setdefault", "get") and values[0] is not hole)
    ):
        if name in _CHANGE.get(base_of(value), ()):
            raise CannotTell(f"it changes a container by {hole.why}")
        return hole
    if not isinstance(value, set | frozenset):
        for given in values:
            if isinstance(given, set | frozenset):
                iterated(given)  # it has no order, which `join` and the like would show
    if isinstance(value, StoredDict):
        value, values = _stored_method(value, name, values)
    if isinstance(value, str):
        bound_text(value, name, values)
    made = attempt(getattr(base_of(value), name), value, *values, **named)
    if name in ("keys", "values", "items"):
        return [tuple(pair) for pair in made] if name == "items" else list(made)
    return made


def _stored_method(value: StoredDict, name: str, values: list[Any]) -> tuple[Any, list[Any]]:
    if name in ("get", "pop", "setdefault") and values:
        key = stored_key(value, values[0])
        if key is None and name == "setdefault" and type(values[0]) is not str:
            raise CannotTell("it stores under a key that is no text")
        return value, [values[0] if key is None else key, *values[1:]]
    if name in ("keys", "items") and any(map(numeric, value)):
        raise CannotTell("the state does not say whether keys are numbers")
    return value, values


FUNCTIONS: Final[tuple[Any, ...]] = (
    len, abs, min, max, sum, any, all, round, sorted, int, float, bool, list, tuple, set, frozenset, dict,
    zip, enumerate, reversed, divmod, str, repr, range,
    math.floor, math.ceil, math.sqrt, math.isclose, math.isnan, math.isinf, math.isfinite,
)  # fmt: skip
_OVER_ITEMS: Final = {min, max, sum, any, all, sorted, list, tuple, set, frozenset, zip, enumerate, reversed}


def of_time(which: Any, name: str, values: list[Any]) -> Any:
    """A class method of `datetime` or `date` that reads a text."""
    hole = next((v for v in values if isinstance(v, Hole)), None)
    if hole is not None:
        return hole
    if not all(type(v) is str and len(v) <= 60 for v in values):
        if all(plain(v) for v in values) and not any(isinstance(v, str) for v in values[:1]):
            return attempt(getattr(which, name), *values)
        raise CannotTell("it reads a date of a long text")
    return attempt(getattr(which, name), *values)


def one_of(value: Any, which: Iterable[Any]) -> bool:
    """Whether it is one of these very objects; a class's own `==` does not run."""
    return any(value is one for one in which)


def function(which: Any, values: list[Any], named: dict[str, Any]) -> Any:
    """Call a builtin or a function of `math`, whose arguments are plain values."""
    hole = next((v for v in (*values, *named.values()) if isinstance(v, Hole)), None)
    if hole is not None:
        return hole
    if which is range:
        return _range(values)
    if which in (str, repr):
        return text_of(values[0], which) if values else ""
    if values and one_of(which, _OVER_ITEMS) and (len(values) == 1 or which not in (min, max)):
        ordered = not one_of(which, (min, max, sum, any, all, sorted, set, frozenset))
        values = [iterated(values[0], ordered=ordered), *values[1:]]
        if which is zip:
            values = [list(iterated(v)) for v in values]
    if which in (int, float) and values and not plain(values[0]):
        raise CannotTell(f"it makes a number of a {type(values[0]).__name__}")
    if which is len and not isinstance(values[0], (str, range, *CONTAINERS)) and not plain(values[0]):
        raise CannotTell(f"it counts a {type(values[0]).__name__}")
    if which is dict and values:
        values = [dict(values[0])] if isinstance(values[0], dict) else [list(iterated(values[0]))]
    made = attempt(which, *values, **named)
    return list(made) if which in (zip, enumerate, reversed) else made


def _range(values: list[Any]) -> Any:
    if all(type(v) is int for v in values) and 0 < len(values) < 4:
        start, stop, step = (0, values[0], 1) if len(values) == 1 else (*values, 1)[:3]
        if step and abs(stop - start) // abs(step) > LONGEST:
            raise CannotTell("it goes over a huge range")
    return attempt(range, *values)


def bound_text(value: str, name: str, values: list[Any]) -> None:
    size = len(value)
    if name == "replace" and len(values) > 1 and isinstance(values[1], str):
        size = (len(value) + 1) * max(len(values[1]), 1)
    if name == "join" and isinstance(values[0], list | tuple):
        size = sum(len(v) + len(value) for v in values[0] if isinstance(v, str))
    if size > LONGEST:
        raise CannotTell("it makes a huge text")


def base_of(value: Any) -> Any:
    return next((kind for kind in (*_READ, bool) if isinstance(value, kind)), type(value))
