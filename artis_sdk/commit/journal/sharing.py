"""One journal for each store and process, whoever opens it, and its store open for a moment after it."""

from __future__ import annotations

import asyncio
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from artis_sdk.commit.journal.writer import GroupWriter
from artis_sdk.errors import JournalError
from artis_sdk.lingering import LINGER, Lingering, LingeringStore

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


class JournalStore(LingeringStore, Protocol):
    """A journal's open file or connections."""

    @property
    def writer(self) -> GroupWriter:
        """What writes to it."""


S = TypeVar("S", bound=JournalStore)


class SharedJournal(ABC, Generic[S]):
    """A journal that all sessions of a process may have in common.

    When its last session has left a shared one, the store lingers; the journal itself is closed.

    Args:
        store: its store, not yet open.
    """

    _journals: ClassVar[SharedJournals[Any]]
    _lingering: ClassVar[Lingering[Any]]

    def __init__(self, store: S) -> None:
        self._store = store
        self._key: Hashable = None
        """Key of the store in `_lingering`; None for a journal that is not shared."""
        self._still_running: set[str] = set()
        """Ids of calls that may run on when the journal is closed."""

    def _sharing(self, key: Hashable) -> Self:
        """This journal, over the store of this key that lingers, if one does."""
        self._key = key
        self._store = self._lingering.take(key) or self._store
        return self

    @abstractmethod
    def _unopened(self) -> S:
        """A store in the place of one that is left to linger."""

    @abstractmethod
    def _close(self) -> None:
        """Write queued requests, and close the store."""

    def close(self) -> None:
        """Write queued requests, and release the store. Closing twice is fine, unless it is shared."""
        if self._journals.leave(self):
            self._close()

    async def aclose(self) -> None:
        """See `CommitJournal.aclose`; as `close`, off the event loop. A shared journal's store lingers."""
        if not self._journals.leave(self):
            return
        if self._key is None or self._still_running or not LINGER or not await self._rested():
            await asyncio.to_thread(self._close)
            return
        store, self._store = self._store, self._unopened()
        self._close()
        self._lingering.put(self._key, store)

    async def _rested(self) -> bool:
        """Whether everything is written, and the store may linger."""
        writer = self._store.writer
        try:
            if writer.is_at_work:
                await writer.rest()
        except JournalError:
            return False
        except asyncio.CancelledError:
            asyncio.get_running_loop().run_in_executor(None, self._close)
            raise
        return writer.is_at_work
