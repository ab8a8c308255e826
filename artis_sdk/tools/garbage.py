"""Guarded calls of a `__del__` in a reference cycle that a rehearsal or commit has left as garbage.

Python collects such garbage at any later time, in any thread, with any context. Collecting it at the end
of each rehearsal would take 10 ms for each 40,000 objects that the process has. Instead the collector is
watched: until two full collections are over (a `__del__` may make more such garbage), a guarded
call in the collector's thread during a collection counts as one of those.
"""

from __future__ import annotations

import gc
from threading import get_ident

from artis_sdk.tools.firewall import firewall

_OLDEST = 2  # the generation whose collection covers all objects

_left = 0  # full collections until the garbage of the last end is gone


def expect() -> None:
    """Watch the collector after a rehearsal or commit, which may have left garbage."""
    global _left
    _left = 2
    if _watch not in gc.callbacks:
        gc.callbacks.append(_watch)


def _watch(phase: str, info: dict[str, int]) -> None:
    global _left
    if phase == "start":
        if _left:
            firewall.collecting = get_ident()
            firewall.active = True
    elif firewall.collecting is not None:
        firewall.collecting = None
        firewall.update()
        if info["generation"] == _OLDEST:
            _left -= 1
