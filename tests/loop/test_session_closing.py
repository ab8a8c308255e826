"""What a session that is being closed, or is used where it does not work, does with its methods."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import journaled, unjudged

from artis_sdk import Direct, Session, guarded_tool
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.errors import ConfigurationError, UnknownOutcome
from artis_sdk.records import Plan

BEGUN = list[int]()
ENDED = list[int]()
_LONGEST = 60.0  # seconds


class _Gate:
    """What the bodies of `pay` wait for, on the test's event loop."""

    def __init__(self) -> None:
        self.begun, self.open = asyncio.Event(), asyncio.Event()


GATES = dict[int, _Gate]()


@guarded_tool
async def pay(n: int) -> str:
    """Pay."""
    BEGUN.append(n)
    if n in GATES:
        GATES[n].begun.set()
        await GATES[n].open.wait()
    ENDED.append(n)
    return "paid"


async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
    await tools["pay"](n=int(task))
    return "done"


@pytest.fixture(autouse=True)
def _nothing_paid() -> Iterator[None]:
    for record in (BEGUN, ENDED, GATES):
        record.clear()
    yield
    GATES.clear()


def session(journal: Any) -> Session:
    return unjudged(agent, [pay], journal, strategy=Direct())


@pytest.mark.parametrize("is_ours", [False, True])
async def test_a_commit_that_begins_while_its_session_is_closed_makes_no_call(
    is_ours: bool, tmp_path: Path
) -> None:
    """Its call would be made after the end, and nobody could journal what became of it."""
    path, GATES[1] = tmp_path / "j.db", _Gate()
    journal = SQLiteJournal(path) if is_ours else path
    one = session(journal)

    async def commits_late(plan: Plan) -> None:
        await asyncio.sleep(0.05)
        asyncio.get_running_loop().call_later(0.05, GATES[1].open.set)
        with pytest.raises(ConfigurationError, match=r"commit\(\) was called while .* nothing was done"):
            await one.commit(plan)

    async with one:
        first, second = await one.rehearse("1"), await one.rehearse("2")
        committing = asyncio.create_task(one.commit(first))
        await GATES[1].begun.wait()
        late = asyncio.create_task(commits_late(second))
    await late
    with pytest.raises(asyncio.CancelledError):
        await committing
    assert BEGUN == ENDED == [1]
    assert journaled(path) == [("pay", "done")]
    if isinstance(journal, SQLiteJournal):
        await journal.aclose()


async def test_a_session_is_closed_when_its_methods_have_ended_whatever_their_tasks_do_next(
    tmp_path: Path,
) -> None:
    GATES[1] = _Gate()
    closed = asyncio.Event()
    one = session(tmp_path / "j.db")

    async def works_on() -> str:
        try:
            await one.run("1")
        except asyncio.CancelledError:
            await closed.wait()
        return "went on"

    async with asyncio.timeout(_LONGEST):
        async with one:
            task = asyncio.create_task(works_on())
            await GATES[1].begun.wait()
            asyncio.get_running_loop().call_later(0.05, GATES[1].open.set)
        closed.set()
        assert await task == "went on"
    assert journaled(tmp_path / "j.db") == [("pay", "done")], "the call under way was awaited all the same"


async def test_closing_that_is_cancelled_interrupts_the_call_and_ends(tmp_path: Path) -> None:
    GATES[1] = _Gate()

    async def closing() -> None:
        async with session(tmp_path / "j.db") as one:
            committing.append(asyncio.create_task(one.run("1")))
            await GATES[1].begun.wait()

    committing = list[asyncio.Task[Any]]()
    async with asyncio.timeout(_LONGEST):
        task = asyncio.create_task(closing())
        await GATES[1].begun.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises((asyncio.CancelledError, UnknownOutcome)):
            await committing[0]
    assert (BEGUN, ENDED) == ([1], [])
    assert journaled(tmp_path / "j.db") == [("pay", "unknown")]


async def test_a_session_works_on_one_event_loop(tmp_path: Path) -> None:
    """On two, its locks would keep one of them waiting for ever."""
    GATES[1] = _Gate()
    async with session(tmp_path / "j.db") as one:
        running = asyncio.create_task(one.run("1"))
        await GATES[1].begun.wait()

        def elsewhere() -> None:
            for work in (one.run, one.rehearse):
                with pytest.raises(ConfigurationError, match=r"another event loop.*make a session there"):
                    asyncio.run(asyncio.wait_for(work("2"), 10))

        await asyncio.to_thread(elsewhere)
        GATES[1].open.set()
        assert (await running).answer == "done"
        assert (await one.run("3")).answer == "done"
    assert BEGUN == [1, 3]


PROGRAM = """
import asyncio, sys
from artis_sdk import Direct, Parallel, Session, guarded_tool
from artis_sdk.workers import ProcessWorkers

@guarded_tool
def pay(n: int) -> str:
    '''Pay.'''
    with open(sys.argv[1] + '/paid', 'a') as file:
        file.write(f'{n}\\n')
    return 'paid'

async def agent(task, *, tools, guidance):
    tools['pay'](n=1)
    return 'done'

async def main():
    options = {'agent': agent, 'tools': [pay], 'journal': sys.argv[1] + '/j.db', 'evaluate': False}
    async with Session(**options, strategy=Direct()) as session:
        print((await session.run('Pay.')).answer, flush=True)
        async for plan in session.rehearse_many(['Pay.'], pool=ProcessWorkers(1)):
            print(plan.task.query)

START
"""


def started(folder: Path, start: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(PROGRAM.replace("START", start))
    words = [sys.executable, str(folder / "program.py"), str(folder)]
    return subprocess.run(words, capture_output=True, text=True, timeout=240)


@pytest.mark.slow
def test_a_worker_that_imports_its_program_makes_none_of_its_calls(tmp_path: Path) -> None:
    """Each worker imports the program that starts it, and so would pay once more."""
    done = started(tmp_path, "asyncio.run(main())")
    assert done.stdout == "done\n"
    assert (tmp_path / "paid").read_text() == "1\n"
    assert 'Put what the program does under `if __name__ == "__main__":`' in done.stderr
    assert "before its job was open: what it wrote to stderr says why" in done.stderr


@pytest.mark.slow
def test_a_program_whose_start_is_guarded_has_workers(tmp_path: Path) -> None:
    done = started(tmp_path, "if __name__ == '__main__':\n    asyncio.run(main())")
    assert (done.stdout, done.stderr) == ("done\nPay.\n", "")
    assert (tmp_path / "paid").read_text() == "1\n"
