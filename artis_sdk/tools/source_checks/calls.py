"""The functions that a function calls: by its module's names, by annotations, and by the live object."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import FunctionType, MethodType, ModuleType
from typing import Any

from artis_sdk.tools.closures import closed_over
from artis_sdk.tools.source_checks.annotations import Elements, Instance, declared, of_annotation, returned
from artis_sdk.tools.source_checks.code import Def, SourceCode, own_layer, plain_function
from artis_sdk.tools.source_checks.shapes import NameTable, known
from artis_sdk.tools.source_checks.static import (
    MISSING,
    body_of,
    class_member,
    getter_of,
    is_a,
    is_class,
    items_of,
    member,
    module_of,
    mro_of,
    unbound,
)

_DEEPEST = 6
_ELEMENTS = {"get", "pop", "popitem", "setdefault", "values", "items", "copy"}
_PASSING = {"list", "sorted", "reversed", "tuple", "next", "iter", "enumerate", "set"}
_SAMPLED = 8  # elements of a live container that are looked at


@dataclass(frozen=True, slots=True, eq=False)
class Live:
    """A live object: the tool's own, or one of its attributes."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A called function, and the object or class that it is a method of."""

    function: FunctionType
    on: Live | Instance | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Named:
    """A class or a module."""

    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Nested:
    """A function that is defined in the function that calls it."""

    node: Def


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
            elif isinstance(kind, Named) and is_class(kind.value):
                for name in ("__new__", "__init__", "__post_init__"):
                    made = unbound(class_member(kind.value, name))
                    if type(made) is FunctionType:
                        yield Target(made, Instance(kind.value))

    def classes(self, call: ast.Call) -> list[type]:
        """The classes that a call makes an object of."""
        named = [kind.value for kind in self._kinds(call.func, 0) if isinstance(kind, Named)]
        return [value for value in named if is_class(value)]

    def nested(self, call: ast.Call) -> list[Def]:
        """The functions inside this one that a call runs."""
        return [kind.node for kind in self._kinds(call.func, 0) if isinstance(kind, Nested)]

    def getters(self, node: ast.Attribute) -> Iterator[Target]:
        """The functions of the properties that an attribute reads."""
        for kind in self._kinds(node.value, 1):
            if isinstance(kind, Live | Instance):
                getter = getter_of(class_member(_class_of(kind), node.attr))
                function = None if getter is None else plain_function(getter)
                if function is not None:
                    yield Target(function, kind)

    # --- expressions ------------------------------------------------------------------------------

    def _kinds(self, node: ast.expr, depth: int) -> list[Any]:
        """Possible values of an expression: `Live`, `Instance`, `Elements`, `Target`, `Named`, `Nested`."""
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
        here = closed_over(self._source.function).get("__class__")
        bases = mro_of(_class_of(self._on))
        place = next((n for n, base in enumerate(bases) if base is here), 0)
        return [_Super(self._on, bases[place + 1 :])]

    def _attribute(self, kind: Any, name: str) -> list[Any]:
        match kind:
            case Live(value=value):
                found = member(value, name)
                cls = type(value)
                if found is MISSING and is_a(value, dict, list, tuple) and name in _ELEMENTS:
                    return [_Bound(kind, name)]
                return self._member(cls, name, kind, found)
            case Instance(cls=cls):
                return self._member(cls, name, kind, class_member(cls, name))
            case _Super(on=on, bases=bases):
                found = next((body_of(base)[name] for base in bases if name in body_of(base)), MISSING)
                return self._member(_class_of(on), name, on, found)
            case Elements() if name in _ELEMENTS:
                return [_Bound(kind, name)]
            case Named(value=value):
                return self._member(value if is_class(value) else None, name, None, member(value, name))
        return []

    def _member(self, cls: type | None, name: str, on: Live | Instance | None, static: Any) -> list[Any]:
        getter = getter_of(static)
        if getter is not None:
            function = plain_function(getter)
            return [] if function is None else list(returned(function))
        static = unbound(static)
        callable_ = callable(static) and not is_class(static)
        function = own_layer(static) if callable_ else None
        if function is not None:
            return [Target(function, on if on is not None or cls is None else Instance(cls))]
        if isinstance(on, Live) and name in _ELEMENTS and is_a(on.value, dict, list, tuple):
            return [_Bound(on, name)]
        if static is MISSING and cls is not None:
            return list(declared(cls, name))
        return _of_object(static)

    def _result(self, kind: Any) -> list[Any]:
        match kind:
            case Target(function=function):
                return list(returned(function))
            case _Bound(on=on):
                return _element(on) if kind.name not in ("values", "items", "copy") else [on]
            case Named(value=value) if is_class(value):
                return [Instance(value)]
        return []

    # --- locals -----------------------------------------------------------------------------------

    @cached_property
    def _locals(self) -> dict[str, list[Any]]:
        """Sources of each name's value: assigned expressions, loops, and annotated classes."""
        found: dict[str, list[Any]] = {}
        module = NameTable({}, self._names.globals)
        arguments = self._source.node.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        for position, argument in enumerate(every):
            found[argument.arg] = list(of_annotation(argument.annotation, module))
            if position == 0 and self._on is not None and argument.arg in ("self", "cls"):
                found[argument.arg] = [self._on]
        for inner in self._source.node.body:
            if isinstance(inner, Def):
                found.setdefault(inner.name, []).append(Nested(inner))
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
        return [Instance(cls) for cls in classes if is_class(cls) and module_of(cls) != "builtins"]


@dataclass(frozen=True, slots=True, eq=False)
class _Super:
    """An object, seen from one of the classes that it is of."""

    on: Live | Instance
    bases: tuple[type, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Loop:
    over: ast.expr


@dataclass(frozen=True, slots=True, eq=False)
class _Bound:
    """A method of a container."""

    on: Any
    name: str


def _class_of(on: Live | Instance) -> type:
    return on.cls if isinstance(on, Instance) else type(on.value)


def _loop_names(target: ast.expr) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name):
            yield node.id


def _of_object(value: Any) -> list[Any]:
    """The value of a known object for its callers."""
    if not known(value) or value is None:
        return []
    if type(value) is MethodType:
        function = own_layer(value)
        return [] if function is None else [Target(function, Live(value.__self__))]
    if is_class(value) or is_a(value, ModuleType):
        return [Named(value)]
    function = own_layer(value) if callable(value) else None
    return [Target(function)] if function is not None else [Live(value)]


def _element(kind: Any) -> list[Any]:
    match kind:
        case Elements(of=kinds):
            return list(kinds)
        case Live(value=value):
            return _distinct(item for _, item in items_of(value)[:_SAMPLED])
    return []


def _distinct(values: Iterable[Any]) -> list[Any]:
    """One object of each class."""
    return list({id(type(value)): Live(value) for value in values if value is not None}.values())
