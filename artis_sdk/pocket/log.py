"""`python -m artis_sdk.pocket.log`: call logs of the pocket world, for `artis train` and `artis eval`.

A plain log holds what an agent without advice does. With generated failures it also holds calls that
were changed so that they may be refused, each run by the bank's own code where it stands.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from artis_sdk.logs import CallLog
from artis_sdk.pocket.bank import Bank
from artis_sdk.pocket.lessons import Lessons, Scene
from artis_sdk.pocket.oracle import Oracle, state_of
from artis_sdk.pocket.tasks import Call, PocketTask, tasks
from artis_sdk.pocket.words import Part
from artis_sdk.records import CallRecord, History, Step

_BAD_AMOUNTS: Final = (0, -10, -50)
_DUPLICATE: Final = 0.15
"""Of the transfers that went through: done once more."""


def records(
    part: Part, *, count: int, seed: int, failures: bool = False, kept: float = 1.0
) -> Iterator[CallRecord]:
    """The calls of some tasks' turns.

    Args:
        part: which tasks; see `words`.
        count: tasks.
        seed: of the tasks and of what is drawn.
        failures: also changed calls, most of which the bank refuses.
        kept: share of the refused calls of the plain log that are in it.
    """
    lessons = Lessons(seed=seed)
    rng = random.Random(f"log-{part}-{seed}")
    for task in islice(tasks(part, seed=seed), count):
        for number, scene in enumerate(lessons.scenes(task)):
            name = f"{task.id}-{number}"
            steps = list(lessons.calls(scene, failures=kept))
            if failures:
                steps += _changed(lessons.oracle, scene, rng)
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


def _changed(oracle: Oracle, scene: Scene, rng: random.Random) -> Iterator[tuple[Step, History]]:
    """Calls of every plan, some changed, each on the bank as the calls before it left it."""
    for way, played in scene.ways:
        place = rng.randrange(len(way.calls))
        if place > len(played.steps) - 1:
            place = len(played.steps) - 1
        before = way.calls[:place]
        call = _change(way.calls[place], scene.bank, rng)
        made = oracle.play(scene.bank, [*before, call])
        yield made.steps[-1], made.steps[:-1]
        if played.good and way.calls[-1].tool == "transfer" and rng.random() < _DUPLICATE:
            again = oracle.play(scene.bank, [*way.calls, way.calls[-1]])
            yield again.steps[-1], again.steps[:-1]


def _change(call: Call, bank: Bank, rng: random.Random) -> Call:
    """One argument replaced: by an identifier of something else or of nothing, or by a bad amount."""
    arguments: dict[str, Any] = dict(call.arguments)
    name = rng.choice(sorted(arguments))
    value = arguments[name]
    if call.tool == "get_rate":
        arguments[name] = "JPY"
    elif name == "amount":
        arguments[name] = rng.choice((*_BAD_AMOUNTS, value * 2, value + 500))
    elif name == "day":
        arguments[name] = bank.day - rng.randint(0, 5)
    elif name == "owner":
        arguments[name] = value[:-1] + rng.choice("aeiou")
    elif value[0] == "A" and rng.random() < 0.6:
        arguments[name] = rng.choice(sorted(bank.accounts))
    else:
        arguments[name] = f"{value[0]}{rng.randint(100, 499)}"
    return Call(call.tool, arguments)


def write(path: Path, **options: Any) -> int:
    """Write a log; gives the number of its records. Options as of `records`."""
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
    parser.add_argument("--kept", type=float, default=1.0, help="share of the plain log's refused calls")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    count = write(
        given.path,
        part=given.part,
        count=given.count,
        seed=given.seed,
        failures=given.failures,
        kept=given.kept,
    )
    print(f"{count:,} calls in {given.path}")


if __name__ == "__main__":
    main()
