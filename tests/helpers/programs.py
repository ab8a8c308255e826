"""The programs in `examples/`, run as they stand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def ran(name: str, *arguments: object, warnings: str = "error") -> str:
    """What a program prints.

    Args:
        name: its file's name, without the ending.
        arguments: of its command line.
        warnings: Python's `-W`; frameworks warn of their own.
    """
    command = [sys.executable, "-W", warnings, f"examples/{name}.py", *map(str, arguments)]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
