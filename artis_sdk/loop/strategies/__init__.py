"""Strategies: the order of attempts, and the baselines of appendix G."""

from collections.abc import Callable
from typing import Final

from artis_sdk.entry_points import find, registered
from artis_sdk.loop.strategies.base import AttemptRunner, StepStrategy, Strategy
from artis_sdk.loop.strategies.step_level import SequentialRevision, WeightedBestOfN
from artis_sdk.loop.strategies.task_level import Direct, Hybrid, Parallel, Sequential

NAMED: Final[dict[str, Callable[[int], Strategy]]] = {
    "sequential": Sequential,
    "parallel": Parallel,
    # The attempts in two rounds, as even as possible; the larger first.
    "hybrid": lambda n: Hybrid(width=max(1, (n + 1) // 2), rounds=2),
    "direct": lambda _: Direct(),
    "best_of_n": WeightedBestOfN,
    "revision": SequentialRevision,
}
"""How settings and the command line make a strategy of ours of a number of attempts, by its name there."""


def is_known(name: str) -> bool:
    """Whether settings and the command line have a strategy of this name."""
    return name in NAMED or find("strategy", name) is not None


def known_names() -> tuple[str, ...]:
    """The names of strategies in settings and on the command line, ours first."""
    return (*NAMED, *(name for name in registered("strategy") if name not in NAMED))


def named(name: str) -> Callable[[int], Strategy]:
    """The function that makes the strategy of this name, which is known, of a number of attempts.

    A third party's is an entry point in `artis_sdk.strategies`.

    Raises:
        ConfigurationError: it cannot be loaded.
    """
    ours = NAMED.get(name)
    made: Callable[[int], Strategy] = find("strategy", name) if ours is None else ours
    return made


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
    "is_known",
    "known_names",
    "named",
]
