"""Which public names of a module have no sentence."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any


def members(kind: type[Any]) -> list[tuple[str, Any]]:
    """The public methods and properties that a class defines itself."""
    found = []
    for name, value in vars(kind).items():
        if isinstance(value, classmethod | staticmethod):
            value = value.__func__
        elif isinstance(value, property):
            value = value.fget
        if not name.startswith("_") and inspect.isfunction(value):
            found.append((name, value))
    return found


def undocumented(module: str) -> list[str]:
    """The names in a module's `__all__` without a docstring, and their public methods without one."""
    found = import_module(module)
    without = []
    for public in getattr(found, "__all__", ()):
        value = getattr(found, public)
        if inspect.isclass(value):
            known = {name for base in value.__mro__[1:] for name, own in members(base) if own.__doc__}
            bare = {name for name, own in members(value) if not own.__doc__} - known
            without += [f"{public}.{name}" for name in sorted(bare)]
        if (inspect.isclass(value) or inspect.isfunction(value)) and not value.__doc__:
            without.append(public)
    return without
