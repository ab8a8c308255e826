"""The values that the interpreter computes with."""

from __future__ import annotations

import ast
import dataclasses
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from types import FunctionType
from typing import Any, Final, NoReturn

from artis_sdk.simulators.interpreter.classes import NOTHING, generated, own_method, static_of
from artis_sdk.tools.source_checks.static import name_of

TIMES: Final = (datetime, date, timedelta)
PLAIN: Final = (str, int, float, bool, type(None), Decimal, *TIMES)
"""Types of plain values, which are Python's own."""
CONTAINERS: Final = (list, dict, tuple, set, frozenset)
_COMPARED: Final = 10_000  # items of an object that is compared or hashed
_LEVELS: Final = 50  # of containers; what lies deeper counts as `HUGE`
_PLAIN_IDS: Final = frozenset(map(id, PLAIN))  # comparing classes may run a metaclass
VIEWS: Final[tuple[type, ...]] = (type({}.keys()), type({}.values()), type({}.items()))


class CannotTell(Exception):
    """The source and the state do not determine what happens; the message says why."""


def _unknown(name: str) -> Callable[..., NoReturn]:
    def method(self: Any, *_: object) -> NoReturn:
        raise CannotTell(f"it depends on {self.why}")

    method.__name__ = name
    return method


class Hole:
    """A value that only the running tool has, such as a random number; whatever computes with it cannot tell.

    Args:
        why: what it is, for messages.
        kind: type of the real value, where that is known.
        path: of a drawn value: how it was drawn, the same in every run of a call; empty for other values.
    """

    __slots__ = ("kind", "path", "why")

    def __init__(self, why: str, *, kind: type | None = None, path: tuple[Any, ...] = ()) -> None:
        self.why = why
        self.kind = kind
        self.path = path

    __bool__ = __len__ = __iter__ = __hash__ = __contains__ = __getitem__ = _unknown("hole")
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _unknown("hole")
    __str__ = __repr__ = __format__ = __index__ = __int__ = __float__ = __round__ = __abs__ = _unknown("hole")
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _unknown(
        "hole"
    )
    __mod__ = __rmod__ = __or__ = __ror__ = __and__ = __rand__ = __neg__ = _unknown("hole")


LONGEST: Final = 100_000
"""Characters or items of a value that is made."""
HUGE: Final = 10**9
"""Size of what is not gone over."""


class OneWayIterator:
    """An iterator of the interpreted code, such as a `zip` or a generator: it can be gone over once."""

    __slots__ = ("_given", "_items", "why")

    def __init__(self, kind: str, items: Iterator[Any]) -> None:
        self._items = items
        self._given = 0
        self.why = f"a {kind}, which is no value"

    def __iter__(self) -> OneWayIterator:
        return self

    def __next__(self) -> Any:
        self._given += 1
        if self._given > LONGEST:  # a list that is extended by its own items never ends
            raise CannotTell("it goes over a huge number of items")
        return next(self._items)

    __hash__ = __eq__ = __ne__ = __str__ = __repr__ = __format__ = _unknown("iterator")


@dataclass(eq=False, slots=True)
class Record:
    """An object: its class, whose code is only read, and its attributes."""

    cls: type
    fields: dict[str, Any] = field(default_factory=dict)
    whole: bool = False
    """Whether no attribute is missing: the interpreter made it, or a `restore=` hook."""
    kinds: dict[str, type] = field(default_factory=dict)
    """Types of the real object's attributes that the state does not hold."""
    alike: bool = False
    """Whether it may be the very object that the state shows at another place."""

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, Hole):
            raise CannotTell(f"it depends on {other.why}")
        if self.alike or (isinstance(other, Record) and other.alike):
            raise CannotTell(f"the state does not say which object of {name_of(self.cls)} it is")
        for one in (self, other):
            if isinstance(one, Record) and static_of(one.cls, "__ne__") is not NOTHING:
                raise CannotTell(f"it compares objects of {name_of(one.cls)}")
        mine = static_of(self.cls, "__eq__")
        if mine is NOTHING or generated(mine):
            if not isinstance(other, Record):
                return False
            theirs = static_of(other.cls, "__eq__")
            if other.cls is not self.cls and (theirs is NOTHING or generated(theirs)):
                return False
            if other.cls is self.cls:
                if mine is not NOTHING and size_of(self, objects=True) > _COMPARED:
                    raise CannotTell(f"it compares large objects of {name_of(self.cls)}")
                return mine is not NOTHING and self.compared() == other.compared()
        raise CannotTell(f"it compares objects of {name_of(self.cls)}")

    def compared(self) -> tuple[Any, ...]:
        """What `dataclass` compares."""
        fields = own_method(self.cls, "__dataclass_fields__")
        kept = dataclasses._FIELD  # type: ignore[attr-defined]
        names = [f.name for f in (fields or {}).values() if f._field_type is kept and f.compare]
        if fields is None or any(name not in self.fields for name in names):
            raise CannotTell(f"it compares objects of {name_of(self.cls)}")
        return tuple(self.fields[name] for name in names)

    def __hash__(self) -> int:
        how = static_of(self.cls, "__hash__")
        if how is None:
            raise TypeError(f"unhashable type: {name_of(self.cls)!r}")
        if how is NOTHING and static_of(self.cls, "__eq__") is NOTHING:
            return id(self)
        if generated(how):
            if size_of(self, objects=True) > _COMPARED:
                raise CannotTell(f"it hashes a large object of {name_of(self.cls)}")
            return hash(self.compared())
        raise CannotTell(f"it hashes an object of {name_of(self.cls)}")

    def __bool__(self) -> bool:
        if own_method(self.cls, "__bool__") is not None or own_method(self.cls, "__len__") is not None:
            raise CannotTell(f"it asks whether an object of {name_of(self.cls)} is true")
        return True

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


