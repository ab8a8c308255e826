"""Locks, which a call of a tool finds free and leaves free."""

from __future__ import annotations

import asyncio
import threading
from multiprocessing import synchronize
from typing import Any, Final

from artis_sdk.simulators.interpreter.classes import is_one
from artis_sdk.simulators.interpreter.values import Hole

_LOCKS: Final = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Semaphore,
    threading.BoundedSemaphore,
    synchronize.Lock,
    synchronize.RLock,
    synchronize.Condition,
    synchronize.Semaphore,
    synchronize.BoundedSemaphore,
)
_AWAITED: Final = (asyncio.Lock, asyncio.Condition, asyncio.Semaphore, asyncio.BoundedSemaphore)


def is_lock(value: Any, *, waits: bool) -> bool:
    """Whether it stands for a lock of the standard library.

    Args:
        value: a value of the interpreter.
        waits: whether the lock is awaited.
    """
    return isinstance(value, Hole) and is_one(value.kind, _AWAITED if waits else _LOCKS)
