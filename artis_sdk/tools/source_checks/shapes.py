"""Values of expressions that the source alone determines; `HOLE` for the rest."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import reduce
from types import ModuleType
from typing import Any

from artis_sdk.records.outcome_type import HOLE
from artis_sdk.tools.source_checks.static import (
    MISSING,
    answers_plainly,
    attributes_of,
    is_a,
    is_class,
    is_plain,
    items_of,
    member,
    value_of,
)
from artis_sdk.tools.source_checks.trees import sum_of, written

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_PERCENT = re.compile(r"%(?:\(\w+\))?[-+# 0]*(?:\d+|\*)?(?:\.\d+)?[sdrfgexXi]")
_DEEPEST = 8
_ALTERNATIVES = 24  # values of one chain of conditional expressions


@dataclass(frozen=True)
class NameTable:
    """Values of names: shapes of locals that are assigned once, and the module's globals."""

    locals: Mapping[str, Any] = field(default_factory=dict)
    globals: Mapping[str, Any] = field(default_factory=dict)
    """With what the function closes over."""
    closed: frozenset[str] = frozenset()
    """Names of that."""

    def value(self, node: ast.expr) -> Any:
        """The object of a name or a dotted name in the module; for a local nothing that is `known`.

        Attributes are read as they stand in a module, a class or an enumeration, so that nothing runs.
        """
        if isinstance(node, ast.Name):
            if node.id in self.locals:
                return MISSING
            builtins = self.globals.get("__builtins__", {})
            names = builtins if type(builtins) is dict else attributes_of(builtins)
            return self.globals.get(node.id, names.get(node.id, MISSING))
        if isinstance(node, ast.Attribute):
            base = self.value(node.value)
            if is_class(base) or is_a(base, ModuleType):
                return member(base, node.attr)
            return attributes_of(base).get(node.attr, MISSING) if answers_plainly(base) else MISSING
        return MISSING


def known(value: Any) -> bool:
    """Whether `NameTable.value` found something."""
    return value is not MISSING


def alternatives(node: ast.expr | None) -> Iterator[tuple[ast.expr, str]]:
    """The expressions that a value may come from, each with its condition's text."""
    if isinstance(node, ast.IfExp):
        before = ""
        left = _ALTERNATIVES
        while isinstance(node, ast.IfExp) and left:  # in a loop, as a chain has no end to its depth
            left -= 1
            test = written(node.test)
            here = _both(before, test)
            yield from ((e, _both(here, c)) for e, c in alternatives(node.body))
            before = _both(before, f"not ({test})")
            node = node.orelse
        if left:
            yield from ((e, _both(before, c)) for e, c in alternatives(node))
        else:
            yield node, before
    elif isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        for value in node.values:
            yield from alternatives(value)
    elif isinstance(node, ast.Await):
        yield from alternatives(node.value)
    elif node is not None:
        yield node, ""


def _both(first: str, second: str) -> str:
    return f"{first} and {second}" if first and second else first or second


def shape(node: ast.expr | None, names: NameTable, depth: int = 0) -> Any:
    """The JSON value of an expression, with `HOLE` for parts known only at run time."""
    if node is None:
        return None
    if depth > _DEEPEST:
        return HOLE
    inner = depth + 1
    match node:
        case ast.Constant(value=value):
            return value if value is None or isinstance(value, str | int | float) else HOLE
        case ast.JoinedStr(values=values):
            return "".join(_text(part, names, inner) for part in values)
        case ast.Dict(keys=keys, values=values):
            return _dictionary(keys, values, names, inner)
        case ast.List(elts=elements) | ast.Tuple(elts=elements) | ast.Set(elts=elements):
            return [shape(element, names, inner) for element in elements]
        case ast.BinOp(op=ast.Add()):
            return reduce(_sum, (shape(term, names, inner) for term in sum_of(node)))
        case ast.BinOp(left=left, op=ast.Mod()):
            text = shape(left, names, inner)
            return _PERCENT.sub(HOLE, text) if isinstance(text, str) else HOLE
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Call():
            return _called(node, names, inner)
        case ast.Name() | ast.Attribute():
            if isinstance(node, ast.Name) and node.id in names.locals:
                return names.locals[node.id]
            return _plain(names.value(node))
    return HOLE


def _text(part: ast.expr, names: NameTable, depth: int) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    inside = shape(part.value, names, depth) if isinstance(part, ast.FormattedValue) else HOLE
    return inside if isinstance(inside, str) else HOLE


def _dictionary(
    keys: list[ast.expr | None], values: list[ast.expr], names: NameTable, depth: int
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in zip(keys, values, strict=True):
        inside = shape(value, names, depth)
        if key is not None:
            made[str(shape(key, names, depth))] = inside
        elif isinstance(inside, dict):
            made |= inside
    return made


def _sum(left: Any, right: Any) -> Any:
    if isinstance(left, list) and isinstance(right, list):
        return left + right
    if isinstance(left, str) and isinstance(right, str):
        return left + right
    return HOLE


def _called(node: ast.Call, names: NameTable, depth: int) -> Any:
    match node.func:
        case ast.Attribute(value=base, attr="format"):
            text = shape(base, names, depth)
            return _PLACEHOLDER.sub(HOLE, text) if isinstance(text, str) else HOLE
        case ast.Attribute(value=base, attr="strip" | "rstrip" | "lstrip" | "replace"):
            text = shape(base, names, depth)
            return text if isinstance(text, str) else HOLE
        case ast.Name(id="dict") if not node.args:
            return {k.arg: shape(k.value, names, depth) for k in node.keywords if k.arg is not None}
        case ast.Name(id="str" | "repr") if len(node.args) == 1:
            text = shape(node.args[0], names, depth)
            return text if isinstance(text, str) else HOLE
    return HOLE


def _plain(value: Any) -> Any:
    value = value_of(value)
    if is_plain(value):
        return value
    items = items_of(value)
    if len(items) > 20 or not (items or is_a(value, dict, list, tuple)):
        return HOLE
    made = {str(key): _plain(item) for key, item in items if is_plain(key)}
    return made if is_a(value, dict) else list(made.values())
