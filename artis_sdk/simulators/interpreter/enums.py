"""Enumerations: their members are themselves in the interpreter, where no code of the application decides
how they compare, hash or look."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from enum import Enum, EnumType, Flag
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any, Final

from artis_sdk.records.jsonable import jsonable
from artis_sdk.simulators.interpreter.classes import module_of, of_project
from artis_sdk.simulators.interpreter.values import CannotTell, plain
from artis_sdk.tools.source_checks.static import body_of, is_a, mro_of, name_of, subclass

_DECIDE: Final = (
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__", "__len__", "__call__",
    "__contains__", "__iter__", "__getattr__", "__getattribute__", "__setattr__", "__getitem__", "__class__",
    "__int__", "__float__", "__index__", "__add__", "__radd__", "__sub__", "__mul__", "__or__", "__and__",
    "__xor__", "__invert__", "__missing__", "_missing_", "__get__",
)  # fmt: skip
"""Names by which an application's code decides what a member does in Python's own operations."""
_TEXTS: Final = ("__str__", "__repr__", "__format__")


def is_member(value: object) -> bool:
    """Whether it is a member of an enumeration."""
    return is_a(value, Enum)


@lru_cache(maxsize=512)
def _known(cls: EnumType) -> bool:
    if any(_own(cls, name) for name in _DECIDE):
        return False
    members = type.__getattribute__(cls, "_member_map_").values()
    return all(_fixed(member._value_) for member in members)


def known_enum(cls: type) -> bool:
    """Whether its members do what Python's own code says, and hold what cannot change."""
    return type(cls) is EnumType and _known(cls)


def _own(cls: type, name: str) -> bool:
    """Whether the application defines it."""
    for base in mro_of(cls):
        if name in body_of(base) and base is not object:
            found = body_of(base)[name]
            found = getattr(found, "__func__", found) if type(found) in (classmethod, staticmethod) else found
            ours = type(found) is FunctionType and found.__globals__.get("__name__") != "enum"
            return ours and module_of(base) not in ("enum", "builtins")
    return False


def _fixed(value: Any) -> bool:
    return plain(value) or (type(value) in (tuple, frozenset) and all(map(_fixed, value)))


def prints_as_python(cls: type) -> bool:
    """Whether the text of its members is what Python's own code writes."""
    return known_enum(cls) and not any(_own(cls, name) for name in _TEXTS)


def members_of(cls: type) -> list[Any]:
    """Its members in order, without other names of them."""
    if not known_enum(cls):
        raise CannotTell(f"it goes over {name_of(cls)}")
    known = type.__getattribute__(cls, "_member_map_")
    return [known[name] for name in type.__getattribute__(cls, "_member_names_")]


def stored_member(value: Any, cls: type) -> Any:
    """The member that the state shows as this value; None if it shows none, or the class is not known."""
    if not known_enum(cls):
        return None
    found: list[Any] = []
    for member in type.__getattribute__(cls, "_member_map_").values():
        shown = jsonable(member._value_)
        if type(shown) is type(value) and shown == value and not any(one is member for one in found):
            found.append(member)
    if len(found) == 1:
        return found[0]
    if subclass(cls, Flag) and type(value) is int and not found:
        try:
            return cls(value)
        except ValueError:
            return None
    return None


def shown_by(module: str) -> frozenset[str | int]:
    """The texts and numbers that JSON shows of the members of enumerations which a module can name."""
    held = sys.modules.get(module)
    if type(held) is not ModuleType:
        return frozenset()
    every = list(vars(held).values())
    inner = [one for one in every if type(one) is ModuleType and of_project(one.__name__, module)]
    every += [value for one in inner for value in vars(one).values()]
    members = [m for one in every if is_a(one, EnumType) for m in _members(one)]
    values = [object.__getattribute__(member, "_value_") for member in members]
    return frozenset(value for value in values if type(value) in (str, int))


def _members(cls: Any) -> Iterable[Enum]:
    found: Mapping[str, Enum] = type.__getattribute__(cls, "_member_map_")
    return found.values()


def pure(value: object) -> bool:
    """Whether it is a member that is no text or number as well."""
    return is_member(value) and not is_a(value, str, int, float)
