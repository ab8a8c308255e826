"""Runs tasks in the worker, records their coverage, and starts another worker when a call hangs."""

from __future__ import annotations

import os
import signal
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from tempfile import TemporaryDirectory
from typing import Any, Self

from pydantic import JsonValue

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs.codec import dumps
from artis_sdk.records import Provenance, State, Step, ToolCall
from artis_sdk.records.outcome_type import SUCCESS, outcome_type
from artis_sdk.tools.source_checks.code import SourceCode
from artis_sdk.tools.source_checks.read import FailureMode
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy
from artis_sdk.trainers.generate.tasks import CallResult, Draft, TaskRun
from artis_sdk.trainers.generate.trace import Line
from artis_sdk.trainers.generate.worker import CLOCK, Act, Finish, Start, Started, WorkerResult, work
from artis_sdk.trainers.generate.worlds import Change, StartState

_BOUND = 10_000  # bound of integers for a tool that has hung
_WIDEST = 10**400  # of any integer; Python refuses to write longer ones than 4,300 digits
_STATES = 1000  # start states remembered
_STARTS = (
    3  # of a task, before its world counts as one that cannot be forked: a process may have been stopped
)
_SPARE = 15.0  # seconds beyond a call's own, after which the worker is ended from here


@dataclass(frozen=True, slots=True)
class GenerationBudget:
    """Limits of generation; the first one reached ends it."""

    calls: int = 5000
    seconds: float | None = None
    coverage: float = 1.0
    """Share of the known failure modes."""
    call_seconds: float = 1.0
    """CPU seconds after which a call counts as hanging; by the clock ten times as many."""


