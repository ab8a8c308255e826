"""Settings of an agent's training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, Self

from pydantic import Field, model_validator

from artis_sdk.errors import TrainingError
from artis_sdk.trainers.agent.formats import Format, FormatName
from artis_sdk.trainers.agent.rollout import AgentTask, RolloutLimits
from artis_sdk.trainers.memory import PassSize
from artis_sdk.trainers.run_settings import RunSettings


class AgentSettings(RunSettings):
    """GRPO on rollouts with tools (section 2.2)."""

    format: FormatName = "tags"
    prompt: str | None = None
    """Prompt that replaces ours; see `formats.Tags`. In the native format, the system prompt."""
    think: bool = True
    """Whether thoughts are part of the format."""
    group: int = Field(default=8, ge=2)
    """Rollouts per task: G."""
    tasks_per_step: int = Field(default=8, ge=1)
    steps: int = Field(default=200, ge=1)
    learning_rate: float = Field(default=1e-5, gt=0.0)
    warmup: float = Field(default=0.0, ge=0.0, lt=1.0)
    temperature: float = Field(default=1.0, gt=0.0)
    kl: float = Field(default=0.0, ge=0.0)
    """Weight of the KL divergence from the initial model; 0 needs no second model."""
    clip: float = Field(default=0.2, gt=0.0)
    loss: Literal["grpo", "bnpo", "dr_grpo", "dapo"] = "grpo"
    """TRL's name of the loss; `grpo` is the paper's mean over the tokens of each rollout."""
    scale: bool = True
    """Whether to divide advantages by the standard deviation of their group."""
    mask_outputs: bool = True
    """Whether to leave tool outputs out of the loss; off only to see the effect."""
    lora: bool = True
    """Whether to train an adapter; otherwise all weights."""
    limits: RolloutLimits = RolloutLimits()
    measured: int = Field(default=64, ge=1)
    """Number of held-out tasks that are rolled out greedily before, during and after training."""
    measure_every: int = Field(default=0, ge=0)
    """Steps between measurements; 0: only before and after."""
    save_every: int = Field(default=50, ge=1)
    """Steps between checkpoints."""
    generator: Literal["transformers", "vllm"] = "transformers"

    @model_validator(mode="after")
    def _four_bits_are_not_trained(self) -> Self:
        if self.four_bit and not self.lora:
            raise ValueError("weights of 4 bits are not trained: train an adapter (--lora), or leave it out")
        return self

    def check_shares(self, processes: int) -> None:
        """Refuse steps whose tasks are not a multiple of the processes.

        Raises:
            TrainingError: they are not.
        """
        if self.tasks_per_step % processes:
            raise TrainingError(
                f"{self.tasks_per_step} tasks per step cannot be shared by {processes} processes, each of "
                f"which rolls out whole groups of {self.group}: set --tasks-per-step to a multiple of "
                f"{processes}"
            )

    def share(self, processes: int) -> int:
        """Rollouts of a step in each process."""
        return self.group * self.tasks_per_step // processes


def longest_pass(
    settings: AgentSettings, tasks: Iterable[AgentTask], format: Format, *, processes: int
) -> PassSize:
    """The largest pass that a run may have: rollouts of one task, all at their limit."""
    prompt = max(len(format.prompt(task.query, task.tools.specs)) for task in tasks)
    within = (settings.tokens_per_pass - prompt) // settings.limits.tokens
    rollouts = max(1, min(within, settings.share(processes)))
    own = rollouts * settings.limits.tokens
    return PassSize(tokens=prompt + own, path_tokens=rollouts * prompt + own, labels=own)
