"""The first turns of BFCL-v3's base tasks, with few tools: a world in which a small model can stand.

A model of 1.5 billion weights fulfils no whole task, and most of the cost of one is reading its tools. Here
it is asked for the first turn alone, and offered that turn's tools among others of the same environments.
The environments and the checks are the benchmark's own.
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Final

from artis_sdk.evals.bench.bfcl import BFCLTask, BFCLWorld, guard, parse_ground_truth

FIRST_TURN: Final = "first_turn"
OFFERED: Final = 8
"""Tools of a task; all that its first turn needs, if those are more."""


class BFCLFirstTurnWorld(BFCLWorld):
    """The first turns of the 200 base tasks, in an order by seed; the same 40 indices are held out as there.

    Raises:
        ConfigurationError: bfcl-eval is not installed.
    """

    def __init__(self) -> None:
        super().__init__("base")
        self.name = f"bfcl-{FIRST_TURN}"
        self._category = FIRST_TURN
        self._tasks = list(map(first_turn, self._tasks))


def first_turn(task: BFCLTask) -> BFCLTask:
    """A task's first turn, with its tools among others that its id draws."""
    tools = guard(task.instances())
    needed = {parse_ground_truth(text, tools).tool for text in task.ground_truth[0]}
    others = sorted({tool.name for tool in tools} - needed)
    drawn = random.Random(task.id).sample(others, min(len(others), max(0, OFFERED - len(needed))))
    return replace(
        task,
        queries=task.queries[:1],
        ground_truth=task.ground_truth[:1],
        offered=frozenset({*needed, *drawn}),
        missed={},
    )
