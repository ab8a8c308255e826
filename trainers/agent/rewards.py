"""Rewards of a rollout: the paper's three (section 2.4), ToolRL's finer one, the caller's own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from artis_sdk.errors import TrainingError
from artis_sdk.records import ToolCall
from artis_sdk.trainers.agent.rollout import Rollout
from artis_sdk.trainers.agent.turns import format_shares

Reward = Callable[[Rollout], float | None]
"""Reward of a finished rollout; None if it does not apply."""

PAPER: Final[Mapping[str, float]] = {"answer": 2.0, "format": 0.15, "tool_execution": 0.5}
"""The paper's three rewards with our weights. Format stays under a tenth of the answer, as the paper advises:
more of it suppresses the answer."""

SUCCESS: Final = 1.0 - 1e-9


def answer(rollout: Rollout) -> float:
    """The task's own judgement: exact match, the caller's `check`, or the final state; 0 to 1.

    A rollout that did not end with an answer has not done its task. In a world without state, such as a
    simulator, the right calls count as the right state.

    Raises:
        TrainingError: the task has no measure of success, or its check returns no number from 0 to 1.
    """
    task = rollout.task
    if task.check is None and task.answer is None and task.goal is None:
        raise TrainingError(f"task {task.id!r} has no answer, no check and no goal to judge by")
    if rollout.end != "answer":
        return 0.0
    if task.check is not None:
        found = float(task.check(rollout))
        if not 0.0 <= found <= 1.0:  # also NaN
            raise TrainingError(f"the check of task {task.id!r} returned {found}; it must be from 0 to 1")
        return found
    right = float(task.answer is None or plain(rollout.answer or "") == plain(task.answer))
    if task.goal is None:
        return right
    if rollout.state is not None:
        return right * state_share(task.goal, rollout.state)
    matched = tool_match(rollout)
    if matched is None:
        raise TrainingError(
            f"task {task.id!r} is judged by its final state, which a simulator does not have: set its calls"
        )
    return right * matched


def format(rollout: Rollout) -> float:
    """Half for closed tags of all kinds (relaxed), half for order and calls that parse (strict)."""
    relaxed, strict = format_shares(rollout.turns, rollout.required)
    return 0.5 * relaxed + 0.5 * strict


def tool_execution(rollout: Rollout) -> float:
    """Calls that ran less calls that failed, as a share of all, -1 to 1; 0 without calls.

    So an answer without a call is worth more than a failed call, and less than one that ran.
    """
    calls = len(rollout.steps)
    return (2 * rollout.ran - calls) / calls if calls else 0.0


def tool_match(rollout: Rollout) -> float | None:
    """ToolRL's reward (arXiv 2504.13958): names, argument names and values of the right calls, 0 to 1.

    Right and made calls are paired so that the sum is largest, greedily. Names count by the overlap of the
    two multisets; a pair with one tool name counts the overlap of its argument names, and the right values.
    """
    right = rollout.task.calls
    if not right:
        return None
    made = [step.call for step in rollout.steps]
    names = _overlap(Counter(c.tool for c in right), Counter(c.tool for c in made))
    possible = 1.0 + len(right) + sum(len(call.arguments) for call in right)
    pairs = sorted(
        ((_pair(wanted, call), -i, -j) for i, wanted in enumerate(right) for j, call in enumerate(made)),
        reverse=True,
    )
    used_right, used_made, total = set[int](), set[int](), names
    for score, i, j in pairs:
        if i not in used_right and j not in used_made:
            used_right.add(i)
            used_made.add(j)
            total += score
    return total / possible


def state_share(goal: Any, state: Any) -> float:
    """Share of a goal's values that a state has too."""
    if isinstance(goal, dict) and goal:
        there: Mapping[str, Any] = state if isinstance(state, dict) else {}
        sizes = {name: _size(value) for name, value in goal.items()}
        matched = sum(
            state_share(value, there[name]) * sizes[name] for name, value in goal.items() if name in there
        )
        return matched / sum(sizes.values())
    return float(goal == state)


def plain(text: str) -> str:
    """A text for the comparison of answers: without case, surrounding space, and a last full stop."""
    return " ".join(text.casefold().split()).removesuffix(".")


def succeeded(rollout: Rollout) -> bool:
    """The task was done, wholly."""
    return rollout.end != "world" and answer(rollout) >= SUCCESS


class Rewards:
    """Named rewards with their weights; their weighted sum is what GRPO sees.

    Args:
        weights: weights by name: `answer`, `format`, `tool_execution`, `tool_match`, and those of `own`;
            names left out do not count. `PAPER` by default.
        own: the caller's rewards by name; each has weight 1 unless `weights` names it.

    Raises:
        TrainingError: a weight names no reward.
    """

    def __init__(self, weights: Mapping[str, float] = PAPER, own: Mapping[str, Reward] | None = None) -> None:
        known: dict[str, Reward] = {
            "answer": answer,
            "format": format,
            "tool_execution": tool_execution,
            "tool_match": tool_match,
            **(own or {}),
        }
        chosen = {**dict.fromkeys(own or {}, 1.0), **weights}
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            raise TrainingError(f"unknown reward {', '.join(unknown)}; choose from {', '.join(known)}")
        self.weights = {name: weight for name, weight in chosen.items() if weight}
        self._functions = {name: known[name] for name in self.weights}

    def components(self, rollout: Rollout) -> dict[str, float | None]:
        """Every reward by its name, without weights; all None if the rollout cannot be judged."""
        if rollout.end == "world":
            return dict.fromkeys(self._functions)
        found = {name: function(rollout) for name, function in self._functions.items()}
        for name, value in found.items():
            if value is not None and not math.isfinite(value):
                raise TrainingError(f"reward {name!r} returned {value} for task {rollout.task.id!r}")
        return found

    def total(self, components: Mapping[str, float | None]) -> float | None:
        """The weighted sum of the rewards that apply; None if none applies."""
        parts = [self.weights[name] * value for name, value in components.items() if value is not None]
        return math.fsum(parts) if parts else None


def _pair(right: ToolCall, made: ToolCall) -> float:
    if right.tool != made.tool or made.malformed is not None:
        return 0.0
    names = _overlap(Counter(list(right.arguments)), Counter(list(made.arguments)))
    return names + sum(
        name in made.arguments and bool(made.arguments[name] == value)
        for name, value in right.arguments.items()
    )


def _overlap(one: Counter[str], other: Counter[str]) -> float:
    """Jaccard's index of two multisets; 1 for two empty ones."""
    union = (one | other).total()
    return (one & other).total() / union if union else 1.0


def _size(value: Any) -> int:
    return sum(_size(part) for part in value.values()) if isinstance(value, dict) and value else 1
