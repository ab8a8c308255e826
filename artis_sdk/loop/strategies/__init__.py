"""Strategies: the order of attempts, and the baselines of appendix G."""

from collections.abc import Callable

from artis_sdk.loop.strategies.base import AttemptRunner, StepStrategy, Strategy
from artis_sdk.loop.strategies.step_level import SequentialRevision, WeightedBestOfN
from artis_sdk.loop.strategies.task_level import Direct, Hybrid, Parallel, Sequential

NAMED: dict[str, Callable[[int], Strategy]] = {
    "sequential": Sequential,
    "parallel": Parallel,
    # The attempts in two rounds, as even as possible; the larger first.
    "hybrid": lambda n: Hybrid(width=max(1, (n + 1) // 2), rounds=2),
    "direct": lambda _: Direct(),
    "best_of_n": WeightedBestOfN,
    "revision": SequentialRevision,
}
"""How settings and the command line make a strategy of a number of attempts, by its name there."""

__all__ = [
    "NAMED",
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
