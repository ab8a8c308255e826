"""Failures that pydantic raises: bounds, enumerations and validators in annotations and models."""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from artis_sdk.records.outcome_type import HOLE
from artis_sdk.tools.source_checks.code import SourceCode, plain_function
from artis_sdk.tools.source_checks.sites import Site
from artis_sdk.tools.source_checks.static import (
    attributes_of,
    class_member,
    is_a,
    is_class,
    is_plain,
    member,
    module_of,
    name_of,
    qualname_of,
    subclass,
    value_of,
)

INVALID = "invalid_arguments"
"""Failure type of a call that its tool's schema refuses."""

# By constraint: pydantic's message when it does not hold.
_SAYS = {
    "gt": "greater than {}",
    "ge": "greater than or equal to {}",
    "lt": "less than {}",
    "le": "less than or equal to {}",
    "multiple_of": "multiple of {}",
    "min_length": "at least {} ",
    "max_length": "at most {} ",
    "pattern": "match pattern",
}
_DEEPEST = 4
_BOUNDS = (str, int, float, bool, Decimal, date, datetime, time, timedelta)


def parameter_sites(source: SourceCode, hidden: frozenset[str]) -> Iterator[Site]:
    """The constraints on a tool's parameters; a call that breaks one is refused before the tool runs.

    Args:
        source: source of the tool.
        hidden: names of the parameters that no model sets, such as the idempotency key.
    """
    arguments = source.node.args
    lines = {a.arg: a for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    for name, hint in _hints(source.function).items():
        if name in lines and name not in hidden and name not in ("self", "cls"):
            at = (source.file, lines[name].lineno, lines[name].end_lineno or lines[name].lineno)
            for condition, says in _constraints(hint, name, 0):
                yield _site(at, source.name, INVALID, condition, f"{HOLE}{name}{HOLE}{says}{HOLE}", name)


def model_sites(model: type[BaseModel]) -> Iterator[Site]:
    """The constraints on a model's fields, as the body of a tool meets them by making one."""
    lines = _field_lines(model)
    for name, info in model.model_fields.items():
        hint = Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation
        for condition, says in _constraints(hint, name, 0):
            template = f"{HOLE}{name}{HOLE}{says}{HOLE}"
            at = lines.get(name, (_file_of(model), 0, 0))
            yield _site(at, qualname_of(model), "ValidationError", condition, template, name)


def validators(thing: Any) -> Iterator[Any]:
    """The functions that check values: of a model's decorators, or in an annotation's metadata."""
    if is_class(thing) and subclass(thing, BaseModel):
        decorators = thing.__pydantic_decorators__
        for kind in (decorators.field_validators, decorators.model_validators, decorators.root_validators):
            yield from (plain_function(one.func) for one in kind.values())
        for info in thing.model_fields.values():
            yield from (f for note in info.metadata for f in _functions(note))
        return
    for part in _parts(thing, 0):
        yield from (f for note in _args(part)[1:] for f in _functions(note))


def models(hint: Any) -> Iterator[type[BaseModel]]:
    """The models in an annotation."""
    for part in _parts(hint, 0):
        if is_class(part) and subclass(part, BaseModel):
            yield part


def hints_of(source: SourceCode) -> list[Any]:
    """The annotations of a function's parameters."""
    return [hint for name, hint in _hints(source.function).items() if name != "return"]


def _site(
    at: tuple[str, int, int], function: str, type_: str, condition: str, template: str, name: str
) -> Site:
    return Site(
        kind="validator",
        file=at[0],
        line=at[1],
        end=at[2],
        function=function,
        type=type_,
        template=template,
        condition=condition,
        names=frozenset({name}),
        error=ValidationError if type_ == "ValidationError" else None,
    )


def _constraints(hint: Any, name: str, depth: int) -> Iterator[tuple[str, str]]:
    """Each constraint as text, with pydantic's words for it."""
    if depth > _DEEPEST:
        return
    origin = get_origin(hint) if _args(hint) else None
    if origin is Annotated:
        inner, *notes = get_args(hint)
        yield from _constraints(inner, name, depth + 1)
        for note in notes:
            yield from _noted(note, name)
    elif origin is Literal:
        yield f"{name} in {_written(get_args(hint))}", "should be "
    elif is_class(hint) and subclass(hint, Enum):
        members = class_member(hint, "_member_map_").values()
        yield f"{name} in {_written(members)}", "should be "
    else:
        for part in _args(hint):
            yield from _constraints(part, name, depth + 1)


def _noted(note: Any, name: str) -> Iterator[tuple[str, str]]:
    for inner in _notes(note):
        for key, words in _SAYS.items():
            bound = member(inner, key)
            if any(type(bound) is kind for kind in _BOUNDS):
                yield f"{name}: {key}={bound}", words.format(bound)


def _written(values: Iterable[Any]) -> str:
    """Plain values as a list's text."""
    return repr([value for value in map(value_of, values) if is_plain(value)])


def _functions(note: Any) -> Iterator[Any]:
    for inner in _notes(note):
        function = member(inner, "func")
        if module_of(type(inner)).startswith("pydantic") and callable(function):
            yield plain_function(function)


def _notes(note: Any) -> Iterable[Any]:
    return note.metadata if is_a(note, FieldInfo) else (note,)


def _parts(hint: Any, depth: int) -> Iterator[Any]:
    if depth <= _DEEPEST:
        yield hint
        for part in _args(hint):
            yield from _parts(part, depth + 1)


def _args(hint: Any) -> tuple[Any, ...]:
    """The parts of an annotation of `typing`; none of a class or of an object of the application's."""
    return get_args(hint) if module_of(type(hint)) in ("typing", "types") else ()


def _file_of(model: type[BaseModel]) -> str:
    module = sys.modules.get(module_of(model))
    file = None if module is None else attributes_of(module).get("__file__")
    return file if type(file) is str else ""


def _field_lines(model: type[BaseModel]) -> dict[str, tuple[str, int, int]]:
    file = _file_of(model)
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return {}
    found: dict[str, tuple[str, int, int]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == name_of(model):
            for inner in node.body:
                if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                    found[inner.target.id] = file, inner.lineno, inner.end_lineno or inner.lineno
    return found


def _hints(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError):
        return {}
