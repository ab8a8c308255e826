"""Seconds from `git clone` to a first rehearsed and committed task, as README's first section says it.

Run it with `python benchmarks/first_task.py [REPOSITORY]`; without one it clones this one. The packages come
from the index or from pip's cache: `PIP_NO_CACHE_DIR=1` measures without the cache.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent


def main(repository: str) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, "XDG_DATA_HOME": str(folder / "data")}
        environment.pop("PYTHONPATH", None)
        clone, python = folder / "artis_sdk", folder / "venv" / "bin" / "python"
        total = 0.0
        for what, command in (
            ("git clone", ["git", "clone", "--quiet", repository, str(clone)]),
            ("python -m venv", [sys.executable, "-m", "venv", str(folder / "venv")]),
            ("pip install .", [str(python), "-m", "pip", "install", "--quiet", str(clone)]),
            ("the program", [str(python), str(folder / "first.py")]),
        ):
            if what == "the program":
                (folder / "first.py").write_text(first_program(clone / "README.md"))
            began = time.monotonic()
            subprocess.run(command, check=True, env=environment, cwd=folder)
            seconds = time.monotonic() - began
            total += seconds
            print(f"{seconds:6.1f} s  {what}", flush=True)
        print(f"{total:6.1f} s  in all")


def first_program(readme: Path) -> str:
    """README's first Python block."""
    found = re.search(r"^```python\n(.*?)^```", readme.read_text(), re.M | re.S)
    assert found is not None
    return found[1]


if __name__ == "__main__":
    main(sys.argv[1] if sys.argv[1:] else str(ROOT))
