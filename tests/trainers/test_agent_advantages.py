"""Advantages: laws, and the numbers that TRL comes to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.trainers.agent.advantages import EPSILON, group_advantages

REWARDS = st.floats(-10, 10, allow_nan=False).map(lambda x: round(x, 6))


@given(st.lists(st.lists(REWARDS, min_size=4, max_size=4), min_size=1, max_size=4), st.booleans())
def test_they_sum_to_zero_in_each_group_and_keep_its_order(groups: list[list[float]], scale: bool) -> None:
    found = group_advantages([reward for group in groups for reward in group], 4, scale=scale)
    for n, group in enumerate(groups):
        mine = found[4 * n : 4 * n + 4]
        assert math.isclose(sum(mine), 0.0, abs_tol=1e-6)
        for i in range(4):
            for j in range(4):
                assert (group[i] < group[j]) <= (mine[i] <= mine[j])


@given(REWARDS, st.integers(1, 8))
def test_a_group_of_equal_rewards_gives_none(reward: float, size: int) -> None:
    assert group_advantages([reward] * size, size) == [0.0] * size


def test_the_formula() -> None:
    deviation = math.sqrt(((1 - 2) ** 2 + 0 + (3 - 2) ** 2) / 2)
    assert group_advantages([1, 2, 3], 3) == pytest.approx(
        [-1 / (deviation + EPSILON), 0, 1 / (deviation + EPSILON)]
    )
    assert group_advantages([1, 2, 3], 3, scale=False) == [-1, 0, 1]


def test_a_rollout_that_nobody_can_judge_counts_for_nothing() -> None:
    assert group_advantages([1, None, 3], 3, scale=False) == [-1, 0, 1]
    assert group_advantages([None, None, 3], 3) == [0, 0, 0]


def test_no_whole_number_of_groups() -> None:
    with pytest.raises(ValueError, match="3 rewards are not a whole number of groups of 2"):
        group_advantages([1, 2, 3], 2)
