"""The source of functions: found, parsed, and compared with the loaded code."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import CodeType, FunctionType, MethodType
from typing import Any

from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.source_checks.static import MISSING, is_a, member

Def = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class SourceCode:
    """A function and the syntax tree of its definition; line numbers are the file's."""

    function: FunctionType
    node: Def
    file: str

    @property
    def name(self) -> str:
        return self.function.__qualname__


class NoSource(Exception):
    """The source of a function is gone, or is not the one that is loaded; the message says which."""


def plain_function(callable_: Any) -> FunctionType | None:
    """The Python function behind a callable, within its wrappers; None for code in C."""
    return next(iter([*layers(callable_)][::-1]), None)


def layers(callable_: Any) -> Iterator[FunctionType]:
    """The Python functions of a callable, from the outermost wrapper to the function within."""
    inner, seen = callable_, set[int]()
    while inner is not MISSING and id(inner) not in seen:
        seen.add(id(inner))
        if is_a(inner, GuardedTool):
            inner = inner.function
        elif type(inner) is MethodType:
            inner = inner.__func__
        else:
            if type(inner) is FunctionType:
                yield inner
            inner = member(inner, "__wrapped__")


def own_layer(callable_: Any) -> FunctionType | None:
    """The outermost function of a callable that is the application's, decorators included; that of code which
    is installed, or that this package puts around it, stands aside."""
    every = list(layers(callable_))
    return next((one for one in every if one is every[-1] or _is_own(one, every[-1])), None)


def _is_own(layer: FunctionType, inner: FunctionType) -> bool:
    """Whether a wrapper belongs to the code of what it wraps; `functools.wraps` copies the module's name, so
    only the globals tell."""
    home, inside = (str(one.__globals__.get("__name__", "")) for one in (layer, inner))
    top = home.partition(".")[0]
    if home.startswith("artis_sdk.tools.") or top in sys.stdlib_module_names:
        return False
    return top == inside.partition(".")[0] or not layer.__code__.co_filename.startswith(installed())


def source_of(function: FunctionType) -> SourceCode:
    """Read the source of a function.

    Raises:
        NoSource: it has no source or is a lambda, or the file was changed after the function was loaded.
    """
    code = function.__code__
    if code.co_name == "<lambda>":
        raise NoSource(f"no source: {function.__qualname__} is a lambda, which is not read")
    file = inspect.getsourcefile(function) or code.co_filename
    linecache.checkcache(file)
    lines = linecache.getlines(file, function.__globals__)
    if not lines:
        raise NoSource(f"no source: {Path(file).name} cannot be read")
    try:
        found = _file("".join(lines), file).get((code.co_firstlineno, code.co_name))
    except SyntaxError as error:
        raise NoSource(
            f"{Path(file).name} was changed after it was loaded, and does not parse now"
        ) from error
    if found is None or not _same(code, found[1]):
        raise NoSource(f"{Path(file).name} was changed after it was loaded; import it again")
    node = found[0]
    return SourceCode(function, node, file)


def nested_code(code: CodeType) -> Iterator[CodeType]:
    """A code object and those of the functions and comprehensions inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from nested_code(constant)


def same_project(function: FunctionType, root: FunctionType) -> bool:
    """Whether a called function belongs to the code that a tool was written with.

    True in the tool's own top-level package, and for files outside the standard library and the
    installed packages.
    """
    top = (function.__module__ or "").partition(".")[0]
    if top == (root.__module__ or "").partition(".")[0]:
        return True
    file = function.__code__.co_filename
    return top not in sys.stdlib_module_names and not file.startswith(installed())


@lru_cache(maxsize=1)
def installed() -> tuple[str, ...]:
    """The folders of the standard library and of installed packages."""
    return tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@lru_cache(maxsize=64)
def _file(text: str, file: str) -> dict[tuple[int, str], tuple[Def, CodeType]]:
    """The functions of a file, by first line (decorators included) and name."""
    tree = ast.parse(text)
    codes = {
        (code.co_firstlineno, code.co_name): code
        for code in nested_code(compile(tree, file, "exec", dont_inherit=True))
    }
    found: dict[tuple[int, str], tuple[Def, CodeType]] = {}
    for node in ast.walk(tree):
        if isinstance(node, Def):
            key = min((d.lineno for d in node.decorator_list), default=node.lineno), node.name
            if key in codes:
                found[key] = node, codes[key]
    return found


def _same(loaded: CodeType, read: CodeType) -> bool:
    """Whether the loaded code contains all of the source; test runners add code when they load a file."""
    return _lines(loaded) >= _lines(read) and _constants(loaded) >= _constants(read)


def _lines(code: CodeType) -> set[int]:
    return {line for part in nested_code(code) for _, _, line in part.co_lines() if line}


def _constants(code: CodeType) -> set[str]:
    parts = [part.co_consts for part in nested_code(code)]
    return {repr(value) for values in parts for value in values if isinstance(value, str | int | float)}
