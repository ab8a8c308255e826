"""Objects that a fork still shares with the original: every mutable object in both object graphs.

`copy.deepcopy` shares more than one expects: the target of a weak reference, a singleton whose `__new__`
returns the one instance, a nested `__deepcopy__` that returns `self`, the closure of a function. Both
graphs are walked with `gc.get_referents`, at about 0.25 us per reference, for each fork: sharing depends
on the data, so it cannot be determined once for a class.
"""

from __future__ import annotations

import datetime
import dis
import enum
import functools
import gc
import logging
import re
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePath
from typing import Any
from uuid import UUID

from artis_sdk.simulators.collection import no_collection
from artis_sdk.tools.closures import closed_over

# Neither looked into nor mutable.
_PLAIN: tuple[type, ...] = (
    type(None), bool, int, float, complex, str, bytes, range, slice, type(Ellipsis), type(NotImplemented),
    type, types.ModuleType, types.BuiltinFunctionType, types.CodeType, types.GenericAlias, types.UnionType,
    types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType,
    types.MethodDescriptorType, types.ClassMethodDescriptorType, types.FrameType, types.TracebackType,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, Decimal, Fraction, UUID, PurePath,
    enum.Enum, re.Pattern, logging.Logger, logging.Handler,
)  # fmt: skip
# Where further classes of this kind are: what maps rows to objects.
_MAPPINGS = ("sqlalchemy.sql.", "sqlalchemy.orm.instrumentation.", "sqlalchemy.orm.path_registry.")
# Looked into, but not mutable themselves.
_SEEN_THROUGH: tuple[type, ...] = (
    tuple, frozenset, types.FunctionType, types.MethodType, types.MappingProxyType, types.CellType,
    functools.partial, property, classmethod, staticmethod, weakref.ref, weakref.ProxyType,
)  # fmt: skip


class Shared:
    """Finds the objects that a fork shares with the original, and those that it holds.

    Args:
        copies: the forks of the objects.
        share: parts that they may share: classes, objects, and paths such as `Bank.registry`.
    """

    def __init__(self, copies: Iterable[object], share: Iterable[Any] = ()) -> None:
        given = list(share)
        self._paths = {entry for entry in given if isinstance(entry, str)}
        self._classes = tuple(entry for entry in given if isinstance(entry, type))
        self._objects = [entry for entry in given if not isinstance(entry, str | type)]
        self._ids = {id(entry) for entry in self._objects}
        self._known: set[type] = set()
        self._plain: set[type] = set()
        self._opened: set[type] = set()
        self._roots = list(copies)
        with no_collection():
            self._ours = self._reached(self._roots)

    def objects(self) -> list[Any]:
        """What the forks reach, without what is plain; modules and locks among it."""
        return list(self._ours.values())

    def code(self) -> Iterator[type | types.FunctionType]:
        """The functions that the forks reach, and the classes of all objects that they reach."""
        found = self._ours.values()
        yield from (one for one in found if type(one) is types.FunctionType)
        yield from {id(type(one)): type(one) for one in found}.values()

    def names(self, path: str) -> bool:
        """Whether it is shared by its path."""
        return path in self._paths

    def path(self, originals: Iterable[object]) -> str | None:
        """Where a fork first reaches something mutable that the original reaches, too; None for nowhere."""
        with no_collection():
            theirs = self._reached(originals)
        ours = self._ours
        common = {key for key in theirs.keys() & ours.keys() if self._is_mutable(ours[key])}
        if not common:
            return None
        return next((path for path, value in self._walk() if id(value) in common), None)

    def first(self, kinds: Callable[[type], bool]) -> tuple[str, Any] | None:
        """The path to a fork's nearest object of certain classes, and the object; None without one."""
        wanted = {kind for kind in set(map(type, self._ours.values())) if kinds(kind)}
        if not wanted:
            return None
        return next(((path, value) for path, value in self._walk() if type(value) in wanted), None)

    def _reached(self, roots: Iterable[object]) -> dict[int, Any]:
        """Every object within reach of the roots that is not plain, by id."""
        layer: list[Any] = list(roots)
        seen = {id(one): one for one in layer}
        seen.update((id(one), one) for one in self._objects)
        plain, opaque = self._plain, self._opened
        while layer:
            beyond: list[Any] = gc.get_referents(*layer)
            kinds = set(map(type, layer))
            if not kinds.isdisjoint(opaque):
                beyond += [inner for one in layer if type(one) in opaque for inner in _opened(one)]
            self._learn(set(map(type, beyond)))
            new = {id(one): one for one in beyond if type(one) not in plain}
            for known in new.keys() & seen.keys():
                del new[known]
            seen |= new
            layer = list(new.values())
            functions = [one for one in layer if type(one) is types.FunctionType]
            if functions:  # their globals are the module's
                layer = [one for one in layer if type(one) is not types.FunctionType]
                layer += [cell for one in functions for cell in one.__closure__ or ()]
        for ours in self._ids:
            seen.pop(ours, None)
        return seen

    def _learn(self, kinds: set[type]) -> None:
        for kind in kinds - self._known:
            self._known.add(kind)
            if issubclass(kind, (*_PLAIN, *self._classes)) or _is_code_like(kind):
                self._plain.add(kind)
            if issubclass(kind, (weakref.ReferenceType, *weakref.ProxyTypes)):
                self._opened.add(kind)

    def _is_mutable(self, one: Any) -> bool:
        kind = type(one)
        if kind is types.FunctionType:
            return bool(one.__closure__) and _rebinds(one.__code__)
        return not (issubclass(kind, _SEEN_THROUGH) or _is_bare(kind) or is_frozen(kind))

    # --- the path to it, only where there is something to name -----------------------------------

    def _walk(self) -> Iterator[tuple[str, Any]]:
        """Every object within a fork's reach with its path, the nearest first."""
        seen: set[int] = set()
        waiting = deque((type(root).__name__, root) for root in self._roots)
        while waiting:
            path, value = waiting.popleft()
            self._learn({type(value)})
            if type(value) in self._plain or id(value) in seen or id(value) in self._ids:
                continue
            if path in self._paths:
                continue
            seen.add(id(value))
            yield path, value
            if not path.endswith(".__dict__"):  # its attributes have been named already
                waiting.extend((path + label, inner) for label, inner in _children(value))


