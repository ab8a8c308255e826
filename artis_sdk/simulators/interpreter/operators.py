"""Operators of plain values and containers, each bounded in time and size."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from types import MappingProxyType, UnionType
from typing import Any, Final, cast

from artis_sdk.simulators.interpreter.classes import is_one, plain_class
from artis_sdk.simulators.interpreter.enums import (
    is_member,
    known_enum,
    members_of,
    pure,
)
from artis_sdk.simulators.interpreter.values import (
    CONTAINERS,
    LONGEST,
    VIEWS,
    AnyFunction,
    CannotTell,
    Hole,
    OneWayIterator,
    Record,
    StoredDict,
    StoredList,
    Thrown,
    fills_in,
    kind_of,
    plain,
)
from artis_sdk.tools.source_checks.static import is_a

_GONE_OVER: Final = (str, range, OneWayIterator, MappingProxyType, *CONTAINERS, *VIEWS)
_BITS: Final = 512  # of an integer that is computed
_ERRORS: Final = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, RuntimeError)

_OURS: Final = re.compile(
    r"\b(Record|Stored(Dict|List)|Method|BaseInit|BuiltinMethod|Local|Pending|Hole|OneWayIterator|Draw|LogCall)\b"
)
"""Names of our classes in a message of Python's."""

ARITHMETIC: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_BINARY: Final[dict[type, Callable[[Any, Any], Any]]] = {
    **ARITHMETIC,
    ast.Pow: operator.pow,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
}
_IN_PLACE: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.iadd,
    ast.Sub: operator.isub,
    ast.Mult: operator.imul,
    ast.Div: operator.itruediv,
    ast.FloorDiv: operator.ifloordiv,
    ast.Mod: operator.imod,
    ast.Pow: operator.ipow,
    ast.BitOr: operator.ior,
    ast.BitAnd: operator.iand,
    ast.BitXor: operator.ixor,
}
_UNARY: Final[dict[type, Callable[[Any], Any]]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
}
_COMPARE: Final[dict[type, Callable[[Any, Any], Any]]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def attempt(run: Callable[..., Any], *values: Any, **named: Any) -> Any:
    """Run an operation of Python on plain values; its exception is one of the interpreted code."""
    try:
        return run(*values, **named)
    except RecursionError:
        raise CannotTell("it is nested too deeply") from None
    except _ERRORS as error:
        if _OURS.search(str(error)):
            raise CannotTell("it uses an object in a way that is not computed") from None
        raise Thrown(type(error), error.args) from None


def binary(op: ast.operator, left: Any, right: Any, *, in_place: bool = False) -> Any:
    """`left op right`, or `left op= right` of a value that does not change."""
    for one in (left, right):
        if isinstance(one, Hole):
            raise CannotTell(f"it depends on {one.why}")
    if isinstance(op, ast.BitOr) and not in_place and _plain_types(left, right):
        return attempt(operator.or_, left, right)
    run = (_IN_PLACE if in_place else _BINARY).get(type(op))
    if run is None or not (_computes(left) and _computes(right)):
        raise CannotTell(f"it computes with {kind_of(left)} and {kind_of(right)}")
    bound(op, left, right)
    return attempt(run, left, right)


def _plain_types(*values: Any) -> bool:
    """Whether `int | str | None` makes a union, of classes without code of their own for it."""
    return all(
        one is None or type(one) is UnionType or (is_a(one, type) and plain_class(one)) for one in values
    ) and not all(one is None for one in values)


def changed(op: ast.operator, left: Any, right: Any) -> Any:
    """`left op= right` of a list, a set or a dictionary, which changes in place."""
    run = _IN_PLACE.get(type(op))
    if (
        run is None
        or type(left) not in (list, set, dict)
        or isinstance(right, StoredDict | StoredList | Hole)
    ):
        raise CannotTell("it changes a container in a way that is not computed")
    if isinstance(op, ast.Add) and type(left) is list:
        iterated(right)
    elif not _computes(right):
        raise CannotTell(f"it computes with {kind_of(right)}")
    bound(op, left, right)
    return attempt(run, left, right)


def unary(op: ast.unaryop, value: Any) -> Any:
    if isinstance(value, Hole):
        raise CannotTell(f"it depends on {value.why}")
    if not plain(value) and not (is_member(value) and known_enum(type(value))):
        raise CannotTell(f"it negates {kind_of(value)}")
    return attempt(_UNARY[type(op)], value)


def compare(op: ast.cmpop, left: Any, right: Any) -> Any:
    """One comparison."""
    if isinstance(op, ast.In | ast.NotIn):
        return contains(right, left) is isinstance(op, ast.In)
    if isinstance(op, ast.Is | ast.IsNot):
        return _same(left, right) is isinstance(op, ast.Is)
    for one in (left, right):
        if isinstance(one, Hole | OneWayIterator):
            raise CannotTell(f"it depends on {one.why}")
        if isinstance(one, StoredList | StoredDict):
            raise CannotTell("the state does not say what type a value has")
    _apart(left, right)
    return attempt(_COMPARE[type(op)], left, right)


def _apart(left: Any, right: Any) -> None:
    """A member of an enumeration and a text may be what the state shows alike."""
    for one, other in ((left, right), (right, left)):
        if pure(one) and plain(other) and other is not None:
            raise CannotTell("it compares a member of an enumeration with what the state holds")


def contains(container: Any, item: Any) -> bool:
    """`item in container`."""
    if isinstance(container, Hole):
        raise CannotTell(f"it depends on {container.why}")
    if isinstance(item, Hole):
        raise CannotTell(f"it depends on {item.why}")
    if isinstance(container, StoredDict):
        return stored_key(container, item) is not None
    if isinstance(container, str) and len(container) > LONGEST:
        raise CannotTell("it looks into a huge text")
    if is_a(container, type):
        members = members_of(container)
        if not any(item is one for one in members):
            raise CannotTell("it looks into a class")
        return True
    if isinstance(container, (str, range, OneWayIterator, MappingProxyType, *CONTAINERS, *VIEWS)) or plain(
        container
    ):
        there = bool(attempt(operator.contains, container, item))
        if not there and not isinstance(container, str | range | OneWayIterator):
            mixed(container, item)
        return there
    raise CannotTell(f"it looks into {kind_of(container)}")


def mixed(container: Iterable[Any], item: Any) -> None:
    """See `_apart`, of what a container does not hold."""
    if pure(item):
        for one in container:
            _apart(one, item)
    elif plain(item) and item is not None:
        for one in container:
            _apart(one, item)
            break


def stored_key(stored: StoredDict, key: Any) -> str | None:
    """The key of an object of the state, whose keys became texts; None if it has no such key."""
    if isinstance(key, str) and type(key) is str:
        if key in stored and numeric(key):
            raise CannotTell(f"the state does not say whether the key {key!r} is a number")
        return key if key in stored else None
    if type(key) is int and str_of(key) not in stored:
        return None
    raise CannotTell(f"the state does not say whether it has {kind_of(key)} as a key")


def subscript(base: Any, key: Any) -> Any:
    """`base[key]`."""
    for one in (base, key):
        if isinstance(one, Hole | OneWayIterator):
            raise CannotTell(f"it depends on {one.why}")
    if isinstance(base, StoredDict):
        named = stored_key(base, key)
        if named is None:
            raise CannotTell("the state does not say what type a value has")
        return base[named]
    if isinstance(base, StoredList):
        raise CannotTell("the state does not say what type a value has")
    if isinstance(base, str | list | dict | tuple | range | MappingProxyType) or plain(base):
        if isinstance(base, dict) and key_missing(base, key):
            mixed(base, key)
        return attempt(operator.getitem, base, key)
    if (is_a(base, type) and known_enum(base)) or type(base) is re.Match:
        return attempt(operator.getitem, base, key)
    raise CannotTell(f"it takes an item of {kind_of(base)}")


def known_dict(value: Any) -> bool:
    """Whether it is a dictionary whose keys are known."""
    return type(value) is dict or fills_in(value)


def key_missing(base: dict[Any, Any], key: Any) -> bool:
    """Whether a dictionary lacks a key; False for what cannot be one."""
    return (plain(key) or is_member(key)) and key not in base


def str_of(value: int) -> str:
    if value.bit_length() > 4 * _BITS:
        raise CannotTell("it prints a huge number")
    return str(value)


def iterated(value: Any, *, ordered: bool = True) -> Iterable[Any]:
    """A value as a loop goes over it: the container itself, which may change on the way.

    Args:
        value: what is gone over.
        ordered: whether its order matters.
    """
    if isinstance(value, Hole):
        raise CannotTell(f"it goes over {value.why}")
    if isinstance(value, StoredList | StoredDict) and value:
        raise CannotTell("the state does not say what type a value has")
    if ordered and isinstance(value, set | frozenset) and len(value) > 1:
        raise CannotTell("it goes over a set, which has no order")
    if isinstance(value, _GONE_OVER):
        return cast(Iterable[Any], value)
    if plain(value):
        return attempt(iter, value)  # type: ignore[no-any-return]
    if is_a(value, type):
        return members_of(value)
    raise CannotTell(f"it goes over {kind_of(value)}")


def bound(op: ast.operator, left: Any, right: Any) -> None:
    """Refuse what takes long or makes something huge."""
    if type(left) in (int, bool) and type(right) in (int, bool):
        small = abs(int(left)).bit_length() + abs(int(right)).bit_length() <= _BITS
        if isinstance(op, ast.Pow):
            small = abs(right) * max(abs(int(left)).bit_length(), 1) <= _BITS
        if not small:
            raise CannotTell("it computes with huge numbers")
    elif isinstance(op, ast.Pow) and Decimal in (type(left), type(right)):
        raise CannotTell("it computes a power of a decimal")
    elif isinstance(op, ast.Mult):
        sized, times = (left, right) if _sized(left) else (right, left)
        if _sized(sized) and type(times) is int and len(sized) * times > LONGEST:
            raise CannotTell("it makes a huge value")
    elif isinstance(op, ast.Mod) and isinstance(left, str):
        raise CannotTell("it formats a value")  # `ValueOperations.percent` takes texts
    elif _sized(left) and _sized(right) and len(left) + len(right) > LONGEST:
        raise CannotTell("it makes a huge value")


def _computes(value: Any) -> bool:
    kind = type(value)
    if is_member(value):
        return known_enum(kind)
    return plain(value) or is_one(kind, (*CONTAINERS, *VIEWS)) or fills_in(value)


def _same(left: Any, right: Any) -> bool:
    for one, other in ((left, right), (right, left)):
        if isinstance(one, Hole) and not (one.path and other is None):
            raise CannotTell(f"it depends on {one.why}")
    if isinstance(left, AnyFunction) and isinstance(right, AnyFunction):
        return bool(left == right)
    _apart(left, right)
    if plain(left) and plain(right):
        if left is None or right is None or type(left) is bool or type(right) is bool:
            return left is right
        raise CannotTell("it asks whether two values are one object")
    if any(isinstance(one, Record) and one.alike for one in (left, right)) and left is not right:
        raise CannotTell("the state does not say which object it is")
    if isinstance(left, StoredDict) and isinstance(right, StoredDict | Record):
        raise CannotTell("it asks whether two values are one object")
    if type(left) in (tuple, frozenset) and type(right) is type(left):
        raise CannotTell("it asks whether two values are one object")
    return left is right


def numeric(key: Any) -> bool:
    return isinstance(key, str) and key.lstrip("-").isdigit()


def _sized(value: Any) -> bool:
    return isinstance(value, (str, range, *CONTAINERS))
