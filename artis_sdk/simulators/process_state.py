"""Process state that a sandboxed body can change outside of its fork: mutable defaults, class attributes,
module globals, and the precision of `decimal` and `mpmath`. (The seal sees environment variables.)

Each fork has its own precision, and its tools get their own defaults. The rest is compared
before and after each call. Only mutable defaults are put back: a global or a class attribute may have
been changed by the application itself meanwhile, and putting it back would lose that.
"""

from __future__ import annotations

import copy
import decimal
import inspect
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from inspect import Parameter
from itertools import chain
from threading import Lock
from types import BuiltinFunctionType, FunctionType, MemberDescriptorType, ModuleType
from typing import Any

from artis_sdk.tools import Toolset

_NODES = 10_000  # objects that a digest looks at; of the others it only counts the items
_DEPTH = 40
_CONTAINERS = (list, dict, set, bytearray, deque)
_CODE = frozenset({FunctionType, type, ModuleType, BuiltinFunctionType, classmethod, staticmethod, property})
_ATOMS = (type(None), bool, int, float, complex, str, bytes)
_ATOM_IDS = frozenset(map(id, _ATOMS))  # a class of the application may compare and hash as it likes


class ProcessState:
    """The places outside the forks that the tools' code can change.

    Args:
        functions: functions of the tools, without decorators.
        owners: the real objects behind them.
        share: names of places that may change, as `watched` returns them.
    """

    def __init__(self, functions: Iterable[Any], owners: Iterable[object], share: Iterable[Any] = ()) -> None:
        by_id = {id(function): function for function in functions if isinstance(function, FunctionType)}
        self._functions = tuple(by_id.values())
        self._classes = tuple(
            {
                kind: None
                for owner in owners
                for kind in type(owner).__mro__
                if not _is_library(kind.__module__)
            }
        )
        names = {f.__module__ for f in self._functions} | {kind.__module__ for kind in self._classes}
        self._modules = tuple(
            module for name in sorted(names) if (module := sys.modules.get(name)) and not _is_library(name)
        )
        self._defaults = _mutable_defaults(self._functions)
        self._share = {entry for entry in share if isinstance(entry, str)}

    @contextmanager
    def watched(self, changes: list[str]) -> Iterator[None]:
        """Compare the places after a body with those before it.

        Args:
            changes: receives the names of the places that changed.
        """
        with _defaults_kept(self._defaults):
            before = self._digests()
            try:
                yield
            finally:
                after = self._digests()
                found = [name for name in before | after if before.get(name) != after.get(name)]
                changes.extend(name for name in found if name not in self._share)
                for name, value in self._defaults.items():
                    if name in found:
                        _put_back(value)

    def _digests(self) -> dict[str, int]:
        budget = [_NODES]
        found = {name: _digest(value, budget) for name, value in self._defaults.items()}
        for kind in self._classes:
            for name, value in list(vars(kind).items()):
                if _is_state(name, value):
                    found[f"{kind.__qualname__}.{name}"] = _digest(value, budget)
        for module in self._modules:
            for name, value in list(vars(module).items()):
                if _is_state(name, value):
                    found[f"{module.__name__}.{name}"] = _digest(value, budget)
        return found


