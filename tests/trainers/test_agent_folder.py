"""The folder of an agent's run: its log of rollouts goes on where a killed run stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.agent import a_task

from artis_sdk.trainers.agent.rewards import Rewards
from artis_sdk.trainers.agent.rollout import Rollout
from artis_sdk.trainers.agent.run_folder import RolloutLog
from artis_sdk.trainers.agent.tape import Tape
from artis_sdk.trainers.agent.turns import read_tags


def rollouts(text: str) -> list[Rollout]:
    return [
        Rollout(a_task(), Tape(()), [read_tags(f"<answer>{said}</answer>", {})], end="answer")
        for said in (text, "no")
    ]


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029b", "a\x85b", "a\x0bb", "a\rb", "ä"])
def test_whatever_a_model_wrote_a_resumed_run_keeps_its_lines(tmp_path: Path, text: str) -> None:
    path, rewards = tmp_path / "rollouts.jsonl", Rewards({"format": 1.0})
    log = RolloutLog(path, 0, rewards=rewards, group=2, scale=True)
    for step in range(3):
        made = rollouts(text)
        log.add(step, made, [rewards.components(one) for one in made])
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:40])  # killed while it wrote
    RolloutLog(path, 2, rewards=rewards, group=2, scale=True)
    kept = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    assert [line["step"] for line in kept] == [0, 0, 1, 1]
    assert kept[0]["answer"] == text
    assert whole.startswith(path.read_bytes())
