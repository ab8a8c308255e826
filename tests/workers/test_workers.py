"""Tasks over workers: each has one result, whatever becomes of the workers."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers import worker_jobs
from helpers.fidelity import record
from typer.testing import CliRunner

from artis_sdk import Direct, Parallel, Session, Toolset
from artis_sdk.cli.app import app
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.errors import ConfigurationError, SimulationError, WorkerLost
from artis_sdk.evals.bench.cells import cells
from artis_sdk.evals.bench.rows import TaskRow, read
from artis_sdk.evals.bench.runner import measure
from artis_sdk.logs import CallLog
from artis_sdk.records import ToolCall
from artis_sdk.trainers.generate import shards
from artis_sdk.workers import Here, Job, ProcessWorkers, RayWorkers, WorkerPool, results

pytestmark = pytest.mark.slow  # starts processes
ENGINES = (
    pytest.mark.engine,
    pytest.mark.large,
)  # by `make engines`: Ray, and each worker imports everything


def thorough(test: Any) -> Any:
    """A test that `make engines` runs."""
    for mark in ENGINES:
        test = mark(test)
    return test


@pytest.fixture(scope="module", params=["processes", pytest.param("ray", marks=ENGINES)])
async def pool(request: pytest.FixtureRequest) -> AsyncIterator[WorkerPool]:
    if request.param == "ray":
        pytest.importorskip("ray", reason="the extra ray is not installed")
    made: WorkerPool = ProcessWorkers(2) if request.param == "processes" else RayWorkers(2)
    yield made
    await made.aclose()


async def taken(pool: WorkerPool, job: Job[Any, Any], tasks: Iterable[Any], at_once: int = 2) -> list[Any]:
    async with aclosing(results(pool, job, tasks, at_once=at_once)) as found:
        return [result async for result in found]


def tries(folder: Path, number: int) -> list[str]:
    return (folder / str(number)).read_text().split()


def workers(folder: Path, what: str) -> set[str]:
    """The processes that left a trace: `opened` or `closed`."""
    return {path.name.partition("-")[2] for path in folder.glob(f"{what}-*")}


async def test_a_killed_worker_costs_its_tasks_a_retry_and_no_result_comes_twice(
    pool: WorkerPool, tmp_path: Path
) -> None:
    found = await taken(pool, partial(worker_jobs.squares, tmp_path), range(30))
    assert sorted(found) == [n * n for n in range(30)]
    first, second = tries(tmp_path, 13)
    assert first != second
    assert str(os.getpid()) not in {first, second}
    opened, closed = (workers(tmp_path, what) for what in ("opened", "closed"))
    assert len(opened) == 3, "two workers, and one in the place of the lost one"
    assert closed == opened - {first}


@thorough
async def test_a_task_that_ends_its_workers_ends_the_run_after_three(
    pool: WorkerPool, tmp_path: Path
) -> None:
    with pytest.raises(WorkerLost, match="has lost 3 workers"):
        await taken(pool, partial(worker_jobs.squares, tmp_path), [1, 99, 2], at_once=1)
    assert len(set(tries(tmp_path, 99))) == 3


async def test_what_the_job_raises_is_raised_here_and_not_tried_again(
    pool: WorkerPool, tmp_path: Path
) -> None:
    with pytest.raises(SimulationError, match="-1 is negative"):
        await taken(pool, partial(worker_jobs.squares, tmp_path), [2, 3, -1])
    assert len(tries(tmp_path, -1)) == 1


@thorough
async def test_a_job_that_cannot_be_opened_says_why(pool: WorkerPool) -> None:
    with pytest.raises(SimulationError, match="there is no model"):
        await taken(pool, worker_jobs.unopened, [1])


@thorough
async def test_a_worker_has_several_tasks_at_once(pool: WorkerPool, tmp_path: Path) -> None:
    found = await taken(pool, partial(worker_jobs.meeting, tmp_path, 3), range(6), at_once=3)
    assert sorted(found.count(pid) for pid in set(found)) == [3, 3]


@thorough
async def test_a_reader_that_stops_ends_the_workers(pool: WorkerPool, tmp_path: Path) -> None:
    async with aclosing(results(pool, partial(worker_jobs.squares, tmp_path), range(1000))) as found:
        async for _ in found:
            break
    closed = workers(tmp_path, "closed")
    assert closed
    assert closed <= workers(tmp_path, "opened"), "one that was still starting opened nothing"
    assert sum(name.isdigit() for name in os.listdir(tmp_path)) < 100


async def test_a_job_that_cannot_be_sent_is_refused(pool: WorkerPool) -> None:
    lock = os.scandir()  # no process can hand it to another
    with lock, pytest.raises(ConfigurationError, match="cannot be sent to another process"):
        await taken(pool, partial(worker_jobs.squares, lock), [1])  # type: ignore[arg-type]


async def test_without_workers_this_process_does_it(tmp_path: Path) -> None:
    found = await taken(Here(), partial(worker_jobs.squares, tmp_path), range(5))
    assert sorted(found) == [0, 1, 4, 9, 16]
    assert tries(tmp_path, 3) == [str(os.getpid())]


@pytest.mark.parametrize("kind", [ProcessWorkers, RayWorkers])
def test_the_number_of_workers_is_positive(kind: type) -> None:
    with pytest.raises(ConfigurationError, match="positive"):
        kind(0)


# --- what shares its tasks so -----------------------------------------------------------------


@pytest.fixture
def options(pool: WorkerPool) -> list[str]:
    """The command line's words for this kind of workers; Ray's cluster is the pool's."""
    return ["--workers", "2", *(["--ray"] if isinstance(pool, RayWorkers) else [])]


