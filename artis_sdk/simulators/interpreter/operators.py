"""Operators, builtins and methods of plain values, each bounded in time and size."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from typing import Any, Final

from artis_sdk.simulators.interpreter.values import (
    CONTAINERS,
    CannotTell,
    Hole,
    Member,
    StoredDict,
    StoredList,
    Thrown,
    plain,
)

_BITS: Final = 512  # of an integer that is computed
LONGEST: Final = 100_000  # characters or items of a value that is made
_SPEC: Final = re.compile(r"[<>^]?\+?0?\d{0,2},?(\.\d{1,2})?[dfs%]?")
_ERRORS: Final = (
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    ZeroDivisionError,
    OverflowError,
    AttributeError,
)

_OURS: Final = re.compile(r"'?\b(Record|Stored(Dict|List)|Member|Method|BuiltinMethod|Local|Pending)\b")
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
    except _ERRORS as error:
        if _OURS.search(str(error)):
            raise CannotTell("it uses an object in a way that is not computed") from None
        raise Thrown(type(error), error.args, {}) from None


def binary(op: ast.operator, left: Any, right: Any) -> Any:
    """`left op right`."""
    if isinstance(left, Hole) or isinstance(right, Hole):
        return left if isinstance(left, Hole) else right
    run = _BINARY.get(type(op))
    if run is None or not (_computes(left) and _computes(right)):
        raise CannotTell(f"it computes with a {type(left).__name__} and a {type(right).__name__}")
    _bound(op, left, right)
    made = attempt(run, left, right)
    return list(made) if isinstance(made, StoredList) else made


def unary(op: ast.unaryop, value: Any) -> Any:
    if isinstance(value, Hole):
        return value
    if not plain(value):
        raise CannotTell(f"it negates a {type(value).__name__}")
    return attempt(_UNARY[type(op)], value)


def compare(op: ast.cmpop, left: Any, right: Any) -> Any:
    """One comparison; a `Hole` where a side is one."""
    if isinstance(op, ast.In | ast.NotIn):
        found = contains(right, left)
        return found if isinstance(found, Hole) else found is isinstance(op, ast.In)
    if isinstance(left, Hole) or isinstance(right, Hole):
        return left if isinstance(left, Hole) else right
    if isinstance(op, ast.Is | ast.IsNot):
        return _same(left, right) is isinstance(op, ast.Is)
    if (isinstance(left, Member) or isinstance(right, Member)) and type(left) is not type(right):
        raise CannotTell("it compares a member of an enumeration with what the state holds")
    if isinstance(left, StoredList | StoredDict) or isinstance(right, StoredList | StoredDict):
        left, right = known_form(left), known_form(right)
    return attempt(_COMPARE[type(op)], left, right)


def contains(container: Any, item: Any) -> Any:
    """`item in container`."""
    if isinstance(container, Hole) or isinstance(item, Hole):
        return container if isinstance(container, Hole) else item
    if isinstance(container, StoredDict):
        return stored_key(container, item) is not None
    if isinstance(container, str) and len(container) > LONGEST:
        raise CannotTell("it looks into a huge text")
    if isinstance(container, (str, range, *CONTAINERS)) or plain(container):
        return attempt(operator.contains, container, item)
    raise CannotTell(f"it looks into a {type(container).__name__}")


def stored_key(stored: StoredDict, key: Any) -> str | None:
    """The key of an object of the state, whose keys became texts; None if it has no such key."""
    if isinstance(key, str):
        if key in stored and numeric(key):
            raise CannotTell(f"the state does not say whether the key {key!r} is a number")
        return key if key in stored else None
    if type(key) is int:
        return str(key) if str_of(key) in stored else None
    raise CannotTell(f"it looks up a {type(key).__name__}")


def subscript(base: Any, key: Any) -> Any:
    """`base[key]`."""
    if isinstance(base, Hole) or isinstance(key, Hole):
        return base if isinstance(base, Hole) else key
    if isinstance(base, StoredDict):
        found = stored_key(base, key)
        if found is None:
            raise Thrown(KeyError, (key,), {})
        return base[found]
    if isinstance(base, str | list | dict | tuple | range) or plain(base):
        return attempt(operator.getitem, base, key)
    raise CannotTell(f"it takes an item of a {type(base).__name__}")


def formatted(value: Any, spec: str, conversion: int = -1) -> Any:
    """A value in an f-string; a `Hole` where it is one."""
    if isinstance(value, Hole):
        return value
    if conversion not in (-1, ord("s"), ord("r")) or not _SPEC.fullmatch(spec):
        raise CannotTell("it formats a value")
    if conversion == ord("r"):
        return text_of(value, repr)
    return attempt(format, value, spec) if spec else text_of(value, str)


def text_of(value: Any, write: Callable[[Any], str]) -> Any:
    """`str` or `repr` of a value; a `Hole` for sets, whose order differs from one process to the next."""
    if _unordered(value, 0):
        return Hole("the text of a set, which has no order")
    if type(value) is int:
        str_of(value)
    elif not plain(value) and size_of(value, 0) > LONGEST:
        raise CannotTell("it prints a large value")
    if isinstance(value, StoredList | StoredDict):
        value = known_form(value)
    return attempt(write, value)


def _unordered(value: Any, depth: int) -> bool:
    if isinstance(value, set | frozenset):
        return len(value) > 1
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return depth < 50 and any(_unordered(one, depth + 1) for one in inner)


def str_of(value: int) -> str:
    if value.bit_length() > 4 * _BITS:
        raise CannotTell("it prints a huge number")
    return str(value)


def iterated(value: Any, *, ordered: bool = True) -> list[Any]:
    """The items of a value, as a loop takes them.

    Args:
        value: what is gone over.
        ordered: whether their order matters.
    """
    if isinstance(value, Hole):
        raise CannotTell(f"it goes over {value.why}")
    if isinstance(value, StoredDict) and any(map(numeric, value)):
        raise CannotTell("the state does not say whether keys are numbers")
    if ordered and isinstance(value, set | frozenset) and len(value) > 1:
        raise CannotTell("it goes over a set, which has no order")
    if isinstance(value, (str, range, *CONTAINERS)):
        return list(value)
    if plain(value):
        return list(attempt(iter, value))
    raise CannotTell(f"it goes over a {type(value).__name__}")


def _bound(op: ast.operator, left: Any, right: Any) -> None:
    """Refuse what takes long or makes something huge."""
    if type(left) in (int, bool) and type(right) in (int, bool):
        small = abs(int(left)).bit_length() + abs(int(right)).bit_length() <= _BITS
        if isinstance(op, ast.Pow):
            small = abs(right) * max(abs(int(left)).bit_length(), 1) <= _BITS
        if not small:
            raise CannotTell("it computes with huge numbers")
    elif isinstance(op, ast.Mult):
        sized, times = (left, right) if _sized(left) else (right, left)
        if _sized(sized) and type(times) is int and len(sized) * times > LONGEST:
            raise CannotTell("it makes a huge value")
    elif isinstance(op, ast.Mod) and isinstance(left, str):
        raise CannotTell("it formats a value")
    elif _sized(left) and _sized(right) and isinstance(op, ast.Add) and len(left) + len(right) > LONGEST:
        raise CannotTell("it makes a huge value")


def size_of(value: Any, depth: int) -> int:
    if depth > 50:
        return LONGEST + 1
    if isinstance(value, dict):
        return sum(1 + size_of(v, depth + 1) for v in value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return sum(1 + size_of(v, depth + 1) for v in value)
    return len(value) if isinstance(value, str) else 1


def _computes(value: Any) -> bool:
    return plain(value) or type(value) in CONTAINERS or isinstance(value, StoredList)


def _same(left: Any, right: Any) -> bool:
    if plain(left) and plain(right):
        if left is None or right is None or isinstance(left, bool) or isinstance(right, bool):
            return left is right
        raise CannotTell("it asks whether two values are one object")
    return left is right or (isinstance(left, Member) and left == right)


def known_form(value: Any) -> Any:
    if isinstance(value, StoredDict) and any(map(numeric, value)):
        raise CannotTell("the state does not say whether keys are numbers")
    if isinstance(value, StoredDict):
        return {key: known_form(item) for key, item in value.items()}
    return [known_form(item) for item in value] if isinstance(value, StoredList) else value


def numeric(key: Any) -> bool:
    return isinstance(key, str) and key.lstrip("-").isdigit()


def _sized(value: Any) -> bool:
    return isinstance(value, (str, range, *CONTAINERS))
