"""What classes and objects are, read without running their code."""

from __future__ import annotations

import sys
from abc import ABC, ABCMeta
from enum import Enum, EnumType
from types import FunctionType, GetSetDescriptorType, MappingProxyType, MemberDescriptorType
from typing import Any, Final, Generic, Protocol

from pydantic import BaseModel

from artis_sdk.tools.source_checks.code import installed
from artis_sdk.tools.source_checks.static import body_of, is_a, mro_of, subclass

_ROOTS: Final = (object, BaseException, Exception)
_PLAIN_BASES: Final = (object, Generic, ABC, Protocol)
NOTHING: Final = object()
"""In place of an attribute that is not there; None may be one."""


def is_one(value: object, which: tuple[Any, ...]) -> bool:
    """Whether it is one of these very objects; a class's own `==` and hash do not run."""
    return any(value is one for one in which)


def static_of(cls: type, name: str) -> Any:
    """What a class or its bases define under a name, in Python; `NOTHING` for what `object` defines, read
    without running a descriptor."""
    for base in mro_of(cls):
        body = body_of(base)
        if name in body:
            return NOTHING if is_one(base, _ROOTS) else body[name]
    return NOTHING


def own_method(cls: type, name: str) -> Any:
    """What a class or its bases define under a name, in Python, but for None; see `static_of`."""
    found = static_of(cls, name)
    return None if found is NOTHING else found


def in_roots(cls: type, name: str) -> bool:
    """Whether the attribute is one that `object` or an exception has."""
    return any(name in body_of(base) for base in mro_of(cls) if is_one(base, _ROOTS))


def generated(function: Any) -> bool:
    """Whether `dataclass` wrote a method."""
    return type(function) is FunctionType and function.__code__.co_filename.startswith("<string>")


def plain_class(cls: type) -> bool:
    """Whether the class of a class is Python's own, so that nothing of a metaclass can run."""
    return is_one(type(cls), (type, ABCMeta, EnumType))


def module_of(cls: type) -> str:
    """The name of a class's module."""
    module = body_of(cls).get("__module__", "builtins")
    return module if type(module) is str else "builtins"


def of_project(module: str, home: str) -> bool:
    """Whether a module is code of the application.

    Args:
        module: its name.
        home: module of a tool.
    """
    top = module.partition(".")[0]
    if top == home.partition(".")[0]:
        return True
    if top in sys.stdlib_module_names or top == "builtins":
        return False
    file = vars(sys.modules[module]).get("__file__") if module in sys.modules else None
    return not (type(file) is str and file.startswith(installed()))


def readable(cls: type, home: str, *, models: bool = False) -> bool:
    """Whether an object's attributes are all that it is: its classes are the application's, and no code of
    C or of a library is behind them.

    Args:
        cls: its class.
        home: module of a tool.
        models: whether pydantic's models count, whose fields are what they hold, but not what JSON shows.
    """
    fine = (*_PLAIN_BASES, BaseModel) if models else _PLAIN_BASES
    return not subclass(cls, Enum) and all(
        is_one(base, fine) or of_project(module_of(base), home) for base in mro_of(cls)
    )


def attributes_of(value: object) -> dict[str, Any]:
    """All that an object itself holds, by name: its `__dict__` and its slots."""
    found: dict[str, Any] = {}
    for base in mro_of(type(value)):
        holder: Any = body_of(base).get("__dict__")
        if is_a(holder, GetSetDescriptorType, MemberDescriptorType):
            held = holder.__get__(value)
            if type(held) is not MappingProxyType:
                found.update(dict.items(held))
    for base in mro_of(type(value)):
        for name, slot in body_of(base).items():
            if type(slot) is MemberDescriptorType and name not in found and name != "__dict__":
                try:
                    found[name] = slot.__get__(value)
                except AttributeError:  # not set
                    continue
    return {name: item for name, item in found.items() if type(name) is str}
