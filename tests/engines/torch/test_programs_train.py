"""The example that trains, and the tutorial's last step, with a small base in place of a real one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.tiny_model import Shape, hf_model  # noqa: E402

ROOT = Path(__file__).parents[3]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
BASE = Shape(hidden=32, intermediate=64, heads=2, kv_heads=1, head_dim=16, tied=True)


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BASE": str(hf_model(BASE)), "CUDA_VISIBLE_DEVICES": ""}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-4_000:]
    return done.stdout


def test_the_example_trains_a_simulator(tmp_path: Path) -> None:
    program = ROOT / "examples" / "log_to_simulator.py"
    out = run([sys.executable, str(program), str(hf_model(BASE))], tmp_path)
    folder = Path(out.splitlines()[-1].rpartition(": ")[2])
    assert (folder / "README.md").is_file()
    assert (folder / "artis_simulator.json").is_file()


def test_the_tutorial_trains_and_measures_a_simulator(tmp_path: Path) -> None:
    for title, body in re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', TUTORIAL, re.M | re.S):
        (tmp_path / title).write_text(body)
    run([sys.executable, "day.py"], tmp_path)
    (script,) = re.findall(r"^```shell\n(.*?)^```", TUTORIAL, re.M | re.S)
    run(["sh", "-e", "-c", script], tmp_path)
    assert (tmp_path / "run" / "fidelity" / "report.html").is_file()
    assert (tmp_path / "run" / "adapter" / "artis_trust.json").is_file()
