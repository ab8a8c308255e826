"""The common part of our trainers on top of TRL: whole checkpoints, and most arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, Protocol

import torch

from artis_sdk.trainers.simulator import checkpoints as sft_checkpoints

RESUME: Final = "run the same command with --resume"


class WholeCheckpoints:
    """A mix-in before a trainer of transformers: it saves all of a checkpoint or none."""

    args: Any
    state: Any
    accelerator: Any

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder, step = Path(self.args.output_dir), self.state.global_step
        with sft_checkpoints.saving(folder, step, RESUME):
            super()._save_checkpoint(model, trial)  # type: ignore[misc]
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                sft_checkpoints.mark(folder / f"checkpoint-{step}")

    def create_model_card(self, *args: Any, **more: Any) -> None:
        """Nothing: the card is our own, and is written at the end."""


class RunSettings(Protocol):
    """The common settings of all our runs."""

    @property
    def micro_batch(self) -> int: ...
    @property
    def learning_rate(self) -> float: ...
    @property
    def gradient_checkpointing(self) -> bool: ...
    @property
    def seed(self) -> int: ...
    @property
    def precision(self) -> Literal["auto", "bf16", "fp32"]: ...
    def accumulation(self, processes: int) -> int:
        """Micro-batches of one step on each process."""


def shared_arguments(folder: Path, settings: RunSettings, *, processes: int, cpu: bool) -> dict[str, Any]:
    """Arguments of transformers that are the same for all our runs.

    Args:
        folder: folder of the checkpoints.
        settings: settings of the run.
        processes: number of training processes.
        cpu: whether to train on the CPU.
    """
    bf16 = settings.precision == "bf16" or (
        settings.precision == "auto"
        and not cpu
        and torch.cuda.is_available()
        and torch.cuda.is_bf16_supported()
    )
    return {
        "output_dir": str(folder),
        "per_device_train_batch_size": settings.micro_batch,
        "gradient_accumulation_steps": settings.accumulation(processes),
        "learning_rate": settings.learning_rate,
        "weight_decay": 0.0,
        "bf16": bf16,
        "use_cpu": cpu,
        "ddp_backend": "gloo" if cpu and processes > 1 else None,
        "gradient_checkpointing": settings.gradient_checkpointing,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "save_strategy": "steps",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": [],
        "dataloader_pin_memory": False,
    }
