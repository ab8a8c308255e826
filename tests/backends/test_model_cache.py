"""The cache of real models: made once, whole, by one of several processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MAKING = """
import sys, time
from pathlib import Path
from helpers.models import _made_once

def make(scratch):
    with Path(sys.argv[1]).open("a") as log:
        log.write("made\\n")
    (scratch / "folder").mkdir()
    for part in ("a", "b"):
        (scratch / "folder" / part).write_text(part)
        if len(sys.argv) > 2:
            print("half", flush=True)
            time.sleep(60)
    return scratch / "folder"

print(sorted(path.name for path in _made_once("model", make).iterdir()))
"""


def child(log: Path, *arguments: str) -> subprocess.Popen[str]:
    tests = Path(__file__).parent.parent
    return subprocess.Popen(
        [sys.executable, "-c", MAKING, str(log), *arguments], cwd=tests, stdout=subprocess.PIPE, text=True
    )


def test_several_processes_make_a_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them is killed half-way: what it began is no model."""
    monkeypatch.setenv("ARTIS_TEST_MODELS", str(tmp_path / "cache"))
    log = tmp_path / "log"
    with child(log, "slowly") as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "half\n"
        others = [child(log) for _ in range(3)]
        assert not (tmp_path / "cache" / "model").exists()
        first.kill()
    assert [other.communicate()[0] for other in others] == ["['a', 'b']\n"] * 3
    assert log.read_text() == "made\n" * 2
