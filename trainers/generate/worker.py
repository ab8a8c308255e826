"""The process in which generated calls run: a fork of this one, killable, over copies of the objects."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from artis_sdk.contracts import Backend, Simulator
from artis_sdk.errors import ArtisError, SimulationError
from artis_sdk.logs.codec import dumps
from artis_sdk.records import Completion, History, Outcome, Request, Role, State, Step, ToolCall
from artis_sdk.simulators.sandbox import SandboxSimulator
from artis_sdk.simulators.seal import Seal, seal_other_threads
from artis_sdk.tools.source_checks.code import SourceCode
from artis_sdk.trainers.generate.trace import Line, Trace
from artis_sdk.trainers.generate.worlds import Change, StartState, make_changes, shown

_MEMORY = 2 << 30  # bytes that generated calls may add to what the process has
CLOCK = 10  # seconds by the clock for each of CPU, as a busy machine may need
_LARGEST = 1_000_000  # characters of an outcome


@dataclass(frozen=True, slots=True)
class Start:
    """Begin a task in a fork of a world; answered by `Started`."""

    task: int
    world: int
    changes: tuple[Change, ...]
    known: bool
    """Whether the state need not be sent again."""


@dataclass(frozen=True, slots=True)
class Started:
    state: State
    error: str | None = None
    """Reason why this world has no sandbox."""


@dataclass(frozen=True, slots=True)
class Act:
    """Make the next call of a task; answered by `WorkerResult`."""

    task: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class Finish:
    """A task is over; not answered."""

    task: int


@dataclass(frozen=True, slots=True)
class WorkerResult:
    """The result of a call."""

    outcome: Outcome | None
    lines: frozenset[Line]
    error: str | None = None
    """Reason why the sandbox has no outcome."""


_LEFT = Seal("a thread that a tool started")


class NoModel:
    """The meter of a sandbox, which uses no model."""

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        """Refuse."""
        raise SimulationError("sandbox", "generated calls use no model")


def work(
    connection: Connection,
    worlds: Sequence[StartState],
    pure: Sequence[str],
    sources: Sequence[SourceCode],
    seconds: float,
    folder: str,
) -> None:
    """The worker's loop; it ends when the other side closes.

    Args:
        connection: connection to the process that decides the calls.
        worlds, pure: worlds, and functions that may run unchanged, see `SandboxSimulator`.
        sources: functions whose lines are recorded.
        seconds: CPU seconds of one call, and `CLOCK` times as many by the clock.
        folder: folder for copies of forks; the other side removes it, as this one may be killed.
    """
    tempfile.tempdir = folder
    _quiet()
    _limit_memory()
    seal_other_threads(_LEFT)
    trace = Trace(sources)
    trace.start(here=any(tool.is_async for world in worlds for tool in world.tools))
    asyncio.run(_serve(connection, worlds, pure, trace, seconds))


@dataclass(slots=True)
class _Task:
    """A running task."""

    attempt: Simulator
    history: History = ()


async def _serve(
    connection: Connection, worlds: Sequence[StartState], pure: Sequence[str], trace: Trace, seconds: float
) -> None:
    tasks: dict[int, _Task] = {}
    while True:
        try:
            asked = connection.recv()
        except EOFError:
            return
        if isinstance(asked, Finish):
            if (task := tasks.pop(asked.task, None)) is not None:
                with suppress(SimulationError):  # its calls have been answered
                    await task.attempt.aclose()
            continue
        _allow(seconds)
        answer: Started | WorkerResult
        if isinstance(asked, Start):
            answer = _start(asked, worlds, pure, tasks)
        else:
            answer = await _act(asked.call, tasks[asked.task], trace)
        _allow(0)
        connection.send(answer)


def _start(
    start: Start, worlds: Sequence[StartState], pure: Sequence[str], tasks: dict[int, _Task]
) -> Started:
    tools = worlds[start.world].tools
    try:
        sandbox = SandboxSimulator(pure=[name for name in pure if name in tools])
        fork = sandbox.fork(tools, NoModel())
        tasks[start.task] = _Task(fork)
        before = None if start.known else fork.state()
        make_changes(fork.tools, start.changes)
        state = None if start.known else shown(fork.state(), before, tools.state())
    except Exception as error:  # noqa: BLE001  copying runs the application's code
        return Started(None, str(error))
    return Started(state)


async def _act(call: ToolCall, task: _Task, trace: Trace) -> WorkerResult:
    trace.take()
    _LEFT.refused.clear()
    try:
        outcome = await task.attempt.predict(call, None, task.history)
        if _LEFT.refused:
            raise _LEFT.refused[0]
        size = len(dumps(outcome.content()))
    except ArtisError as error:
        return WorkerResult(None, trace.take(), str(error))
    except (ValueError, TypeError) as error:
        return WorkerResult(None, trace.take(), f"{call.tool}: its outcome is not JSON text: {error}")
    if size > _LARGEST:
        return WorkerResult(None, trace.take(), f"{call.tool}: its outcome is too large for a log")
    task.history = (*task.history, Step(call=call, outcome=outcome))
    return WorkerResult(outcome, trace.take())


def _allow(seconds: float) -> None:
    """Let the kernel end this process when the time is over; 0 for no limit."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * CLOCK)


def _quiet() -> None:
    """Drop the output of tools, and let them read nothing."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    with open("/proc/self/statm", encoding="ascii") as file:
        now = int(file.read().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = now + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard < 0 else min(wanted, hard), hard))