class AnyFunction:
    """What the interpreted code can call; it has no text. One function may be several of these."""

    __slots__ = ()
    why = "a function, which is no value"
    __str__ = __repr__ = __format__ = __lt__ = __gt__ = __hash__ = _unknown("callable")

    def __eq__(self, other: object) -> bool:
        if self is not other and isinstance(other, AnyFunction):
            raise CannotTell("it asks whether two functions are one")
        return self is other


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Method(AnyFunction):
    """A function of the source, bound to a record or a class if it is a method."""

    function: FunctionType
    on: Any = None
    bound: bool = False


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class BaseInit(AnyFunction):
    """The `__init__` of `object` or of an exception of Python's, of an object that is made."""

    on: Record


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class BuiltinMethod(AnyFunction):
    """A method of a plain value or container."""

    on: Any
    name: str


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Local(AnyFunction):
    """A function or lambda that the source defines inside another one."""

    node: ast.Lambda | ast.FunctionDef
    frame: Any
    defaults: dict[str, Any] = field(default_factory=dict)
    """Of its parameters, computed where it is defined."""


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Pending(AnyFunction):
    """A coroutine before it is awaited."""

    run: Callable[[], Any]


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Draw(AnyFunction):
    """A function that gives what no source tells, and does nothing else.

    Attributes:
        name: its name.
        kind: type of what it gives; None if that depends on its arguments.
    """

    name: str
    kind: type | None


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class LogCall(AnyFunction):
    """A function that writes to a log, or to the screen, and returns None."""

    name: str


class Thrown(Exception):
    """An exception of the interpreted code.

    Args:
        cls: its class.
        values: what it was made with.
        fields: attributes that its own `__init__` sets.
    """

    def __init__(
        self, cls: type[BaseException], values: tuple[Any, ...], fields: dict[str, Any] | None = None
    ) -> None:
        super().__init__(cls.__name__)
        self.cls = cls
        self.values = values
        self.fields = fields or {}
        self.caught: Any = None
        """The object that handlers of it see: one and the same."""


def plain(value: Any) -> bool:
    """Whether it is a text, a number, a date, a truth value or None, of exactly that type."""
    return id(type(value)) in _PLAIN_IDS


def kind_of(value: Any) -> str:
    """What kind of value it is, for messages."""
    if isinstance(value, Record):
        return f"an object of {name_of(value.cls)}"
    if isinstance(value, AnyFunction):
        return "a function"
    if isinstance(value, Hole | OneWayIterator):
        return str(value.why)
    stored = isinstance(value, StoredList | StoredDict)
    named = name_of(type(value).__bases__[0] if stored else type(value))
    return f"{'an' if named[0] in 'aeiou' else 'a'} {named}"


def _inside(value: Any) -> Iterable[Any]:
    """What an object or a container holds."""
    if isinstance(value, Record):
        return value.fields.values()
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        return value
    return [value.on] if isinstance(value, Method | BuiltinMethod) else ()


def size_of(value: Any, *, objects: bool = False) -> int:
    """How many items and characters a value holds; what stands in it twice counts twice.

    Args:
        value: a value of the interpreter; `HUGE` if it holds itself or is nested too deeply.
        objects: whether objects count with their attributes.
    """
    return _size(value, {}, 0, objects)


def _size(value: Any, known: dict[int, int], depth: int, objects: bool) -> int:
    """See `size_of`; `known` are the sizes of what was met, so that what is shared is gone over once."""
    inner: Any
    if isinstance(value, str | range):
        return len(value)
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        inner = value
    elif objects and isinstance(value, Record):
        inner = value.fields.values()
    else:
        return 1
    if id(value) not in known:
        known[id(value)] = HUGE  # where it holds itself
        if depth < _LEVELS:
            known[id(value)] = len(inner) + sum([_size(one, known, depth + 1, objects) for one in inner])
    return known[id(value)]


def reached(value: Any) -> dict[int, Any]:
    """The objects and containers in a value, itself included, by id."""
    found: dict[int, Any] = {}
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            found[id(one)] = one
            waiting.extend(item for item in _inside(one) if id(type(item)) not in _PLAIN_IDS)
    return found


def fills_in(value: object) -> bool:
    """Whether it is a dictionary that fills in what it lacks as Python's own code does: a `Counter`, or a
    defaultdict whose factory is Python's own."""
    if type(value) is Counter:
        return True
    return type(value) is defaultdict and any(
        value.default_factory is one for one in (list, dict, set, int, float, str, bool, None)
    )


def empty_like(value: Any) -> dict[Any, Any]:
    """An empty dictionary that fills in as another one does."""
    return defaultdict(value.default_factory) if type(value) is defaultdict else type(value)()
