"""The examples with other frameworks run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(find_spec("pydantic_ai") is None, reason="`make frameworks` installs it and runs this")
def test_pydantic_ai() -> None:
    done = subprocess.run(
        [sys.executable, "examples/pydantic_ai_offline.py"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "rehearsed: 5 attempts, accounts {}",
        "committed: done: {'sent': 80} accounts {'bob': 80}",
    ]
