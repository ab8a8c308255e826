"""Training the agent itself, with tools in the rollout (ARTIST, arXiv 2505.01441)."""

from typing import TYPE_CHECKING, Any

from artis_sdk.trainers.agent.bench import AgentTasksWorld
from artis_sdk.trainers.agent.rewards import PAPER, Rewards
from artis_sdk.trainers.agent.rollout import AgentTask, Rollout, RolloutLimits
from artis_sdk.trainers.agent.run import AgentTrainer, TrainedAgent
from artis_sdk.trainers.agent.settings import AgentSettings

if TYPE_CHECKING:
    from artis_sdk.trainers.agent.backend import AgentBackend as AgentBackend

__all__ = [
    "PAPER",
    "AgentBackend",
    "AgentSettings",
    "AgentTask",
    "AgentTasksWorld",
    "AgentTrainer",
    "Rewards",
    "Rollout",
    "RolloutLimits",
    "TrainedAgent",
]


def __getattr__(name: str) -> Any:
    if name != "AgentBackend":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from artis_sdk.trainers.agent.backend import AgentBackend  # loads torch

    return AgentBackend
