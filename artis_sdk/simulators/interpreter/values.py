"""The values that the interpreter computes with."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from types import FunctionType
from typing import Any, Final, NoReturn

TIMES: Final = (datetime, date, timedelta)
PLAIN: Final = (str, int, float, bool, type(None), *TIMES)
"""Types of plain values, which are Python's own."""
CONTAINERS: Final = (list, dict, tuple, set, frozenset)


class CannotTell(Exception):
    """The source and the state do not determine what happens; the message says why."""


def _unknown(name: str) -> Callable[..., NoReturn]:
    def method(self: Hole, *_: object) -> NoReturn:
        raise CannotTell(f"it depends on {self.why}")

    method.__name__ = name
    return method


class Hole:
    """A value that only the running tool has, such as a random number; whatever compares it cannot tell."""

    __slots__ = ("name", "why")

    def __init__(self, why: str, name: str = "") -> None:
        self.why = why
        self.name = name
        """Its name, if it is an attribute that is not known."""

    def __deepcopy__(self, memo: object) -> Hole:
        return self

    __bool__ = __len__ = __iter__ = __hash__ = _unknown("hole")
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _unknown("hole")
    __str__ = __repr__ = __format__ = __contains__ = _unknown("hole")


@dataclass(eq=False, slots=True)
class Record:
    """An object: its class, whose code is only read, and its attributes."""

    cls: type
    fields: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    """Whether no attribute is missing: the interpreter made it, or a `restore=` hook."""

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if own_method(self.cls, "__eq__") is not None:
            raise CannotTell(f"it compares objects of {name_of(self.cls)}")
        return False

    def __hash__(self) -> int:
        if own_method(self.cls, "__eq__") is not None or own_method(self.cls, "__hash__") is not None:
            raise CannotTell(f"it hashes an object of {name_of(self.cls)}")
        return id(self)

    def __lt__(self, other: object) -> bool:
        raise CannotTell(f"it compares objects of {name_of(self.cls)}")

    __gt__ = __le__ = __ge__ = __lt__

    def __str__(self) -> str:
        raise CannotTell(f"it prints an object of {name_of(self.cls)}")

    __repr__ = __str__

    def __format__(self, spec: str) -> str:
        return str(self)


class StoredList(list[Any]):
    """A list of the state whose type is not known: it may have been a tuple or a set."""


class StoredDict(dict[Any, Any]):
    """An object of the state whose class is not known: a dictionary, or an object with attributes. Its keys
    are texts, whatever they were."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an enumeration."""

    cls: type
    name: str
    value: Any

    def __str__(self) -> str:
        raise CannotTell(f"it prints a member of {name_of(self.cls)}")

    __repr__ = __str__


@dataclass(frozen=True, eq=False, slots=True)
class Method:
    """A function of the source, bound to a record or a class if it is a method."""

    function: FunctionType
    on: Any = None
    bound: bool = False


@dataclass(frozen=True, eq=False, slots=True)
class BuiltinMethod:
    """A method of a plain value or container."""

    on: Any
    name: str


@dataclass(frozen=True, eq=False, slots=True)
class Local:
    """A function or lambda that the source defines inside another one."""

    node: ast.Lambda | ast.FunctionDef
    frame: Any


@dataclass(frozen=True, eq=False, slots=True)
class Pending:
    """A coroutine before it is awaited."""

    run: Callable[[], Any]


class Thrown(Exception):
    """An exception of the interpreted code.

    Args:
        cls: its class.
        values: what it was made with.
        fields: attributes that its own `__init__` sets.
    """

    def __init__(self, cls: type[BaseException], values: tuple[Any, ...], fields: dict[str, Any]) -> None:
        super().__init__(cls.__name__)
        self.cls = cls
        self.values = values
        self.fields = fields


_MRO: Final = type.__dict__["__mro__"]
_DICT: Final = type.__dict__["__dict__"]
_NAME: Final = type.__dict__["__name__"]


def mro_of(cls: type) -> tuple[type, ...]:
    """A class and its bases, whatever its metaclass says."""
    found: tuple[type, ...] = _MRO.__get__(cls)
    return found


def body_of(cls: type) -> Mapping[str, Any]:
    """What a class itself defines."""
    found: Mapping[str, Any] = _DICT.__get__(cls)
    return found


def name_of(cls: type) -> str:
    """A class's name."""
    found: str = _NAME.__get__(cls)
    return found


def is_a(value: object, *kinds: type) -> bool:
    """`isinstance` by the type alone: an object's `__class__` may be a property that runs code."""
    return any(kind in mro_of(type(value)) for kind in kinds)


def own_method(cls: type, name: str) -> Any:
    """What a class or its bases define under a name, in Python; None for what `object` defines, read
    without running a descriptor."""
    for base in mro_of(cls):
        found = body_of(base).get(name)
        if found is not None:
            return None if base in (object, BaseException, Exception) else found
    return None


def plain(value: Any) -> bool:
    """Whether it is a text, a number, a truth value or None, of exactly that type."""
    return type(value) in PLAIN


def records_in(value: Any, seen: set[int] | None = None) -> Iterator[Record]:
    """The objects in a value."""
    seen = set() if seen is None else seen
    if id(value) in seen:
        return
    seen.add(id(value))
    inner: Iterable[Any] = ()
    if isinstance(value, Record):
        yield value
        inner = value.fields.values()
    elif isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    for one in inner:
        yield from records_in(one, seen)
