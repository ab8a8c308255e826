"""What a `raise` and a `return` of one function answer."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final, NamedTuple

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from artis_sdk.records.outcome_type import HOLE, returned_type
from artis_sdk.tools.source_checks.annotations import Instance
from artis_sdk.tools.source_checks.calls import Callees, Live, Target
from artis_sdk.tools.source_checks.code import NoSource, SourceCode, same_project, source_of
from artis_sdk.tools.source_checks.errors import Handlers, exception_of, is_error, names_of
from artis_sdk.tools.source_checks.messages import Expression, bound, message, open_shape, sketch
from artis_sdk.tools.source_checks.shapes import NameTable, known, shape
from artis_sdk.tools.source_checks.standing import Standing, View
from artis_sdk.tools.source_checks.static import (
    MISSING,
    class_member,
    is_plain,
    name_of,
    subclass,
)

_DEEPEST: Final = 4  # functions between a `raise` and what makes its exception

Guard = tuple[Handlers, NameTable]


@dataclass(frozen=True, slots=True)
class ReadScope:
    """One function on the way: its names, and whether what it returns is the tool's answer."""

    source: SourceCode
    names: NameTable
    callees: Callees
    on: Live | Instance | None = None
    depth: int = 0
    returned: bool = False
    kept: frozenset[str] = frozenset()
    """Variables that it returns."""
    guards: tuple[Guard, ...] = ()
    renamed: dict[str, str] = field(default_factory=dict)


class Raising(NamedTuple):
    """An exception as it reaches the caller."""

    error: type[BaseException] | None
    type: str
    message: Any


class Returning(NamedTuple):
    """A returned value, and the type of the failure that it is."""

    value: Any
    type: str | None
    """None for a success; empty for a failure by its own words only."""
    made: bool
    """Whether an object of a class is made, whose fields the value shows."""


def raising(
    expression: ast.expr, scope: ReadScope, view: View, root: FunctionType, depth: int = 0
) -> Raising:
    """The class and the message of what is raised: made here, before, or by a function."""
    if isinstance(expression, ast.Name):
        key = scope.renamed.get(expression.id, expression.id)
        expression = view.standing.values.get(key, expression)
    call = expression if isinstance(expression, ast.Call) else None
    error = exception_of(expression, scope.names).error
    if error is None and call is not None:
        error = next((one for one in made_classes(call, scope) if is_error(one)), None)
    if error is None and isinstance(expression, ast.Name):
        error = getattr(scope.names.locals.get(expression.id), "error", None)
    if error is not None:
        return Raising(error, name_of(error), message(error, call or ast.Call(expression, [], []), view))
    if call is not None and depth < _DEEPEST:
        for target in scope.callees.targets(call):
            if same_project(target.function, root):
                return _made_by(target, call, scope, view, root, depth)
    said = sketch(call.args[0], view) if call is not None and len(call.args) == 1 else ""
    return Raising(None, _class_name(call.func if call is not None else expression), said)


def _made_by(
    target: Target, call: ast.Call, scope: ReadScope, view: View, root: FunctionType, depth: int
) -> Raising:
    """The exception that a function returns first."""
    unknown = Raising(None, _class_name(call.func), "")
    try:
        source = source_of(target.function)
    except NoSource:
        return unknown
    names = names_of(source)
    inner = ReadScope(source, names, Callees(source, names, target.on), target.on)
    inside = View(names, Standing(bound(source, call, view)))
    for node in ast.walk(source.node):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            inside.assign(node.targets[0], node.value)
        if isinstance(node, ast.Return) and node.value is not None:
            return raising(node.value, inner, inside, root, depth + 1)
    return unknown


def made_classes(call: ast.Call, scope: ReadScope) -> list[type]:
    """The classes that a call makes an object of, `cls(...)` in a class method included."""
    if isinstance(call.func, ast.Name) and call.func.id == "cls" and isinstance(scope.on, Instance):
        return [scope.on.cls]
    return scope.callees.classes(call)


def returning(expression: ast.expr, scope: ReadScope, view: View) -> Returning:
    """What a returned value says, as far as the source shows it."""
    if isinstance(expression, ast.Call):
        classes = made_classes(expression, scope)
        fields = _fields(classes[0], expression, view) if len(classes) == 1 else None
        if fields is not None:
            failing = returned_type(open_shape(fields))
            if not subclass(classes[0], tuple):
                return Returning(fields, failing, made=True)
            return Returning(list(fields.values()), None if failing is None else "", made=True)
    said = shape(expression, scope.names)
    failing = None if said == HOLE else returned_type(said)
    if failing is None and _says_no(expression):
        failing = ""
    return Returning(sketch(expression, view), failing, made=False)


def _says_no(expression: ast.expr) -> bool:
    """`return False, "no such order"`"""
    match expression:
        case ast.Tuple(elts=[ast.Constant(value=False), *rest]):
            texts = (ast.JoinedStr, ast.BinOp)
            return any(isinstance(r, texts) or _is_text(r) for r in rest)
    return False


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _fields(cls: type, call: ast.Call, view: View) -> dict[str, Any] | None:
    """The fields of a data class, a named tuple or a model as a call sets them; None of another class."""
    fields = dict(_declared(cls))
    if not fields or any(isinstance(one, ast.Starred) for one in call.args):
        return None
    given = dict(zip(fields, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
    return {name: sketch(given[name], view) if name in given else default for name, default in fields.items()}


def _declared(cls: type) -> Iterator[tuple[str, Any]]:
    """The names and defaults of a class's fields."""
    data, model = class_member(cls, "__dataclass_fields__"), class_member(cls, "__pydantic_fields__")
    names, defaults = class_member(cls, "_fields"), class_member(cls, "_field_defaults")
    if type(data) is dict:
        yield from ((name, _default(one.default)) for name, one in data.items())
    elif subclass(cls, BaseModel) and type(model) is dict:
        yield from ((name, _default(one.default)) for name, one in model.items())
    elif subclass(cls, tuple) and type(names) is tuple and type(defaults) is dict:
        yield from ((name, _default(defaults.get(name, MISSING))) for name in names)


def _default(value: Any) -> Any:
    open_ = value is NO_DEFAULT or value is PydanticUndefined or not known(value)
    return value if not open_ and is_plain(value) else Expression("{...}")


def own_values(target: Target, call: ast.Call, view: View) -> dict[str, ast.expr]:
    """What `self` and its fields stand for in the `__post_init__` of a data class that a call makes."""
    made = view.substituted(call)
    values: dict[str, ast.expr] = {"self": made}
    if target.function.__name__ == "__post_init__" and isinstance(target.on, Instance):
        fields = class_member(target.on.cls, "__dataclass_fields__")
        names = list(fields) if type(fields) is dict else []
        given = dict(zip(names, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
        for name, value in given.items():
            values[ast.unparse(ast.Attribute(made, name, ast.Load()))] = view.substituted(value)
    return values


def _class_name(node: ast.expr) -> str:
    """The name of a class that is not known, if it looks like one."""
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name if name.lstrip("_")[:1].isupper() else "Exception"
