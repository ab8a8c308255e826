"""SIGKILL at every point of a commit: nothing is executed twice, nothing is missing in the journal."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.commit import MEMORY

pytestmark = pytest.mark.slow

CHILD = ("-P", "-m", "helpers.crash_child")
MIXED = ("-P", "-m", "helpers.crash_mixed")
TRIALS = int(os.environ.get("ARTIS_TEST_CRASH_TRIALS", "100"))
CORES = 2


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="artis-crash-") as folder:
        yield Path(folder)


async def run(*arguments: str, program: tuple[str, ...] = CHILD) -> Counter[str]:
    """Run trials in a process of their own; gives how often each thing was found."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, *program, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()
    return Counter(json.loads(out))


async def test_a_kill_at_every_boundary_of_a_commit(memory: Path) -> None:
    in_turn, at_once = await asyncio.gather(
        run("boundaries", str(memory / "turn"), "in-turn"), run("boundaries", str(memory / "once"), "at-once")
    )
    for found in (in_turn, at_once):
        assert found["boundaries"] > 100
        for state in ("unknown", "reconciled", "not_executed"):
            assert found[f"recovered as {state}"] > 0
        assert found["retried"] > 10
        assert found["retry refused"] > 50


@pytest.mark.timeout(60 + TRIALS)
async def test_kills_at_random_times(memory: Path) -> None:
    share = str(max(TRIALS // CORES, 1))
    found: Counter[str] = Counter()
    for part in await asyncio.gather(
        *(run("random", str(memory / str(seed)), share, str(seed)) for seed in range(CORES))
    ):
        found.update(part)
    assert found["killed"] > TRIALS / 2
    assert found["recovered as unknown"] > TRIALS / 20
    assert found["retry refused"] > TRIALS / 10
    assert found["retried"] > TRIALS / 20


@pytest.mark.timeout(60 + TRIALS)
async def test_kills_amid_retries_resumes_settlements_and_recoveries(memory: Path) -> None:
    """Four processes on one journal; each plan is carried out whole in the end, and nothing of it twice."""
    found = await run(str(memory / "mixed"), str(TRIALS), "1", program=MIXED)
    assert found["killed"] == TRIALS
    assert found["trials"] >= 40
    assert found["plans pruned"] >= found["trials"]
    for state in ("done", "reconciled", "not_executed"):
        assert found[f"ended as {state}"] > 0
