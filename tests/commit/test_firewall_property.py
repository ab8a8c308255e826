"""Random programs of guarded calls in a commit: every real body that runs is in the journal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from helpers.commit import MEMORY, make_world
from helpers.firewall import CANARIES
from helpers.firewall_programs import garbage_of_its_own, little_patience, programs, warm_processes
from helpers.firewall_run import Run
from hypothesis import HealthCheck, given, settings

from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.records import new_id
from artis_sdk.tools import entered, running_code
from artis_sdk.tools.bridge import with_sync_calls

# Programs let the commit's own errors pass, in threads and finalizers as well; the law is about the journal.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PROGRAMS = int(os.environ.get("ARTIS_TEST_PROGRAMS", "100"))
"""How many random programs are run."""


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with warm_processes() as pool:
        yield pool


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


def committed(program: object, path: Path, plan: str, processes: ProcessPoolExecutor) -> None:
    """Commit a program as an own agent's, then let go on what it has put off."""
    run = Run("run", processes)

    async def main() -> None:
        journal = SQLiteJournal(path)
        world = make_world(journal, plan)
        with contextlib.suppress(Exception):  # a call was refused, or was cancelled while it ran
            async with world.open():
                with running_code("commit", True, refused=world.remember_refusal), entered(world):
                    try:
                        await with_sync_calls(lambda: run.run(program))
                    finally:  # what waits in its own queues is seen only while the commit is open
                        await run.join()
        await journal.aclose()

    with garbage_of_its_own():
        asyncio.run(main())
    run.finish()


@settings(deadline=None, max_examples=PROGRAMS, suppress_health_check=[HealthCheck.too_slow])
@given(program=programs)
def test_every_real_body_is_in_the_journal(
    program: object, folder: Path, processes: ProcessPoolExecutor
) -> None:
    CANARIES.clear()
    plan = new_id()
    with little_patience():
        committed(program, folder / "journal.db", plan, processes)
    ran = Counter(CANARIES)
    with closing(sqlite3.connect(folder / "journal.db")) as file:
        rows = file.execute("SELECT tool, state FROM call WHERE plan = ?", (plan,)).fetchall()
    seen = Counter(tool for tool, state in rows if state in ("done", "unknown"))
    assert ran <= seen, "a real body ran that the journal does not have"
    done = Counter(tool for tool, state in rows if state == "done" and not tool.startswith("outer"))
    assert done <= ran, "the journal has an outcome of a body that did not run"
