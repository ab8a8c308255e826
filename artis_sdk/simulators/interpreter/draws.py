"""What no source tells: the time, random numbers, and identifiers and texts that are made of them."""

from __future__ import annotations

import ast
import random
import secrets
import time
import uuid
from datetime import date, datetime, timedelta, timezone
from types import ModuleType
from typing import Any, Final

from artis_sdk.simulators.interpreter.classes import is_one
from artis_sdk.simulators.interpreter.values import CannotTell, Draw, Hole, plain

_KINDS: Final[dict[ModuleType, dict[str, type | None]]] = {
    random: {
        "random": float,
        "uniform": float,
        "randint": int,
        "randrange": int,
        "getrandbits": int,
        "choice": None,
    },
    time: {
        "time": float,
        "monotonic": float,
        "perf_counter": float,
        "time_ns": int,
        "monotonic_ns": int,
        "perf_counter_ns": int,
    },
    uuid: {"uuid1": uuid.UUID, "uuid4": uuid.UUID},
    secrets: {"token_hex": str, "token_urlsafe": str, "randbelow": int, "choice": None},
}
_BY_ID: Final = {
    id(vars(module)[name]): Draw(name, kind)
    for module, kinds in _KINDS.items()
    for name, kind in kinds.items()
}
_OF_TIMES: Final = {"now": datetime, "utcnow": datetime, "today": None}
_RANDOM: Final = (random.Random, random.SystemRandom)
_NUMBERS: Final = (int, float)

_METHODS: Final[dict[type, dict[str, type]]] = {
    datetime: {"date": date, "isoformat": str, "timestamp": float, "weekday": int, "isoweekday": int},
    date: {"isoformat": str, "weekday": int, "isoweekday": int, "toordinal": int},
    str: {"upper": str, "lower": str, "strip": str, "title": str},
    uuid.UUID: {},
    int: {},
    float: {},
}
"""Methods of drawn values that take nothing, cannot fail, and give a value of this type."""
_FIELDS: Final[dict[type, dict[str, type]]] = {
    datetime: dict.fromkeys(["year", "month", "day", "hour", "minute", "second", "microsecond"], int),
    date: dict.fromkeys(["year", "month", "day"], int),
    uuid.UUID: {"hex": str, "int": int},
}


def draw_of(function: Any) -> Draw | None:
    """The draw that a function of the standard library is."""
    return _BY_ID.get(id(function))


def draw_of_random(kind: type | None, name: str) -> Draw | None:
    """The draw that a method of a `random.Random` is."""
    kinds = _KINDS[random]
    return Draw(name, kinds[name]) if is_one(kind, _RANDOM) and name in kinds else None


def draw_of_time(cls: type, name: str) -> Draw | None:
    """The draw that a class method of `datetime` or `date` is."""
    if name in _OF_TIMES and (cls is datetime or (cls is date and name == "today")):
        return Draw(name, cls)
    return None


def kind_drawn(draw: Draw, values: list[Any], named: dict[str, Any]) -> type | None:
    """The type of what a draw gives.

    Raises:
        CannotTell: with these arguments it may fail.
    """
    if named or not _fits(draw.name, values):
        raise CannotTell(f"it calls {draw.name} with arguments that may not fit")
    if draw.name == "choice":
        kinds = [type(one) for one in values[0]]
        return kinds[0] if plain(values[0][0]) and all(kind is kinds[0] for kind in kinds) else None
    return draw.kind


def _fits(name: str, values: list[Any]) -> bool:
    integers = all(type(one) is int for one in values)
    match name:
        case "randint":
            return len(values) == 2 and integers and values[0] <= values[1]
        case "randrange":
            return integers and (
                (len(values) == 1 and values[0] > 0) or (len(values) == 2 and values[0] < values[1])
            )
        case "randbelow" | "getrandbits":
            return len(values) == 1 and integers and 0 < values[0] < 10_000
        case "uniform":
            return len(values) == 2 and all(type(one) in _NUMBERS for one in values)
        case "choice":
            return len(values) == 1 and type(values[0]) in (list, tuple, str) and len(values[0]) > 0
        case "token_hex" | "token_urlsafe":
            return not values or (len(values) == 1 and integers and 0 <= values[0] < 1000)
        case "now":
            return not values or (len(values) == 1 and type(values[0]) is timezone)
    return not values


def attribute_drawn(value: Hole, name: str) -> type | None:
    """The type of an attribute of a drawn value; None if it may have none of the name."""
    return None if value.kind is None else _FIELDS.get(value.kind, {}).get(name)


def method_drawn(value: Hole, name: str, values: list[Any]) -> type | None:
    """The type of what a method of a drawn value gives; None if it may fail."""
    kind = value.kind
    if kind is datetime and name == "strftime" and len(values) == 1 and type(values[0]) is str:
        return str
    return None if kind is None or values else _METHODS.get(kind, {}).get(name)


def called_drawn(function: Any, value: Hole) -> type | None:
    """The type of what a builtin gives of a drawn value; None if it may fail."""
    if function in (str, repr):
        return str
    if value.kind in _NUMBERS and function in (int, float, abs, round):
        return value.kind if function is abs else float if function is float else int
    return None


def binary_drawn(op: ast.operator, left: Any, right: Any) -> type | None:
    """The type of what an operator gives of two values, one of which is drawn; None if it may fail."""
    kinds = [one.kind if isinstance(one, Hole) and one.path else type(one) for one in (left, right)]
    if all(kind in _NUMBERS for kind in kinds):
        whole = kinds[0] is int and kinds[1] is int
        if isinstance(op, ast.Add | ast.Sub | ast.Mult):
            return int if whole else float
        if isinstance(op, ast.Div | ast.Mod | ast.FloorDiv) and not isinstance(right, Hole) and right:
            return int if whole and not isinstance(op, ast.Div) else float
        return None
    if kinds[0] is str and kinds[1] is str and isinstance(op, ast.Add):
        return str
    if kinds[0] is datetime and type(right) is timedelta and isinstance(op, ast.Add | ast.Sub):
        return datetime if abs(right) < timedelta(days=36_500) else None
    return None


def compared_drawn(op: ast.cmpop, left: Any, right: Any) -> bool:
    """Whether two values, one of which is drawn, can be compared for sure."""
    kinds = [one.kind if isinstance(one, Hole) and one.path else type(one) for one in (left, right)]
    if isinstance(op, ast.Eq | ast.NotEq):
        return all(kind is not None and kind in (*_NUMBERS, str, bool, uuid.UUID) for kind in kinds)
    if isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE):
        return all(kind in _NUMBERS for kind in kinds) or (kinds[0] is str and kinds[1] is str)
    return False


def formats_drawn(value: Hole, spec: str) -> bool:
    """Whether a drawn value can be formatted for sure."""
    if not spec:
        return True
    fits = {int: ("d", ",", "f"), float: ("f",), datetime: ("d", "Y", "m", "H", "M", "S")}
    return value.kind in fits and spec[-1] in fits[value.kind]
