"""Settings of a simulator's training, from the paper's appendix A if it has them."""

from __future__ import annotations

from pydantic import Field

from artis_sdk.errors import TrainingError
from artis_sdk.trainers.run_settings import RunSettings


class SFTSettings(RunSettings):
    """Supervised fine-tuning of a LoRA adapter on all linear layers, loss on the outcome only."""

    learning_rate: float = Field(default=1e-4, gt=0.0)
    warmup: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Share of the steps for warm-up; then the learning rate follows a cosine."""
    epochs: int = Field(default=3, ge=1)
    """Maximum number of epochs."""
    batch: int = Field(default=64, ge=1)
    """Rows per optimizer step, over all processes."""
    max_length: int = Field(default=4096, ge=16)
    """Maximum tokens of prompt and answer together."""
    focus: bool = False
    """Whether to show only the part of the state that the action refers to, even if all would fit."""
    look_up: bool = False
    """Whether to repeat beside the call the state entries that its arguments refer to."""
    max_characters: int | None = Field(default=None, ge=1)
    """Maximum characters of the prompt's data; None for what fits `max_length` by the tokens in the data."""
    evaluations: int = Field(default=10, ge=1)
    """Number of evaluations on validation in the whole run, each with a checkpoint."""
    patience: int = Field(default=3, ge=1)
    """Evaluations without a better failure recall after which training stops."""
    judged: int = Field(default=256, ge=1)
    """Number of validation rows with generated outcome, at most half successes if there are failures."""

    def check_shares(self, processes: int) -> None:
        """Refuse steps of less rows than processes.

        Raises:
            TrainingError: they have less.
        """
        if self.batch < processes:
            raise TrainingError(
                f"a step of {self.batch} rows cannot be shared by {processes} processes: set --batch to at "
                f"least {processes}"
            )
