"""The places of a process that the tools' code can change: globals of its modules, attributes of the objects'
classes, and what `functools.cache` keeps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from enum import Enum
from functools import partial
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from artis_sdk.simulators.cached_results import CachedResults, is_cached
from artis_sdk.simulators.code_reach import CodeReach
from artis_sdk.simulators.digest import kept_by
from artis_sdk.simulators.libraries import is_installed, module_of, module_of_class
from artis_sdk.simulators.object_parts import parts_of

_CODE = (type, ModuleType, BuiltinFunctionType, FunctionType, classmethod, staticmethod, property)


class ProcessPlaces:
    """The places by name, such as `shop.orders.CACHE` and `Shop.total`.

    The modules are those of the tools and of their objects' classes; of other modules of the application, the
    globals and classes count that the code of tools and objects names, in turn.

    Args:
        functions: functions of the tools, without decorators.
        owners: the real objects behind them.
        reach: what functions and objects reach.
    """

    def __init__(self, functions: Iterable[FunctionType], owners: Iterable[object], reach: CodeReach) -> None:
        self._functions = reach.functions
        kinds = {id(kind): kind for owner in owners for kind in type(owner).__mro__}
        own = {key: kind for key, kind in kinds.items() if reach.is_ours(module_of_class(kind))}
        self._classes = tuple((own | reach.classes).values())
        names = {*map(module_of, functions), *map(module_of_class, own.values())}
        self._modules = tuple(
            module for name in sorted(names) if reach.is_ours(name) and (module := sys.modules.get(name))
        )
        self._elsewhere = {place: space for place, space in reach.globals.items() if place[0] not in names}

    def values(self) -> Iterator[tuple[str, Any]]:
        """Each place with its value."""
        for place, name, value in self._members():
            if name.startswith("__"):
                continue
            if type(value) is MethodType and not is_installed(module_of_class(type(value.__self__))):
                value = value.__self__
            if type(value) is partial:
                given = (*value.args, *value.keywords.values())
                yield from ((f"{place}[{number}]", each) for number, each in enumerate(given))
            elif type(value) is FunctionType:
                if id(value) not in self._functions or (value.__closure__ is None and not value.__dict__):
                    continue
                yield from ((f"{place}.{inner}", each) for inner, each in kept_by(value).items())
            elif _is_state(value):
                yield place, value

    def caches(self) -> dict[str, CachedResults]:
        """By name, what the functions under `functools.cache` and `lru_cache` keep now."""
        return {place: CachedResults(value) for place, _, value in self._members() if is_cached(value)}

    def _members(self) -> Iterator[tuple[str, str, Any]]:
        """Place, name and value of each class attribute and global; of a static method its function."""
        for kind in self._classes:
            hidden = "_" if issubclass(kind, Enum) else "__"
            for name, value in list(vars(kind).items()):
                if not name.startswith(hidden):
                    inner = value.__func__ if issubclass(type(value), (staticmethod, classmethod)) else value
                    yield f"{kind.__qualname__}.{name}", name, inner
        for module in self._modules:
            for name, value in list(vars(module).items()):
                yield f"{module.__name__}.{name}", name, value
        for (owner, name), space in self._elsewhere.items():
            if name in space:
                yield f"{owner}.{name}", name, space[name]


def _is_state(value: Any) -> bool:
    kind = type(value)
    if issubclass(kind, (*_CODE, MemberDescriptorType)) or parts_of(kind).is_opaque:
        return False
    return not callable(value) or not is_installed(module_of_class(kind))
