"""The functions that a function calls: by its module's names, by annotations, and by the live object."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, MethodType, ModuleType
from typing import Any, get_args, get_origin, get_type_hints

from artis_sdk.tools.source_checks.code import SourceCode, plain_function
from artis_sdk.tools.source_checks.shapes import NameTable, known

_DEEPEST = 6
_ELEMENTS = {"get", "pop", "popitem", "setdefault", "values", "items", "copy"}
_PASSING = {"list", "sorted", "reversed", "tuple", "next", "iter", "enumerate", "set"}
_SAMPLED = 8  # elements of a live container that are looked at


@dataclass(frozen=True, slots=True)
class Live:
    """A live object: the tool's own, or one of its attributes."""

    value: Any


@dataclass(frozen=True, slots=True)
class Instance:
    """Some object of a class."""

    cls: type


@dataclass(frozen=True, slots=True)
class Elements:
    """A container of the annotated elements."""

    of: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """A called function, and the object or class that it is a method of."""

    function: FunctionType
    on: Live | Instance | None = None


class Callees:
    """Possible values of the expressions of one function.

    Only the source is read: no property, descriptor or function of the application runs.

    Args:
        source: source of the function.
        names: its globals and locals.
        on: object or class that it is a method of.
    """

    def __init__(self, source: SourceCode, names: NameTable, on: Live | Instance | None) -> None:
        self._source = source
        self._names = names
        self._on = on

    def targets(self, call: ast.Call) -> Iterator[Target]:
        """The Python functions that a call may run; those of a class are its constructors."""
        for kind in self._kinds(call.func, 0):
            if isinstance(kind, Target):
                yield kind
            elif isinstance(kind, type):
                for name in ("__init__", "__post_init__", "__new__"):
                    made = _method(kind, name)
                    if made is not None:
                        yield Target(made, Instance(kind))

    def classes(self, call: ast.Call) -> list[type]:
        """The classes that a call makes an object of."""
        return [kind for kind in self._kinds(call.func, 0) if isinstance(kind, type)]

    # --- expressions ------------------------------------------------------------------------------

    def _kinds(self, node: ast.expr, depth: int) -> list[Any]:
        """Possible values of an expression: `Live`, `Instance`, `Elements`, `Target`, classes and modules."""
        if depth > _DEEPEST:
            return []
        match node:
            case ast.Name(id=name):
                if name in self._locals:
                    return self._of_local(name, depth)
                return _of_object(self._names.value(node))
            case ast.Attribute(value=base, attr=name):
                return [k for b in self._kinds(base, depth + 1) for k in self._attribute(b, name)]
            case ast.Call(func=ast.Name(id=name), args=[first, *_]) if name in _PASSING:
                return self._kinds(first, depth + 1)
            case ast.Call(func=ast.Name(id="super"), args=[]):
                return self._super()
            case ast.Call(func=function):
                return [k for f in self._kinds(function, depth + 1) for k in self._result(f)]
            case ast.Subscript(value=base):
                return [k for b in self._kinds(base, depth + 1) for k in _element(b)]
            case ast.Await(value=value) | ast.NamedExpr(value=value) | ast.Starred(value=value):
                return self._kinds(value, depth + 1)
            case ast.BoolOp(values=values):
                return [k for value in values for k in self._kinds(value, depth + 1)]
            case ast.IfExp(body=body, orelse=orelse):
                return self._kinds(body, depth + 1) + self._kinds(orelse, depth + 1)
        return []

    def _of_local(self, name: str, depth: int) -> list[Any]:
        found: list[Any] = []
        for value in self._locals[name]:
            if isinstance(value, ast.expr):
                found += self._kinds(value, depth + 1)
            elif isinstance(value, _Loop):
                found += [k for kind in self._kinds(value.over, depth + 1) for k in _element(kind)]
            else:
                found.append(value)
        return found

    def _super(self) -> list[Any]:
        if self._on is None:
            return []
        cls = self._on.cls if isinstance(self._on, Instance) else type(self._on.value)
        return [Instance(base) for base in cls.__mro__[1:2]]

    def _attribute(self, kind: Any, name: str) -> list[Any]:
        match kind:
            case Live(value=value):
                static = inspect.getattr_static(value, name, None)
                return self._member(type(value), name, kind, static)
            case Instance(cls=cls):
                return self._member(cls, name, kind, inspect.getattr_static(cls, name, None))
            case Elements() if name in _ELEMENTS:
                return [_Bound(kind, name)]
            case type() | ModuleType():
                return self._member(
                    kind if isinstance(kind, type) else None, name, None, vars(kind).get(name)
                )
        return []

    def _member(self, cls: type | None, name: str, on: Live | Instance | None, static: Any) -> list[Any]:
        if isinstance(static, property) and static.fget is not None:
            return _annotated(_hints(static.fget).get("return"))
        if isinstance(static, staticmethod | classmethod):
            static = static.__func__
        function = plain_function(static) if callable(static) and not isinstance(static, type) else None
        if function is not None:
            return [Target(function, on if on is not None or cls is None else Instance(cls))]
        if isinstance(on, Live) and static is not None:
            value = static if not _is_slot(static) else getattr(on.value, name, None)
            if isinstance(value, dict | list | tuple | set) and name in _ELEMENTS:
                return []
            return _of_object(value)
        if isinstance(on, Live) and isinstance(on.value, dict | list | tuple) and name in _ELEMENTS:
            return [_Bound(on, name)]
        if static is None and cls is not None:
            return _annotated(_hints(cls).get(name))
        return _of_object(static)

    def _result(self, kind: Any) -> list[Any]:
        match kind:
            case Target(function=function):
                return _annotated(_hints(function).get("return"))
            case _Bound(on=on):
                return _element(on) if kind.name not in ("values", "items", "copy") else [on]
            case type():
                return [Instance(kind)]
        return []

    # --- locals -----------------------------------------------------------------------------------

    @cached_property
    def _locals(self) -> dict[str, list[Any]]:
        """Sources of each name's value: assigned expressions, loops, and annotated classes."""
        found: dict[str, list[Any]] = {}
        hints = _hints(self._source.function)
        arguments = self._source.node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for position, argument in enumerate(every):
            found[argument.arg] = list(_annotated(hints.get(argument.arg)))
            if position == 0 and self._on is not None and argument.arg in ("self", "cls"):
                found[argument.arg] = [self._on]
        for node in ast.walk(self._source.node):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        if isinstance(target, ast.Name):
                            found.setdefault(target.id, []).append(value)
                case ast.AnnAssign(target=ast.Name(id=name), value=value) if value is not None:
                    found.setdefault(name, []).append(value)
                case ast.NamedExpr(target=ast.Name(id=name), value=value):
                    found.setdefault(name, []).append(value)
                case (ast.For() | ast.comprehension()) as loop:
                    for name in _loop_names(loop.target):
                        found.setdefault(name, []).append(_Loop(loop.iter))
                case ast.With(items=items) | ast.AsyncWith(items=items):
                    for item in items:
                        if isinstance(item.optional_vars, ast.Name):
                            found.setdefault(item.optional_vars.id, []).append(item.context_expr)
                case ast.Call(func=ast.Name(id="isinstance"), args=[ast.Name(id=name), which]):
                    found.setdefault(name, []).extend(self._narrowed(which))
        return found

    def _narrowed(self, which: ast.expr) -> list[Any]:
        parts = which.elts if isinstance(which, ast.Tuple) else [which]
        classes = [self._names.value(part) for part in parts]
        return [Instance(cls) for cls in classes if known(cls) and _is_class_of_theirs(cls)]


