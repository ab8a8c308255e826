"""How many requests of a backend are under way at once: a fixed number, or as many as its server takes."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import Final

START: Final = 64
"""Requests at once to begin with, where the number is not fixed."""
_MOST = 4096  # and the most
_SLOW = 2.0  # times the fastest round, from which on latency counts as risen
_DRIFT = 1.05  # by which that is forgotten with each round: answers may have become longer


class RequestSlots:
    """Requests under way at once; more wait, and begin in their order.

    Without a fixed number it grows while requests wait: it doubles with each round, as many answers as there
    are slots, until the server refuses one for its rate or a round takes twice as long as the fastest one.
    From then on it grows by a sixteenth. A refusal halves it; rising latency takes an eighth, but leaves 64,
    because slow answers may also be long ones.

    Args:
        fixed: the number; None for as many as the server takes, from 64 on.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self.limit: int = START if fixed is None else fixed
        self._most = self.limit if fixed is not None else max(START, min(_MOST, _files() // 2))
        self._adapts = fixed is None
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._doubles = True
        self._fastest: float | None = None
        self._seconds = 0.0  # of the round's answers
        self._answers = 0
        self._waited = False  # whether a request had to wait in this round
        self._cuts = 0

    async def take(self) -> int:
        """Wait for a slot; what `refused` is told."""
        if self._running < self.limit and not self._waiting:
            self._running += 1
            return self._cuts
        self._waited = True
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # its slot had been handed over already
                self.give()
            raise
        return self._cuts

    def give(self) -> None:
        """Give a slot back."""
        self._running -= 1
        self._admit()

    def answered(self, seconds: float) -> None:
        """A request was answered after so long."""
        if not self._adapts:
            return
        self._seconds += seconds
        self._answers += 1
        if self._answers < self.limit:
            return
        mean, full = self._seconds / self._answers, self._waited
        self._seconds, self._answers, self._waited = 0.0, 0, bool(self._waiting)
        if not full:  # the server was not asked for more
            return
        slow = self._fastest is not None and mean > _SLOW * self._fastest
        self._fastest = mean if self._fastest is None else min(mean, self._fastest * _DRIFT)
        if slow:
            self._doubles = False
            self._set(max(min(START, self.limit), self.limit - self.limit // 8))
        else:
            self._set(self.limit * 2 if self._doubles else self.limit + max(1, self.limit // 16))

    def refused(self, taken: int) -> None:
        """The server refused a request for its rate.

        Args:
            taken: what `take` gave: refusals of requests that are older than the last cut are no news.
        """
        if self._adapts and taken == self._cuts:
            self._cuts += 1
            self._doubles = False
            self._seconds, self._answers = 0.0, 0
            self._set(max(1, self.limit // 2))

    def _set(self, limit: int) -> None:
        self.limit = min(limit, self._most)
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._running < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self._running += 1
                turn.set_result(None)


def _files() -> int:
    """Files, and so connections, that this process may have open."""
    if sys.platform == "win32":
        return 2 * _MOST
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2 * _MOST if soft == resource.RLIM_INFINITY else soft
