"""A training run in a process of its own, which a test kills, starves of disk, or starts twice.

python train_child.py OPTIONS: JSON with `log`, `base`, `out`, `resume`, and what is to happen:
`kill` (at a step, or `"checkpoint"` in the middle of one), `full` (the disk, from a step on; with `fill` by
a file, else by a limit on files).
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

import torch

from artis_sdk.errors import TrainingError
from artis_sdk.prompts import Prompts
from artis_sdk.trainers.dataset.prepare import DataSettings
from artis_sdk.trainers.dataset.rebalance import Rebalance
from artis_sdk.trainers.simulator import checkpoints as sft_checkpoints
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.simulator.train import TrainedAdapter, train_simulator

SHORT = {
    "simulator_system": "Simulate the bank.",
    "simulator_user": "{{ init_config }}\n{{ history }}\n{{ action }}",
}
SETTINGS = SFTSettings(
    epochs=2, batch=16, tokens_per_pass=1024, judged=2, learning_rate=1e-2, focus=True, patience=99
)
DATA = DataSettings(rebalance=Rebalance(target=40), validation=0.2, test=0.2)


def run(log: Path, base: Path, out: Path, **more: Any) -> TrainedAdapter:
    """A run of 6 steps in 2 epochs, with a checkpoint at every step."""
    torch.set_num_threads(1)
    given: dict[str, Any] = {
        "data": DATA,
        "settings": SETTINGS,
        "prompts": Prompts(SHORT),
        "cpu": True,
        **more,
    }
    return train_simulator(log, base, out, **given)


def fill(path: Path) -> None:
    """Write a file until the disk has no room."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def main(given: dict[str, Any]) -> None:
    def on_progress(at: Any) -> None:
        if at.loss is None:
            return
        if at.step == given.get("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if at.step == given.get("full") and "fill" in given:
            fill(Path(given["fill"]))
        elif at.step == given.get("full"):
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))

    if given.get("kill") == "checkpoint":
        mark = sft_checkpoints.mark

        def killed(checkpoint: Path) -> None:
            if checkpoint.name == "checkpoint-4":
                (checkpoint / "optimizer.pt").write_bytes(b"cut off")
                os.kill(os.getpid(), signal.SIGKILL)
            mark(checkpoint)

        sft_checkpoints.mark = killed
    try:
        run(
            Path(given["log"]), given["base"], Path(given["out"]),
            resume=given.get("resume", False), on_progress=on_progress,
        )  # fmt: skip
    except TrainingError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
