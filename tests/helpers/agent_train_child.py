"""A training run in a process of its own, to be killed: `agent_train_child.py BASE OUT MOMENT`."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from artis_sdk.trainers.agent import AgentSettings, AgentTrainer, RolloutLimits, TrainedAgent
from artis_sdk.trainers.agent.examples.lookup import lookup_tasks
from artis_sdk.trainers.agent.small import PROMPT
from artis_sdk.trainers.simulator import checkpoints as sft_checkpoints

STEPS = 4


def train(base: Path, out: Path, *, resume: bool = False, **more: Any) -> TrainedAgent:
    """The run that is killed, resumed, and compared: four steps, a checkpoint after each second."""
    settings = AgentSettings(
        prompt=PROMPT, think=False, lora=False, learning_rate=1e-3, group=4, tasks_per_step=2,
        tokens_per_pass=600, steps=STEPS, save_every=2, measured=4, limits=RolloutLimits(turns=3, tokens=120),
    )  # fmt: skip
    held_out = lookup_tasks(4, held_out=True)
    return AgentTrainer(
        base, out, lookup_tasks(16), held_out=held_out, settings=settings, resume=resume, cpu=True, **more
    ).train()


def die() -> None:
    """As when the machine goes away: nothing is flushed, nothing is tidied up."""
    os.kill(os.getpid(), signal.SIGKILL)


def main(base: Path, out: Path, moment: str) -> None:
    """Train, and be killed after a step or in the middle of saving."""
    whole = sft_checkpoints.mark

    def mark(checkpoint: Path) -> None:
        if moment == "saving" and checkpoint.name == "checkpoint-4":
            die()
        whole(checkpoint)

    def step(at: Any) -> None:
        if moment == "stepping" and at.step == 3:
            die()

    sft_checkpoints.mark = mark
    train(base, out, on_step=step)


if __name__ == "__main__":
    import torch

    torch.set_num_threads(1)
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
