"""The settings that all training runs have."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import BaseModel, Field

from artis_sdk.records.calls import FROZEN
from artis_sdk.trainers.precision import Precision


class RunSettings(BaseModel):
    """Settings of a run, whatever it trains."""

    model_config = FROZEN

    learning_rate: float = Field(gt=0.0)
    rank: int = Field(default=16, ge=1)
    alpha: int = Field(default=32, ge=1)
    seed: int = 0
    precision: Precision = "auto"
    attn_implementation: str | None = None
    """Attention by transformers' name, such as `sdpa` or `flash_attention_2`; None for its default."""
    four_bit: bool = False
    """Whether the base is held in 4 bits a weight (NF4, by bitsandbytes) while an adapter is trained."""
    gradient_checkpointing: bool | None = None
    """Whether activations are computed again in the backward pass, for less memory and more time; None for
    where the memory that is free does not suffice without (`memory.plan_memory`)."""

    @abstractmethod
    def accumulation(self, processes: int) -> int:
        """Micro-batches of one step in each process, as TRL counts them.

        Raises:
            TrainingError: a step cannot be shared by the processes.
        """
