"""Leases of live processes: a locked file for each open journal, and for the rehearsals of a process.

The kernel drops the lock when its process ends, however it ends. Unlike a process id it cannot be
reused by another process, and it holds across containers that share the file and not their process
table. SQLite's WAL needs shared memory, so everybody who can write the journal has the same kernel.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from artis_sdk.records import new_id

_ASKED = 7
"""How often a lock is asked for, after twice as long each time, where those who ask exclude each other."""

_FLAGS = getattr(os, "O_CLOEXEC", 0)  # on Windows a child has no handle of its parent anyway
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
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
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
        _remove(self._file, self.path)


def is_alive(beside: Path, owner: str) -> bool:
    """Whether the owner still holds its lock. Removes the file of a dead owner."""
    return is_held(_lock_path(beside, owner))


def is_held(path: Path) -> bool:
    """Whether the owner of a lock file still holds it. Removes the file of a dead owner."""
    try:
        file = os.open(path, os.O_RDWR | _FLAGS)
    except FileNotFoundError:
        return False
    if _lock(file, shared=True):  # shared, so that two askers do not take each other for it
        _remove(file, path)
        return False
    os.close(file)
    return True


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody else is in a block of the same file; does not wait.

    Args:
        path: path of a lock file, made if it is missing, which stays.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
    locked = _lock(file, shared=False)
    try:
        yield locked
    finally:
        if locked:
            _unlock(file)  # a child that was forked meanwhile has the file open, too
        os.close(file)


def sweep(beside: Path) -> None:
    """Remove the lock files of owners that died."""
    prefix = _lock_path(beside, "").name
    for name in os.listdir(beside.parent):
        if name.startswith(prefix):
            is_alive(beside, name.removeprefix(prefix))


def _lock_path(beside: Path, owner: str) -> Path:
    return beside.with_name(f"{beside.name}.owner-{owner}")


def _remove(file: int, path: Path) -> None:
    """Close and remove a lock file; it stays if somebody is about to lock it."""
    if os.name == "posix":
        path.unlink(missing_ok=True)  # before the lock is gone, or it might be another's by now
        os.close(file)
    else:
        os.close(file)
        with suppress(PermissionError):  # where it is open elsewhere it cannot be removed
            path.unlink(missing_ok=True)


def _lock(file: int, *, shared: bool) -> bool:
    """Take the lock if it is free; False if it is not."""
    return _by_kernel(file, shared=shared) if os.name == "posix" else _by_library(file)


def _by_kernel(file: int, *, shared: bool) -> bool:
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _by_library(file: int) -> bool:
    """The lock of other systems, such as `LockFileEx` of Windows.

    It has no shared form, so somebody who only asks may hold it for a moment.
    """
    from filelock import lock_descriptor

    for n in range(_ASKED):
        if lock_descriptor(file, blocking=False):
            return True
        time.sleep(0.001 * 2**n)  # an eighth of a second in all: who asks may be kept from the processor
    return False


def _unlock(file: int) -> None:
    if os.name == "posix":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_UN)
    else:
        from filelock import unlock_descriptor

        unlock_descriptor(file)


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
