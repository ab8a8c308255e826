"""What the code of functions reaches by name: globals, classes and functions of the application, and in turn
their code. What is looked up by a text, as with `getattr`, is not found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from artis_sdk.simulators.cached_results import is_cached
from artis_sdk.simulators.libraries import is_installed, is_library, module_of, top_package


class CodeReach:
    """The globals and classes that functions and classes reach.

    Args:
        functions: functions, without decorators.
        classes: classes, whose methods count as well.
    """

    def __init__(self, functions: Iterable[FunctionType], classes: Iterable[type]) -> None:
        self.globals: dict[tuple[str, str], dict[str, Any]] = {}
        """By the names of the module and the global, the module's globals."""
        self.classes: dict[int, type] = {}
        """The classes and those that were given, by id: a class may hash as it likes."""
        given, kinds = list(functions), list(classes)
        modules = [*map(module_of, given), *(kind.__module__ for kind in kinds)]
        self._tops = {*map(top_package, modules)}
        self._seen: set[int] = set()
        self._waiting: list[FunctionType] = []
        for each in (*given, *kinds):
            self._found(each)
        while self._waiting:
            self._look(self._waiting.pop())

    def _look(self, function: FunctionType) -> None:
        names, spaces = _names(function.__code__), [function.__globals__]
        for space in spaces:
            module = str(space.get("__name__") or "")
            if not self._is_ours(module):
                continue
            for name in names & space.keys():
                value = self.globals.setdefault((module, name), space)[name]
                if not issubclass(type(value), ModuleType):
                    self._found(value)
                elif not any(vars(value) is known for known in spaces):
                    spaces.append(vars(value))
        for cell in function.__closure__ or ():
            for inner in _contents(cell):
                self._found(inner)

    def _found(self, value: Any) -> None:
        """Look later into the code of a function, a class or an object."""
        if is_cached(value):
            value = value.__wrapped__
        if type(value) is FunctionType:
            if id(value) not in self._seen and self._is_ours(module_of(value)):
                self._seen.add(id(value))
                self._waiting.append(value)
            return
        for kind in (value if issubclass(type(value), type) else type(value)).__mro__:
            if id(kind) not in self.classes and self._is_ours(kind.__module__):
                self.classes[id(kind)] = kind
                for member in list(vars(kind).values()):
                    for inner in _functions(member):
                        self._found(inner)

    def _is_ours(self, module: str) -> bool:
        return not is_library(module) and (top_package(module) in self._tops or not is_installed(module))


@lru_cache(4096)
def _names(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes in a function's code and the functions inside it."""
    inner = [_names(const) for const in code.co_consts if isinstance(const, CodeType)]
    return frozenset(code.co_names).union(*inner)


def _functions(member: Any) -> Iterator[Any]:
    if isinstance(member, property):
        yield from (each for each in (member.fget, member.fset, member.fdel) if each is not None)
    elif isinstance(member, staticmethod | classmethod):
        yield member.__func__
    elif isinstance(member, FunctionType) or is_cached(member):
        yield member


def _contents(cell: Any) -> Iterator[Any]:
    try:
        yield cell.cell_contents
    except ValueError:  # not assigned yet
        return
