"""The threads of real calls of sync tools: as many as there are calls at once, used again."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from artis_sdk.tools.carry import bare

_UNLIMITED = 1 << 20  # a call may wait for nested ones, so no number of threads is enough for all of them


class _Threads:
    """The pool of this process."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def renew(self) -> None:
        """In a forked child, the threads do not exist."""
        self._pool = None

    def run(self, body: Callable[[], None]) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_UNLIMITED, thread_name_prefix="artis-call")
        self._pool.submit(body)


_threads = _Threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.renew)


def in_call_thread(body: Callable[[], None]) -> None:
    """Run a body, which raises nothing, in a thread without a world; the interpreter waits for its end."""
    bare(_threads.run, body)
