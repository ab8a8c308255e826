"""Copies of the interpreter's values."""

from __future__ import annotations

from collections import Counter, defaultdict
from types import BuiltinFunctionType, ModuleType
from typing import Any, Final

from artis_sdk.simulators.interpreter.enums import is_member
from artis_sdk.simulators.interpreter.values import (
    PLAIN,
    BuiltinMethod,
    CannotTell,
    Draw,
    Hole,
    LogCall,
    Method,
    Record,
    StoredDict,
    StoredList,
    empty_like,
)
from artis_sdk.tools.source_checks.static import is_a

_SAME: Final = frozenset(map(id, (*PLAIN, Hole, Draw, LogCall, range, ModuleType, BuiltinFunctionType)))
"""Types, by id, whose values cannot change."""


def copied(value: Any, known: dict[int, Any] | None = None) -> Any:
    """A copy of a value and of all that it holds; what is one thing in it is one thing in the copy.

    Args:
        value: a value of the interpreter.
        known: copies that were made, by the id of what they were made of.

    Raises:
        CannotTell: it holds an iterator, a view or a function of the source, which have no copy.
    """
    return _copied(value, {} if known is None else known)


def _copied(value: Any, known: dict[int, Any]) -> Any:
    kind = type(value)
    if id(kind) in _SAME:
        return value
    if id(value) in known:
        return known[id(value)]
    made: Any
    if kind is list or kind is StoredList:
        made = known[id(value)] = kind()
        made.extend([v if id(type(v)) in _SAME else _copied(v, known) for v in value])
    elif kind is dict or kind is StoredDict or kind is defaultdict or kind is Counter:
        made = known[id(value)] = empty_like(value)
        for key, item in value.items():
            key = key if id(type(key)) in _SAME else _copied(key, known)
            made[key] = item if id(type(item)) in _SAME else _copied(item, known)
    elif kind is Record:
        made = known[id(value)] = Record(value.cls, {}, value.whole, value.kinds, value.alike)
        fields = made.fields
        for name, item in value.fields.items():
            fields[name] = item if id(type(item)) in _SAME else _copied(item, known)
    elif kind is tuple or kind is frozenset or kind is set:
        made = kind([_copied(v, known) for v in value])
        known[id(value)] = made
    elif kind is Method or kind is BuiltinMethod:
        on = _copied(value.on, known)
        made = Method(value.function, on, value.bound) if kind is Method else BuiltinMethod(on, value.name)
        known[id(value)] = made
    elif is_member(value) or is_a(value, type):
        made = value
    else:
        raise CannotTell(f"it keeps a {kind.__name__}")
    return made
