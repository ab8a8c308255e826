"""A benchmark's tasks played through an ordinary Session, in each cell of a comparison."""

from __future__ import annotations

import tempfile
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Generic, NamedTuple

from artis_sdk.commit.journal import CommitJournal, SQLiteJournal
from artis_sdk.contracts import Backend, Simulator
from artis_sdk.errors import ArtisError, BackendClosed, ConfigurationError, EngineDead
from artis_sdk.evals.bench.cells import BenchCell, strategy
from artis_sdk.evals.bench.controls import agent_of
from artis_sdk.evals.bench.rows import TaskRow, added_to, read
from artis_sdk.evals.bench.world import (
    BenchmarkTask,
    BenchmarkWorld,
    InstanceT,
    KnowsDamage,
    KnowsScore,
    TaskInstance,
)
from artis_sdk.loop.budget import Emit
from artis_sdk.loop.strategies import Strategy
from artis_sdk.records import CommittedCall, Message, Request, Result, Role, Usage
from artis_sdk.records.brief import call_text, outcome_line
from artis_sdk.records.outcome_type import SUCCESS, outcome_type
from artis_sdk.session import Session
from artis_sdk.visible import shortened
from artis_sdk.workers import Here, Run, WorkerPool, opened, results

_CALL = 400  # characters of a call with its outcome in a row


@dataclass(frozen=True, slots=True)
class PlayedTask(Generic[InstanceT]):
    """A task that was played to its end."""

    task: BenchmarkTask[InstanceT]
    instance: InstanceT
    """The task's instance, with its objects in their final state."""
    results: tuple[Result, ...]
    """Results, one per turn."""
    problems: tuple[str | None, ...]
    """Results of the world's check, one per turn."""
    commit_seconds: float = 0.0
    """Seconds of the commits, without the rehearsals."""

    @property
    def fulfilled(self) -> bool:
        return all(problem is None for problem in self.problems)

    @property
    def usage(self) -> Mapping[Role, Usage]:
        """Usage by role, over all turns."""
        total: dict[Role, Usage] = {}
        for result in self.results:
            for role, used in result.usage.items():
                total[role] = total.get(role, Usage()) + used
        return total

    @property
    def commit_tokens(self) -> int:
        """Tokens of the commits, without the rehearsals."""
        return sum(_tokens(result.usage) - _tokens(result.plan.usage) for result in self.results)


def _tokens(usage: Mapping[Role, Usage]) -> int:
    return sum(used.total_tokens for used in usage.values())


async def play(
    world: BenchmarkWorld[InstanceT],
    task: BenchmarkTask[InstanceT],
    backend: Backend,
    simulator: Simulator | None,
    strategy: Strategy,
    *,
    journal: CommitJournal | str | Path,
    seed: int = 0,
    on_event: Emit | None = None,
    **options: Any,
) -> PlayedTask[InstanceT]:
    """Play a task turn by turn on a fresh instance.

    Args:
        world: world of the task.
        task: task of the world.
        backend: model of agent, evaluator and summarizer.
        simulator: simulator to rehearse in; None for strategies that do not simulate.
        strategy: order of the attempts.
        journal: path of the commits' journal.
        seed: seed of the sampling.
        on_event: as in `Session`.
        **options: further options of `Session`.

    Raises:
        ArtisError: as in `Session.run`.
    """
    instance = task.start()
    opened = partial(
        Session,
        agent=backend,
        simulator=simulator,
        strategy=strategy,
        state=instance.state,
        journal=journal,
        prompts=world.prompts,
        max_steps=world.max_steps,
        seed=seed,
        on_event=on_event,
        **options,
    )
    results: list[Result] = []
    problems: list[str | None] = []
    seconds = 0.0
    async with AsyncExitStack() as stack:
        offered, session = instance.tools, opened(tools=instance.tools)
        await stack.enter_async_context(session)
        for turn, query in enumerate(task.queries):
            if instance.tools is not offered:  # a session offers the same tools in every turn
                await stack.aclose()
                offered = instance.tools
                session = opened(tools=offered, conversation=session.conversation)
                await stack.enter_async_context(session)
            plan = await session.rehearse(query)
            began = time.monotonic()
            results.append(await session.commit(plan))
            seconds += time.monotonic() - began
            problems.append(instance.check_turn(turn, results[-1]))
    return PlayedTask(task, instance, tuple(results), tuple(problems), seconds)


