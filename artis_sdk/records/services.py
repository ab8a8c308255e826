"""Objects of libraries that are no state: engines, clients, loggers."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import cache
from itertools import islice
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from artis_sdk.records.installed import is_installed_file
from artis_sdk.records.plain_forms import class_attribute, inherits, module_of, stored_attributes

_CODE = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType)
_DECLARED = ("__dataclass_fields__", "__pydantic_serializer__")
_WITH_FORMS = ("numpy", "pandas", "torch")  # of their own, see `simpler`
_LOOK_UP_LEVELS = 2  # an engine's dialect holds its driver's module
_LOOK_UP_ITEMS = 50
_HANDLES = ("_thread", "threading", "_socket", "socket", "logging")


def is_service(value: Any, kind: type, home: str) -> bool:
    """Whether an object inside an object's state is a library's and holds more than data.

    Its attributes say nothing about the environment, and there may be many: an SQLAlchemy engine has
    70 MB of them as JSON.

    Args:
        value: an object that `simpler` made a dict of.
        kind: its type.
        home: package of the object whose state it is in, whose own objects are never services.
    """
    package = module_of(kind).partition(".")[0]
    if package == home or package in _WITH_FORMS or any(class_attribute(kind, name) for name in _DECLARED):
        return False
    if package in sys.stdlib_module_names:
        return not inherits(kind, SimpleNamespace, Namespace)
    return _is_installed(package) and _holds_code(value, _LOOK_UP_LEVELS)


@cache
def _is_installed(package: str) -> bool:
    module = sys.modules.get(package)
    places = [getattr(module, "__file__", None) or "", *getattr(module, "__path__", ())]
    return any(is_installed_file(package, place) for place in places if place)


def _holds_code(value: Any, levels: int) -> bool:
    """Whether a module, a class, a function, or a standard library's object such as a lock is among what an
    object holds, private attributes included."""
    for item in islice(stored_attributes(value).values(), _LOOK_UP_ITEMS):
        kind = type(item)
        if inherits(kind, *_CODE) or module_of(kind) in _HANDLES:
            return True
        if levels > 1 and _holds_code(item, levels - 1):
            return True
    return False
