"""Values of the interpreter as the tool would return them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import _FIELD  # type: ignore[attr-defined]
from typing import Any, Final

from artis_sdk.simulators.interpreter.classes import NOTHING, own_method, static_of
from artis_sdk.simulators.interpreter.enums import is_member, known_enum
from artis_sdk.simulators.interpreter.values import CannotTell, Hole, Record, kind_of, plain, size_of
from artis_sdk.tools.source_checks.static import name_of, subclass

_FORMS: Final = (
    "keys", "__iter__", "__next__", "__index__", "__float__", "__call__", "__getitem__", "__getattr__",
    "__getattribute__", "__array__", "__pydantic_serializer__", "__len__", "__contains__",
)  # fmt: skip
"""Names by which a class decides what its objects are in JSON."""
MOST_RETURNED: Final = 1_000_000  # items and characters of an outcome


def lowered(value: Any) -> Any:
    """A value as the tool would return it, in Python's own types; objects as their public attributes.

    Raises:
        CannotTell: a part of it is not known, or it is nothing that a log holds.
    """
    if not plain(value) and size_of(value, objects=True) > MOST_RETURNED:
        raise CannotTell("it returns a huge value, or one that holds itself")
    return _lowered(value, 0)


def _lowered(value: Any, depth: int) -> Any:
    if depth > 60:
        raise CannotTell("it returns a value that is nested too deeply")
    if plain(value):
        return value
    if isinstance(value, Hole):
        raise CannotTell(f"it returns {value.why}")
    if is_member(value):
        if not known_enum(type(value)):
            raise CannotTell(f"it returns a member of {name_of(type(value))}")
        return value
    if isinstance(value, Record):
        return {name: _lowered(item, depth + 1) for name, item in _shown(value).items()}
    if isinstance(value, dict):
        return {_key(k): _lowered(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_lowered(item, depth + 1) for item in value]
    if isinstance(value, tuple):
        return tuple([_lowered(item, depth + 1) for item in value])
    if isinstance(value, set | frozenset):
        return {_key(item) for item in value}
    raise CannotTell(f"it returns {kind_of(value)}")


def _shown(value: Record) -> dict[str, Any]:
    cls = value.cls
    if subclass(cls, BaseException, Mapping, Sequence, Set) or any(
        static_of(cls, name) is not NOTHING for name in _FORMS
    ):
        raise CannotTell(f"it returns an object of {name_of(cls)}")
    fields = own_method(cls, "__dataclass_fields__")
    if fields is not None:
        kept = [field.name for field in fields.values() if field._field_type is _FIELD]
        if not value.whole and any(name not in value.fields for name in kept):
            raise CannotTell(f"it returns an object of {name_of(cls)}")
        return {name: value.fields[name] for name in kept if name in value.fields}
    public = {name: item for name, item in value.fields.items() if not name.startswith("_")}
    if not public:
        raise CannotTell(f"it returns an object of {name_of(cls)} without attributes")
    return public


def _key(key: Any) -> Any:
    """A key or an item of a set, which stays what it is."""
    if isinstance(key, tuple):
        return tuple(map(_key, key))
    if plain(key) or (is_member(key) and known_enum(type(key))):
        return key
    raise CannotTell(f"it returns {kind_of(key)} as a key")