def _mutable_defaults(functions: Iterable[FunctionType]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for function in functions:
        parameters = [*function.__code__.co_varnames[: function.__code__.co_argcount]]
        by_position = function.__defaults__ or ()
        given = dict(zip(parameters[len(parameters) - len(by_position) :], by_position, strict=True))
        for name, value in (given | (function.__kwdefaults__ or {})).items():
            if isinstance(value, _CONTAINERS):
                found[f"the default of {name} in {function.__qualname__}"] = value
    return found


class OwnDefaults:
    """Copies of the mutable defaults of a fork's tools: they last as long as the fork, as the real ones
    last as long as the process."""

    def __init__(self) -> None:
        self._made: dict[str, dict[str, Any]] = {}

    def given(
        self, tool: str, function: Callable[..., Any], named: Iterable[str], kwargs: dict[str, Any]
    ) -> dict[str, Any]:
        """The keyword arguments, with copies of the mutable defaults that a call leaves out.

        Args:
            tool: whose call it is.
            function: its code, bound to the fork.
            named: the parameters that the call gives, by position or by name.
            kwargs: its keyword arguments.
        """
        if tool not in self._made:
            self._made[tool] = {
                name: copy.deepcopy(parameter.default)
                for name, parameter in inspect.signature(function).parameters.items()
                if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
                and isinstance(parameter.default, _CONTAINERS)
            }
        own = self._made[tool]
        return kwargs | {name: own[name] for name in own.keys() - set(named)} if own else kwargs


class OwnPrecision:
    """The precision of `decimal` and `mpmath` in one fork."""

    def __init__(self) -> None:
        self._context: decimal.Context | None = None
        self._bits: int | None = None
        """Bits of precision of `mpmath.mp`."""

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Set the fork's precision, and that of the process again at the end."""
        with decimal.localcontext(self._context) as context, _mpmath_kept() as mp:
            self._context = context
            if mp is not None and self._bits is not None:
                mp.prec = self._bits
            try:
                yield
            finally:
                if mp is not None:
                    self._bits = mp.prec


# --- what more than one body may change at a time -------------------------------------------------

_lock = Lock()
_kept: dict[int, tuple[Any, Any, int]] = {}
"""Mutable defaults by id: the object, a copy from before the first of the bodies now running, and how
many of those there are."""
_precision: tuple[int, int] = (0, 0)
"""Bodies now running, and `mpmath`'s bits from before the first of them."""


@contextmanager
def _defaults_kept(values: dict[str, Any]) -> Iterator[None]:
    objects = {id(value): value for value in values.values()}
    with _lock:
        for key, value in objects.items():
            _, clean, users = _kept.get(key) or (value, copy.deepcopy(value), 0)
            _kept[key] = value, clean, users + 1
    try:
        yield
    finally:
        with _lock:
            for key in objects:
                value, clean, users = _kept.pop(key)
                if users > 1:
                    _kept[key] = value, clean, users - 1


def _put_back(value: Any) -> None:
    with _lock:
        clean = copy.deepcopy(_kept[id(value)][1])
        value.clear()
        (value.update if isinstance(value, dict | set) else value.extend)(clean)


@contextmanager
def _mpmath_kept() -> Iterator[Any]:
    global _precision
    mpmath = sys.modules.get("mpmath")
    mp = getattr(mpmath, "mp", None)
    if mp is None:
        yield None
        return
    with _lock:
        users, bits = _precision
        _precision = users + 1, (bits if users else mp.prec)
    try:
        yield mp
    finally:
        with _lock:
            users, bits = _precision
            _precision = users - 1, bits
            if users == 1:
                mp.prec = bits


# --- comparing --------------------------------------------------------------------------------------


def _is_library(module: str) -> bool:
    top = module.partition(".")[0]
    return (top in sys.stdlib_module_names and top != "__main__") or top in ("pydantic", "artis_sdk")


def _is_state(name: str, value: Any) -> bool:
    if type(value) in _CODE or name.startswith("__"):
        return False
    return not (callable(value) or isinstance(value, ModuleType | property | MemberDescriptorType))


def _digests_of(items: list[Any], budget: list[int], depth: int) -> list[int]:
    """As `_digest` of each, with fewer calls: most are atoms, and most containers hold nothing else."""
    kinds = [*map(type, items)]
    if _ATOM_IDS.issuperset(map(id, kinds)):
        return [hash((*kinds, *items))]
    return [
        hash((kind, item)) if kind in _ATOMS else _digest(item, budget, depth)
        for kind, item in zip(kinds, items, strict=True)
    ]


def _digest(value: Any, budget: list[int], depth: int = 0) -> int:
    """A number that differs when the value has changed, within the budget of objects."""
    kind = type(value)
    if kind in _ATOMS:
        return hash((kind, value))
    budget[0] -= 1
    if isinstance(value, str | bytes | int | float):
        return hash(value)
    if isinstance(value, dict | list | tuple | deque | set | frozenset):
        if budget[0] < 0 or depth > _DEPTH:
            return hash((id(value), len(value)))
        inner = list(chain.from_iterable(list(dict.items(value)))) if isinstance(value, dict) else list(value)
        parts = _digests_of(inner, budget, depth + 1)
        return hash((id(value), *(sorted(parts) if isinstance(value, set | frozenset) else parts)))
    if isinstance(value, bytearray):
        return hash(bytes(value))
    if kind is Toolset:  # itself it does not change, and its schemas are long
        return hash((id(value), *(_digest(owner, budget, depth + 1) for owner in value.owners)))
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict) and budget[0] >= 0 and depth <= _DEPTH:
        return hash((id(value), _digest(attributes, budget, depth + 1)))
    return id(value)
