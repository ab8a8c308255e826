"""A warning for late decorators: other code already holds the unguarded function and will call it."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Callable
from types import CellType, FrameType, FunctionType
from typing import Any


class LateGuardWarning(UserWarning):
    """`@guarded_tool` guards a function that other code, such as a framework, holds unguarded."""


def warn_if_held(function: Callable[..., Any], name: str, *, expected: int) -> None:
    """Warn if more than the decorators and its own name hold a function under decoration.

    Args:
        function: the function to be guarded.
        name: the tool's name.
        expected: number of references that the caller's own frames hold.
    """
    if not isinstance(function, FunctionType) or sys.getrefcount(function) <= expected + 1:  # this parameter
        return
    namespace = function.__globals__
    if namespace.get(function.__name__) is function or _has_a_name(function):
        return  # not decorated at its `def`, so other holders have it on purpose
    referrers = [holder for holder in gc.get_referrers(function) if _may_call(holder, namespace)]
    holders = [type(owner) for owner in map(_owner, referrers) if not _is_ours(owner)]
    if holders:
        kinds = ", ".join(sorted({f"a {holder.__qualname__}" for holder in holders}))
        warnings.warn(
            f"{name}: {kinds} already holds the function without its guard; calls through it are guarded "
            "only during a session that has this tool and an agent of your own. Put "
            "@guarded_tool below the decorator that registers the function, next to its `def`",
            LateGuardWarning,
            stacklevel=4,
        )


def _has_a_name(function: Callable[..., Any]) -> bool:
    """Whether the guarding code has a name for the function; at a `def` there is no name yet."""
    frame: FrameType | None = sys._getframe(2)
    here = frame.f_code.co_filename if frame is not None else ""
    while frame is not None and frame.f_code.co_filename == here:  # `guard`, and `guarded_tool` used bare
        frame = frame.f_back
    return frame is not None and any(value is function for value in frame.f_locals.values())


def _may_call(holder: object, namespace: dict[str, Any]) -> bool:
    """Whether a referrer could call the function: not a frame, cell or namespace of its own name."""
    if holder is namespace or isinstance(holder, FrameType | CellType | staticmethod | classmethod):
        return False
    return not (isinstance(holder, dict) and ("__module__" in holder or "__guarded_tool__" in holder))


def _owner(holder: object) -> object:
    """The object whose `__dict__` the holder is; else the holder itself."""
    if isinstance(holder, dict):
        for owner in gc.get_referrers(holder):
            if getattr(owner, "__dict__", None) is holder:
                return owner
    return holder


def _is_ours(owner: object) -> bool:
    return type(owner).__module__.startswith("artis_sdk.")
