"""The common part of our trainers on top of TRL: whole checkpoints, and most arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from artis_sdk.trainers.precision import choose_precision
from artis_sdk.trainers.run_settings import RunSettings
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


def shared_arguments(
    folder: Path, settings: RunSettings, *, processes: int, checkpointing: bool, cpu: bool
) -> dict[str, Any]:
    """Arguments of transformers that are the same for all our runs.

    Args:
        folder: folder of the checkpoints.
        settings: settings of the run.
        processes: number of training processes.
        checkpointing: whether activations are computed again in the backward pass.
        cpu: whether to train on the CPU.

    Raises:
        TrainingError: the device does not have the precision.
    """
    precision = choose_precision(settings.precision, cpu=cpu)
    return {
        "output_dir": str(folder),
        "gradient_accumulation_steps": 1,  # a process divides its share of a step itself
        "learning_rate": settings.learning_rate,
        "weight_decay": 0.0,
        "router_aux_loss_coef": 0.0,  # experts of the base stay as they are
        "bf16": precision == "bf16",
        "fp16": precision == "fp16",
        "use_cpu": cpu,
        "ddp_find_unused_parameters": False,  # all are used: no search for others after every pass
        "ddp_backend": "gloo" if cpu and processes > 1 else None,
        "gradient_checkpointing": checkpointing,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "save_strategy": "steps",
        "logging_strategy": "steps",
        "logging_steps": 1,
        "disable_tqdm": True,
        "report_to": [],
        "dataloader_pin_memory": False,
    }
