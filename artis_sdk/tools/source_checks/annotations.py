"""What annotations say of values, read without evaluating them: an expression in one may run code."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from artis_sdk.tools.closures import closed_over
from artis_sdk.tools.source_checks.shapes import NameTable
from artis_sdk.tools.source_checks.static import (
    MISSING,
    attributes_of,
    body_of,
    is_a,
    is_class,
    member,
    module_of,
    mro_of,
    subclass,
)

_CONTAINERS: Final = (dict, list, tuple, set, frozenset)
_TYPING: Final = ("typing", "types", "typing_extensions")
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Instance:
    """Some object of a class."""

    cls: type


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """A container of the annotated elements."""

    of: tuple[Any, ...]


Kind = Instance | Elements


def of_annotation(hint: Any, names: NameTable, depth: int = 0) -> list[Kind]:
    """The classes in an annotation: of a union each, of a container its elements.

    Args:
        hint: the annotation, as source, as text or as the object that it is.
        names: names of the module around it.
    """
    if depth > _DEEPEST or hint is None or hint is MISSING:
        return []
    if type(hint) is str:
        try:
            return of_annotation(ast.parse(hint, mode="eval").body, names, depth + 1)
        except SyntaxError:
            return []
    if is_a(hint, ast.expr):
        return _of_node(hint, names, depth)
    if is_class(hint):
        return [Instance(hint)] if module_of(hint) != "builtins" else []
    if module_of(type(hint)) not in _TYPING:
        return []
    text = member(hint, "__forward_arg__")
    if text is not MISSING:
        return of_annotation(text, names, depth + 1)
    return _of_parts(get_origin(hint), list(get_args(hint)), names, depth)


def returned(function: FunctionType) -> list[Kind]:
    """What a function's annotation says that it returns."""
    names = NameTable({}, {**function.__globals__, **closed_over(function)})
    return of_annotation(function.__annotations__.get("return"), names)


def declared(cls: type, name: str) -> list[Kind]:
    """What the annotations of a class and its bases say of an attribute."""
    for base in mro_of(cls):
        notes = body_of(base).get("__annotations__")
        if type(notes) is dict and name in notes:
            module = sys.modules.get(module_of(base))
            return of_annotation(notes[name], NameTable({}, {} if module is None else attributes_of(module)))
    return []


def _of_node(node: Any, names: NameTable, depth: int) -> list[Kind]:
    match node:
        case ast.Constant(value=str(text)):
            return of_annotation(text, names, depth + 1)
        case ast.Name() | ast.Attribute():
            return of_annotation(names.value(node), names, depth + 1)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return [k for side in (left, right) for k in of_annotation(side, names, depth + 1)]
        case ast.Subscript(value=base, slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            return _of_parts(names.value(base), list(parts), names, depth)
    return []


def _of_parts(base: Any, parts: list[Any], names: NameTable, depth: int) -> list[Kind]:
    """The kinds of `base[parts]`."""
    if base is Literal or not parts:
        return []
    if base is Annotated:
        return of_annotation(parts[0], names, depth + 1)
    made = base if is_class(base) else get_origin(base) if module_of(base) in _TYPING else None
    if made is not None and is_class(made) and subclass(made, *_CONTAINERS):
        last = parts[0] if _is_dots(parts[-1]) else parts[-1]
        return [Elements(tuple(of_annotation(last, names, depth + 1)))]
    return [kind for part in _inner(parts) for kind in of_annotation(part, names, depth + 1)]


def _inner(parts: list[Any]) -> Iterator[Any]:
    yield from (part for part in parts if part is not type(None))


def _is_dots(part: Any) -> bool:
    return part is ... or (type(part) is ast.Constant and part.value is ...)
