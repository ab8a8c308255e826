"""Stores that stay open for a moment after their last user: opening one costs more than a short session.

A store that lingers is whole in its file, and nothing holds it but its connections, so that another process
may read, copy or settle it. On Windows, where an open file cannot be removed, none lingers.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from typing import Any, Generic, Protocol, TypeVar

LINGER = 1.0 if os.name == "posix" else 0.0
"""Seconds that a store stays open without a user."""


class LingeringStore(Protocol):
    """What may linger."""

    def is_current(self) -> bool:
        """Whether its file is still the one that it opened."""

    def close(self) -> None:
        """Close it, in any thread. There is nothing left to write."""


S = TypeVar("S", bound=LingeringStore)


class Lingering(Generic[S]):
    """Stores without a user, by a key of the file; each is closed after `LINGER` seconds.

    They are also closed before a fork and at the end of the process.
    """

    def __init__(self) -> None:
        self._stores: dict[Any, tuple[float, S]] = {}
        self._lock = threading.Lock()
        self._closer: threading.Thread | None = None
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork, after_in_parent=self._after_fork, after_in_child=self._renew
            )

    def take(self, key: Any) -> S | None:
        """A store of this key, for its next user; None if none lingers."""
        with self._lock:
            _, store = self._stores.pop(key, (0.0, None))
        if store is not None and not store.is_current():
            store.close()
            return None
        return store

    def put(self, key: Any, store: S) -> None:
        """Have a store linger whose last user has left it. One of the same key is closed."""
        with self._lock:
            _, other = self._stores.pop(key, (0.0, None))
            self._stores[key] = time.monotonic() + LINGER, store
            if self._closer is None:
                self._closer = threading.Thread(target=self._close_in_time, name="artis-linger", daemon=True)
                self._closer.start()
        if other is not None:
            other.close()

    def close(self) -> None:
        """Close all that linger."""
        with self._lock:
            self._close_all()

    def _close_all(self) -> None:
        while self._stores:
            _, (_, store) = self._stores.popitem()
            store.close()

    def _close_in_time(self) -> None:
        while True:
            with self._lock:
                if not self._stores:
                    self._closer = None
                    return
                key, (until, store) = next(iter(self._stores.items()))  # the first put, so the first to end
                left = until - time.monotonic()
                if left <= 0:
                    del self._stores[key]
            if left <= 0:
                store.close()
            else:
                time.sleep(left)

    def _before_fork(self) -> None:
        """A copy of a connection would break the file."""
        self._lock.acquire()
        self._close_all()

    def _after_fork(self) -> None:
        self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()
        self._closer = None
