"""The paper's measures of rollouts, as sums that add up over processes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from artis_sdk.trainers.agent.rewards import Rewards, succeeded
from artis_sdk.trainers.agent.rollout import Rollout

Tally = dict[str, tuple[float, int]]
"""Sum and count of each measure."""


def tally(rollouts: Sequence[Rollout]) -> Tally:
    """Calls per task, response length, calls that ran, endings."""
    calls, number = sum(len(rollout.steps) for rollout in rollouts), len(rollouts)
    return {
        "tool_calls": (calls, number),
        "response_length": (sum(rollout.tape.written for rollout in rollouts), number),
        "answered": (sum(rollout.end == "answer" for rollout in rollouts), number),
        "execution_success": (sum(rollout.ran for rollout in rollouts), calls),
    }


def held_out_tally(rollouts: Sequence[Rollout], rewards: Rewards) -> Tally:
    """Success, the measures of `tally`, and each reward without its weight."""
    found: Tally = {"success": (sum(map(succeeded, rollouts)), len(rollouts)), **tally(rollouts)}
    components = [rewards.components(rollout) for rollout in rollouts]
    for name in rewards.weights:
        known = [value for score in components if (value := score[name]) is not None]
        found[f"reward_{name}"] = (sum(known), len(known))
    return found


def means(tallies: Iterable[Tally]) -> dict[str, float]:
    """Means over the rollouts of all processes; a mean of nothing is left out."""
    sums: Tally = {}
    for one in tallies:
        for name, (value, count) in one.items():
            before, counted = sums.get(name, (0.0, 0))
            sums[name] = (before + value, counted + count)
    return {name: value / count for name, (value, count) in sums.items() if count}
