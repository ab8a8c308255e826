"""A file of JSON lines that several processes append to and read, while some of them are killed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

WIDTH = 512
"""Bytes of every line. It divides a page of memory, at whose end the kernel may interrupt a write: a
process that dies there leaves half a line, and one that reads meanwhile sees half a line."""


def append(file: Path, line: Any) -> None:
    """Write a line, whole or not at all: what the kernel has been given outlives the process."""
    written = json.dumps(line).encode().ljust(WIDTH - 1) + b"\n"
    assert len(written) == WIDTH, f"the line is longer than {WIDTH} bytes: {line}"
    opened = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(opened, written)
    finally:
        os.close(opened)


def lines(file: Path) -> list[Any]:
    """The lines so far: none where the file does not exist."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
