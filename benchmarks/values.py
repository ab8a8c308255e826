"""Arbitrary values through tool, journal, call log, plan and result: how many are lost, and what it costs.

    python benchmarks/values.py [--count 100000] [--seed 0] [--json] [--folder DIR]

Each value is an argument of a real call and what the call returns; half of the tools are async, half run
in a thread. `lost` counts values that did not come back from one of these places as they were written,
to the type of each number, and calls that ended without an outcome. Kinds are those of
`tests/helpers/values.py`, hostile ones among them; containers hold values of any kind. The figures of
time and memory are those of the whole process, making and comparing the values included.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from helpers.value_trip import Trip, made_values, trip

AT_ONCE = 5_000  # values of one journal and log


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0, help="number of the first value")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary folder by default")
    given = parser.parse_args()
    found, began = Trip(), time.perf_counter()
    end = given.seed + given.count
    for start in range(given.seed, end, AT_ONCE):
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            asyncio.run(trip(made_values(start, min(start + AT_ONCE, end)), Path(folder), found))
    figures = {
        "values": found.kinds.total(),
        "kinds": len(found.kinds),
        "lost": len(found.lost),
        "seconds": round(time.perf_counter() - began, 1),
        "CPU seconds": round(time.process_time(), 1),
        "peak memory, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if given.json:
        print(json.dumps({**figures, "by kind": found.kinds, "what": found.lost[:20]}))
        return
    for kind, count in sorted(found.kinds.items()):
        print(f"{kind:24}{count:8}")
    for name, figure in figures.items():
        print(f"{name:24}{figure:8}")
    for line in found.lost[:20]:
        print(f"lost: {line}")


if __name__ == "__main__":
    main()
