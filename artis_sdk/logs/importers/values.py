"""One reader for JSON files and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from artis_sdk.errors import LogError
from artis_sdk.logs.codec import loads


def read_values(path: Path) -> Iterator[tuple[int, JsonValue | LogError]]:
    """The values of a file with their line numbers: JSON lines, or one JSON text over all its lines.

    Raises:
        LogError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            first = next((line for line in file if line.strip()), b"")
            if _is_json(first):
                file.seek(0)
                for number, line in enumerate(file, 1):
                    if line.strip():
                        yield number, _value(path, number, line)
            elif first:
                yield 1, _whole(path)
    except OSError as error:
        raise LogError(f"{path} cannot be read: {error.strerror}") from error


def _is_json(line: bytes) -> bool:
    try:
        loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _value(path: Path, number: int, line: bytes) -> JsonValue | LogError:
    try:
        value: JsonValue = loads(line)
    except (ValueError, RecursionError) as error:
        return LogError(f"{path}:{number}: not JSON: {error}")
    return value


def _whole(path: Path) -> JsonValue | LogError:
    try:
        value: JsonValue = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        return LogError(f"{path}:{error.lineno}: not JSON: {error.msg}")
    except (ValueError, RecursionError) as error:
        return LogError(f"{path}:1: not JSON: {error}")
    return value
