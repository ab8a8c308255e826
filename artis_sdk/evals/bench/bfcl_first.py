"""The first turns of BFCL-v3's base tasks, with few tools: a world in which a small model can stand.

A model of 1.5 billion weights fulfils no whole task, and most of the cost of one is reading its tools. Here
it is asked for the first turn alone, and offered that turn's tools among others of the same environments.
The environments and the checks are the benchmark's own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final

from artis_sdk.evals.bench.bfcl import (
    HELD_OUT_EVERY,
    BFCLInstance,
    BFCLTask,
    guard,
    load_tasks,
    parse_ground_truth,
    right_calls,
)
from artis_sdk.evals.bench.world import BenchmarkTask, Split

FIRST_TURN: Final = "first_turn"
OFFERED: Final = 8
"""Tools of a task; all that its first turn needs, if those are more."""


class BFCLFirstTurnWorld:
    """The first turns of the 200 base tasks, in an order by seed; the same 40 indices are held out as there.

    Raises:
        ConfigurationError: bfcl-eval is not installed.
    """

    prompts = None
    max_steps = None
    name = f"bfcl-{FIRST_TURN}"

    def __init__(self) -> None:
        self._tasks = load_tasks("base")

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[BFCLInstance]]:
        """See `BenchmarkWorld.tasks`."""
        held = split == "held_out"
        chosen = [task for n, task in enumerate(self._tasks) if (n % HELD_OUT_EVERY == 0) == held]
        random.Random(f"bfcl {seed}").shuffle(chosen)
        for task in chosen:
            first = first_turn(task)
            yield BenchmarkTask(
                id=first.id,
                queries=first.queries,
                start=partial(BFCLInstance, first),
                family=FIRST_TURN,
                truth=partial(right_calls, first),
            )


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
