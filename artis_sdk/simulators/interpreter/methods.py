"""Builtins and methods of plain values and containers, bounded in time and size."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from artis_sdk.simulators.interpreter.classes import is_one
from artis_sdk.simulators.interpreter.enums import is_member, known_enum, members_of
from artis_sdk.simulators.interpreter.operators import (
    attempt,
    iterated,
    mixed,
    stored_key,
)
from artis_sdk.simulators.interpreter.texts import TIME_SPEC, text_of
from artis_sdk.simulators.interpreter.values import (
    CONTAINERS,
    LONGEST,
    VIEWS,
    BuiltinMethod,
    CannotTell,
    Hole,
    OneWayIterator,
    Record,
    StoredDict,
    StoredList,
    Thrown,
    kind_of,
    plain,
)
from artis_sdk.tools.source_checks.static import is_a, name_of

_STR: Final = frozenset([
    "lower", "upper", "casefold", "title", "capitalize", "swapcase", "strip", "lstrip", "rstrip", "split",
    "rsplit", "splitlines", "partition", "rpartition", "startswith", "endswith", "replace", "join", "find",
    "rfind", "index", "rindex", "count", "isdigit", "isalpha", "isalnum", "isspace", "isupper", "islower",
    "isnumeric", "isdecimal", "isidentifier", "istitle", "isascii", "removeprefix", "removesuffix", "zfill",
    "ljust", "rjust", "center", "format",
])  # fmt: skip
_SET: Final = frozenset([
    "union", "intersection", "difference", "symmetric_difference", "issubset", "issuperset", "isdisjoint",
])  # fmt: skip
_READ: Final[dict[type, frozenset[str]]] = {
    str: _STR,
    Counter: frozenset({"get", "keys", "values", "items", "copy", "most_common", "total"}),
    dict: frozenset({"get", "keys", "values", "items", "copy"}),
    list: frozenset({"index", "count", "copy"}),
    tuple: frozenset({"index", "count"}),
    set: _SET | {"copy"},
    frozenset: _SET,
    datetime: frozenset({"date", "isoformat", "weekday", "isoweekday", "toordinal", "replace"})
    | {"strftime"},
    date: frozenset({"isoformat", "weekday", "isoweekday", "toordinal", "replace", "strftime"}),
    timedelta: frozenset({"total_seconds"}),
    Decimal: frozenset({"is_finite", "is_nan", "is_zero", "is_signed", "copy_abs", "quantize"}),
    int: frozenset({"bit_length"}),
    float: frozenset({"is_integer"}),
}
TIME_FIELDS: Final = frozenset(
    ["year", "month", "day", "hour", "minute", "second", "microsecond", "days", "seconds", "tzinfo"]
)
_CHANGE = {
    Counter: frozenset({"pop", "popitem", "setdefault", "update", "subtract", "clear"}),
    dict: frozenset({"pop", "popitem", "setdefault", "update", "clear"}),
    list: frozenset({"append", "extend", "insert", "remove", "pop", "clear", "reverse", "sort"}),
    set: frozenset({"add", "discard", "remove", "update", "clear", "intersection_update"})
    | {"difference_update", "symmetric_difference_update"},
}
_WHOLE: Final = frozenset(
    {"index", "count", "remove", "copy", "update", "extend", "reverse", "insert", *_SET}
    | {"most_common", "total", "subtract"}
)
"""Methods that go over a whole container."""
_KEEPING: Final = ("append", "add", "insert", "setdefault")
"""Methods that only keep what they are given."""


def has_method(value: Any, name: str) -> bool:
    """Whether it may call this method of a plain value or container."""
    kind = base_of(value)
    return name in _READ.get(kind, ()) or name in _CHANGE.get(kind, ())


def unbound(base: type, name: str) -> BuiltinMethod:
    """`str.lower` and the like."""
    if name not in _READ.get(base, ()):
        raise CannotTell(f"it takes {name_of(base)}.{name}")
    return BuiltinMethod(base, name)


def is_whole(value: Any, name: str) -> bool:
    """Whether a method's time grows with the value."""
    return isinstance(value, str) or name in _WHOLE


