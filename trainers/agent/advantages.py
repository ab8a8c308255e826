"""Advantages of GRPO: the reward of a rollout relative to the others of its group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

EPSILON: Final = 1e-4
"""Added to a standard deviation before it divides, as in TRL."""


def group_advantages(rewards: Sequence[float | None], group: int, *, scale: bool = True) -> list[float]:
    """Rewards less the mean of their group, in units of its standard deviation.

    They sum to zero in each group; in a group of equal rewards all are zero.

    Args:
        rewards: rewards, group by group; None for a rollout that cannot be judged, which does not count
            and gets 0.
        group: rollouts per group.
        scale: whether to divide by the standard deviation (with Bessel's correction).

    Raises:
        ValueError: the rewards are not a whole number of groups.
    """
    if group < 1 or len(rewards) % group:
        raise ValueError(f"{len(rewards)} rewards are not a whole number of groups of {group}")
    found: list[float] = []
    for start in range(0, len(rewards), group):
        found += _of_one(rewards[start : start + group], scale)
    return found


def _of_one(rewards: Sequence[float | None], scale: bool) -> list[float]:
    known = [reward for reward in rewards if reward is not None]
    if len(known) < 2 or min(known) == max(known):
        return [0.0] * len(rewards)
    mean = math.fsum(known) / len(known)
    deviation = math.sqrt(math.fsum((reward - mean) ** 2 for reward in known) / (len(known) - 1))
    unit = deviation + EPSILON if scale else 1.0
    return [0.0 if reward is None else (reward - mean) / unit for reward in rewards]
