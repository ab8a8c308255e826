"""The controls of worlds, on all of their tasks: an idle agent, and the calls that the world knows.

python benchmarks/controls.py pocket bfcl-base bfcl-miss_func --tasks 300
"""

from __future__ import annotations

import argparse
import asyncio
import time
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from artis_sdk import Direct
from artis_sdk.backends import ScriptedBackend
from artis_sdk.evals.bench.controls import agent_of, control_cells
from artis_sdk.evals.bench.named_worlds import named_world
from artis_sdk.evals.bench.runner import play


async def controls(name: str, folder: Path | None, count: int, journal: Path) -> None:
    """Play at most `count` tasks of a world, held-out ones first."""
    world, began = named_world(name, folder), time.process_time()
    tasks = list(islice(chain(world.tasks("held_out"), world.tasks("train")), count))
    for cell in control_cells(tasks):
        right = 0
        for task in tasks:
            agent = agent_of(cell, task, ScriptedBackend([]))
            played = await play(world, task, agent, None, Direct(), journal=journal)
            right += played.fulfilled
            if cell.method == "truth" and not played.fulfilled:
                print(f"  {task.id}: {next(filter(None, played.problems))}")
        print(f"{name}, {cell.method}: {right} of {len(tasks)}", flush=True)
    print(f"  {time.process_time() - began:.0f} CPU s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("worlds", nargs="+")
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--path", type=Path, help="checkout of ACEBench or tau2-bench")
    given = parser.parse_args()
    with TemporaryDirectory() as folder:
        for name in given.worlds:
            asyncio.run(controls(name, given.path, given.tasks, Path(folder) / "journal.db"))


if __name__ == "__main__":
    main()
