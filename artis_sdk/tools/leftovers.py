"""Calls that a rehearsal or commit leaves running where no context variable reaches.

A callback from C, or a worker that the application feeds by a queue of its own, may be in the middle of
its work when the rehearsal ends; its later calls come from the rehearsal. Items that still wait in such
a queue are not covered: nothing shows their origin.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from functools import lru_cache
from types import FrameType

_LIBRARY = os.path.dirname(os.__file__)
# Code in which threads wait for work that may not be the rehearsal's.
_WAITING = frozenset(
    os.path.join(_LIBRARY, *path.split("/"))
    for path in ("threading.py", "queue.py", "selectors.py", "socket.py", "concurrent/futures/thread.py")
)
# Code that takes up such work, in a call that began while they waited.
_TAKING_UP = frozenset(
    (os.path.join(_LIBRARY, *path.split("/")), name)
    for path, name in (("asyncio/base_events.py", "_run_once"), ("http/server.py", "handle_one_request"))
)
_PRUNE_EVERY = 1.0  # seconds


class Snapshot:
    """The code that runs in other threads before a rehearsal or commit."""

    def __init__(self) -> None:
        self.threads = frozenset(threading.enumerate())
        self.frames = working()


class Leftovers:
    """Calls in other threads that began during a rehearsal or commit and have not ended with it.

    Their threads have no context of it, so a guarded call in one of them is of unknown origin until the
    code there has returned. Threads started meanwhile are not counted: they have the context of their
    starter, and those without one belong to other code.
    """

    def __init__(self) -> None:
        self._frames: frozenset[FrameType] = frozenset()
        self._pruned = 0.0

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, before: Snapshot) -> None:
        """Add the calls that run now, after a rehearsal or commit, and did not run `before` it."""
        if self._frames:
            self.prune()
        if working() <= before.frames:
            return
        started = {
            thread.ident
            for thread in frozenset(threading.enumerate()) - before.threads
            if not isinstance(thread, threading._DummyThread)  # not started by Python code
        }
        self._frames |= working(started) - before.frames

    def running_here(self) -> bool:
        """Whether the calling code runs inside a call left behind."""
        if not self._frames.isdisjoint(_callers()):
            return True
        if time.monotonic() - self._pruned > _PRUNE_EVERY:
            self.prune()
        return False

    def prune(self) -> None:
        """Forget calls that have ended, whose frames keep their variables alive."""
        self._pruned = time.monotonic()
        self._frames &= working().union(_callers())


def working(besides: frozenset[int | None] | set[int | None] = frozenset()) -> frozenset[FrameType]:
    """The frames now running in other threads, without those in which they wait for work.

    Args:
        besides: identifiers of further threads to leave out.
    """
    frames = sys._current_frames()
    frames.pop(threading.get_ident(), None)  # a variable with this very frame would be a reference cycle
    found: list[FrameType] = []
    for ident, frame in frames.items():
        at: FrameType | None = None if ident in besides else frame
        while at is not None:
            code = at.f_code  # once: reading it raises an audit event, for which our hook is called
            if (waiting := _waiting_in(code.co_filename)) is not None and code.co_name not in waiting:
                found.append(at)
            at = at.f_back
    return frozenset(found)


def _callers() -> list[FrameType]:
    """The frames of this thread, from the caller's caller on: without one that could hold the list."""
    return _stack(sys._getframe(2))


def waits(ident: int) -> bool:
    """Whether a thread now waits for another one: for its end, its lock, its result."""
    frame = sys._current_frames().get(ident)
    return frame is not None and frame.f_code.co_filename in (threading.__file__, queue.__file__)


def _stack(frame: FrameType | None) -> list[FrameType]:
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


@lru_cache(maxsize=4096)
def _waiting_in(file: str) -> frozenset[str] | None:
    """Names of the code in a file in which threads only wait for work; None for all of it."""
    if file in _WAITING or "/anyio/" in file:
        return None
    return frozenset(name for where, name in _TAKING_UP if where == file)
