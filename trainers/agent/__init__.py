"""Training the agent itself, with tools in the rollout (ARTIST, arXiv 2505.01441)."""

from artis_sdk.trainers.agent.rewards import PAPER, Rewards
from artis_sdk.trainers.agent.rollout import AgentTask, Rollout, RolloutLimits
from artis_sdk.trainers.agent.run import AgentTrainer, TrainedAgent
from artis_sdk.trainers.agent.settings import AgentSettings

__all__ = [
    "PAPER",
    "AgentSettings",
    "AgentTask",
    "AgentTrainer",
    "Rewards",
    "Rollout",
    "RolloutLimits",
    "TrainedAgent",
]
