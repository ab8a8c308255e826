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
    tokens_per_pass: int = Field(default=4096, ge=1)
    """Maximum tokens of one forward pass in one process, a prefix that its rows share counted once; a longer
    row is a pass of its own."""
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
    def check_shares(self, processes: int) -> None:
        """Refuse a number of processes that cannot share a step.

        Raises:
            TrainingError: they cannot.
        """
