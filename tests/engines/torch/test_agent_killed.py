"""A run that is killed with SIGKILL goes on to the very curve, rollouts and weights of one that was not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]  # where others take the processor
torch: Any = pytest.importorskip("torch")

from helpers import agent_train_child  # noqa: E402
from helpers.agent import taught  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody kills."""
    out = tmp_path_factory.mktemp("whole") / "out"
    agent_train_child.train(taught(), out)
    return out


def curve(out: Path) -> list[dict[str, float]]:
    """Measures by step, without those of the clock."""
    clock = ("time", "runtime", "per_second", "seconds")
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in entry.items() if not any(word in name for word in clock)}
        for entry in entries
        if "reward" in entry or "held_out_success" in entry
    ]


def rollouts(out: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (out / "rollouts.jsonl").read_text().splitlines()]
    for line in lines:
        del line["seconds"]
    return lines


def killed(out: Path, moment: str, *launcher: str) -> int:
    command = [sys.executable, *launcher, "-m", agent_train_child.__name__, str(taught()), str(out), moment]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"}
    done = subprocess.run(command, env=environment, check=False)
    assert not (out / "agent").exists()
    return done.returncode


def test_killed_and_resumed(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "out"
    assert killed(out, "saving") == -signal.SIGKILL
    done = len(rollouts(out))
    assert 0 < done <= len(rollouts(whole))
    assert (out / "checkpoints" / "checkpoint-4").exists()  # written, and not known to be whole

    stages: list[str] = []
    agent_train_child.train(taught(), out, resume=True, on_stage=stages.append)
    assert "resuming from checkpoint-2" in stages
    ours, theirs = curve(out), curve(whole)
    assert [entry["step"] for entry in ours] == [entry["step"] for entry in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(other, abs=1e-5)
    assert rollouts(out) == rollouts(whole)
    same_weights(out, whole)


def test_two_are_killed_and_one_resumes(tmp_path: Path, whole: Path) -> None:
    """Each rolled out half of the tasks; the losses, rollouts and weights are those of one process."""
    out = tmp_path / "out"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    assert killed(out, "stepping", *torchrun) != 0
    agent_train_child.train(taught(), out, resume=True)
    ours, theirs = ([entry for entry in curve(run) if "reward" in entry] for run in (out, whole))
    assert [entry["step"] for entry in ours] == [entry["step"] for entry in theirs] == [1, 2, 3, 4]
    for mine, other in zip(ours, theirs, strict=True):
        for name in ("loss", "grad_norm", "reward"):
            assert mine[name] == pytest.approx(other[name], abs=1e-4), name
    second = [json.loads(line) for line in (out / "1-rollouts.jsonl").read_text().splitlines()]
    texts = [turn for line in [*rollouts(out), *second] for turn in line["turns"] if line["step"] < 2]
    assert sorted(texts) == sorted(t for line in rollouts(whole) for t in line["turns"] if line["step"] < 2)
    same_weights(out, whole)


def same_weights(out: Path, whole: Path) -> None:
    from safetensors.torch import load_file

    weights, expected = (load_file(run / "agent" / "model.safetensors") for run in (out, whole))
    assert weights.keys() == expected.keys()
    for name, value in weights.items():
        assert torch.allclose(value, expected[name], atol=1e-5), name
