"""The parts of an object, looked at without running any code of its own: a lazy object, as web frameworks
have them, would do its work when it is asked for its class or its attributes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import chain
from threading import Condition
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    WrapperDescriptorType,
)
from typing import Any
from weakref import ref

_MACHINERY = (logging.Filterer, logging.LoggerAdapter, Executor, Condition)
"""What keeps caches and threads of its own, and is meant to work in a body."""
_PACKAGES = ("loguru.", "structlog.", "sqlalchemy.sql.", "sqlalchemy.orm.")
"""Where further classes of this kind are: loggers; statements and mappings, which never change otherwise."""
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
        self.is_opaque = issubclass(kind, (*_MACHINERY, type)) or f"{kind.__module__}.".startswith(_PACKAGES)
        """Whether its parts are no state of the application's."""
        members = [*chain.from_iterable([*vars(base).items()] for base in kind.__mro__)]
        self._dictionary = next((value for name, value in members if name == "__dict__"), None)
        self._slots = [
            value
            for base in kind.__mro__
            if "__slots__" in vars(base)
            for value in vars(base).values()
            if type(value) is MemberDescriptorType
        ]
        self.computed = frozenset(name for name, value in members if _computes(value))
        """The attributes that the class computes once and then keeps in the object's dictionary, as
        `functools.cached_property` does."""

    def dictionary(self, value: Any) -> dict[str, Any]:
        """The object's attributes; empty for one whose class puts something else in their place."""
        if type(self._dictionary) is not GetSetDescriptorType:
            return {}
        found = self._dictionary.__get__(value)
        return found if type(found) is dict else {}

    def slots(self, value: Any) -> Iterator[Any]:
        """The values in the object's slots."""
        for slot in self._slots:
            try:
                yield slot.__get__(value)
            except AttributeError:  # empty
                yield None


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
