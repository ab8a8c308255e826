"""The forks that were given for objects: how a sandbox makes an independent copy of each."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any
from weakref import ref

Fork = Callable[[Any], Any]
"""Given an object: an independent copy of it, or a context manager that gives one and takes it away."""

_given: dict[int, tuple[Fork, object]] = {}
"""By the id of the object, which is kept beside it where nothing tells of its end."""


def give_fork(obj: object, fork: Fork) -> None:
    """Say how an object is forked, in every toolset that has it."""
    key = id(obj)
    kept: object = obj
    with suppress(TypeError):  # it has no place for a weak reference
        kept = ref(obj, lambda _: _given.pop(key, None))
    _given[key] = fork, kept


def fork_of(obj: object) -> Fork | None:
    """The fork that was given for an object, else its class's `__fork__`; None where there is neither."""
    if id(obj) in _given:
        return _given[id(obj)][0]
    method = getattr(type(obj), "__fork__", None)
    return method if callable(method) else None
