"""`python -m artis_sdk.trainers.pocket.log`: call logs of the pocket world, to train and measure with.

A plain log holds the calls of an agent without advice, or of people who know the books and seldom slip. With
generated failures it also holds the refused calls of every plan, and calls changed so that they may be
refused, each run by the bank's own code in its place.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args

from artis_sdk.logs import CallLog
from artis_sdk.pocket.oracle import Oracle, state_of
from artis_sdk.pocket.task import PocketTask
from artis_sdk.pocket.tasks import FamiliesName, tasks
from artis_sdk.pocket.words import Part
from artis_sdk.records import CallRecord, History, Step
from artis_sdk.trainers.pocket.changes import changed
from artis_sdk.trainers.pocket.lessons import Lessons
from artis_sdk.trainers.pocket.scenes import Scene
from artis_sdk.view.screen import Screen
from artis_sdk.view.text import plain


def records(
    part: Part,
    *,
    count: int,
    seed: int,
    failures: bool = False,
    slips: float = 1.0,
    families: FamiliesName = "bank",
) -> Iterator[CallRecord]:
    """The calls of some tasks' turns.

    Args:
        part: part of the tasks; see `words`.
        count: number of tasks.
        seed: seed of the tasks and of the draws.
        failures: whether to add all plans' refused calls, and changed calls, most of which are refused.
        slips: share of the turns in which the plain log holds the unadvised plan (`Lessons.calls`).
        families: see `tasks`.
    """
    lessons = Lessons(seed=seed)
    rng = random.Random(f"log-{part}-{seed}")
    for task in islice(tasks(part, seed=seed, families=families), count):
        for number, scene in enumerate(lessons.scenes(task)):
            name = f"{task.id}-{number}"
            steps = list(lessons.calls(scene, slips))
            if failures:
                steps += (made for made in lessons.refusals(scene) if made not in steps)
                steps += changed(lessons.oracle, scene, rng)
            for place, (step, history) in enumerate(steps):
                yield _record(lessons.oracle, scene, task, step, history, f"{name}-{place}")


def _record(
    oracle: Oracle, scene: Scene, task: PocketTask, step: Step, history: History, name: str
) -> CallRecord:
    tool = oracle.tools[step.call.tool]
    return CallRecord(
        id=name,
        at=0.0,
        session=task.id,
        task=name.rpartition("-")[0],
        spec=tool.spec,
        call=step.call,
        state=state_of(scene.bank),
        history=history,
        outcome=step.outcome,
        risk=tool.spec.risk,
    )


def write(path: Path, **options: Any) -> int:
    """Write a log, and return the number of its records. Options as in `records`."""
    number = 0
    with CallLog(path) as log:
        for number, record in enumerate(records(**options), 1):
            log.append(record)
            if number % 1000 == 0:
                log.flush()
        log.flush()
    return number


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--part", choices=("train", "held_out"), default="train")
    parser.add_argument("--count", type=int, default=4000, help="tasks")
    parser.add_argument("--failures", action="store_true", help="with generated failures")
    parser.add_argument(
        "--slips", type=float, default=1.0, help="share of turns played by the unadvised plan"
    )
    parser.add_argument("--families", choices=get_args(FamiliesName), default="bank", help="of tasks")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    count = write(
        given.path,
        part=given.part,
        count=given.count,
        seed=given.seed,
        failures=given.failures,
        slips=given.slips,
        families=given.families,
    )
    Screen().print(plain(f"{count:,} calls in {given.path}"), soft_wrap=True)


if __name__ == "__main__":
    main()
