"""mypy sees guarded functions as the functions that they guard."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What tools are made of is looked at; the rest of the package would take mypy half a minute.
SETTINGS = """
[mypy]
strict = True
follow_imports = silent
mypy_path = tests
explicit_package_bases = True
[mypy-artis_sdk.session.*,artis_sdk.loop.*,artis_sdk.simulators.*,artis_sdk.backends.*,artis_sdk.logs.*]
follow_imports = skip
"""


@pytest.mark.slow
def test_types_survive_the_guard(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is in the dev extra")
    settings = tmp_path / "mypy.ini"
    settings.write_text(SETTINGS)
    command = [sys.executable, "-m", "mypy", "--config-file", str(settings)]
    command += ["--cache-dir", ".mypy_cache/typing_tools", "tests/helpers/typing_tools.py"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240, check=False)
    assert result.returncode == 0, result.stdout
