"""The tutorial's files, commands and outputs, in the order of the page."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```', re.M | re.S)
VARYING = {
    r"\b[0-9a-f]{32}\b": "ID",
    r"\bPlan [0-9a-f]{8}\b": "Plan ID",
    r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?": "TIME",
    r"\b\d:\d\d:\d\d\b": "DURATION",
}


def same(text: str) -> list[str]:
    """The lines without what differs from run to run, or between shells."""
    for pattern, name in VARYING.items():
        text = re.sub(pattern, name, text)
    return [line.rstrip() for line in text.splitlines() if line != "Killed"]


def commands(body: str) -> Iterator[tuple[str, str]]:
    """Each command of a block, with the output below it."""
    for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


async def output(command: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = await asyncio.create_subprocess_shell(
        command,
        cwd=folder,
        env={**os.environ, "PATH": path, "COLUMNS": "100", "TERM": "dumb"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    return out.decode()


@pytest.mark.slow
async def test_the_tutorial(tmp_path: Path) -> None:
    ran = 0
    for kind, title, body in BLOCK.findall(PAGE.read_text()):
        if title:
            (tmp_path / title).write_text(body)
        elif kind == "console":
            for command, printed in commands(body):
                assert same(await output(command, tmp_path)) == same(printed), command
                ran += 1
    assert ran == 13