def command(*words: str) -> str:
    done = CliRunner().invoke(app, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@thorough
def test_an_evaluation_writes_each_row_once_and_goes_on_with_other_workers(
    options: list[str], tmp_path: Path
) -> None:
    log = tmp_path / "calls.db"
    with CallLog(log) as store:
        for n in range(40):
            asked = ToolCall(id=f"c{n}", tool="pay", arguments={"n": n, "folder": str(tmp_path)})
            store.append(record(n, n, call=asked))
    words = [
        "eval",
        "simulator",
        str(log),
        "--simulator",
        "python:helpers.worker_jobs:Deadly",
        "--split",
        "all",
    ]
    words += ["--no-similarity", "--json", "--out"]
    found = json.loads(command(*words, str(tmp_path / "out"), "--concurrency", "2", *options))
    assert found["fidelity"]["overall"]["rows"] == 40
    path = tmp_path / "out" / "predictions.jsonl"
    head, *rows = path.read_text().splitlines()
    assert len({json.loads(row)["id"] for row in rows}) == len(rows) == 40
    assert (tmp_path / "killed").exists()
    alone = json.loads(command(*words, str(tmp_path / "alone")))
    assert comparable(found) == comparable(alone)
    path.write_text("\n".join([head, *rows[:30], rows[30][:20]]))  # cut off in a line
    assert comparable(json.loads(command(*words, str(tmp_path / "out"), *options))) == comparable(alone)
    assert len(path.read_text().splitlines()) == 41


def comparable(found: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found["fidelity"].items() if key != "made"}


async def test_a_benchmark_plays_each_task_once(pool: WorkerPool, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    wanted = cells(["direct"], [], [0])

    async def measured() -> list[TaskRow]:
        told: list[TaskRow] = []
        world = worker_jobs.LampWorld(tmp_path)
        opening = worker_jobs.lighting
        await measure(world, None, wanted, path, count=8, on_row=told.append, pool=pool, opening=opening)
        return told

    told = await measured()
    assert (tmp_path / "killed").exists()
    assert sorted(row.task for row in read(path)) == [f"lamp-{n}" for n in range(8)]
    assert all(row.fulfilled for row in told)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines[:6], lines[6][:30]]))  # cut off in a line
    assert sorted(row.task for row in await measured()) == sorted(row.task for row in told)
    assert len(list(read(path))) == 8


@thorough
def test_generated_rows_are_the_same_for_any_number_of_workers(
    options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "CALLS", 60)
    words = ["generate", "--tools", "helpers.failing_tools:tools", "--calls", "180", "--json", "--out"]
    made = json.loads(command(*words, str(tmp_path / "two.db"), *options))
    with CallLog(tmp_path / "two.db", create=False) as log:
        ids = [one.id for one in log.records()]
    assert len(set(ids)) == len(ids) == made["rows"]
    assert sum(of["calls"] for of in made["coverage"]["sources"].values()) == 180
    command(*words, str(tmp_path / "one.db"), "--workers", "1")
    with CallLog(tmp_path / "one.db", create=False) as log:
        assert sorted(one.id for one in log.records()) == sorted(ids)
    command(*words, str(tmp_path / "two.db"), *options)
    with CallLog(tmp_path / "two.db", create=False) as log:
        assert sum(1 for _ in log.records()) == len(ids), "a repeated run adds nothing"


@thorough
async def test_a_session_rehearses_many_tasks_in_sessions_of_workers(
    pool: WorkerPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"agent": "scripted:a", "journal": str(tmp_path / "journal.db")}
    options |= {"strategy": Parallel(2), "simulator": "sandbox", "evaluate": False, "summarize": False}
    monkeypatch.chdir(tmp_path)
    (tmp_path / "artis.toml").write_text(
        'tools = "helpers.failing_tools:tools"\n[backends."scripted:a"]\nreplies = '
        f"{json.dumps(['done'] * 100)}\n"
    )
    async with Session(**options) as session:
        tasks = [f"task {n}" for n in range(6)]
        for given in (None, pool):
            plans = [plan async for plan in session.rehearse_many(tasks, at_once=2, pool=given)]
            assert sorted(plan.task.query for plan in plans) == tasks
            assert {len(plan.attempts) for plan in plans} == {2}
        result = await session.commit(plans[0])
        assert (result.answer, result.plan.id) == ("done", plans[0].id)


async def test_options_that_cannot_be_sent_are_refused(pool: WorkerPool, tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "journal.db")
    agent = "scripted:a"
    async with Session(agent=agent, strategy=Direct(), tools=Toolset(), journal=journal) as session:
        with pytest.raises(ConfigurationError, match="cannot be sent to another process"):
            _ = [plan async for plan in session.rehearse_many(["task"], pool=pool)]
    journal.close()
