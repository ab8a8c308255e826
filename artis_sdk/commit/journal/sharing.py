"""One journal for each store and process, whoever opens it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

J = TypeVar("J")


class SharedJournals(Generic[J]):
    """Journals in use, by process and store: a forked process uses none of its parent's."""

    def __init__(self) -> None:
        self._journals: dict[tuple[int, str], J] = {}
        self._users: dict[tuple[int, str], int] = {}
        self._renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        """In a forked child, the thread that held the lock does not exist."""
        self._guard = threading.Lock()

    def join(self, store: str, make: Callable[[], J]) -> J:
        """The journal of a store, made for its first user; each user leaves it once."""
        key = os.getpid(), store
        with self._guard:
            if key not in self._journals:
                self._journals[key] = make()
            self._users[key] = self._users.get(key, 0) + 1
            return self._journals[key]

    def leave(self, journal: J) -> bool:
        """Whether nobody else uses it now, so that it is to be closed; also if it is not shared."""
        with self._guard:
            for key, shared in self._journals.items():
                if shared is journal:
                    self._users[key] -= 1
                    if self._users[key] > 0:
                        return False
                    del self._journals[key], self._users[key]
                    break
            return True