def method(value: Any, name: str, values: list[Any], named: dict[str, Any]) -> Any:
    """Call a method of a plain value or container."""
    if isinstance(value, StoredList):
        raise CannotTell("the state does not say what type a value has")
    if name == "join" and isinstance(value, str) and len(values) == 1 and not _no_items(values[0]):
        values = [list(iterated(values[0]))]  # of a set of several items `join` would show the order
    elif not isinstance(value, set | frozenset):
        for given in values:
            if isinstance(given, set | frozenset) and name in ("extend", "update"):
                iterated(given)
    for n, given in enumerate((*values, *named.values())):
        kept = name in _KEEPING or (name == "get" and n > 0)
        if isinstance(given, StoredDict | StoredList) and not kept:
            raise CannotTell("the state does not say what type a value has")
    if name == "strftime" and not (len(values) == 1 and _formats_time(values[0])):
        raise CannotTell("it formats a date")
    if isinstance(value, StoredDict):
        return _of_stored(value, name, values, named)
    if isinstance(value, str):
        bound_text(value, name, values)
    if isinstance(value, dict) and name in ("get", "pop", "setdefault") and values:
        key = values[0]
        if (plain(key) or is_member(key)) and key not in value:
            mixed(value, key)
    return attempt(getattr(base_of(value), name), value, *values, **named)


def _formats_time(spec: Any) -> bool:
    return type(spec) is str and TIME_SPEC.fullmatch(spec) is not None


def _of_stored(value: StoredDict, name: str, values: list[Any], named: dict[str, Any]) -> Any:
    if name == "get" and values:
        key = stored_key(value, values[0])
        return attempt(dict.get, value, values[0] if key is None else key, *values[1:], **named)
    raise CannotTell("the state does not say what type a value has")


FUNCTIONS: Final[tuple[Any, ...]] = (
    len, abs, min, max, sum, any, all, round, sorted, int, float, bool, list, tuple, set, frozenset, dict,
    zip, enumerate, reversed, iter, divmod, str, repr, range, pow, ord, chr, Decimal, timedelta,
    math.floor, math.ceil, math.sqrt, math.isclose, math.isnan, math.isinf, math.isfinite, defaultdict,
    datetime, date, Counter,
)  # fmt: skip
_EVERY: Final = (min, max, sum, any, all, sorted, list, tuple, set, frozenset, enumerate, reversed, iter)
_UNORDERED: Final = (min, max, sorted, set, frozenset)


def of_time(which: Any, name: str, values: list[Any]) -> Any:
    """A class method of `datetime` or `date` that reads a text."""
    if any(isinstance(v, Hole) for v in values):
        raise CannotTell("it reads a date that is not known")
    if not all(type(v) is str and len(v) <= 60 for v in values):
        if all(plain(v) for v in values) and not any(isinstance(v, str) for v in values[:1]):
            return attempt(getattr(which, name), *values)
        raise CannotTell("it reads a date of a long text")
    return attempt(getattr(which, name), *values)


