"""Many tasks rehearsed at once, by one session or by sessions of workers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing, asynccontextmanager
from dataclasses import fields, replace
from functools import partial
from typing import Any, NamedTuple

from artis_sdk.errors import ConfigurationError
from artis_sdk.records import Plan
from artis_sdk.session_args import SessionArgs
from artis_sdk.workers import Here, Job, Run, WorkerPool, opened, results

_Rehearse = Callable[..., Awaitable[Plan]]


class _Task(NamedTuple):
    """One of the tasks, which errors name by its number: its words may hold secrets."""

    number: int
    query: str

    def __repr__(self) -> str:
        return f"number {self.number}"


async def rehearsed(
    kind: Callable[..., Any],
    args: SessionArgs,
    here: _Rehearse,
    tasks: Iterable[str],
    *,
    at_once: int,
    pool: WorkerPool | None,
) -> AsyncIterator[Plan]:
    """The plans of many tasks, as they come. An error names its task by its number, from 1.

    Args:
        kind: the class of the session.
        args: its options.
        here: its own `rehearse`, for no pool.
        tasks: the tasks.
        at_once: tasks rehearsed at the same time, by each worker.
        pool: workers that rehearse.

    Raises:
        ConfigurationError: the options cannot be sent to a worker; nothing was rehearsed.
    """
    if isinstance(tasks, str):
        raise ConfigurationError("tasks are several: pass [TASK], or await session.rehearse(TASK) for one")
    if not isinstance(tasks, Iterable):
        raise ConfigurationError(f"tasks must be an iterable of texts, not {type(tasks).__name__}")
    if type(at_once) is not int or at_once < 1:
        raise ConfigurationError(f"at_once must be a whole number above 0, not {at_once!r}")
    job: Job[_Task, Plan]
    if pool is None:
        job = opened(partial(_rehearse, partial(here, keep_changes=args.approve is not None)))
    else:
        # Who approves and who listens is here; plans tell the rest.
        sent = replace(args, approve=None, on_event=None, on_text=None)
        job = partial(_rehearsing, kind, _options(sent), args.approve is not None)
    numbered = (_Task(number, query) for number, query in enumerate(tasks, 1))
    async with aclosing(results(pool or Here(), job, numbered, at_once=at_once)) as plans:
        async for plan in plans:
            yield plan


async def _rehearse(rehearse: _Rehearse, task: _Task) -> Plan:
    return await rehearse(task.query)


def _options(args: SessionArgs) -> dict[str, Any]:
    given = {field.name: getattr(args, field.name) for field in fields(args)}
    return {name: value for name, value in given.items() if value is not None and value != ()}


@asynccontextmanager
async def _rehearsing(
    kind: Callable[..., Any], options: dict[str, Any], keep_changes: bool
) -> AsyncIterator[Run[_Task, Plan]]:
    """A worker's job: it rehearses tasks in a session of its own."""
    async with kind(**options) as session:
        yield partial(_rehearse, partial(session.rehearse, keep_changes=keep_changes))
