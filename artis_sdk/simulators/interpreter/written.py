"""Names of a module that its code writes to: state that no logged state holds, and no constants."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from functools import lru_cache
from types import FunctionType
from typing import Final

_CHANGING: Final = frozenset(
    {
        "append",
        "extend",
        "insert",
        "remove",
        "pop",
        "popitem",
        "clear",
        "update",
        "setdefault",
        "add",
        "discard",
    }
)


def written_names(function: FunctionType) -> frozenset[str]:
    """Globals that the code of a function's file changes, and attributes that it sets on classes."""
    return _of_file(function.__code__.co_filename)


@lru_cache(maxsize=64)
def _of_file(file: str) -> frozenset[str]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return frozenset()
    return frozenset(name for node in ast.walk(tree) for name in _written(node))


def _written(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            yield from names
        case ast.Attribute(ctx=ast.Store() | ast.Del(), attr=name, value=ast.Name(id=of)):
            yield of
            if of != "self":
                yield name
        case (
            ast.Attribute(ctx=ast.Store() | ast.Del(), value=value)
            | ast.Subscript(ctx=ast.Store() | ast.Del(), value=value)
        ):
            yield from _root(value)
        case ast.Call(func=ast.Attribute(attr=method, value=value)) if method in _CHANGING:
            yield from _root(value)


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
