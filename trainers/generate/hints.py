"""Hints from a tool's source: values to try, and the names that it changes."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import JsonValue

from artis_sdk.tools.source_checks.code import SourceCode
from artis_sdk.tools.source_checks.errors import identifiers, shapes_of_locals
from artis_sdk.tools.source_checks.shapes import NameTable, shape
from artis_sdk.trainers.generate.values import Values

_CHANGING = {"append", "extend", "insert", "remove", "pop", "clear", "add", "discard", "update", "setdefault"}
_FALSE: tuple[JsonValue, ...] = (False, 0, "", [], None, True)
_TYPES: tuple[JsonValue, ...] = ("x", 1, None, [])


class Hints:
    """Hints of one tool and the functions that it calls.

    Args:
        sources: their sources.
    """

    def __init__(self, sources: Iterable[SourceCode]) -> None:
        self.compared: dict[str, Values] = {}
        """Constants compared with each name, attribute or key, and their neighbours."""
        self.literals = Values()
        """Every other text and number of the code."""
        self.changes: set[str] = set()
        """Attributes and keys that the code assigns or changes."""
        for source in sources:
            self._read(source)

    def of(self, names: Iterable[str]) -> list[JsonValue]:
        """The constants compared with any of these names."""
        found = Values()
        for name in sorted(names):
            found.update(self.compared[name].list() if name in self.compared else ())
        return found.list()

    def _read(self, source: SourceCode) -> None:
        scope = source.function.__globals__
        names = NameTable(shapes_of_locals(source.node, scope), scope)
        containers: dict[str, ast.expr] = {
            target.id: node.value
            for node in ast.walk(source.node)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
            and isinstance(node.value, ast.Dict | ast.Set | ast.List | ast.Tuple)
        }
        documentation = ast.get_docstring(source.node, clean=False)
        for node in ast.walk(source.node):
            match node:
                case ast.Compare():
                    self._comparison(node, names, containers)
                case ast.Match(subject=subject, cases=cases):
                    patterns = [p for case in cases for p in ast.walk(case.pattern)]
                    values = [p.value for p in patterns if isinstance(p, ast.MatchValue)]
                    self._associate([subject], [c for value in values for c in _constants(value, names)])
                case ast.UnaryOp(op=ast.Not(), operand=ast.Name() | ast.Attribute() as tested):
                    self._associate([tested], list(_FALSE))
                case ast.BoolOp(values=values):
                    self._associate(
                        [v for v in values if isinstance(v, ast.Name | ast.Attribute)], list(_FALSE)
                    )
                case ast.Call(func=ast.Name(id="isinstance"), args=[tested, _]):
                    self._associate([tested], list(_TYPES))
                case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[key, *_]):
                    if name in containers:
                        self._associate([key], list(_constants(containers[name], names)))
                case ast.Subscript(value=ast.Name(id=name), slice=key) if name in containers:
                    self._associate([key], list(_constants(containers[name], names)))
                case ast.Constant(value=str() | int() | float() as value) if value != documentation:
                    if not isinstance(value, bool):
                        self.literals.add(value)
            self._change(node, names)

    def _comparison(self, node: ast.Compare, names: NameTable, containers: dict[str, ast.expr]) -> None:
        sides = [node.left, *node.comparators]
        constants: list[JsonValue] = []
        for side in sides:
            over = containers.get(side.id, side) if isinstance(side, ast.Name) else side
            constants += _constants(over, names)
        self._associate(sides, constants)

    def _associate(self, sides: list[ast.expr], constants: list[JsonValue]) -> None:
        for name in identifiers(sides):
            values = self.compared.setdefault(name, Values())
            for constant in constants:
                values.add(constant)
                values.update(neighbours(constant))

    def _change(self, node: ast.AST, names: NameTable) -> None:
        targets: list[ast.expr] = []
        match node:
            case ast.Assign(targets=assigned):
                targets = assigned
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                targets = [target]
            case ast.Delete(targets=deleted):
                targets = deleted
            case ast.Call(func=ast.Attribute(value=target, attr=attr)) if attr in _CHANGING:
                targets = [target]
        for target in targets:
            if not isinstance(target, ast.Name):
                self.changes |= identifiers([target])
                if isinstance(node, ast.Assign):
                    self._associate([target], list(_constants(node.value, names)))


def described(text: str) -> list[JsonValue]:
    """The values that a parameter's documentation names: in quotes, or after `Enum:` and `such as`."""
    found = Values()
    found.update(re.findall(r"['\"`]([^'\"`]{1,40})['\"`]", text))
    for named in re.findall(r"(?:Enum\]?:|such as|one of:?|e\.g\.,?)\s*([^.;)\]\[]+)", text):
        found.update(part.strip(" '\"") for part in re.split(r",| or ", named))
    return found.list()


def neighbours(value: JsonValue) -> list[JsonValue]:
    """Values on both sides of a bound, and texts that contain a separator."""
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int | float):
        return [value - 1, value + 1, -value]
    if isinstance(value, str) and len(value) == 1:
        return [f"x{value}y"]
    return []


def triggers(condition: str) -> list[JsonValue]:
    """Values that cause the exceptions in a condition's `except`."""
    caught = re.findall(r"except (.+?)(?: and |$)", condition)
    return [
        value for names in caught for name in re.findall(r"\w+", names) for value in _TRIGGERS.get(name, ())
    ]


_TRIGGERS: dict[str, tuple[JsonValue, ...]] = {
    "OverflowError": (10**399, -(10**399), 1e308),
    "ZeroDivisionError": (0,),
    "ArithmeticError": (10**399, 0),
    "TypeError": (None, "x", 1),
    "AttributeError": (None, 1),
    "ValueError": ("x", "", -1),
    "KeyError": ("missing", ""),
    "LookupError": ("missing", -1),
    "IndexError": (10**6, -1),
    "InvalidOperation": ("x", -1),
    "RecursionError": (10**5,),
}


def _constants(node: ast.expr, names: NameTable) -> Iterator[JsonValue]:
    """The plain constants of an expression: itself, its elements, its keys."""
    match node:
        case ast.Constant(value=value) if value is None or isinstance(value, str | int | float):
            yield value
        case ast.Dict(keys=keys):
            for key in keys:
                yield from _constants(key, names) if key is not None else ()
        case ast.Set(elts=elements) | ast.List(elts=elements) | ast.Tuple(elts=elements):
            for element in elements:
                yield from _constants(element, names)
        case ast.UnaryOp() | ast.Name() | ast.Attribute():
            yield from _flat(shape(node, names) if isinstance(node, ast.UnaryOp) else names.value(node))


def _flat(value: Any) -> Iterator[JsonValue]:
    if value is None or type(value) in (str, int, float, bool):
        yield value
    elif isinstance(value, dict | list | tuple | set | frozenset) and len(value) <= 100:
        for item in value:
            if type(item) in (str, int, float):
                yield item