@dataclass(frozen=True, slots=True)
class _Loop:
    over: ast.expr


@dataclass(frozen=True, slots=True)
class _Bound:
    """A method of a container."""

    on: Any
    name: str


def _loop_names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def _of_object(value: Any) -> list[Any]:
    """The value of a known object for its callers."""
    if not known(value) or value is None:
        return []
    if isinstance(value, MethodType):
        function = plain_function(value)
        return [] if function is None else [Target(function, Live(value.__self__))]
    if isinstance(value, type | ModuleType):
        return [value]
    function = plain_function(value) if callable(value) else None
    return [Target(function)] if function is not None else [Live(value)]


def _element(kind: Any) -> list[Any]:
    match kind:
        case Elements(of=kinds):
            return list(kinds)
        case Live(value=dict() as value):
            return _distinct(list(value.values())[:_SAMPLED])
        case Live(value=list() | tuple() as value):
            return _distinct(value[:_SAMPLED])
    return []


def _distinct(values: Iterable[Any]) -> list[Any]:
    return list({type(value): Live(value) for value in values if value is not None}.values())


def _annotated(hint: Any) -> list[Any]:
    """The classes in an annotation: of a union each, of a container its elements."""
    if isinstance(hint, type) and get_origin(hint) is None:
        return [Instance(hint)] if _is_class_of_theirs(hint) else []
    origin, inner = get_origin(hint), get_args(hint)
    if isinstance(origin, type) and issubclass(origin, dict | list | tuple | set | frozenset):
        return [Elements(tuple(_annotated(inner[-1] if inner[-1] is not ... else inner[0])))] if inner else []
    return [kind for part in inner if part is not type(None) for kind in _annotated(part)]


def _is_class_of_theirs(cls: Any) -> bool:
    return isinstance(cls, type) and cls.__module__ != "builtins"


def _is_slot(static: Any) -> bool:
    return inspect.ismemberdescriptor(static) or inspect.isgetsetdescriptor(static)


def _method(cls: type, name: str) -> FunctionType | None:
    static = inspect.getattr_static(cls, name, None)
    static = static.__func__ if isinstance(static, staticmethod | classmethod) else static
    return static if isinstance(static, FunctionType) else None


def _hints(thing: Any) -> dict[str, Any]:
    try:
        return get_type_hints(thing)
    except (NameError, TypeError, AttributeError):  # annotations that only a type checker resolves
        return {}
