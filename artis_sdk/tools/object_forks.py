"""The registered forks of objects: functions that make independent copies for a sandbox."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from typing import Any
from weakref import ref

from artis_sdk.errors import ConfigurationError

Fork = Callable[[Any], Any]
"""Function of an object: an independent copy, or a context manager that makes and removes one."""

_given: dict[int, tuple[Fork, object]] = {}
"""By the object's id; the object is kept beside it where it allows no weak reference."""


def check_fork(fork: object, name: str) -> None:
    """Check that a fork can be called for each attempt.

    Args:
        fork: the fork, as it was given.
        name: name of the argument.

    Raises:
        ConfigurationError: it cannot be called, or was called already: `forks.sqlite("a.db")`.
    """
    if not callable(fork) or isinstance(fork, AbstractContextManager):
        raise ConfigurationError(
            f"{name}= takes a function of the value to fork, and got {type(fork).__name__}; name the fork, "
            "do not call it, and say of which attribute it is: fork=forks.of(path=forks.sqlite), where "
            "`from artis_sdk.simulators import forks`"
        )


def give_fork(obj: object, fork: Fork) -> None:
    """Register an object's fork, for every toolset that has the object; raises as `check_fork`."""
    check_fork(fork, "fork")
    key = id(obj)
    kept: object = obj
    with suppress(TypeError):  # it allows no weak reference
        kept = ref(obj, lambda _: _given.pop(key, None))
    _given[key] = fork, kept


def fork_of(obj: object) -> Fork | None:
    """The registered fork of an object, else its class's `__fork__`; None without either."""
    if id(obj) in _given:
        return _given[id(obj)][0]
    method = getattr(type(obj), "__fork__", None)
    return method if callable(method) else None
