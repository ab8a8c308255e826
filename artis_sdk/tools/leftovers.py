"""What a rehearsal or commit leaves running where no context variable reaches.

A callback from C, or a worker that the application feeds by a queue of its own, may be in the middle of
its work when the rehearsal ends; what it calls then was called by something of the rehearsal's. What still
waits in such a queue is not seen: nothing tells whose it is.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from types import FrameType

_LIBRARY = os.path.dirname(os.__file__)
# Where threads wait for work that need not be the rehearsal's.
_WAITING = frozenset(
    os.path.join(_LIBRARY, *path.split("/"))
    for path in ("threading.py", "queue.py", "selectors.py", "socket.py", "concurrent/futures/thread.py")
)
# And where such work is taken up, in a call that began while they waited.
_TAKING_UP = frozenset(
    (os.path.join(_LIBRARY, *path.split("/")), name)
    for path, name in (("asyncio/base_events.py", "_run_once"), ("http/server.py", "handle_one_request"))
)
_PRUNE_EVERY = 1.0  # seconds


class Snapshot:
    """What runs in other threads now, before a rehearsal or commit."""

    def __init__(self) -> None:
        self.threads = frozenset(threading.enumerate())
        self.frames = working()


class Leftovers:
    """Calls in other threads that began during a rehearsal or commit and have not ended with it.

    Their threads know nothing of it, so a guarded call in one of them is of unknown origin until what
    runs there has returned. Not counted are the threads that were started meanwhile: they have the context
    of whoever started them, and those without one belong to somebody else.
    """

    def __init__(self) -> None:
        self._frames: frozenset[FrameType] = frozenset()
        self._pruned = 0.0

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, before: Snapshot) -> None:
        """A rehearsal or commit has ended: what runs now and did not run `before` it is left behind."""
        started = {
            thread.ident
            for thread in frozenset(threading.enumerate()) - before.threads
            if not isinstance(thread, threading._DummyThread)  # which Python code did not start
        }
        here = _stack(sys._getframe())
        self._frames = (self._frames & working().union(here)) | (working(started) - before.frames)

    def running_here(self) -> bool:
        """Whether the calling code was called by something left behind."""
        if any(frame in self._frames for frame in _stack(sys._getframe())):
            return True
        if time.monotonic() - self._pruned > _PRUNE_EVERY:
            self._pruned = time.monotonic()
            self._frames &= working()
        return False


def working(besides: frozenset[int | None] | set[int | None] = frozenset()) -> frozenset[FrameType]:
    """The frames now running in other threads, without those in which they wait for work.

    Args:
        besides: identifiers of threads that are left out, too.
    """
    found: set[FrameType] = set()
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident() and ident not in besides:
            found.update(frame for frame in _stack(frame) if not _idle(frame))
    return frozenset(found)


def _stack(frame: FrameType | None) -> list[FrameType]:
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _idle(frame: FrameType) -> bool:
    code = frame.f_code
    file = code.co_filename
    return file in _WAITING or "/anyio/" in file or (file, code.co_name) in _TAKING_UP
