"""Commands whose output nobody reads any more: a closed pipe, a closed standard output."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.cli import write_desk

pytestmark = pytest.mark.slow

COMMAND = f"{shlex.quote(sys.executable)} -m artis_sdk.cli"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_desk(tmp_path)
    return tmp_path


def shell(folder: Path, line: str) -> tuple[str, str]:
    """What a shell's line with `artis` prints on both streams."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTIS_")}
    done = subprocess.run(
        ["sh", "-c", f'artis() {{ {COMMAND} "$@"; }}\n{line}'],
        cwd=folder,
        env=environment | {"COLUMNS": "200", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout, done.stderr


def test_a_pipe_that_closes_does_not_end_a_commit(folder: Path) -> None:
    """The payment waits until the reader has left."""
    (folder / "hang").touch()
    reader = "while read -r line; do case \"$line\" in 'pay(amount=5)   '*) break;; esac; done"
    _, err = shell(
        folder, f"{{ artis run Buy --yes; echo exit $? >&2; }} | {{ {reader}; exec <&-; rm hang; }}"
    )
    assert "exit 1" in err
    assert (folder / "made.txt").read_text() == "reserved lamp\npaid 5\n", "it was carried out to its end"
    assert "the output cannot be written, and 3 real calls had been made" in err
    assert "next: artis journal show --plan " in err
    assert list(folder.glob("plan-*.json")) == []


def test_a_document_that_nobody_reads_is_told_of_too(folder: Path) -> None:
    _, err = shell(folder, "{ sleep 1; artis run Buy --yes --json; } | true")
    assert "3 real calls had been made" in err


def test_a_closed_output_is_no_error(folder: Path) -> None:
    out, err = shell(folder, "artis run Buy --yes --json >&-; echo exit $?")
    assert (out, err) == ("exit 0\n", "")
    assert (folder / "made.txt").read_text() == "reserved lamp\npaid 5\n"
