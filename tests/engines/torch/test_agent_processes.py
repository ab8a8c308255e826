"""An agent trained by two processes: each does its share, one prints."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]  # where others take the processor
pytest.importorskip("torch")

from helpers.tiny_model import Shape, hf_model  # noqa: E402

from artis_sdk.errors import TrainingError  # noqa: E402
from artis_sdk.trainers.agent import AgentSettings  # noqa: E402

SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16)


def test_held_out_tasks_are_rolled_out_once_and_one_process_prints(tmp_path: Path) -> None:
    out, rolled = tmp_path / "out", tmp_path / "rolled"
    command: list[Any] = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"),
        *("-m", "artis_sdk.cli", "train", "agent", "--base", hf_model(SMALL), "--out", out, "--full"),
        *("--tasks", "helpers.shared_tasks:tasks", "--group", "2", "--tasks-per-step", "2", "--cpu"),
        *("--tokens-per-pass", "1", "--steps", "1", "--tokens", "16", "--turns", "1"),
    ]
    environment = {**os.environ, "ROLLED": str(rolled), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=900, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    played = {tuple(line.split()[:2]) for line in rolled.read_text().splitlines()}
    assert {(task, rank) for task, rank in played if int(task[-1]) >= 2} == {
        ("task2", "0"),
        ("task3", "1"),
        ("task4", "0"),
    }
    waits = {int(line.split()[2]) for line in rolled.read_text().splitlines()}
    assert waits == {24 * 3600}  # longer than the first process prepares a large log
    assert done.stdout.count("agent: ") == 1
    card = json.loads((out / "agent" / "card.json").read_bytes())
    assert card["training"]["processes"] == 2
    assert card["held_out"]["after"].keys() >= {"success", "reward_answer"}
    rollouts = [out / "rollouts.jsonl", out / "1-rollouts.jsonl"]
    assert [len(path.read_text().splitlines()) for path in rollouts] == [2, 2]  # a whole group for each


def test_groups_that_cannot_be_shared_are_refused_before_the_run() -> None:
    settings = AgentSettings(group=8, tasks_per_step=3)
    for processes in (1, 3):
        settings.check_shares(processes)
        assert settings.share(processes) * processes == 24
    with pytest.raises(TrainingError, match="set --tasks-per-step to a multiple of 2"):
        settings.check_shares(2)
