"""Exceptions that no tool means as its failure: what steers an event loop, a test or a greenlet."""

from __future__ import annotations

import asyncio
import threading
from asyncio import taskgroups

# Packages that stop or skip a test, or end a task, by an exception that is no `Exception`.
_STEERING = frozenset({"_pytest", "hypothesis", "greenlet", "gevent", "eventlet", "trio"})
_LONGEST_CHAIN = 100


def is_control_signal(error: BaseException) -> bool:
    """Whether it must pass through a tool: a cancellation, the user's interrupt, or a signal of pytest,
    hypothesis, greenlet, gevent, eventlet or trio. A group is one if it holds one.

    Any other exception, `SystemExit` and classes of the application's own included, is the tool's failure.
    """
    kind = type(error)
    if issubclass(kind, Exception):
        return False
    if issubclass(kind, KeyboardInterrupt):  # a user's arrives in the main thread alone
        return threading.current_thread() is threading.main_thread()
    if issubclass(kind, asyncio.CancelledError):
        return True
    if issubclass(kind, BaseExceptionGroup):
        return any(map(is_control_signal, BaseExceptionGroup.exceptions.__get__(error)))
    return any(cls.__module__.partition(".")[0] in _STEERING for cls in kind.__mro__)


def is_from_task_group(error: BaseException) -> bool:
    """Whether a task group raised it, or what it was made of.

    Until Python 3.12 a task group whose task fails while it waits for the others leaves its own request to
    cancel the task around it counted, so that `cancelling()` says nothing about a cancellation from outside.
    """
    seen: BaseException | None = error
    for _ in range(_LONGEST_CHAIN):
        if seen is None:
            return False
        if issubclass(type(seen), BaseExceptionGroup) and _raised_in(seen) == taskgroups.__file__:
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _raised_in(error: BaseException) -> str | None:
    """The file whose code raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return None if trace is None else trace.tb_frame.f_code.co_filename
