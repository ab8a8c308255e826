"""Generation by vLLM beside the training: each step samples from the weights as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]  # where others take the processor
torch: Any = pytest.importorskip("torch")
pytest.importorskip("vllm")

CHILD = ("-P", "-m", "helpers.agent_vllm_child")


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_the_engine_samples_from_the_trained_weights(tmp_path: Path, kind: str) -> None:
    settings = {"OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1", "TORCH_COMPILE_DISABLE": "1"}
    ran = subprocess.run(
        [sys.executable, *CHILD, str(tmp_path / "out"), kind],
        env={**os.environ, **settings, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    found = json.loads(ran.stdout.splitlines()[-1])
    assert len(found["grad_norms"]) == 2
    assert all(0 < norm < 1000 for norm in found["grad_norms"])
    # vLLM computes in bfloat16; two steps this large move the model far.
    assert found["before"] < 0.1
    assert found["from_trained"] < 0.1
    assert found["from_base"] > 1.0
    # A request that ended makes room at once: waiting for the slowest of two would take 28 steps.
    assert [len(ids) for ids in found["ids"]] == [20, 4, 4, 4, 4, 4]
    assert found["steps"] < 26
    assert found["prefixes"]
    groups = defaultdict(set)
    for line in (tmp_path / "out" / "rollouts.jsonl").read_text().splitlines():
        rollout = json.loads(line)
        groups[rollout["step"], rollout["task"]].add(tuple(rollout["turns"]))
    assert len(groups) == 4
    assert all(len(different) == 4 for different in groups.values()), "a group's rollouts are the same"
