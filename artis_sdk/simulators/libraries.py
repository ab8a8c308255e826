"""Whose code a module is: the application's, or a library's."""

from __future__ import annotations

import sys
from functools import cache
from types import FunctionType

from artis_sdk.records.installed import is_installed_file


@cache
def is_installed(module: str) -> bool:
    """Whether a module is part of Python or of an installed package; one without a file counts as such,
    `__main__` apart."""
    if is_library(module):
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None:
        return module != "__main__"
    return is_installed_file(module, file)


def is_library(module: str) -> bool:
    """Whether a module is part of Python, pydantic or this package."""
    top = top_package(module)
    return (top in sys.stdlib_module_names and top != "__main__") or top in ("pydantic", "artis_sdk")


def top_package(module: str) -> str:
    """The name before the first dot."""
    return module.partition(".")[0]


def module_of(function: FunctionType) -> str:
    """The name of the module that a function's code stands in; empty for code without one."""
    return str(function.__globals__.get("__name__") or "")


def module_of_class(kind: type) -> str:
    """The name of a class's module; empty where the class says something else."""
    name = type.__getattribute__(kind, "__module__")
    return name if isinstance(name, str) else ""