class Runner:
    """Workers, one after the other, as many as needed.

    Args:
        worlds: worlds of the tasks.
        taxonomy: taxonomy of their tools.
        pure: names of functions that may run unchanged, see `SandboxSimulator`.
        budget: limits of generation.

    Raises:
        ConfigurationError: this system has no `fork`.
    """

    def __init__(
        self,
        worlds: Sequence[StartState],
        taxonomy: Taxonomy,
        *,
        pure: Sequence[str] = (),
        budget: GenerationBudget,
    ) -> None:
        if not hasattr(os, "fork"):
            raise ConfigurationError("generation runs tools in a forked process, and this system has none")
        self.worlds = worlds
        self.taxonomy = taxonomy
        self.budget = budget
        self.calls = 0
        """Number of calls so far, including those that hung."""
        self.tasks = 0
        self.hung: Counter[str] = Counter()
        """Number of calls by tool that did not end, or ended the process."""
        self.refused: Counter[str] = Counter()
        """Number of calls that the sandbox could not run, by reason."""
        self._pure = tuple(pure)
        self._began = time.monotonic()
        self._share = 1.0
        self._where = _by_line(taxonomy)
        self._sources: list[SourceCode] = [s for tool in taxonomy.tools.values() for s in tool.functions]
        self._states: dict[tuple[int, str], State] = {}
        self._worker: tuple[int, Connection] | None = None
        self._workers = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    @property
    def spent(self) -> bool:
        """Whether the calls or the seconds are used up."""
        seconds = self.budget.seconds
        passed = time.monotonic() - self._began
        return self.calls >= self.budget.calls * self._share or (
            seconds is not None and passed >= seconds * self._share
        )

    @contextmanager
    def limited(self, share: float) -> Iterator[None]:
        """Reserve a part of the budget for later sources.

        Args:
            share: of the whole budget that may be spent by the end of this.
        """
        self._share = share
        try:
            yield
        finally:
            self._share = 1.0

    # --- tasks ------------------------------------------------------------------------------------

    def run(self, draft: Draft) -> TaskRun:
        """Run a task within the budget, until a call has no outcome."""
        ran = self.begin(draft)
        for number, call in enumerate(draft.calls):
            if ran.stopped is not None or self.spent:
                break
            self.call(ran, call.model_copy(update={"id": f"call-{number}"}))
        self.finish(ran)
        return ran

    def begin(self, draft: Draft) -> TaskRun:
        """Begin a task in a fork of its world.

        Raises:
            ConfigurationError: the world cannot be forked.
        """
        ran = TaskRun(draft, self.tasks, self._start(self.tasks, draft.world, draft.changes), self._workers)
        self.tasks += 1
        return ran

    def state(self, world: int, changes: tuple[Change, ...] = ()) -> State:
        """The start state of a world.

        Raises:
            ConfigurationError: the world cannot be forked.
        """
        known = self._states.get((world, _text(changes)))
        if known is None:
            known = self._start(-1, world, changes)
            self._tell(Finish(-1))
        return known

    def call(self, ran: TaskRun, call: ToolCall) -> CallResult | None:
        """Make the next call of a task; None without an outcome, which ends the task."""
        if ran.worker != self._workers or self._worker is None:
            ran.stopped = ran.stopped or "a call of another task hung"
            return None
        call = self._bounded(call)
        self.calls += 1
        answer = self._ask(Act(ran.number, call))
        if answer is None:
            self.hung[call.tool] += 1
            seconds = self.budget.call_seconds
            ran.stopped = f"{call.tool} did not end within {seconds:g} s, or ended its process"
            return None
        assert isinstance(answer, WorkerResult)
        if answer.outcome is None:
            self.refused[str(answer.error)] += 1
            ran.stopped = answer.error
            return None
        step = Step(call=call, outcome=answer.outcome)
        type_ = outcome_type(answer.outcome, call)
        reached = CallResult(step, answer.lines, self._modes(step, answer.lines, type_), type_)
        ran.reached.append(reached)
        return reached

    def finish(self, ran: TaskRun) -> None:
        """End a task and drop its fork."""
        if ran.worker == self._workers:
            self._tell(Finish(ran.number))

    def _start(self, task: int, world: int, changes: tuple[Change, ...]) -> State:
        key = (world, _text(changes))
        known = key in self._states
        answer = None
        for _ in range(_STARTS):
            if self._worker is None:
                self._fork()
            answer = self._ask(Start(task, world, changes, known))
            if answer is not None:
                break
        else:
            raise ConfigurationError(f"forking world {world} took more than {self.budget.call_seconds:g} s")
        assert isinstance(answer, Started)
        if answer.error is not None:
            raise ConfigurationError(answer.error)
        if not known:
            if len(self._states) >= _STATES:
                self._states.clear()
            self._states[key] = answer.state
        return self._states[key]

    def _modes(self, step: Step, lines: frozenset[Line], type_: str) -> tuple[FailureMode, ...]:
        """Modes by the lines that ran, and by the message if a line is ambiguous; none for a success.

        A refusal by pydantic has no line.
        """
        if type_ == SUCCESS:
            return ()
        said = self.taxonomy.match(step.call, step.outcome)
        if step.outcome.provenance is Provenance.FORCED:
            return said
        ran = [mode for line in lines for mode in self._where.get((step.call.tool, *line), ())]
        found = {mode.key: mode for mode in ran if mode in said or not _also_runs_when_fine(mode)}
        if step.outcome.failure_type == "ValidationError":
            found |= {mode.key: mode for mode in said if not mode.in_source}
        return tuple(found[key] for key in sorted(found))

    def _bounded(self, call: ToolCall) -> ToolCall:
        """Integers that Python can write, and small ones for a tool that has hung."""
        bound = _BOUND if call.tool in self.hung else _WIDEST
        arguments: dict[str, Any] = {name: _clamp(value, bound) for name, value in call.arguments.items()}
        return call if arguments == call.arguments else call.model_copy(update={"arguments": arguments})

    # --- the worker -------------------------------------------------------------------------------

    def _tell(self, what: Finish) -> None:
        if self._worker is not None:
            with suppress(OSError):  # it is dead, as the next request will show
                self._worker[1].send(what)

    def _ask(self, what: Start | Act) -> Started | WorkerResult | None:
        """The worker's answer; None if it hung or died, and a new worker has replaced it."""
        assert self._worker is not None
        _, connection = self._worker
        try:
            connection.send(what)
            if not connection.poll(CLOCK * self.budget.call_seconds + _SPARE):
                raise EOFError
            answer: Started | WorkerResult = connection.recv()
        except (EOFError, OSError):
            self._end()
            return None
        return answer

    def _fork(self) -> None:
        ours, theirs = Pipe()
        self._folder = TemporaryDirectory(prefix="artis-generate-", ignore_cleanup_errors=True)
        with warnings.catch_warnings():
            # Since 3.12 Python warns of threads here; the child runs none of the parent's.
            warnings.simplefilter("ignore", DeprecationWarning)
            pid = os.fork()
        if pid == 0:
            try:
                ours.close()
                work(
                    theirs,
                    self.worlds,
                    self._pure,
                    self._sources,
                    self.budget.call_seconds,
                    self._folder.name,
                )
            finally:
                os._exit(0)
        theirs.close()
        self._worker = pid, ours
        self._workers += 1

    def _end(self) -> None:
        if self._worker is None:
            return
        pid, connection = self._worker
        self._worker = None
        connection.close()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self._folder.cleanup()


def _by_line(taxonomy: Taxonomy) -> dict[tuple[str, str, int], list[FailureMode]]:
    """The modes by tool, file and each of their lines."""
    found: dict[tuple[str, str, int], list[FailureMode]] = {}
    for mode in taxonomy:
        if mode.in_source:
            for line in range(mode.site.line, mode.site.end + 1):
                found.setdefault((mode.tool, mode.site.file, line), []).append(mode)
    return found


def _also_runs_when_fine(mode: FailureMode) -> bool:
    """Whether the failure and its test are on the same lines: `assert`, `a if b else c`."""
    return mode.site.line <= mode.site.gate <= mode.site.end


def _text(changes: Sequence[Change]) -> str:
    return dumps([[*change.path, change.value] for change in changes])


def _clamp(value: JsonValue, bound: int) -> JsonValue:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and abs(value) > bound:
        return bound if value > 0 else -bound
    if isinstance(value, list):
        return [_clamp(item, bound) for item in value]
    if isinstance(value, dict):
        return {key: _clamp(item, bound) for key, item in value.items()}
    return value