def asked(
    world: BenchmarkWorld[InstanceT], count: int, seed: int = 0, kinds: Collection[str] = ()
) -> Iterator[BenchmarkTask[InstanceT]]:
    """The held-out tasks that are played in every cell.

    Args:
        world: world of the tasks.
        count: number of tasks, the first ones in their order.
        seed: seed of the tasks.
        kinds: kinds of tasks (`BenchmarkTask.kind`), of which alone those tasks are played; empty for all.
    """
    tasks = islice(world.tasks("held_out", seed=seed), count)
    return (task for task in tasks if not kinds or task.kind in kinds)


class Players(NamedTuple):
    """Who plays a benchmark's tasks."""

    agent: Backend
    judge: Backend | None
    """Model of judge and advisor; None for the agent's."""
    simulators: Callable[[str], Simulator]
    """Makes the simulator of a cell from its name."""


Opening = Callable[[], AbstractAsyncContextManager[Players]]
"""Makes the players, for as long as they are used."""


async def measure(
    world: BenchmarkWorld[TaskInstance],
    backend: Backend | None,
    wanted: Iterable[BenchCell],
    path: Path,
    *,
    simulators: Callable[[str], Simulator] | None = None,
    count: int,
    seed: int = 0,
    kinds: Collection[str] = (),
    concurrency: int = 4,
    on_row: Callable[[TaskRow], None] | None = None,
    pool: WorkerPool | None = None,
    opening: Opening | None = None,
) -> None:
    """Play held-out tasks in each cell; rows in the file are not played again.

    Args:
        world: world of the tasks; with a pool it is sent to the workers.
        backend: model of all roles; None where `opening` makes it.
        wanted: cells, measured in this order.
        path: file of JSON lines to which rows are added.
        simulators: function that makes the simulator of a cell from its name; None as for `backend`.
        count: number of tasks, the same ones in every cell.
        seed: seed of the tasks and of the sampling.
        kinds: as in `asked`.
        concurrency: tasks played at the same time, by each worker.
        on_row: callback for each row, including those read from the file.
        pool: workers that play; None for this process alone.
        opening: how each worker makes model and simulators; a pool sends it there.

    Raises:
        ConfigurationError: the world has no held-out tasks, or two with one id; or a pool has no `opening`;
            nothing was played.
        EngineDead, BackendClosed: nothing more can be measured; the rows so far are in the file.
        WorkerLost: a task has ended three workers; the rows so far are in the file.
    """
    if opening is None:
        if backend is None or simulators is None or pool is not None:
            raise ConfigurationError("pass opening=, by which each worker makes its own model and simulators")
        given = Players(backend, None, simulators)
        opening = opened(given)
    tasks = list(asked(world, count, seed, kinds))
    ids = {task.id for task in tasks}
    if len(ids) < max(len(tasks), 1):
        fault = "has several tasks with one id" if tasks else "has no held-out tasks"
        raise ConfigurationError(f"the world {world.name} {fault}: see BenchmarkWorld.tasks")
    tell = on_row or _silent
    done: set[tuple[BenchCell, str]] = set()
    for row in read(path):
        if row.task in ids:
            done.add((row.cell, row.task))
            tell(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    missing = ((cell, task.id) for cell in wanted for task in tasks if (cell, task.id) not in done)
    job = partial(_playing, opening, world, count, seed, tuple(kinds))
    with added_to(path) as file:
        async with aclosing(results(pool or Here(), job, missing, at_once=concurrency)) as rows:
            async for row in rows:
                file.write(row.model_dump_json() + "\n")
                file.flush()
                tell(row)


@asynccontextmanager
async def _playing(
    opening: Opening, world: BenchmarkWorld[TaskInstance], count: int, seed: int, kinds: Collection[str]
) -> AsyncIterator[Run[tuple[BenchCell, str], TaskRow]]:
    """A worker's job: it plays the task with an id in a cell."""
    tasks = {task.id: task for task in asked(world, count, seed, kinds)}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        journal = await stack.enter_async_context(aclosing(SQLiteJournal.shared(Path(folder) / "journal.db")))
        players = await stack.enter_async_context(opening())

        async def run(given: tuple[BenchCell, str]) -> TaskRow:
            return await _row(world, players, given[0], tasks[given[1]], journal, seed)

        yield run


async def _row(
    world: BenchmarkWorld[TaskInstance],
    players: Players,
    cell: BenchCell,
    task: BenchmarkTask[TaskInstance],
    journal: CommitJournal,
    seed: int,
) -> TaskRow:
    judge: dict[str, Any] = (
        {} if players.judge is None else {"evaluator": players.judge, "summarizer": players.judge}
    )
    agent = agent_of(cell, task, players.agent)
    began = time.monotonic()
    told = {"family": task.family, "hidden": task.hidden, "kind": task.kind, "query": "\n".join(task.queries)}
    common: dict[str, Any] = {"cell": cell, "task": task.id, **told}
    try:
        played = await play(
            world,
            task,
            agent,
            players.simulators(cell.simulator) if cell.simulator else None,
            strategy(cell),
            journal=journal,
            seed=seed,
            evaluate=cell.without not in ("evaluation", "both"),
            summarize=cell.without not in ("summary", "both"),
            mode=cell.mode,
            **judge,
        )
    except (EngineDead, BackendClosed, ConfigurationError):
        raise  # nothing more can be measured, and this says nothing about the task
    except ArtisError as error:
        return TaskRow(
            **common,
            fulfilled=False,
            usage={},
            calls=0,
            diverged=0,
            seconds=time.monotonic() - began,
            error=f"{type(error).__name__}: {error}",
        )
    attempts = [attempt for result in played.results for attempt in result.plan.attempts]
    judged = [attempt.evaluation for attempt in attempts if attempt.evaluation is not None]
    failed = [result.error for result in played.results if result.ended in ("model_error", "context")]
    if failed:
        await _answers(agent)
    return TaskRow(
        **common,
        fulfilled=played.fulfilled,
        usage=dict(played.usage),
        calls=sum(len(result.calls) for result in played.results),
        refused=sum(outcome_type(c.outcome, c.call) != SUCCESS for one in played.results for c in one.calls),
        damaged=isinstance(played.instance, KnowsDamage)
        and not played.fulfilled
        and played.instance.damaged(),
        judged=len(judged),
        passed=sum(evaluation.correct for evaluation in judged),
        score=played.instance.score() if isinstance(played.instance, KnowsScore) else None,
        diverged=sum(len(result.divergences) for result in played.results),
        seconds=round(time.monotonic() - began, 3),
        unforeseen=sum(len(result.unforeseen) for result in played.results),
        stopped=sum(result.ended == "stopped" for result in played.results),
        commit_tokens=played.commit_tokens,
        commit_seconds=round(played.commit_seconds, 3),
        made=tuple(_in_words(call) for result in played.results for call in result.calls),
        answer=played.results[-1].answer if played.results else None,
        problem=next((problem for problem in played.problems if problem is not None), None),
        error=failed[0] if failed else None,
    )


def _in_words(made: CommittedCall) -> str:
    return shortened(f"{call_text(made.call)} → {outcome_line(made.outcome)}", _CALL)


async def _answers(backend: Backend) -> None:
    """See that a backend that failed in a commit is still there.

    Raises:
        EngineDead, BackendClosed: it is gone: nothing more can be measured.
        ConfigurationError: it cannot run here, as without its package.
    """
    try:
        await backend.complete(Request(messages=(Message(role="user", content="."),), max_tokens=1))
    except (EngineDead, BackendClosed, ConfigurationError):
        raise
    except ArtisError:
        return


def _silent(row: TaskRow) -> None:
    pass
