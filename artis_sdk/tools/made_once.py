"""What is derived from a function, kept for as long as the function lives and stays as it is.

A service makes a toolset of its object for each request. The objects change and the methods do not, and their
schemas cost milliseconds each.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import is_
from types import FunctionType
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from artis_sdk.tools.originals import real_function

T = TypeVar("T")

_KEPT: WeakKeyDictionary[FunctionType, tuple[tuple[object, ...], dict[Hashable, Any]]] = WeakKeyDictionary()


def made_once(function: Callable[..., Any], key: Hashable, make: Callable[[], T]) -> T:
    """The result of `make`, or its earlier result for this function and key.

    A function with attributes, such as `__wrapped__`, is read again each time: they may change what is made.

    Args:
        function: the function that `make` reads.
        key: the other values that `make` depends on.
        make: function that makes the value; the value holds no reference to the function.
    """
    real = real_function(function)  # while it is guarded in place, its own code is exchanged
    if type(function) is not FunctionType or type(real) is not FunctionType or vars(real):
        return make()
    state = _state(real)
    before, made = _KEPT.get(function, ((), {}))
    if len(before) != len(state) or not all(map(is_, before, state)):
        made = {}
        _KEPT[function] = state, made
    if key not in made:
        made[key] = make()
    result: T = made[key]
    return result


def _state(function: FunctionType) -> tuple[object, ...]:
    """The parts of a function that can be set, each to be compared by identity."""
    by_name = (function.__kwdefaults__ or {}, function.__annotations__)
    parts = (part for names in by_name for item in names.items() for part in item)
    return (function.__code__, function.__doc__, function.__defaults__, *parts)
