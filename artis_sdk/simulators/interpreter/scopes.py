"""Which names a function's code binds itself, by its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import Final

from artis_sdk.tools.source_checks.code import Def

_COMPREHENSIONS: Final = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class FunctionScope:
    """Names of a function.

    Attributes:
        own: names that it binds.
        globals: names that it declares to be the module's.
        outer: names that it declares to be a surrounding function's.
    """

    own: frozenset[str] = frozenset()
    globals: frozenset[str] = frozenset()
    outer: frozenset[str] = frozenset()


@lru_cache(maxsize=2048)
def scope_of(node: Def | ast.Lambda) -> FunctionScope:
    """The names of a function."""
    takes = node.args
    every = [*takes.posonlyargs, *takes.args, *takes.kwonlyargs]
    every += [one for one in (takes.vararg, takes.kwarg) if one is not None]
    bound = {one.arg for one in every}
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    inner = [one for statement in body for one in _inside(statement, bound)]
    declared: dict[type, set[str]] = {ast.Global: set(), ast.Nonlocal: set()}
    for one in inner:
        if isinstance(one, ast.Global | ast.Nonlocal):
            declared[type(one)].update(one.names)
    outer = declared[ast.Nonlocal]
    return FunctionScope(
        frozenset(bound - declared[ast.Global] - outer), frozenset(declared[ast.Global]), frozenset(outer)
    )


@lru_cache(maxsize=2048)
def scope_of_comprehension(parts: tuple[ast.comprehension, ...]) -> FunctionScope:
    """The names that the `for`s of a comprehension bind."""
    nodes = [node for part in parts for node in ast.walk(part.target)]
    return FunctionScope(frozenset(node.id for node in nodes if isinstance(node, ast.Name)))


def _inside(node: ast.AST, bound: set[str], targets: bool = True) -> Iterator[ast.AST]:
    """The nodes of a function's own code; names that they bind are added to `bound`."""
    yield node
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            bound.add(name)
            return
        case ast.Lambda():
            return
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            if targets:
                bound.add(name)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            bound.add(name)
        case ast.MatchMapping(rest=str(name)):
            bound.add(name)
        case ast.alias(name=name, asname=asname):
            bound.add(asname or name.partition(".")[0])
        case ast.NamedExpr(target=target, value=value):
            bound.add(target.id)
            yield from _inside(value, bound, targets)
            return
    if isinstance(node, _COMPREHENSIONS):
        targets = False  # its targets are its own, but for those of `:=`
    for child in ast.iter_child_nodes(node):
        yield from _inside(child, bound, targets)


@lru_cache(maxsize=2048)
def yields(node: Def) -> bool:
    """Whether a function is a generator."""
    return any(
        isinstance(one, ast.Yield | ast.YieldFrom) for part in node.body for one in _inside(part, set())
    )


def mangled(name: str, code: CodeType) -> str:
    """A name as Python keeps it: private ones of a class begin with the class's name."""
    if not name.startswith("__") or name.endswith("__"):
        return name
    parts = code.co_qualname.split(".")[:-1]
    while parts and parts[-1] == "<locals>":
        parts = parts[:-2]
    owner = parts[-1].lstrip("_") if parts else ""
    return f"_{owner}{name}" if owner else name
