"""Annotations of a class's attributes, read from its source; nothing is evaluated."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import FunctionType, ModuleType, UnionType
from typing import Any, Final, Union, get_args, get_origin

from artis_sdk.simulators.interpreter.classes import is_one, module_of
from artis_sdk.tools.source_checks.code import NoSource, source_of
from artis_sdk.tools.source_checks.static import body_of, is_a, mro_of

_CONTAINERS: Final[dict[str, type]] = {
    "dict": dict,
    "Dict": dict,
    "list": list,
    "List": list,
    "tuple": tuple,
    "Tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "FrozenSet": frozenset,
}
_NATURAL: Final = (str, int, float, bool)
_LEAVES: Final = (datetime, date, Decimal)
_WRAPPERS: Final = {"Optional", "Final", "ClassVar", "Annotated"}
_DEEPEST: Final = 8


@dataclass(frozen=True, eq=False, slots=True)
class Hint:
    """What an annotation says about a value of the state.

    Attributes:
        cls: its class, if it is one of the application.
        kind: dict, list, tuple, set or frozenset.
        key: type of a dictionary's keys.
        item: of its items.
        items: of a tuple's items, one by one.
        leaf: `datetime`, `date` or `Decimal`, which the state shows as text.
        text: whether a text of the state is a text.
        opaque: whether the state shows it in another form.
    """

    cls: type | None = None
    kind: type | None = None
    key: type | None = None
    item: Hint | None = None
    items: tuple[Hint | None, ...] = ()
    leaf: type | None = None
    text: bool = False
    opaque: bool = False

    def at(self, index: int) -> Hint | None:
        """Of the item at an index."""
        return self.items[index] if index < len(self.items) else self.item

    def same(self, other: Hint | None) -> bool:
        """Whether they say the same; classes are compared as objects."""
        if other is None or (self.leaf, self.text, self.opaque) != (other.leaf, other.text, other.opaque):
            return False
        kinds = self.cls is other.cls and self.kind is other.kind and self.key is other.key
        return (
            kinds
            and len(self.items) == len(other.items)
            and all(
                mine is theirs if mine is None else mine.same(theirs)
                for mine, theirs in zip((self.item, *self.items), (other.item, *other.items), strict=True)
            )
        )


def has_subclasses(cls: type) -> bool:
    """Whether an annotation with a class may mean one of its subclasses."""
    return bool(type.__subclasses__(cls))


_KNOWN: Final[dict[int, tuple[type, Mapping[str, Hint]]]] = {}
"""Hints by the id of their class, which is kept: hashing it may run its metaclass."""


def fields_of(cls: type) -> Mapping[str, Hint]:
    """The hints of a class's attributes: those of its body, and those that its `__init__` assigns."""
    if id(cls) not in _KNOWN:
        if len(_KNOWN) > 1000:
            _KNOWN.clear()
        _KNOWN[id(cls)] = cls, _fields(cls)
    return _KNOWN[id(cls)][1]


def _fields(cls: type) -> Mapping[str, Hint]:
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
        if type(made) is FunctionType:
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
    if type(note) is str:
        try:
            return _of_node(ast.parse(note, mode="eval").body, scope, 0)
        except SyntaxError:
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
                key = scope.get(parts[0].id) if isinstance(parts[0], ast.Name) else None
                named = {"str": str, "int": int}.get(getattr(parts[0], "id", ""), key)
                return _mapping(named, _of_node(parts[1], scope, depth + 1))
            if kind is None or kind is dict:
                return None
            ends = kind is tuple and not (isinstance(parts[-1], ast.Constant) and parts[-1].value is ...)
            return _sequence(kind, [_of_node(p, scope, depth + 1) for p in parts], ends=ends)
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            parts = [p for p in (left, right) if not _is_none(p)]
            return _one([_of_node(p, scope, depth + 1) for p in parts])
        case ast.Name(id=name):
            if name in _CONTAINERS:
                return Hint(kind=_CONTAINERS[name])
            builtin = next((kind for kind in _NATURAL if kind.__name__ == name), None)
            return _of_object(scope.get(name, builtin), depth + 1)
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            held = scope.get(module)
            return _of_object(vars(held).get(name), depth + 1) if type(held) is ModuleType else None
    return None


def _of_object(note: Any, depth: int) -> Hint | None:
    if depth > _DEEPEST:
        return None
    typing = module_of(type(note)) in ("typing", "types")  # an object of the application's is not asked
    origin, inner = (get_origin(note), get_args(note)) if typing else (None, ())
    if is_one(origin, (Union, UnionType)):
        return _one([_of_object(part, depth + 1) for part in inner if part is not type(None)])
    if origin is dict and len(inner) == 2:
        return _mapping(inner[0], _of_object(inner[1], depth + 1))
    if is_one(origin, (list, tuple, set, frozenset)) and inner:
        ends = origin is tuple and inner[-1] is not ...
        return _sequence(origin, [_of_object(p, depth + 1) for p in inner if p is not ...], ends=ends)
    if not is_a(note, type) or origin is not None or note is object:
        return None
    if is_one(note, _NATURAL):
        return Hint(text=note is str)
    if is_one(note, (list, dict, tuple, set, frozenset)):
        return Hint(kind=note)
    if is_one(note, _LEAVES):
        return Hint(leaf=note)
    module = module_of(note)
    if module.partition(".")[0] in sys.stdlib_module_names:
        return Hint(opaque=module != "typing")
    return Hint(cls=note)


def _mapping(key: Any, item: Hint | None) -> Hint:
    return Hint(kind=dict, key=key if is_a(key, type) else None, item=item)


def _sequence(kind: Any, items: list[Hint | None], *, ends: bool) -> Hint:
    return Hint(kind=kind, items=tuple(items)) if ends else Hint(kind=kind, item=items[0])


def _one(hints: list[Hint | None]) -> Hint | None:
    """The hint of a union, if its parts agree."""
    first = hints[0]
    return first if first is not None and all(first.same(one) for one in hints) else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
