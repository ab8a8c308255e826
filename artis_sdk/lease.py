"""Leases of live processes: a locked file for each open journal, and for the rehearsals of a process.

The kernel drops the lock when its process ends, however it ends. Unlike a process id it cannot be
reused by another process, and it holds across containers that share the file and not their process
table. SQLite's WAL needs shared memory, so everybody who can write the journal has the same kernel.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

from artis_sdk.errors import JournalError
from artis_sdk.records import new_id

# Locks that a forked child must not keep alive after its parent.
_held: set[ProcessLease] = set()
_guard = threading.Lock()


class ProcessLease:
    """A claim to be alive, until `release` or the end of the process.

    Args:
        beside: path of the journal, or another, from which the lock file takes name and folder.
    """

    def __init__(self, beside: Path) -> None:
        self.id = new_id()
        self.path = _lock_path(beside, self.id)
        while True:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            locked = _lock(self._file, shared=False)
            # A sweep may have removed the file between the open and the lock.
            if locked and self.path.exists():
                break
            os.close(self._file)
        with _guard:
            _held.add(self)

    def release(self) -> None:
        """Give the claim up: calls still open in the journal now count as abandoned."""
        with _guard:
            if self not in _held:
                return
            _held.remove(self)
        self.path.unlink(missing_ok=True)
        os.close(self._file)


def is_alive(beside: Path, owner: str) -> bool:
    """Whether the owner still holds its lock. Removes the file of a dead owner."""
    return is_held(_lock_path(beside, owner))


def is_held(path: Path) -> bool:
    """Whether the owner of a lock file still holds it. Removes the file of a dead owner."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        alive = not _lock(file, shared=True)  # shared, so that two askers do not take each other for it
        if not alive:
            path.unlink(missing_ok=True)
    finally:
        os.close(file)
    return alive


def sweep(beside: Path) -> None:
    """Remove the lock files of owners that died."""
    prefix = _lock_path(beside, "").name
    for name in os.listdir(beside.parent):
        if name.startswith(prefix):
            is_alive(beside, name.removeprefix(prefix))


def _lock_path(beside: Path, owner: str) -> Path:
    return beside.with_name(f"{beside.name}.owner-{owner}")


def _lock(file: int, *, shared: bool) -> bool:
    """Take the lock if it is free; False if it is not."""
    try:
        import fcntl
    except ImportError:
        raise JournalError("the commit journal needs POSIX file locks, which this system lacks") from None
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _forget_in_child() -> None:
    """Close the copied descriptors; the parent keeps its locks."""
    for owner in _held:
        os.close(owner._file)
    _held.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_forget_in_child
    )
