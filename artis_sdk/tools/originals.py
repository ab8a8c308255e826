"""The real code of functions that are guarded in place (`artis_sdk.tools.in_place`)."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from types import FunctionType
from typing import Any

twins: dict[FunctionType, FunctionType] = {}
"""By function that is guarded in place at the moment, the function that has its real code."""

running_body: ContextVar[object] = ContextVar("artis_sdk_running_body", default=None)
"""The world binding in which the real body was started that this context is in; None outside of one."""


def real_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The real code of a function, also while the function itself is guarded in place."""
    return twins.get(function, function) if isinstance(function, FunctionType) else function


def is_guarded_in_place(function: object) -> bool:
    """Whether calling this function object leads to a tool at the moment."""
    return isinstance(function, FunctionType) and function in twins
