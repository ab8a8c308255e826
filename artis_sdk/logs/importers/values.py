"""One reader for JSON files, JSON lines, Parquet and `.eval`, plain or compressed with gzip."""

from __future__ import annotations

import json
import os
import struct
import zipfile
import zlib
from codecs import BOM_UTF8
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import JsonValue

from artis_sdk.errors import LogError
from artis_sdk.logs.importers.read import from_text, parsed
from artis_sdk.logs.jsonl import open_plain
from artis_sdk.logs.parquet import parquet_rows, zstd_content
from artis_sdk.records.jsonable import jsonable

SUFFIXES: Final = (".json", ".jsonl", ".ndjson", ".log", ".txt", ".gz", ".parquet", ".eval")
"""Endings of the files that are read in a folder."""

_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_ZSTD: Final = 93  # compression method of zip files


def files_of(path: Path, suffixes: Container[str] = SUFFIXES) -> tuple[list[Path], list[Path]]:
    """The files of a folder and below, or the file itself: those to read, by name, and the others.

    `results.json` comes before the files of the folder beside it.
    """
    if not path.is_dir():
        return [path], []
    found = sorted(item for item in path.rglob("*") if item.is_file() and not item.name.startswith("."))
    wanted = [item for item in found if item.suffix.lower() in suffixes]
    return wanted, [item for item in found if item.suffix.lower() not in suffixes]


def read_values(path: Path) -> Iterator[tuple[int, JsonValue | LogError]]:
    """The values of a file with their line numbers: JSON lines, or one JSON text over all its lines; the
    rows of a Parquet file; the samples of an `.eval` file.

    Raises:
        LogError: the file cannot be read.
        MissingExtraError: it is a Parquet file, and pyarrow is not installed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
        if start == _PARQUET:
            for number, row in enumerate(parquet_rows(path), 1):
                yield number, {name: _column(value) for name, value in row.items() if not _missing(value)}
        elif start == _ZIP:
            yield from _samples(path)
        else:
            with open_plain(path) as opened:
                yield from _lines(path, opened)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError) as error:
        raise LogError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _lines(path: Path, file: BinaryIO) -> Iterator[tuple[int, JsonValue | LogError]]:
    """JSON lines, if the first one is JSON or if the file as a whole is none and another line is."""
    first = next((line for line in file if line.strip()), b"")
    file.seek(0)
    if first and not _is_json(first):
        whole = _whole(path, file.read())
        file.seek(0)
        if not isinstance(whole, LogError) or not any(line[:1] == b"{" and _is_json(line) for line in file):
            yield 1, whole
            return
        file.seek(0)
    for number, line in enumerate(file, 1):
        if line.strip():
            yield number, _value(path, number, line)


def _is_json(line: bytes) -> bool:
    try:
        from_text(line.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError):
        return False
    return True


def _value(path: Path, number: int, line: bytes) -> JsonValue | LogError:
    try:
        return from_text(line.removeprefix(BOM_UTF8))
    except (ValueError, RecursionError) as error:
        return LogError(f"{path}:{number}: not JSON: {error}")


def _whole(path: Path, text: bytes) -> JsonValue | LogError:
    try:
        return from_text(text)
    except json.JSONDecodeError as error:
        return LogError(f"{path}:{error.lineno}: not JSON: {error.msg}")
    except (ValueError, RecursionError) as error:
        return LogError(f"{path}:1: not JSON: {error}")


def _samples(path: Path) -> Iterator[tuple[int, JsonValue | LogError]]:
    """The samples of Inspect's `.eval`, which is a zip file."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("samples/"))
        for number, name in enumerate(names, 1):
            member = archive.getinfo(name)
            content = _zstd(path, member) if member.compress_type == _ZSTD else archive.read(name)
            yield number, _whole(path, content)


def _zstd(path: Path, member: zipfile.ZipInfo) -> bytes:
    """A member's content that is compressed as Inspect does it, which `zipfile` reads from Python 3.14 on."""
    with path.open("rb") as file:
        file.seek(member.header_offset)
        name_length, extra_length = struct.unpack("<26xHH", file.read(30))
        file.seek(name_length + extra_length, os.SEEK_CUR)
        return zstd_content(file.read(member.compress_size))


def _column(value: Any) -> JsonValue:
    """A column's value: JSON in a text is read."""
    if isinstance(value, str):
        return parsed(value) if value.lstrip()[:1] in ("{", "[") else value
    return _inner(value)


def _inner(value: Any) -> JsonValue:
    """A value in a column as JSON. A struct has a field for every row's, null where it was not there."""
    if isinstance(value, dict):
        return {key: _inner(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        if value and all(isinstance(item, tuple) for item in value):  # a map
            return {str(key): _inner(item) for key, item in value}
        return [_inner(item) for item in value]
    plain: JsonValue = jsonable(value)
    return plain


def _missing(value: Any) -> bool:
    """Whether a row has no value in a column: pandas writes NaN for none."""
    return value is None or value != value
