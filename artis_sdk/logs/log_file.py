"""What the writer of a call log asks of its SQLite file beyond SQLite."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


def error_code(error: sqlite3.Error) -> int | None:
    """SQLite's primary error code, without the detail in its higher bits."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def inode_of(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def sync_wal(path: Path) -> None:
    """Force what was committed to the disk: it is in the write-ahead log.

    SQLite itself syncs the pages that it moves from there.
    """
    try:
        file = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)
