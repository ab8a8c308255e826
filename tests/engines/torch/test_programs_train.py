"""The example that trains, and the tutorial's last step, with a small base in place of a real one; and
whether the trainer of agents is documented."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.engine
torch: Any = pytest.importorskip("torch")

from helpers.documented import undocumented  # noqa: E402
from helpers.tiny_model import Shape, hf_model  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from artis_sdk.cli.app import app  # noqa: E402

ROOT = Path(__file__).parents[3]
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()
BASE = Shape(hidden=32, intermediate=64, heads=2, kv_heads=1, head_dim=16, tied=True)


def test_the_example_trains_a_simulator() -> None:
    program = runpy.run_path(str(ROOT / "examples" / "log_to_simulator.py"))
    adapter = program["main"](str(hf_model(BASE)))
    assert (adapter / "README.md").is_file()
    assert (adapter / "artis_simulator.json").is_file()


def test_the_tutorial_trains_and_measures_a_simulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for title, body in re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', TUTORIAL, re.M | re.S):
        (tmp_path / title).write_text(body)
    subprocess.run([sys.executable, "day.py"], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (script,) = re.findall(r"^```shell\n(.*?)^```", TUTORIAL, re.M | re.S)
    # So small a base may write no readable answer to four calls; then nothing could be measured.
    script = script.replace("$BASE", str(hf_model(BASE))).replace("--limit 4", "--limit 16")
    for line in script.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "artis"
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "fidelity" / "report.html").is_file()
    assert (tmp_path / "run" / "adapter" / "artis_trust.json").is_file()


def test_the_agent_trainer_is_documented() -> None:
    assert undocumented("artis_sdk.trainers.agent") == []
