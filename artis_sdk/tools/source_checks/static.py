"""Look-ups that run nothing: no descriptor, property, metaclass, `__getattribute__`, `__eq__` or `__hash__`.

`isinstance` and `getattr` ask the object, and `in` and `==` ask a class's metaclass; these functions read
what Python itself keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from functools import cached_property
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, Final, cast

MISSING: Final[Any] = object()

_MRO: Final[Any] = type.__dict__["__mro__"]
_BODY: Final[Any] = type.__dict__["__dict__"]
_NAME: Final[Any] = type.__dict__["__name__"]
_MODULE: Final[Any] = vars(ModuleType)["__dict__"]
_GETTER: Final[Any] = property.__dict__["fget"]
_PLAIN: Final = (str, int, float, bool, type(None))


def mro_of(cls: type) -> tuple[type, ...]:
    """A class and its bases."""
    return cast(tuple[type, ...], _MRO.__get__(cls))


def body_of(cls: type) -> Mapping[str, Any]:
    """What a class itself defines."""
    return cast(Mapping[str, Any], _BODY.__get__(cls))


def name_of(cls: type) -> str:
    """A class's name."""
    return cast(str, _NAME.__get__(cls))


def qualname_of(cls: type) -> str:
    """A class's name, with those around it."""
    return cast(str, type.__dict__["__qualname__"].__get__(cls))


def subclass(cls: type, *bases: type) -> bool:
    """`issubclass` by the order of bases alone."""
    return any(one is base for one in mro_of(cls) for base in bases)


def is_a(value: object, *kinds: type) -> bool:
    """`isinstance` by the type alone."""
    return subclass(type(value), *kinds)


def is_class(value: object) -> bool:
    """Whether it is a class."""
    return is_a(value, type)


def is_plain(value: object) -> bool:
    """Whether it is a text, a number, a truth value or None, of exactly that type."""
    return any(type(value) is kind for kind in _PLAIN)


def class_member(cls: type, name: str) -> Any:
    """What a class or its bases define under a name, as it stands there; `MISSING` without it."""
    for base in mro_of(cls):
        body = body_of(base)
        if name in body:
            return body[name]
    return MISSING


def attributes_of(value: object) -> Mapping[str, Any]:
    """The attributes of an object or a module, without those of its class."""
    if is_a(value, ModuleType):
        return cast(Mapping[str, Any], _MODULE.__get__(value))
    slot = class_member(type(value), "__dict__")
    if type(slot) is not GetSetDescriptorType:
        return {}
    found = slot.__get__(value, type(value))
    return found if type(found) is dict else {}


def member(value: object, name: str) -> Any:
    """An attribute as it stands in a module, a class or an object; `MISSING` without it.

    A slot's value is read; properties and other descriptors are returned themselves.
    """
    if is_class(value):
        cls = cast(type, value)
        members = class_member(cls, "_member_map_") if subclass(cls, Enum) else MISSING
        return members[name] if type(members) is dict and name in members else class_member(cls, name)
    own = attributes_of(value)
    if name in own:
        return own[name]
    if is_a(value, ModuleType):
        return MISSING
    found = class_member(type(value), name)
    if type(found) is MemberDescriptorType:
        try:
            return found.__get__(value, type(value))
        except AttributeError:  # not set
            return MISSING
    return found


def module_of(value: object) -> str:
    """The name of the module of a class, a function or an object's class; empty if it says none."""
    if is_a(value, ModuleType):
        found = attributes_of(value).get("__name__")
    elif type(value) is MethodType:
        found = module_of(value.__func__)
    elif type(value) is FunctionType or type(value) is BuiltinFunctionType:
        found = cast(FunctionType, value).__module__
    else:
        found = class_member(cast(type, value) if is_class(value) else type(value), "__module__")
    return found if type(found) is str else ""


def getter_of(value: object) -> Any:
    """The function of a property or of a cached property; None of anything else."""
    if is_a(value, property):
        return _GETTER.__get__(value, type(value))
    return attributes_of(value).get("func") if is_a(value, cached_property) else None


def unbound(value: object) -> Any:
    """The function in a static or a class method; anything else as it is."""
    for kind in (staticmethod, classmethod):
        if is_a(value, kind):
            return kind.__dict__["__func__"].__get__(value, kind)
    return value


def value_of(value: object) -> Any:
    """The value of an enumeration's member; anything else as it is."""
    return attributes_of(value).get("_value_", MISSING) if is_a(value, Enum) else value


def answers_plainly(value: object) -> bool:
    """Whether its attributes are what it holds: its class looks nothing up in a way of its own."""
    return class_member(type(value), "__getattribute__") is object.__getattribute__


def items_of(value: object) -> list[tuple[Any, Any]]:
    """Keys and values of a dictionary, positions and values of a list or a tuple; none of anything else."""
    if is_a(value, dict):
        return list(dict.items(cast("dict[Any, Any]", value)))
    for kind in (list, tuple):
        if is_a(value, kind):
            return list(enumerate(kind.__iter__(value)))  # type: ignore[arg-type]
    return []
