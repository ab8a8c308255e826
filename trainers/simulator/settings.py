"""Settings of a simulator's training; the paper's appendix A where it gives one."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from artis_sdk.errors import TrainingError
from artis_sdk.records.calls import FROZEN


class SFTSettings(BaseModel):
    """Supervised fine-tuning of a LoRA adapter on all linear layers, loss on the outcome only."""

    model_config = FROZEN

    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0.0)
    warmup: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the steps; the learning rate then follows a cosine."""
    epochs: int = Field(default=3, ge=1)
    """At most."""
    batch: int = Field(default=64, ge=1)
    """Rows of one optimizer step, over all processes."""
    micro_batch: int = Field(default=8, ge=1)
    """Rows at a time on one process."""
    max_length: int = Field(default=4096, ge=16)
    """Tokens of prompt and answer together."""
    focus: bool = False
    """Show of the state only what the action refers to, also where all of it would fit."""
    look_up: bool = False
    """Show beside the call the state entries that its arguments refer to."""
    max_characters: int | None = Field(default=None, ge=1)
    """Bound of the prompt's data; None is what fits `max_length` by the tokens seen in the data."""
    evaluations: int = Field(default=10, ge=1)
    """On validation, in the whole run; each makes a checkpoint."""
    patience: int = Field(default=3, ge=1)
    """Evaluations without a better failure recall after which training stops."""
    judged: int = Field(default=256, ge=1)
    """Validation rows, at most half of them successes if there are failures, whose outcome is generated."""
    seed: int = 0
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    """`auto` is bf16 on an accelerator that has it, else fp32."""
    gradient_checkpointing: bool = False

    def accumulation(self, processes: int) -> int:
        """Micro-batches of one optimizer step on each of so many processes.

        Raises:
            TrainingError: the batch is no multiple of them.
        """
        at_once = self.micro_batch * processes
        if self.batch % at_once:
            raise TrainingError(
                f"a batch of {self.batch} is no multiple of {processes} processes with {self.micro_batch} "
                f"rows at a time: set --micro-batch to a divisor of {max(self.batch // processes, 1)}"
            )
        return self.batch // at_once
