"""Guarded calls of a `__del__` in a reference cycle that a rehearsal or commit leaves as garbage.

Python collects such garbage at any time, then or later, in any thread, with any context. Collecting it at
the end of each rehearsal would take 10 ms for each 40,000 objects that the process has. Instead the
collector is watched while application code runs and until two full collections are over (a `__del__` may
make more such garbage): a guarded call in the collector's thread during a collection counts as one of
those, and so does one in what is started there, such as a pool's job or a task that closes an async
generator.

For that the collector's thread has another context during a collection. It is exchanged, by `greenlet`, and
not changed: Python 3.11 collects in the middle of setting a context variable, and would lose the change.
"""

from __future__ import annotations

import gc
from contextvars import Context, copy_context
from threading import get_ident

from greenlet import getcurrent

from artis_sdk.tools.firewall import LAST_WORDS, current, firewall

_OLDEST = 2  # the generation whose collection covers all objects

_left = 0  # full collections until the garbage of the last end is gone
_own: list[Context | None] = []
"""The context of the collector's thread, while it has another."""


def watch() -> None:
    """Watch the collector while application code runs."""
    if _watch not in gc.callbacks:
        gc.callbacks.append(_watch)


def expect() -> None:
    """Watch the collector after a rehearsal or commit, which may have left garbage."""
    global _left
    _left = 2
    watch()


def _watch(phase: str, info: dict[str, int]) -> None:
    global _left
    if phase == "start":
        if _left or firewall.running:
            firewall.collecting = get_ident()
            firewall.active = True
            _leave_context()
    elif firewall.collecting is not None:
        firewall.collecting = None
        firewall.update()
        if _own:
            getcurrent().gr_context = _own.pop()
        if info["generation"] == _OLDEST:
            if firewall.leftovers:
                firewall.leftovers.prune()
            _left = max(0, _left - 1)


def _leave_context() -> None:
    try:
        here = getcurrent()
    except RuntimeError:  # the interpreter ends, and nothing can be started any more
        return
    _own.append(here.gr_context)
    context = copy_context()
    context.run(current.set, LAST_WORDS)
    here.gr_context = context
