"""What a rehearsal leaves behind where no context variable reaches: threads and processes."""

from __future__ import annotations

import concurrent.futures.thread
import queue
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

_MACHINERY = frozenset(module.__file__ for module in (threading, queue, concurrent.futures.thread))
_PRUNE_EVERY = 1.0  # seconds


def working() -> frozenset[FrameType]:
    """The frames now running in other threads, without those in which idle pool workers wait."""
    found: set[FrameType] = set()
    for ident, frame in sys._current_frames().items():
        if ident != threading.get_ident():
            found.update(f for f in _stack(frame) if not _idle(f.f_code.co_filename))
    return frozenset(found)


class Leftovers:
    """Calls in other threads that began during a rehearsal and have not ended with it.

    Their threads know nothing of the rehearsal, so a guarded call in one of them is of unknown origin
    until what runs there has returned.
    """

    def __init__(self) -> None:
        self._frames: frozenset[FrameType] = frozenset()
        self._pruned = 0.0

    def __bool__(self) -> bool:
        return bool(self._frames)

    def add(self, before: frozenset[FrameType]) -> None:
        """A rehearsal has ended: what runs now and did not run `before` it is left behind."""
        now = working()
        self._frames = (self._frames & now.union(_stack(sys._getframe()))) | (now - before)

    def running_here(self) -> bool:
        """Whether the calling code was called by something left behind."""
        if any(frame in self._frames for frame in _stack(sys._getframe())):
            return True
        if time.monotonic() - self._pruned > _PRUNE_EVERY:
            self._pruned = time.monotonic()
            self._frames &= working()
        return False


def _stack(frame: FrameType | None) -> list[FrameType]:
    frames: list[FrameType] = []
    while frame is not None:
        frames.append(frame)
        frame = frame.f_back
    return frames


def _idle(filename: str) -> bool:
    return filename in _MACHINERY or "/anyio/" in filename


class RehearsalMarker:
    """Tells a new process that it was started during a rehearsal.

    `multiprocessing` sends it along with every process that it starts; a fork server that was started
    before the rehearsal does not hand down the environment of now.
    """

    def __init__(self, arrived: Callable[[], None]) -> None:
        self._arrived = arrived

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return self._arrived, ()


def mark_children(marker: RehearsalMarker | None) -> None:
    """Give the processes that `multiprocessing` starts from now on a marker, or none."""
    processes: Any = sys.modules.get("multiprocessing.process")
    if processes is None:  # nothing was started yet: a fork server to come has the environment of now
        return
    handed_down: dict[str, Any] = processes.current_process()._config
    if marker is None:
        handed_down.pop("artis_sdk", None)
    else:
        handed_down["artis_sdk"] = marker
