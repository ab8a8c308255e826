"""Arbitrary and hostile Python values, for whatever has to take them all.

Made by a seeded `Random` and not by strategies: hypothesis itself asks the values that it makes.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import fractions
import pathlib
import types
import uuid
from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import attrs
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict

Maker = Callable[[Random], Any]
SURROGATE = "cut \ud83d"


class Colour(enum.Enum):
    RED = "red"
    BOTH = (1, "two")


class Size(enum.IntEnum):
    SMALL = 1


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = None


@dataclasses.dataclass(frozen=True, slots=True)
class Fixed:
    x: Any


@attrs.define
class Bought:
    item: Any
    _price: int = 3


class Model(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    x: Any


Named = namedtuple("Named", "a b")


class Plain:
    def __init__(self, x: Any) -> None:
        self.x = x
        self._private = "hidden"


class Slotted:
    __slots__ = ("unset", "x")

    def __init__(self, x: Any) -> None:
        self.x = x


class AppError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


def _raises(*_: Any, **__: Any) -> Any:
    raise RuntimeError("hostile")


class Hostile:
    """Raises at everything that can be asked of it."""

    __class__ = property(_raises)
    __dict__ = property(_raises)
    __getattribute__ = __getattr__ = __float__ = __index__ = __iter__ = __repr__ = __str__ = _raises
    __len__ = __bool__ = __getitem__ = keys = items = __eq__ = __fspath__ = _raises

    __hash__ = object.__hash__


class HostileClass(type):
    __hash__ = __eq__ = __instancecheck__ = __subclasscheck__ = __getattribute__ = __repr__ = _raises


OfHostileClass = types.new_class("OfHostileClass", (), {"metaclass": HostileClass})


class HostileList(list[Any]):
    __iter__ = __len__ = __getitem__ = __eq__ = _raises


class HostileDict(dict[Any, Any]):
    __iter__ = __len__ = __getitem__ = keys = items = _raises


class HostileText(str):
    __str__ = __len__ = isascii = encode = _raises


class BrokenZone(datetime.tzinfo):
    utcoffset = dst = tzname = _raises


class BrokenMapping(Mapping[str, int]):
    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Any:
        yield "a"
        raise OSError("gone")

    def __getitem__(self, key: str) -> int:
        return 1


class Endless(Sequence[int]):
    def __len__(self) -> int:
        return 10**12

    def __getitem__(self, index: Any) -> Any:
        return index


def ring() -> list[Any]:
    made: list[Any] = [1]
    made.append({"back": made})
    return made


def masked_array() -> Any:
    ma: Any = np.ma  # without types
    return ma.array([1, 2], mask=[0, 1])


def nested(depth: int) -> Any:
    value: Any = "end"
    for n in range(depth):
        value = [value] if n % 2 else {"in": value}
    return value


def doubled(times: int) -> Any:
    """2 ** times leaves in the memory of `times` lists."""
    value: Any = [0]
    for _ in range(times):
        value = [value, value]
    return value


def _number(random: Random) -> Any:
    size = random.choice([8, 63, 64, 65, 200, 14_280, 15_000])
    return random.choice([-1, 1]) * random.getrandbits(size)


def _text(random: Random) -> str:
    letters = 'ab \0\n"\\<é\u2028\U0001f600\ud83d\udcff'
    return "".join(random.choices(letters, k=random.randrange(6)))


def _float(random: Random) -> float:
    odd = [0.0, -0.0, 5e-324, 1e308, float("nan"), float("inf"), float("-inf")]
    return random.choice([*odd, random.randrange(10**9) / 7, random.random()])


SCALARS: dict[str, Maker] = {
    "null": lambda r: None,
    "boolean": lambda r: r.random() < 0.5,
    "integer": _number,
    "float": _float,
    "text": _text,
    "bytes": lambda r: r.randbytes(r.randrange(5)),
    "bytearray": lambda r: bytearray(r.randbytes(3)),
    "memoryview": lambda r: memoryview(r.randbytes(3)),
    "Decimal": lambda r: decimal.Decimal(r.choice(["1.10", "NaN", "-Infinity", "1E+999999", "sNaN"])),
    "Fraction": lambda r: fractions.Fraction(r.randrange(99), 7),
    "complex": lambda r: complex(_float(r), 1),
    "UUID": lambda r: uuid.UUID(int=r.getrandbits(128)),
    "Path": lambda r: pathlib.PurePosixPath(r.choice(["/a/b", "/a/\udcff", "."])),
    "date": lambda r: datetime.date(r.randrange(1, 9999), 2, 3),
    "datetime": lambda r: datetime.datetime(2026, 1, 2, tzinfo=r.choice([None, datetime.UTC, BrokenZone()])),
    "time": lambda r: datetime.time(r.randrange(24), 1, 2, 3),
    "timedelta": lambda r: datetime.timedelta(microseconds=r.randrange(-(10**15), 10**15)),
    "enum": lambda r: r.choice([*Colour, *Size]),
    "np.int64": lambda r: np.int64(r.getrandbits(63)),
    "np.uint64": lambda r: np.uint64(r.getrandbits(64)),
    "np.bool_": lambda r: np.bool_(r.random() < 0.5),
    "np.float32": lambda r: np.float32(r.random()),
    "np.float64": lambda r: np.float64(_float(r)),
    "np.longdouble": lambda r: np.longdouble(r.choice(["0.1", "nan", "1e4000"])),
    "np.datetime64": lambda r: r.choice([np.datetime64("NaT", "ns"), np.datetime64("2026-01-02T03")]),
    "np.timedelta64": lambda r: np.timedelta64(r.randrange(9), "ns"),
    "np.ndarray": lambda r: np.asarray([_float(r) for _ in range(r.randrange(4))]),
    "np.matrix": lambda r: np.asarray([[1, r.randrange(9)]]).view(np.matrix),
    "np.structured": lambda r: np.asarray([(r.randrange(9), "a")], dtype=[("n", "i4"), ("t", "U3")]),
    "np.masked": lambda r: masked_array(),
    "pd.Timestamp": lambda r: pd.Timestamp(r.getrandbits(60)),
    "pd.NA": lambda r: r.choice([pd.NA, pd.NaT]),
    "pd.Series": lambda r: pd.Series([_float(r), None], name=_text(r)),
    "hostile": lambda r: Hostile(),
    "of a hostile class": lambda r: object.__new__(OfHostileClass),
    "a hostile class": lambda r: OfHostileClass,
    "hostile list": lambda r: HostileList([_float(r)]),
    "hostile dict": lambda r: HostileDict(a=_text(r)),
    "hostile text": lambda r: HostileText(_text(r)),
    "broken mapping": lambda r: BrokenMapping(),
    "endless sequence": lambda r: range(10**12),
    "generator": lambda r: (n for n in range(3)),
    "iterator": lambda r: iter([1]),
    "exception": lambda r: r.choice([AppError("x"), KeyError("Ann"), OSError(2, _text(r))]),
    "cycle": lambda r: ring(),
    "deep": lambda r: nested(r.choice([127, 128, 129, 300])),
    "function": lambda r: r.choice([len, nested, "".join]),
    "class": lambda r: Point,
    "module": lambda r: types,
    "object": lambda r: object(),
}

CONTAINERS: dict[str, Callable[[Random, Callable[[], Any]], Any]] = {
    "list": lambda r, inner: [inner() for _ in range(r.randrange(4))],
    "tuple": lambda r, inner: (inner(), inner()),
    "namedtuple": lambda r, inner: Named(inner(), inner()),
    "deque": lambda r, inner: deque([inner()]),
    "set": lambda r, inner: {r.randrange(99), _text(r), (r.randrange(9), None), frozenset({_text(r), 1})},
    "dict": lambda r, inner: {_text(r): inner() for _ in range(r.randrange(4))},
    "dict with odd keys": lambda r, inner: {_key(r): inner() for _ in range(r.randrange(4))},
    "OrderedDict": lambda r, inner: OrderedDict(b=inner(), a=inner()),
    "defaultdict": lambda r, inner: defaultdict(int, {_text(r): inner()}),
    "UserDict": lambda r, inner: UserDict({_text(r): inner()}),
    "mappingproxy": lambda r, inner: types.MappingProxyType({_text(r): inner()}),
    "dataclass": lambda r, inner: Point(inner(), inner()),
    "frozen dataclass": lambda r, inner: Fixed(inner()),
    "object with attributes": lambda r, inner: Plain(inner()),
    "object with slots": lambda r, inner: Slotted(inner()),
    "attrs": lambda r, inner: Bought(inner()),
    "pydantic": lambda r, inner: Model(x=inner()),
    "namespace": lambda r, inner: types.SimpleNamespace(x=inner()),
    "np.object array": lambda r, inner: _boxed(inner()),
    "pd.DataFrame": lambda r, inner: pd.DataFrame({"n": [1, r.randrange(9)], "f": [0.5, _float(r)]}),
}
KINDS = {**SCALARS, **CONTAINERS}


def _key(random: Random) -> Any:
    return random.choice(
        [
            Hostile(), Fixed(_text(random)), (1, _text(random)), frozenset({1, _text(random)}), None, True,
            1, "1", 1.5, float("nan"), b"\xff", np.int64(1), datetime.date(2026, 1, 2), Colour.RED, 10**5000,
        ]
    )  # fmt: skip


def _boxed(value: Any) -> Any:
    array = np.empty(1, dtype=object)
    array[0] = value
    return array


def arbitrary(random: Random, kind: str | None = None, depth: int = 3) -> Any:
    """A value as a tool might return it.

    Args:
        random: decides.
        kind: of `KINDS`; any by default.
        depth: containers inside one another.
    """
    kind = kind or random.choice([*(SCALARS if depth == 0 else KINDS)])
    if kind in SCALARS:
        return SCALARS[kind](random)
    return CONTAINERS[kind](random, lambda: arbitrary(random, None, depth - 1 if depth else 0))


def is_json(value: Any) -> bool:
    """Whether it is made of exact JSON types, finite, encodable, and no deeper than parsers go."""
    waiting = [(value, 0)]
    while waiting:
        item, depth = waiting.pop()
        kind = type(item)
        if kind is dict:
            waiting += [(inner, depth + 1) for pair in item.items() for inner in pair]
            if depth >= 128 or any(type(key) is not str for key in item):
                return False
        elif kind is list:
            waiting += [(inner, depth + 1) for inner in item]
            if depth >= 128:
                return False
        elif kind is str:
            item.encode()
        elif kind is float:
            if item != item or item in (float("inf"), float("-inf")):
                return False
        elif kind is not int and kind is not bool and item is not None:
            return False
    return True