def function(which: Any, values: list[Any], named: dict[str, Any]) -> Any:
    """Call a builtin or a function of `math`, whose arguments are plain values or containers."""
    for one in (*values, *named.values()):
        if isinstance(one, Hole):
            raise CannotTell(f"it depends on {one.why}")
        if isinstance(one, StoredDict | StoredList) and not is_one(which, (len, bool, any, all)):
            raise CannotTell("the state does not say what type a value has")
    first: Any = values[0] if values else None
    if which is range:
        return _range(values)
    if is_one(which, (str, repr)):
        if len(values) > 1 or named:
            raise CannotTell("it reads bytes")
        return text_of(first, which) if values else ""
    if which is zip:
        return OneWayIterator("zip", attempt(zip, *[iterated(v) for v in values], **named))
    if is_one(which, _EVERY) and values and (len(values) == 1 or not is_one(which, (min, max))):
        return _over(which, values, named)
    if is_one(which, (int, float, Decimal, abs, round, divmod, pow, ord, chr)):
        _numbers(which, [*values, *named.values()])
    if which is len and values:
        if is_a(first, type):
            return len(members_of(first))
        if not (isinstance(first, (str, range, MappingProxyType, *CONTAINERS, *VIEWS)) or plain(first)):
            raise CannotTell(f"it counts {kind_of(first)}")
    if is_one(which, (dict, Counter)) and values:
        values = [first if isinstance(first, dict) else list(iterated(first)), *values[1:]]
    if which is defaultdict and values and not is_one(first, (list, dict, set, int, float, str, None)):
        raise CannotTell("it makes a defaultdict of a function")
    if is_one(which, (datetime, date)) and not all(map(plain, (*values, *named.values()))):
        raise CannotTell(f"it makes a {which.__name__} of something that is not known")
    if is_one(which, (min, max)) and any(isinstance(v, Record) for v in values):
        raise CannotTell("it compares objects")
    return attempt(which, *values, **named)


def _over(which: Any, values: list[Any], named: dict[str, Any]) -> Any:
    if which is reversed and _no_items(values[0]):
        return attempt(which, *values)
    items = iterated(values[0], ordered=not is_one(which, _UNORDERED))
    if is_one(which, (enumerate, reversed, iter)):
        if which is iter and len(values) > 1:
            raise CannotTell("it calls a function until it gives a value")
        return OneWayIterator(which.__name__, attempt(which, items, *values[1:], **named))
    if is_one(which, (any, all)):
        raise NotImplementedError  # by `Invocations`, which knows what objects are true
    try:
        return attempt(which, items, *values[1:], **named)
    except Thrown:
        if isinstance(items, set | frozenset) and len(items) > 1:
            raise CannotTell("the message depends on the order of a set") from None
        raise


def _no_items(value: Any) -> bool:
    """Whether it cannot be gone over, of which each place has a message of its own."""
    return plain(value) and type(value) is not str


def _numbers(which: Any, values: list[Any]) -> None:
    for value in values:
        if is_member(value) and known_enum(type(value)):
            continue
        if not plain(value):
            if isinstance(value, (*CONTAINERS, range)):
                continue  # the error is Python's own
            raise CannotTell(f"it makes a number of {kind_of(value)}")
        if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) > 1000:
            raise CannotTell("it computes with huge numbers")
        if isinstance(value, str) and len(value) > 1000 and which is not int:
            raise CannotTell("it reads a huge number")
    if which is pow and not all(type(v) in (int, float) and abs(v) < 2**32 for v in values):
        raise CannotTell("it computes a power")
    if which is pow and (len(values) > 2 or (len(values) == 2 and abs(values[1]) > 16)):
        raise CannotTell("it computes a power")


def _range(values: list[Any]) -> Any:
    if all(type(v) is int for v in values) and 0 < len(values) < 4:
        start, stop, step = (0, values[0], 1) if len(values) == 1 else (*values, 1)[:3]
        if step and abs(stop - start) // abs(step) > LONGEST:
            raise CannotTell("it goes over a huge range")
    return attempt(range, *values)


def bound_text(value: str, name: str, values: list[Any]) -> None:
    """Refuse to make a huge text."""
    size = len(value)
    if name == "replace" and len(values) > 1 and isinstance(values[1], str):
        size = (len(value) + 1) * max(len(values[1]), 1)
    if name == "join" and isinstance(values[0], list | tuple):
        size = sum([len(v) + len(value) for v in values[0] if isinstance(v, str)])
    if name in ("zfill", "ljust", "rjust", "center") and values and type(values[0]) is int:
        size = max(size, values[0])
    if size > LONGEST:
        raise CannotTell("it makes a huge text")


def base_of(value: Any) -> Any:
    """The type of Python's own whose methods a value has."""
    for kind in (bool, *_READ):  # a datetime is a date as well, a Counter a dictionary, and stands before it
        if isinstance(value, kind):
            return kind
    return type(value)
