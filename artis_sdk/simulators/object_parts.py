"""The parts of an object, looked at without running any code of its own: a lazy object, as web frameworks
have them, would do its work when it is asked for its class or its attributes."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Executor
from enum import Enum
from itertools import chain
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
from typing import Any, Final
from weakref import ref

from artis_sdk.simulators.libraries import is_installed, module_of_class, top_package

_UNCHANGING = (type, PurePath, Enum)
_MACHINERY = (
    *(logging.Filterer, logging.LoggerAdapter, Executor),
    *(threading.Condition, threading.Semaphore, threading.Barrier),
    *(asyncio.Lock, asyncio.Semaphore, asyncio.Condition),
)
"""What keeps caches, threads and waiters of its own, and is meant to work in a body; an application's own
subclass may keep anything."""
_PACKAGES = ("loguru", "structlog", "sqlalchemy", "jinja2")
"""Where further classes of this kind are: loggers, templates; engines, statements and mappings."""
_DATA: Final = {"cachetools": ("_Cache__data",), "threading": ("_flag",), "asyncio": ("_queue", "_value")}
"""By package, the private attributes that hold what its objects are asked for."""
_PREFIXES = tuple(f"{package}." for package in _PACKAGES)
_METHODS = (
    FunctionType,
    BuiltinFunctionType,
    MethodDescriptorType,
    WrapperDescriptorType,
    ClassMethodDescriptorType,
    staticmethod,
    classmethod,
    type,
)


class ObjectParts:
    """How the objects of one class are looked at.

    Args:
        kind: the class.
    """

    def __init__(self, kind: type) -> None:
        self.kind = ref(kind)
        module = module_of_class(kind)
        self.is_opaque = (
            issubclass(kind, _UNCHANGING)
            or (issubclass(kind, _MACHINERY) and is_installed(module))
            or f"{module}.".startswith(_PREFIXES)
        )
        """Whether its parts are no state of the application's."""
        members = [*chain.from_iterable([*vars(base).items()] for base in kind.__mro__)]
        self._dictionary = next((value for name, value in members if name == "__dict__"), None)
        self._slots = [
            (name, value)
            for base in kind.__mro__
            if "__slots__" in vars(base)
            for name, value in vars(base).items()
            if type(value) is MemberDescriptorType
        ]
        self._only_public = is_installed(module)
        """Whether private attributes, a library's own caches and counters, are left out."""
        self._data = _DATA.get(top_package(module), ())
        self._computed = frozenset(name for name, value in members if _computes(value))

    def attributes(self, value: Any) -> list[tuple[str, Any]]:
        """The object's attributes and slots that hold something, by name. None where its class puts something
        else in their place, as lazy objects do."""
        found: list[tuple[str, Any]] = []
        if isinstance(self._dictionary, GetSetDescriptorType | MemberDescriptorType):
            found = list(self._dictionary.__get__(value).items())
        for name, slot in self._slots:
            try:
                found.append((name, slot.__get__(value)))
            except AttributeError:  # empty
                continue
        if self._only_public:
            return [(name, each) for name, each in found if not name.startswith("_") or name in self._data]
        return found

    def not_computed(self, attributes: list[tuple[str, Any]]) -> frozenset[str]:
        """The attributes that the class computes once and then keeps in the object's dictionary, as
        `functools.cached_property` does, and that are not there yet."""
        return self._computed and self._computed.difference(name for name, _ in attributes)


_known: dict[int, ObjectParts] = {}
"""By the id of the class: one of the application's may compare and hash as it likes."""


def parts_of(kind: type) -> ObjectParts:
    """How the objects of a class are looked at."""
    known = _known.get(id(kind))
    if known is None or known.kind() is not kind:
        known = _known[id(kind)] = ObjectParts(kind)
    return known


def _computes(value: object) -> bool:
    kind = type(value)
    return hasattr(kind, "__get__") and not hasattr(kind, "__set__") and not issubclass(kind, _METHODS)
