"""The settings that all training runs have."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import BaseModel, Field

from artis_sdk.records.calls import FROZEN
from artis_sdk.trainers.precision import Precision


class RunSettings(BaseModel):
    """Settings of a run, whatever it trains."""

    model_config = FROZEN

    micro_batch: int = Field(default=8, ge=1)
    """Rows, or rollouts, per forward pass in one process."""
    learning_rate: float = Field(gt=0.0)
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    seed: int = 0
    precision: Precision = "auto"
    attn_implementation: str | None = None
    """Attention by transformers' name, such as `sdpa` or `flash_attention_2`; None for its default."""
    gradient_checkpointing: bool = False

    @abstractmethod
    def accumulation(self, processes: int) -> int:
        """Micro-batches of one step in each process.

        Raises:
            TrainingError: a step cannot be shared evenly by the processes and their micro-batches.
        """
