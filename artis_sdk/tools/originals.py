"""The real code of functions that are guarded in place (`artis_sdk.tools.in_place`)."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from types import FunctionType
from typing import Any, NamedTuple

twins: dict[FunctionType, FunctionType] = {}
"""By function now guarded in place, the function with its real code."""


class Body(NamedTuple):
    """A tool's own code, started on purpose by a commit or in a sandbox."""

    binding: object
    """The world binding in which it was started. A world entered inside is not part of it."""
    is_real: bool
    """Whether a commit started it, so that its nested calls run the plain functions."""


running_body: ContextVar[Body | None] = ContextVar("artis_sdk_running_body", default=None)
"""This context's innermost body; None outside every body."""


class in_body:  # a context manager, and no generator: every call of a tool enters one
    """Marks this context as a tool's body during the block. Arguments as in `Body`."""

    __slots__ = ("_body", "_outside")

    _outside: Token[Body | None]

    def __init__(self, binding: object, *, is_real: bool) -> None:
        self._body = Body(binding, is_real)

    def __enter__(self) -> None:
        self._outside = running_body.set(self._body)

    def __exit__(self, *_: object) -> None:
        running_body.reset(self._outside)


def real_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The real code of a function, also while the function is guarded in place."""
    return twins.get(function, function) if isinstance(function, FunctionType) else function
