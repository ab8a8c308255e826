"""The content of forked files and databases as JSON: a plan shows what an attempt changed in them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from artis_sdk.records.jsonable import jsonable

MOST_ROWS: Final = 2_000
"""Rows of a database, or files of a folder, that are shown one by one."""
MOST_BYTES: Final = 16 * 2**20
"""Bytes of a database, or of a folder's files, whose content is shown."""
_LONGEST: Final = 2_000
"""Characters of a file that stand as they are."""


def database(file: Path) -> Any:
    """The rows of an SQLite database, by table and primary key; by row number in a table without one.

    Of a database of more than `MOST_ROWS` rows or `MOST_BYTES` bytes, the number of bytes and their digest;
    of one that cannot be read, such as a locked one, the reason; None where there is no file.
    """
    if not file.exists():
        return None
    if file.stat().st_size > MOST_BYTES:
        return _digest(file)
    try:  # looking makes no file: the service may ask whether there is one
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=rw", uri=True, timeout=0)) as db:
            db.text_factory = lambda text: text.decode(errors="backslashreplace")
            tables: dict[str, dict[str, Any]] = {}
            left = MOST_ROWS
            for table in _tables(db):
                tables[table] = dict(_rows(db, table, left + 1))
                left -= len(tables[table])
                if left < 0:
                    return _digest(file)
            return jsonable(tables)
    except sqlite3.Error as error:
        return f"<not readable: {error}>"


def _tables(db: sqlite3.Connection) -> list[str]:
    found = db.execute("select name from sqlite_schema where type = 'table' and name not like 'sqlite_%'")
    return sorted(name for (name,) in found)


def _rows(db: sqlite3.Connection, table: str, most: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Up to `most` rows with their keys, each once."""
    quoted = '"' + table.replace('"', '""') + '"'
    keys = [name for _, name, *_, place_in_key in db.execute(f"pragma table_info({quoted})") if place_in_key]
    found = db.execute(f"select {'' if keys else 'rowid, '}* from {quoted} limit ?", (most,))
    names = [column[0] for column in found.description][0 if keys else 1 :]
    seen: Counter[str] = Counter()
    for whole in found:
        row = dict(zip(names, whole[len(whole) - len(names) :], strict=True))
        key = tuple(row[name] for name in keys) if keys else (whole[0],)
        said = str(key[0] if len(key) == 1 else key)
        seen[said] += 1  # keys may be null, and a column may be called rowid
        yield said if seen[said] == 1 else f"{said} ({seen[said]})", row


def files(path: Path) -> Any:
    """The files of a folder by their path in it, or one file: its text, or its size and digest.

    Of a folder of more than `MOST_ROWS` files or `MOST_BYTES` bytes, their number, size and the time of the
    last change, in nanoseconds.
    """
    if not path.is_dir():
        return _file(path)
    found = sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink())
    stats = [one.stat() for one in found]
    size = sum(stat.st_size for stat in stats)
    if len(found) > MOST_ROWS or size > MOST_BYTES:
        return {"files": len(found), "bytes": size, "changed": max(stat.st_mtime_ns for stat in stats)}
    return {os.fspath(one.relative_to(path)): _file(one) for one in found}


def _file(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        text = path.read_text() if path.stat().st_size <= _LONGEST else None
    except UnicodeDecodeError:
        text = None
    return _digest(path) if text is None else text


def _digest(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file, with the write-ahead log beside it."""
    digest, size = hashlib.sha256(), 0
    for part in (path, path.with_name(f"{path.name}-wal")):
        if part.exists():
            with part.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
            size += part.stat().st_size
    return {"bytes": size, "sha256": digest.hexdigest()}