def _is_code_like(kind: type) -> bool:
    """Whether its objects are made once and never change: mappings of SQLAlchemy's, indexes of pandas'."""
    module = f"{kind.__module__}."
    return module.startswith(_MAPPINGS) or (
        module.startswith("pandas.") and kind.__name__.endswith(("Index", "BlockPlacement"))
    )


def _opened(one: Any) -> tuple[Any, ...]:
    """The target of a weak reference, which the garbage collector does not report."""
    if isinstance(one, weakref.ref):
        referent = one()
    else:
        try:
            referent = one.__repr__.__self__
        except ReferenceError:
            return ()
    return () if referent is None else (referent,)


def _is_bare(kind: type) -> bool:
    """Whether its instances have nothing that could change: no attributes, no slots, no C state."""
    if kind.__flags__ & _HEAP_TYPE == 0:
        return kind is object
    if kind.__dictoffset__ or kind.__basicsize__ != object.__basicsize__ + _weak(kind):
        return False
    return all(base is object or base.__flags__ & _HEAP_TYPE for base in kind.__mro__)


def _weak(kind: type) -> int:
    return 8 if kind.__weakrefoffset__ else 0


_HEAP_TYPE = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def is_frozen(kind: type) -> bool:
    """Whether it is a frozen dataclass or pydantic model; its contents are looked at, too."""
    parameters = getattr(kind, "__dataclass_params__", None)
    config = getattr(kind, "model_config", None)
    return bool(getattr(parameters, "frozen", False)) or (
        isinstance(config, Mapping) and bool(config.get("frozen", False))
    )


@functools.lru_cache(maxsize=4096)
def _rebinds(code: types.CodeType) -> bool:
    return any(
        step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in code.co_freevars
        for step in dis.get_instructions(code)
    )


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    """The objects that an object refers to, each with the piece of its path."""
    known: set[int] = set()
    for label, inner in _labelled(value):
        known.add(id(inner))
        yield label, inner
    if type(value) is not types.FunctionType:
        for inner in gc.get_referents(value):
            if id(inner) not in known:
                yield f" -> {type(inner).__name__}", inner


def _labelled(value: Any) -> Iterator[tuple[str, Any]]:
    match value:
        case types.FunctionType():
            for name, inner in closed_over(value).items():
                yield f" -> {value.__qualname__}'s {name}", inner
            return
        case types.MethodType():
            yield " -> method's object", value.__self__
            yield " -> method", value.__func__
            return
        case functools.partial():
            yield ".func", value.func
            yield ".args", value.args
            yield ".keywords", value.keywords
    if isinstance(value, (weakref.ReferenceType, *weakref.ProxyTypes)):
        for inner in _opened(value):
            yield f" -> weakref -> {type(inner).__name__}", inner
        return
    attributes = getattr(value, "__dict__", None)
    if type(attributes) is dict:
        yield from ((f".{name}", inner) for name, inner in list(attributes.items()))
        yield ".__dict__", attributes
    for name in _slots(type(value)):
        if hasattr(value, name):
            yield f".{name}", getattr(value, name)
    if isinstance(value, dict):
        for key, inner in list(dict.items(value)):
            yield f"[{key!r}]", inner
            yield f" -> key {type(key).__name__}", key
    elif isinstance(value, list | tuple | deque):
        yield from ((f"[{i}]", inner) for i, inner in enumerate(list(value)))
    elif isinstance(value, set | frozenset):
        yield from ((" -> member", inner) for inner in list(value))


def _slots(kind: type) -> list[str]:
    found: list[str] = []
    for base in kind.__mro__:
        slots = base.__dict__.get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else tuple(slots)
        found += [
            f"_{base.__name__.lstrip('_')}{name}"
            if name.startswith("__") and not name.endswith("__")
            else name
            for name in names
            if name not in ("__dict__", "__weakref__")
        ]
    return found
