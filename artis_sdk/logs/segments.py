"""Segments of a shared call log that are still on this machine: SQLite files on their way to the others.

A segment is written by one process, closed, sent as one batch of its own name, and removed. What a process
leaves when it is killed is sent by the next one of the same user and log; a batch that had arrived already
arrives as the same one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from pathlib import Path

from artis_sdk.errors import LogError
from artis_sdk.lease import ProcessLease, alone, is_alive, sweep
from artis_sdk.records import new_id
from artis_sdk.store_address import data_folder

_BESIDE = "segments"  # begins the name of the lock file of each process


def waiting_folder(address: str) -> Path:
    """The user's folder of the segments of one log.

    Args:
        address: address of the log, without a password.
    """
    return data_folder() / "logs" / blake2b(address.encode(), digest_size=8).hexdigest()


class Segments:
    """The segments of this process, and of those that died, in a folder that is made if it is missing.

    Args:
        folder: the folder, on a local disk.

    Raises:
        LogError: the folder cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._last = 0
        """When the last segment began, in microseconds since the epoch."""
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            sweep(folder / _BESIDE)
            self._lease = ProcessLease(folder / _BESIDE)
        except OSError as error:
            raise LogError(f"{folder} cannot hold what waits to be sent: {error.strerror}") from error
        self.current = self.new()
        """Path of the segment that is being written; there is no file before the first record."""

    def new(self) -> Path:
        """Path of a new segment, which ends in the name of its batch: these sort by when they began."""
        self._last = max(self._last + 1, time.time_ns() // 1000)  # also where the clock goes back
        seconds, micros = divmod(self._last, 1_000_000)
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
        return self.folder / f"{self._lease.id}.{moment}.{micros:06d}Z-{new_id()[:12]}.db"

    def closed(self) -> list[Path]:
        """Segments of this process that wait to be sent, oldest first."""
        return [path for path in self._of(self._lease.id) if path != self.current]

    @contextmanager
    def left(self) -> Iterator[list[Path]]:
        """Segments of processes that died, oldest first; nobody else is given them meanwhile."""
        with alone(self.folder / "sending.lock") as mine:
            yield [path for path in self._of("*") if not self._is_owned(path)] if mine else []

    def release(self) -> None:
        """Leave what waits to whoever comes next."""
        self._lease.release()

    def _of(self, owner: str) -> list[Path]:
        return sorted(self.folder.glob(f"{owner}.*.db"), key=batch_of)

    def _is_owned(self, path: Path) -> bool:
        owner = path.name.partition(".")[0]
        return owner == self._lease.id or is_alive(self.folder / _BESIDE, owner)


def batch_of(path: Path) -> str:
    """Name of a segment's batch."""
    return path.name.partition(".")[2].removesuffix(".db")


def remove(path: Path) -> None:
    """Remove a segment that was sent."""
    for end in ("", "-wal", "-shm"):
        Path(f"{path}{end}").unlink(missing_ok=True)
