"""Exceptions that the source makes and catches."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeGuard

from artis_sdk.records.outcome_type import HOLE
from artis_sdk.tools.closures import closed_over
from artis_sdk.tools.source_checks.code import SourceCode
from artis_sdk.tools.source_checks.shapes import NameTable, shape
from artis_sdk.tools.source_checks.static import class_member, is_class, subclass

Handlers = tuple[ast.ExceptHandler, ...]


@dataclass(frozen=True, slots=True)
class Raised:
    """An exception as the source makes it."""

    error: type[BaseException] | None
    template: str | None


def exception_of(expression: ast.expr, names: NameTable) -> Raised:
    """The class and the message of `ValueError("...")`, `ValueError`, or `errors.NotFound(x)`."""
    call = expression if isinstance(expression, ast.Call) else None
    found = names.value(call.func if call is not None else expression)
    error = found if is_error(found) else None
    if call is None or error is None:
        return Raised(error, None if call is not None or error is None else "")
    if not shows_its_arguments(error) or call.keywords:
        return Raised(error, None)
    if len(call.args) != 1:
        return Raised(error, None if call.args else "")
    text = shape(call.args[0], names)
    return Raised(error, text if isinstance(text, str) else HOLE)


def caught_classes(handler: ast.ExceptHandler, names: NameTable) -> list[type[BaseException] | None]:
    """The classes that a handler catches; None for an unknown class, [BaseException] for a bare handler."""
    if handler.type is None:
        return [BaseException]
    parts = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    found: list[type[BaseException] | None] = []
    for part in parts:
        value = names.value(part)
        classes = value if type(value) is tuple else (value,)
        found += [c if is_error(c) else None for c in classes]
    return found


def stops(handlers: Handlers, error: type[BaseException] | None, names: NameTable) -> bool:
    """Whether a `try` with these handlers stops an exception."""
    for handler in handlers:
        if any(isinstance(n, ast.Raise) and n.exc is None for s in handler.body for n in ast.walk(s)):
            continue
        for caught in caught_classes(handler, names):
            if caught is not None and subclass(error or Exception, caught):
                return True
    return False


def identifiers(nodes: Iterable[ast.AST | None]) -> frozenset[str]:
    """Names, attributes and constant keys in expressions, but `self`."""
    found: set[str] = set()
    for node in (inner for root in nodes if root is not None for inner in ast.walk(root)):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.keyword(arg=str(name)):
                found.add(name)
            case ast.Subscript(slice=ast.Constant(value=str(key))):
                found.add(key)
    return frozenset(found) - {"self", "cls", "len", "str", "int", "float", "isinstance", "any", "all"}


def _shows_its_message(error: type[BaseException]) -> bool:
    """Whether a builtin exception made with one text shows that text, KeyError in quotes."""
    try:
        return str(error("x")) in ("x", "'x'")
    except TypeError:
        return False


_PLAIN = [
    error
    for error in vars(builtins).values()
    if isinstance(error, type) and issubclass(error, BaseException) and _shows_its_message(error)
]
# Messages of exceptions that keep these are what they were made with.
_PLAIN_INITS = [class_member(error, "__init__") for error in _PLAIN]
_PLAIN_STRS = [class_member(error, "__str__") for error in _PLAIN]


def is_error(value: Any) -> TypeGuard[type[BaseException]]:
    """Whether it is an exception class."""
    return is_class(value) and subclass(value, BaseException)


def shows_its_arguments(error: type[BaseException]) -> bool:
    """Whether an exception's text is what it was made with: no `__init__` or `__str__` of its own."""
    made, shown = class_member(error, "__init__"), class_member(error, "__str__")
    return any(made is one for one in _PLAIN_INITS) and any(shown is one for one in _PLAIN_STRS)


def names_of(source: SourceCode) -> NameTable:
    """The names that a function sees: its own, those that it closes over, and its module's."""
    closed = closed_over(source.function)
    scope = {**source.function.__globals__, **closed}
    return NameTable(shapes_of_locals(source.node, scope), scope, frozenset(closed))


def shapes_of_locals(node: ast.AST, scope: dict[str, Any]) -> dict[str, Any]:
    """Shapes of the texts, numbers and exceptions that are assigned once; `HOLE` for all else bound here."""
    stores: dict[str, int] = {}
    values: dict[str, ast.expr] = {}
    for inner in ast.walk(node):
        match inner:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = value
            case ast.Name(id=name, ctx=ast.Store()):
                stores[name] = stores.get(name, 0) + 1
            case ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
                stores[name] = 2
    found: dict[str, Any] = dict.fromkeys(stores, HOLE)
    names = NameTable(found, scope)
    for name, value in values.items():
        if stores.get(name) == 1:
            raised = exception_of(value, names)
            said = raised if raised.error is not None else shape(value, names)
            found[name] = HOLE if isinstance(said, dict | list) else said  # may be filled later
    return found
