"""Random programs of guarded calls: no real body runs in a rehearsal, and a commit's are all in the journal.

    python benchmarks/programs.py --count 100000                      # in rehearsals
    python benchmarks/programs.py --count 100000 --place commits

Runs the suite's property tests with more programs, in parts, each with a seed of its own, and counts the
programs that ran as hypothesis reports them. A part that fails is printed whole, and ends the run.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parent.parent / "tests"
PLACES = {
    "rehearsals": "tools/test_firewall_property.py::test_no_real_body_runs_in_a_rehearsal_nor_later",
    "commits": "commit/test_firewall_property.py::test_every_real_body_is_in_the_journal",
}


def part(place: str, programs: int, seed: int) -> tuple[int, str]:
    """Run so many programs with a seed; how many passed, and pytest's words if not all did."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=0", PLACES[place]]
    command += [f"--hypothesis-seed={seed}", "--hypothesis-show-statistics"]
    environment = os.environ | {"ARTIS_TEST_PROGRAMS": str(programs)}
    done = subprocess.run(command, cwd=TESTS, env=environment, capture_output=True, text=True, check=False)
    ran = re.search(r"during generate phase.*?(\d+) passing", done.stdout, re.DOTALL)
    if done.returncode or ran is None:
        return 0, done.stdout + done.stderr
    return int(ran[1]), ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000, help="programs in all")
    parser.add_argument("--place", choices=PLACES, default="rehearsals")
    parser.add_argument("--each", type=int, default=1000, help="programs with one seed")
    parser.add_argument("--seed", type=int, default=1, help="the first part's seed; the next has one more")
    arguments = parser.parse_args()
    ran, seed, start = 0, arguments.seed, time.monotonic()
    while ran < arguments.count:
        passed, words = part(arguments.place, min(arguments.each, arguments.count - ran), seed)
        if words:
            sys.exit(f"{words}\nseed {seed} failed after {ran} programs in {arguments.place}")
        ran += passed
        took = time.monotonic() - start
        print(f"{ran} programs in {arguments.place}, last seed {seed}, {took:.0f} s, 0 failures", flush=True)
        seed += 1


if __name__ == "__main__":
    main()
