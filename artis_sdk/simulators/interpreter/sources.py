"""Names that the code of a project writes to: state that no logged state holds, and no constants."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Final

from artis_sdk.simulators.interpreter.classes import module_of, of_project
from artis_sdk.tools.source_checks.static import is_a

_CHANGING: Final = (
    "append", "extend", "insert", "remove", "pop", "popitem", "clear", "update", "setdefault", "add",
    "discard", "sort", "reverse", "appendleft", "intersection_update", "difference_update",
    "symmetric_difference_update", "__setitem__", "__delitem__",
)  # fmt: skip
_READING: Final = (
    "len", "sorted", "list", "dict", "set", "tuple", "frozenset", "min", "max", "sum", "any", "all", "str",
    "repr", "enumerate", "zip", "reversed", "isinstance", "print", "bool", "iter", "map", "filter",
)  # fmt: skip
_SDK: Final = __name__.partition(".")[0]
_MOST_FILES: Final = 3000


@dataclass(frozen=True, slots=True)
class Uses:
    """What the code of a file does to names.

    Attributes:
        rebound: names that it declares global or nonlocal, and attributes that it sets on what it imports.
        written: names that it changes, and attributes that it sets on anything but `self`.
        own: attributes that it sets on `self`.
        escaping: names and attributes that it hands to other code, which may change what they hold.
    """

    rebound: frozenset[str]
    written: frozenset[str]
    own: frozenset[str]
    escaping: frozenset[str]


class Sources:
    """The files of a session's tools, and of the project's modules that these use.

    Args:
        functions: the tools' functions.
    """

    def __init__(self, functions: Iterable[FunctionType]) -> None:
        self._files = _files(tuple(sorted({function.__module__ for function in functions})))
        self._found: dict[str, tuple[bool, bool, bool, bool]] = {}

    def _uses(self, name: str) -> tuple[bool, bool, bool, bool]:
        if name not in self._found:
            uses = [_of_file(file) for file in self._files if name in _text(file)]
            self._found[name] = (
                any(name in one.rebound for one in uses),
                any(name in one.written for one in uses),
                any(name in one.own for one in uses),
                any(name in one.escaping for one in uses),
            )
        return self._found[name]

    def rebound(self, name: str) -> bool:
        """Whether some code gives the name of a module or of a function around it another value."""
        return self._uses(name)[0]

    def changed(self, name: str) -> bool:
        """Whether some code assigns to the name, or changes what it holds."""
        return self._uses(name)[1]

    def own(self, name: str) -> bool:
        """Whether some code sets an attribute of that name on `self`."""
        return self._uses(name)[2]

    def escapes(self, name: str) -> bool:
        """Whether some code may change what it holds under another name."""
        return self._uses(name)[3]


@lru_cache(maxsize=64)
def _files(roots: tuple[str, ...]) -> tuple[str, ...]:
    """The files of modules and of all that their names come from, in the same project."""
    sdk = any(root.partition(".")[0] == _SDK for root in roots)
    waiting, seen, files = list(roots), set(roots), []
    while waiting and len(seen) < _MOST_FILES:
        module = sys.modules.get(waiting.pop())
        file = None if module is None else vars(module).get("__file__")
        if module is None or type(file) is not str:
            continue
        files.append(file)
        for value in list(vars(module).values()):
            for name in _home_of(value):
                if name in seen or (name.partition(".")[0] == _SDK and not sdk):
                    continue
                if any(of_project(name, home) for home in roots):
                    seen.add(name)
                    waiting.append(name)
    return tuple(files)


def _home_of(value: object) -> Iterator[str]:
    if type(value) is ModuleType:
        yield value.__name__
    elif type(value) is FunctionType:
        yield str(value.__globals__.get("__name__"))
    else:
        yield module_of(value if is_a(value, type) else type(value))  # type: ignore[arg-type]


@lru_cache(maxsize=_MOST_FILES)
def _text(file: str) -> str:
    return "".join(linecache.getlines(file))


@lru_cache(maxsize=512)
def _of_file(file: str) -> Uses:
    try:
        tree = ast.parse(_text(file))
    except (SyntaxError, RecursionError):
        return Uses(frozenset(), frozenset(), frozenset(), frozenset())
    nodes = list(ast.walk(tree))
    fine = {id(inner) for node in nodes for inner in _read(node)}
    imported = {
        alias.asname or alias.name.partition(".")[0]
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    return Uses(
        frozenset(name for node in nodes for name in _rebound(node, imported)),
        frozenset(name for node in nodes for name in _written(node)),
        frozenset(
            node.attr
            for node in nodes
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value)
        ),
        frozenset(
            node.id if isinstance(node, ast.Name) else node.attr
            for node in nodes
            if isinstance(node, ast.Name | ast.Attribute)
            and isinstance(node.ctx, ast.Load)
            and id(node) not in fine
        ),
    )


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _read(node: ast.AST) -> Iterator[ast.AST | None]:
    """The parts of a node of which it keeps nothing but their items."""
    match node:
        case ast.Subscript(value=value) | ast.Attribute(value=value):
            yield value
        case ast.Compare(left=left, comparators=right):
            yield from (left, *right)
        case ast.For(iter=over) | ast.comprehension(iter=over):
            yield over
        case ast.BinOp(left=left, right=right):
            yield from (left, right)
        case ast.UnaryOp(operand=operand) | ast.Starred(value=operand) | ast.FormattedValue(value=operand):
            yield operand
        case ast.If(test=test) | ast.While(test=test) | ast.IfExp(test=test) | ast.Assert(test=test):
            yield test
        case ast.Dict(keys=keys, values=values):
            yield from (value for key, value in zip(keys, values, strict=True) if key is None)
        case ast.Call(func=function, args=arguments, keywords=keywords):
            yield function
            if isinstance(function, ast.Name) and function.id in _READING:
                yield from arguments
            if isinstance(function, ast.Attribute) and function.attr in ("join", "get", "update", "extend"):
                yield from arguments
            yield from (one.value for one in keywords if one.arg is None)


def _rebound(node: ast.AST, imported: set[str]) -> Iterator[str]:
    match node:
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case ast.Attribute(ctx=ast.Store() | ast.Del(), attr=name, value=value):
            if not isinstance(value, ast.Name) or value.id in imported:
                yield name


def _written(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case ast.Attribute(ctx=ast.Store() | ast.Del(), attr=name, value=value):
            if isinstance(value, ast.Name):
                yield value.id
            else:
                yield from _root(value)
            if not _is_self(value):
                yield name
        case ast.Subscript(ctx=ast.Store() | ast.Del(), value=value):
            yield from _root(value)
        case ast.Attribute(ctx=ast.Load(), attr=method, value=value) if method in _CHANGING:
            yield from _root(value)  # called here, or where the method is handed to
        case ast.Call(func=ast.Name(id="setattr" | "delattr"), args=[_, ast.Constant(value=str(name)), *_]):
            yield name


def _root(node: ast.expr) -> Iterator[str]:
    """The name at the root of `name.a[0].b`, and the attributes on the way."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        if isinstance(node, ast.Attribute):
            yield node.attr
            node = node.value
        else:
            node = node.func if isinstance(node, ast.Call) else node.value
    if isinstance(node, ast.Name):
        yield node.id
