"""Process state that a sandboxed body can change outside of its fork: mutable defaults, class attributes,
module globals, and the precision of `decimal` and `mpmath`. (The seal sees environment variables.)

Each fork has its own precision, and its tools get their own defaults. The rest (`places`) is compared
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
from types import FunctionType
from typing import Any

from artis_sdk.simulators.cached_results import CachedResults
from artis_sdk.simulators.code_reach import CodeReach
from artis_sdk.simulators.copies import check_globals
from artis_sdk.simulators.digest import Look
from artis_sdk.simulators.places import ProcessPlaces

_CONTAINERS = (list, dict, set, bytearray, deque)


class ProcessState:
    """The places outside the forks that the tools' code can change.

    Args:
        functions: functions of the tools, without decorators.
        owners: the real objects behind them.
        share: names of places that may change, as `watched` returns them, and open connections among them.
        held: functions inside the objects, and classes of what is inside them.

    Raises:
        ConfigurationError: an open connection is among the places.
    """

    def __init__(
        self,
        functions: Iterable[Any],
        owners: Iterable[object],
        share: Iterable[Any] = (),
        held: Iterable[type | FunctionType] = (),
    ) -> None:
        given, objects = list(share), list(owners)
        by_id = {id(function): function for function in functions if isinstance(function, FunctionType)}
        reach = CodeReach(by_id.values(), objects, held)
        check_globals(reach.objects, given)
        self._places = ProcessPlaces(by_id.values(), objects, reach)
        self._defaults = _mutable_defaults(by_id.values())
        self._share = {entry for entry in given if isinstance(entry, str)}

    @contextmanager
    def watched(self, changes: list[str]) -> Iterator[None]:
        """Compare the places after a body with those before it.

        Args:
            changes: receives the names of the places that changed.
        """
        with _defaults_kept(self._defaults):
            look = Look()
            caches = {name: kept for name, kept in self._places.caches().items() if name not in self._share}
            before = self._digests(look, caches)
            try:
                yield
            finally:
                after = self._digests(Look(earlier=look), caches)
                found = [name for name in before | after if before.get(name) != after.get(name)]
                found += [name for name, kept in caches.items() if not kept.forget_new()]
                changes.extend(name for name in found if name not in self._share)
                for name, value in self._defaults.items():
                    if name in found:
                        _put_back(value)

    def _digests(self, look: Look, caches: dict[str, CachedResults]) -> dict[str, int]:
        kept = ((name, cache.results) for name, cache in caches.items())
        places = chain(self._defaults.items(), self._places.values(), kept)
        return {name: look.digest(value) for name, value in places}


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
                name: copied
                for name, parameter in inspect.signature(function).parameters.items()
                if parameter.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
                and isinstance(parameter.default, _CONTAINERS)
                and (copied := _copied(parameter.default)) is not None
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
        for key, value in list(objects.items()):
            _, clean, users = _kept.get(key) or (value, _copied(value), 0)
            if clean is None:
                del objects[key]
            else:
                _kept[key] = value, clean, users + 1
    try:
        yield
    finally:
        with _lock:
            for key in objects:
                value, clean, users = _kept.pop(key)
                if users > 1:
                    _kept[key] = value, clean, users - 1


def _copied(value: Any) -> Any:
    """A copy of a mutable default; None of one that cannot be copied, as with a lock in it, and is only
    compared."""
    try:
        return copy.deepcopy(value)
    except TypeError:
        return None


def _put_back(value: Any) -> None:
    with _lock:
        if id(value) not in _kept:
            return
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
