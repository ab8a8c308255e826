"""Forks of files: an SQLite database, a folder."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from artis_sdk.errors import ConfigurationError
from artis_sdk.simulators.forks import contents
from artis_sdk.simulators.forks.making import show_content, temporary_folder, vouch


@contextmanager
def sqlite(database: Any) -> Iterator[Any]:
    """A copy of an SQLite database, made by SQLite's own backup, which tolerates a writer.

    Args:
        database: the file's path, as text or as a `Path`, which need not exist yet; or an open
            connection, whose copy has its rows, `row_factory`, `text_factory` and
            `isolation_level`, but not its registered functions.

    Yields:
        The path of the copy, of the same type; or a connection to it.

    Raises:
        ConfigurationError: `database` is neither.
    """
    if isinstance(database, sqlite3.Connection):
        with _connection(database) as connection:
            yield connection
    elif isinstance(database, str | os.PathLike):
        with temporary_folder() as folder:
            copy = folder / Path(database).name
            if os.path.exists(database):
                source = Path(database).resolve().as_uri() + "?mode=ro"
                with closing(sqlite3.connect(source, uri=True)) as real:
                    backup(real, copy)
            show_content(copy.name, partial(contents.database, copy))
            yield _as(database, copy)
    else:
        raise ConfigurationError(
            f"forks.sqlite takes a path or a connection, not a {type(database).__name__}"
        )


def backup(real: sqlite3.Connection, copy: Path) -> None:
    """Copy a database into a new file."""
    with closing(sqlite3.connect(copy)) as made:
        real.backup(made)


@contextmanager
def _connection(real: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    from artis_sdk.simulators.seal import guard_attach

    with temporary_folder() as folder:
        copy = folder / "copy.db"
        backup(real, copy)
        show_content("database", partial(contents.database, copy))
        made = sqlite3.connect(copy, isolation_level=real.isolation_level, check_same_thread=False)
        guard_attach(made)
        made.row_factory, made.text_factory = real.row_factory, real.text_factory
        vouch(made)
        with closing(made):
            yield made


@contextmanager
def folder(path: Any) -> Iterator[Any]:
    """A copy of a folder: blocks are shared until they are written if the file system can do that
    (btrfs, XFS, APFS), else all of them are copied. Symbolic links stay links; a body that would
    write through one to a file outside is refused.

    Args:
        path: path of the folder, or of one file, as text or as a `Path`; it need not exist yet.

    Yields:
        The path of the copy, of the same type.
    """
    real = Path(path).resolve()
    with temporary_folder() as parent:
        copy = parent / (real.name or "root")
        if real.exists():
            _copy(real, copy)
        show_content(copy.name, partial(contents.files, copy))
        yield _as(path, copy)


def _as(given: Any, path: Path) -> Any:
    """A path of the same type as the original."""
    return type(given)(path)


def _copy(real: Path, copy: Path) -> None:
    program = shutil.which("cp")
    if program is not None and os.uname().sysname == "Linux":
        subprocess.run(
            [program, "-a", "--reflink=auto", "--", str(real), str(copy)], check=True, capture_output=True
        )
    elif real.is_dir():
        shutil.copytree(real, copy, symlinks=True)
    else:
        shutil.copy2(real, copy)
