"""What Hypothesis draws for generated calls: the same for a seed, in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

_DRAW = """
import json, sys
if sys.argv[1:]:
    import application
from artis_sdk.trainers.generate.strategies import draw, from_schema
kinds = ("string", "integer", "number")
print(json.dumps(draw({kind: from_schema({"type": kind}, {}) for kind in kinds}, 150, 7)))
"""


def drawn(folder: Path, *loaded: str) -> str:
    made = subprocess.run(
        [sys.executable, "-c", _DRAW, *loaded],
        check=True, capture_output=True, text=True, timeout=120, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
    )  # fmt: skip
    return made.stdout


@pytest.mark.slow
def test_draws_do_not_depend_on_the_modules_that_a_process_has_loaded(tmp_path: Path) -> None:
    constants = [f'"word {n}", {7_000_003 * n}, {n}.125' for n in range(1, 200)]
    (tmp_path / "application.py").write_text(f"KNOWN = [{', '.join(constants)}]\n")
    alone = drawn(tmp_path)
    assert len(json.loads(alone)) == 150
    assert drawn(tmp_path, "application") == alone
