"""DuckDB in a scratch file, with bounded memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from artis_sdk.errors import MissingExtraError, TrainingError

if TYPE_CHECKING:
    import duckdb


_THREAD_MB: Final = 128
"""Mebibytes of a thread: each reads a few thousand rows at once, and cannot spill these."""


@contextmanager
def scratch(folder: Path, *, memory_mb: int) -> Iterator[duckdb.DuckDBPyConnection]:
    """A temporary database in a folder, into which it spills.

    Args:
        folder: existing folder with room; all that is written into it is removed.
        memory_mb: limit of DuckDB's own memory, in mebibytes. It computes in as many threads as have 128 of
            them, at most one per processor.

    Raises:
        MissingExtraError: duckdb is not installed.
        TrainingError: the disk is full, or memory does not suffice.
    """
    try:
        import duckdb
    except ImportError as error:
        raise MissingExtraError("preparing training data", "train") from error
    path = folder / "scratch.duckdb"
    path.unlink(missing_ok=True)
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": f"{memory_mb}MiB",
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": False,
        "enable_external_access": True,
        "threads": max(1, min(memory_mb // _THREAD_MB, os.cpu_count() or 1)),
    }
    try:
        with duckdb.connect(str(path), config=settings) as connection:
            connection.execute("SET enable_progress_bar = false")
            yield connection
    except duckdb.OutOfMemoryException as error:
        first = str(error).splitlines()[0]
        raise TrainingError(
            f"{memory_mb} MiB do not suffice to prepare the training data: raise --memory-mb "
            f"(`DataSettings.memory_mb`); a value of megabytes needs some thirty times its size ({first})"
        ) from error
    except duckdb.IOException as error:
        raise TrainingError(f"{folder}: training data cannot be prepared: {error}") from error
    finally:
        path.unlink(missing_ok=True)
        path.with_suffix(".duckdb.wal").unlink(missing_ok=True)


def quoted(text: str | Path) -> str:
    """A text as an SQL literal, for statements without parameters."""
    return "'" + str(text).replace("'", "''") + "'"
