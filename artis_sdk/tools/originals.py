"""The real code of functions that are guarded in place (`artis_sdk.tools.in_place`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import FunctionType
from typing import Any, NamedTuple

twins: dict[FunctionType, FunctionType] = {}
"""By function that is guarded in place at the moment, the function that has its real code."""


class Body(NamedTuple):
    """A tool's own code that was started on purpose: by a commit, or in a sandbox."""

    binding: object
    """The world binding in which it was started. A world that is entered inside is no part of it."""
    is_real: bool
    """Whether a commit started it, so that the functions it calls are the plain ones."""


running_body: ContextVar[Body | None] = ContextVar("artis_sdk_running_body", default=None)
"""The innermost body that this context is in; None outside of one."""


@contextmanager
def in_body(binding: object, *, is_real: bool) -> Iterator[None]:
    """What runs in this context meanwhile is a tool's body. Arguments as in `Body`."""
    outside = running_body.set(Body(binding, is_real))
    try:
        yield
    finally:
        running_body.reset(outside)


def real_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The real code of a function, also while the function itself is guarded in place."""
    return twins.get(function, function) if isinstance(function, FunctionType) else function


def is_guarded_in_place(function: object) -> bool:
    """Whether calling this function object leads to a tool at the moment."""
    return isinstance(function, FunctionType) and function in twins
