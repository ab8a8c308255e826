"""`python -m artis_sdk.trainers.pocket.adapters`: the simulator's two adapters over the pocket base.

Both are trained by the SDK's own `train_simulator` with the same settings: the normal one on the plain
log, the failure-driven one on that log with generated failures, with rare outcomes drawn more often.
"""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any, Final

from artis_sdk.pocket.chat import pocket_prompts
from artis_sdk.pocket.weights import ADAPTERS
from artis_sdk.trainers.dataset.prepare import DataSettings
from artis_sdk.trainers.dataset.rebalance import NORMAL, Rebalance
from artis_sdk.trainers.pocket.log import write
from artis_sdk.trainers.pocket.thoughts import think
from artis_sdk.trainers.simulator.settings import SFTSettings
from artis_sdk.trainers.simulator.train import TrainedAdapter, train_simulator
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import plain

SLIPS: Final = 0.05
"""Share of slips among the plain log's turns; low, as real logs hold few failures."""
TASKS: Final = 4000
REBALANCE: Final = {"normal": NORMAL, "failure_driven": Rebalance(exponent=0.5, cap=4.0)}


def train(run: Path, name: str, *, rows: int, rate: float, seed: int = 0) -> TrainedAdapter:
    """Train one adapter, or continue its training.

    Args:
        run: folder with `base/model`, into which `<name>.db` and `<name>/` are written.
        name: name from `ADAPTERS`.
        rows: draws in one epoch.
        rate: peak learning rate.
        seed: seed of log and training.
    """
    with contextlib.chdir(run):  # cards then name no path of this machine
        log = Path(f"{name}.db")
        if not log.exists():
            failing = name == "failure_driven"
            write(log, part="train", count=TASKS, seed=seed + 1, failures=failing, slips=SLIPS)
        rebalance = REBALANCE[name].model_copy(update={"target": rows})
        return train_simulator(
            log,
            Path("base/model"),
            name,
            data=DataSettings(rebalance=rebalance, validation=0.02, test=0.05, max_validation=96, seed=seed),
            settings=SFTSettings(
                learning_rate=rate,
                epochs=1,
                batch=32,
                max_length=700,
                focus=True,
                look_up=True,
                evaluations=3,
                judged=96,
                seed=seed,
            ),
            prompts=pocket_prompts(),
            thoughts=think,
            resume=Path(name).exists(),
            cpu=True,
            on_progress=_tell,
        )


def _tell(progress: Any) -> None:
    if progress.metrics is not None or progress.step % 10 == 0:
        told = progress.metrics or f"loss {progress.loss:.3f}"
        Screen().print(plain(f"step {progress.step}/{progress.steps}  {told}"), soft_wrap=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "run", type=Path, help="folder with base/, of artis_sdk.trainers.pocket.train --out RUN/base"
    )
    parser.add_argument("--only", choices=ADAPTERS)
    parser.add_argument("--rows", type=int, default=10000, help="drawn for each adapter")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    import torch

    torch.set_num_threads(given.threads)
    for name in ADAPTERS if given.only is None else (given.only,):
        done = train(given.run, name, rows=given.rows, rate=given.rate, seed=given.seed)
        Screen().print(plain(f"{name}: {done.adapter}"), soft_wrap=True)


if __name__ == "__main__":
    main()
