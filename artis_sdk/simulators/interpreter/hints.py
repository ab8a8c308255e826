"""Annotations of a class's attributes, read from its source; nothing is evaluated."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from types import FunctionType, ModuleType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from artis_sdk.simulators.interpreter.values import PLAIN, TIMES, body_of, is_a, mro_of
from artis_sdk.tools.source_checks.code import NoSource, source_of

_CONTAINERS: Final[dict[str, type]] = {
    "dict": dict,
    "Dict": dict,
    "Mapping": dict,
    "MutableMapping": dict,
    "list": list,
    "List": list,
    "Sequence": list,
    "tuple": tuple,
    "Tuple": tuple,
    "set": set,
    "Set": set,
    "frozenset": set,
}
_WRAPPERS: Final = {"Optional", "Final", "ClassVar", "Annotated"}
_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class Hint:
    """What an annotation says about a value of the state.

    Attributes:
        cls: its class, if it is one of the application.
        kind: dict, list, tuple or set.
        key: type of a dictionary's keys.
        item: of its items.
        time: `datetime` or `date`, which the state shows as ISO text.
        opaque: whether the state shows it in another form, such as a date as text.
    """

    cls: type | None = None
    kind: type | None = None
    key: type | None = None
    item: Hint | None = None
    time: type[datetime] | type[date] | None = None
    opaque: bool = False


@lru_cache(maxsize=1024)
def fields_of(cls: type) -> Mapping[str, Hint]:
    """The hints of a class's attributes: those of its body, and those that its `__init__` assigns."""
    found: dict[str, Hint] = {}
    for base in reversed(mro_of(cls)):
        scope = _scope(base)
        # Since Python 3.14 annotations are computed when they are read.
        notes = body_of(base).get("__annotations__", {}) if sys.version_info < (3, 14) else {}
        for name, note in notes.items() if type(notes) is dict else ():
            hint = of_annotation(note, scope)
            if hint is not None:
                found[name] = hint
        made = body_of(base).get("__init__")
        if isinstance(made, FunctionType):
            found |= _assigned(made)
    return found


def _scope(cls: type) -> Mapping[str, Any]:
    module = sys.modules.get(str(body_of(cls).get("__module__")))
    return {} if module is None else vars(module)


def _assigned(init: FunctionType) -> dict[str, Hint]:
    try:
        node = source_of(init).node
    except NoSource:
        return {}
    scope = init.__globals__
    arguments = {
        a.arg: a.annotation for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
    }
    found: dict[str, Hint] = {}
    for inner in ast.walk(node):
        note: ast.expr | None = None
        match inner:
            case ast.AnnAssign(target=ast.Attribute(value=ast.Name(id="self"), attr=name), annotation=note):
                pass
            case ast.Assign(
                targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=ast.Name(id=given)
            ):
                note = arguments.get(given)
            case _:
                continue
        hint = _of_node(note, scope, 0) if note is not None else None
        if hint is not None:
            found[name] = hint
    return found


def of_annotation(note: Any, scope: Mapping[str, Any]) -> Hint | None:
    """The hint of an annotation, which may be a text; None if it says nothing about the form in the state."""
    if isinstance(note, str):
        try:
            return _of_node(ast.parse(note, mode="eval").body, scope, 0)
        except (SyntaxError, ValueError, RecursionError):
            return None
    return _of_object(note, 0)


def _of_node(node: ast.expr, scope: Mapping[str, Any], depth: int) -> Hint | None:
    if depth > _DEEPEST:
        return None
    match node:
        case ast.Constant(value=str(text)):
            try:
                return _of_node(ast.parse(text, mode="eval").body, scope, depth + 1)
            except SyntaxError:
                return None
        case ast.Subscript(value=ast.Name(id=name) | ast.Attribute(attr=name), slice=inner):
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if name in _WRAPPERS:
                return _of_node(parts[0], scope, depth + 1)
            if name == "Union":
                return _one([_of_node(p, scope, depth + 1) for p in parts if not _is_none(p)])
            kind = _CONTAINERS.get(name)
            if kind is dict and len(parts) == 2:
                key = parts[0].id if isinstance(parts[0], ast.Name) else ""
                item = _of_node(parts[1], scope, depth + 1)
                return Hint(kind=dict, key={"str": str, "int": int}.get(key), item=item)
            return None if kind is None else Hint(kind=kind, item=_of_node(parts[0], scope, depth + 1))
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            parts = [p for p in (left, right) if not _is_none(p)]
            return _one([_of_node(p, scope, depth + 1) for p in parts])
        case ast.Name(id=name):
            if name in _CONTAINERS:
                return Hint(kind=_CONTAINERS[name])
            return _of_object(scope.get(name), depth + 1)
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            held = scope.get(module)
            return _of_object(vars(held).get(name), depth + 1) if type(held) is ModuleType else None
    return None


def _of_object(note: Any, depth: int) -> Hint | None:
    if depth > _DEEPEST:
        return None
    origin, inner = get_origin(note), get_args(note)
    if origin in (Union, UnionType):
        return _one([_of_object(part, depth + 1) for part in inner if part is not type(None)])
    if isinstance(origin, type) and issubclass(origin, dict) and len(inner) == 2:
        key = inner[0] if inner[0] in (str, int) else None
        return Hint(kind=dict, key=key, item=_of_object(inner[1], depth + 1))
    if isinstance(origin, type) and issubclass(origin, list | tuple | set | frozenset) and inner:
        kind = next(k for k in (list, tuple, set) if issubclass(origin, k) or k is set)
        return Hint(kind=kind, item=_of_object(inner[0], depth + 1))
    if (
        not is_a(note, type)
        or origin is not None
        or any(note is kind for kind in (*PLAIN, object) if kind not in TIMES)
    ):
        return None
    if any(note is kind for kind in (list, dict, tuple, set)):
        return Hint(kind=note)
    if note is datetime or note is date:
        return Hint(time=note)
    module = body_of(note).get("__module__", "builtins")
    if str(module).partition(".")[0] in sys.stdlib_module_names:
        return Hint(opaque=module != "typing")
    return Hint(cls=note)


def _one(hints: list[Hint | None]) -> Hint | None:
    """The hint of a union, if its parts agree."""
    return hints[0] if len(set(hints)) == 1 else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
