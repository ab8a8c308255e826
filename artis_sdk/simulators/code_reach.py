"""What the code of functions and classes reaches by name: globals, imports, classes and functions of the
application, and their code in turn. What is looked up by a text, as with `getattr`, is not found."""

from __future__ import annotations

import dis
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property, lru_cache, partial, partialmethod
from importlib.util import resolve_name
from itertools import islice
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from artis_sdk.simulators.cached_results import CachedResults, is_cached
from artis_sdk.simulators.libraries import is_installed, is_library, module_of, module_of_class, top_package
from artis_sdk.simulators.object_parts import parts_of
from artis_sdk.tools.closures import closed_over

_MANY = 1_000  # items of a container that are looked at
_ATOMS = frozenset(map(id, (type(None), str, bytes, int, float, bool)))
_WRAPPERS = (staticmethod, classmethod, partial, partialmethod, property, cached_property)
_CONTAINERS = (list, tuple, set, frozenset, deque)


class CodeReach:
    """What functions, classes and objects reach.

    Args:
        functions: functions, without decorators.
        owners: the objects behind them.
        held: functions inside them, and classes of what is inside them.
    """

    def __init__(
        self, functions: Iterable[FunctionType], owners: Iterable[object], held: Iterable[type | FunctionType]
    ) -> None:
        self.globals: dict[tuple[str, str], dict[str, Any]] = {}
        """By the names of the module and the global, the module's globals."""
        self.classes: dict[int, type] = {}
        """The application's classes by id: a class may hash as it likes."""
        self.functions: set[int] = set()
        """Ids of the functions."""
        self.objects: list[tuple[str, Any]] = []
        """What the globals, classes and functions hold, with the path to each; not the owners' own parts."""
        given = list(functions)
        own = [kind for owner in owners for kind in type(owner).__mro__]
        modules = {module_of_class(type(owner)) for owner in owners} or set(map(module_of, given))
        self._tops = {top_package(module) for module in modules if not is_library(module)}
        self._seen: dict[int, Any] = {}
        self._waiting: deque[tuple[str, Any]] = deque()
        self._waiting += [(function.__qualname__, function) for function in given]
        self._waiting += [(kind.__qualname__, kind) for kind in (*own, *held)]
        while self._waiting:
            self._look(*self._waiting.popleft())

    def is_ours(self, module: str) -> bool:
        """Whether a module is the application's."""
        return not is_library(module) and (top_package(module) in self._tops or not is_installed(module))

    def _look(self, path: str, value: Any) -> None:
        if id(type(value)) in _ATOMS or id(value) in self._seen:
            return
        self._seen[id(value)] = value
        kind = type(value)
        if issubclass(kind, type):
            self._look_at_class(path, value)
        elif kind is FunctionType:
            self._look_at_function(path, value)
        elif kind is MethodType:
            self._waiting += [(path, value.__self__), (path, value.__func__)]
        elif issubclass(kind, _WRAPPERS):
            self._waiting += [(path, inner) for inner in _wrapped(value)]
        elif is_cached(value):
            self._waiting.append((path, value.__wrapped__))
            self._waiting += [(path, result) for result in CachedResults(value).results]
        elif not issubclass(kind, ModuleType):
            self._look_at_object(path, value)

    def _look_at_object(self, path: str, value: Any) -> None:
        kind = type(value)
        self.objects.append((path, value))
        if issubclass(kind, dict):
            items = islice(dict.items(value), _MANY)
            self._waiting += [
                (f"{path}[{key!r}]" if type(key) in (str, int) else f"{path}[...]", each)
                for key, each in items
            ]
        for base in _CONTAINERS:
            if issubclass(kind, base):
                self._waiting += [(f"{path}[...]", each) for each in islice(base.__iter__(value), _MANY)]
        if self.is_ours(module_of_class(kind)):
            self._waiting.append((kind.__qualname__, kind))
            parts = parts_of(kind)
            self._waiting += [(f"{path}.{name}", each) for name, each in parts.attributes(value)]

    def _look_at_class(self, path: str, kind: type) -> None:
        if not self.is_ours(module_of_class(kind)):
            return
        self.classes[id(kind)] = kind
        self._waiting += [(base.__qualname__, base) for base in (*kind.__mro__[1:], type(kind))]
        for name, member in list(vars(kind).items()):
            if name not in ("__dict__", "__weakref__", "__doc__", "__annotations__"):
                self._waiting.append((f"{kind.__qualname__}.{name}", member))

    def _look_at_function(self, path: str, function: FunctionType) -> None:
        self.functions.add(id(function))
        self._waiting += [(f"{path}.{name}", inner) for name, inner in closed_over(function).items()]
        if not self.is_ours(module_of(function)):
            return  # a library's wrapper of a function that its closure holds
        names = _names(function.__code__)
        self._named(function.__globals__, names.globals, names)
        for level, module in names.imports:
            self._imported(function.__globals__, "." * level + module, names)

    def _imported(self, space: dict[str, Any], name: str, names: _Names) -> None:
        package = str(space.get("__package__") or "")
        if name.startswith(".") and not package:
            return
        module = sys.modules.get(resolve_name(name, package) if name.startswith(".") else name)
        if module is not None:
            self._named(vars(module), names.attributes, names)

    def _named(self, space: dict[str, Any], wanted: frozenset[str], names: _Names) -> None:
        """Look at globals of a module, and at attributes of the modules among them."""
        spaces = [(space, wanted)]
        for space, wanted in spaces:
            module = str(space.get("__name__") or "")
            if not self.is_ours(module):
                continue
            for name in wanted & space.keys():
                value = self.globals.setdefault((module, name), space)[name]
                if not issubclass(type(value), ModuleType):
                    self._waiting.append((f"{module}.{name}", value))
                elif not any(vars(value) is known for known, _ in spaces):
                    spaces.append((vars(value), names.attributes))


class _Names(NamedTuple):
    """The names in a function's code, and in the functions inside it."""

    globals: frozenset[str]
    attributes: frozenset[str]
    """Of any object, and what is imported inside."""
    imports: frozenset[tuple[int, str]]
    """Modules that are imported inside, each with the number of its leading dots."""


@lru_cache(4096)
def _names(code: CodeType) -> _Names:
    spaces: set[str] = set()
    attributes: set[str] = set()
    imports: set[tuple[int, str]] = set()
    before: list[Any] = [0, 0]
    for step in dis.get_instructions(code):
        name = step.opname
        if name.endswith(("_GLOBAL", "_NAME")) and name != "IMPORT_NAME":
            spaces.add(step.argval)
        elif name.endswith(("_ATTR", "_METHOD")) or name == "IMPORT_FROM":
            attributes.add(step.argval)
        elif name == "IMPORT_NAME":
            imports.add((before[0] if isinstance(before[0], int) else 0, step.argval))
            attributes.update(step.argval.split("."))
        before = [before[1], step.argval]
    inner = [_names(const) for const in code.co_consts if isinstance(const, CodeType)]
    return _Names(
        frozenset(spaces).union(*(each.globals for each in inner)),
        frozenset(attributes).union(*(each.attributes for each in inner)),
        frozenset(imports).union(*(each.imports for each in inner)),
    )


def _wrapped(member: Any) -> Iterator[Any]:
    """The functions, and the arguments, inside a member of a class."""
    if isinstance(member, property):
        yield from (member.fget, member.fset, member.fdel)
    elif isinstance(member, staticmethod | classmethod):
        yield member.__func__
    elif isinstance(member, cached_property):
        yield member.func
    else:
        yield from (member.func, *member.args, *member.keywords.values())
