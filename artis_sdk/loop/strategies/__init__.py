"""Strategies: the order of attempts, and the baselines of appendix G."""

from artis_sdk.loop.strategies.base import AttemptRunner, StepStrategy, Strategy
from artis_sdk.loop.strategies.step_level import SequentialRevision, WeightedBestOfN
from artis_sdk.loop.strategies.task_level import Direct, Hybrid, Parallel, Sequential

__all__ = [
    "AttemptRunner",
    "Direct",
    "Hybrid",
    "Parallel",
    "Sequential",
    "SequentialRevision",
    "StepStrategy",
    "Strategy",
    "WeightedBestOfN",
]
