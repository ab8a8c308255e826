"""The places of a process that the tools' code can change: globals of its modules, attributes of the objects'
classes, and what `functools.cache` keeps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from artis_sdk.simulators.cached_results import CachedResults, is_cached
from artis_sdk.simulators.code_reach import CodeReach
from artis_sdk.simulators.digest import kept_by
from artis_sdk.simulators.libraries import is_installed, is_library, module_of
from artis_sdk.simulators.object_parts import parts_of

_CODE = (type, ModuleType, BuiltinFunctionType, FunctionType, classmethod, staticmethod, property)


class ProcessPlaces:
    """The places by name, such as `shop.orders.CACHE` and `Shop.total`.

    The modules are those of the tools and of their objects' classes; of other modules of the application, the
    globals and classes count that the tools' code names, in turn.

    Args:
        functions: functions of the tools, without decorators.
        owners: the real objects behind them.
    """

    def __init__(self, functions: Iterable[FunctionType], owners: Iterable[object]) -> None:
        kinds = {id(kind): kind for owner in owners for kind in type(owner).__mro__}
        own = {key: kind for key, kind in kinds.items() if not is_library(kind.__module__)}
        given = list(functions)
        reach = CodeReach(given, own.values())
        self._classes = tuple((own | reach.classes).values())
        names = sorted({*map(module_of, given)} | {kind.__module__ for kind in own.values()})
        self._modules = tuple(
            module for name in names if not is_library(name) and (module := sys.modules.get(name))
        )
        self._named = reach.globals
        self._elsewhere = {place: space for place, space in self._named.items() if place[0] not in names}

    def values(self) -> Iterator[tuple[str, Any]]:
        """Each place with its value."""
        members = (
            (f"{kind.__qualname__}.{name}", name, value)
            for kind in self._classes
            for name, value in list(vars(kind).items())
        )
        for place, name, value in chain(members, self._globals()):
            if name.startswith("__"):
                continue
            if type(value) is FunctionType:
                yield from ((f"{place}.{inner}", each) for inner, each in kept_by(value).items())
            elif _is_state(value):
                yield place, value

    def objects(self) -> Iterator[tuple[str, Any]]:
        """Each global that the code names and that is no code, and what the application's objects among them
        hold."""
        found = [(place, value) for place, name, value in _values(self._named) if not name.startswith("__")]
        seen: set[int] = set()
        for place, value in found:
            kind = type(value)
            if issubclass(kind, _CODE) or id(value) in seen:
                continue
            seen.add(id(value))
            yield place, value
            if not is_installed(kind.__module__):
                found += [
                    (f"{place}.{name}", each) for name, each in [*parts_of(kind).dictionary(value).items()]
                ]

    def caches(self) -> dict[str, CachedResults]:
        """By name, what the functions under `functools.cache` and `lru_cache` keep now."""
        return {place: CachedResults(value) for place, _, value in self._globals() if is_cached(value)}

    def _globals(self) -> Iterator[tuple[str, str, Any]]:
        """Place, name and value of each global."""
        for module in self._modules:
            for name, value in list(vars(module).items()):
                yield f"{module.__name__}.{name}", name, value
        yield from _values(self._elsewhere)


def _values(named: dict[tuple[str, str], dict[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    for (owner, name), space in named.items():
        if name in space:
            yield f"{owner}.{name}", name, space[name]


def _is_state(value: Any) -> bool:
    kind = type(value)
    if issubclass(kind, (*_CODE, MemberDescriptorType)):
        return False
    return not callable(value) or not is_installed(kind.__module__)
