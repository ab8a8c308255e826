"""Failure-driven generation (section 4.3.2): sources, a budget, a log, and coverage."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from os import PathLike
from random import Random
from threading import Event
from typing import Any, Final

from artis_sdk.contracts import Backend
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import CallStore, open_call_log
from artis_sdk.prompts import Prompts
from artis_sdk.records import CallRecord
from artis_sdk.tools import Toolset
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy
from artis_sdk.trainers.generate import agents, targeted
from artis_sdk.trainers.generate.agents import Agents
from artis_sdk.trainers.generate.coverage import Coverage
from artis_sdk.trainers.generate.guided import Guided
from artis_sdk.trainers.generate.logged import logged_tasks
from artis_sdk.trainers.generate.mutation import Mutation
from artis_sdk.trainers.generate.places import Places
from artis_sdk.trainers.generate.runner import GenerationBudget, Runner
from artis_sdk.trainers.generate.strategies import load_hypothesis
from artis_sdk.trainers.generate.targeted import Targeted
from artis_sdk.trainers.generate.tasks import TaskRun
from artis_sdk.trainers.generate.values import Pool
from artis_sdk.trainers.generate.worlds import StartState, worlds_of

SOURCES: Final = (agents.NAME, Mutation.name, Guided.name, targeted.NAME)
"""The sources in the order in which they run; mutation and property take turns."""

_AGENTS_SHARE = 0.4  # share of the calls, if other sources follow
_TARGETED_SHARE = 0.1  # share of the calls kept for it
_PROGRESS = 50  # tasks between two reports
_STATES = 1000  # start states whose values are taken


@dataclass(frozen=True, slots=True)
class GenerationProgress:
    """Progress of generation."""

    source: str
    calls: int
    rows: int
    reached: int
    modes: int


@dataclass(slots=True)
class Generated:
    """The result of generation."""

    log: CallStore
    """The log with the added rows, flushed and still open."""
    coverage: Coverage
    rows: int = 0
    tasks: int = 0
    hung: Counter[str] = field(default_factory=Counter)
    """Number of calls by tool that did not end in time, or ended their process; they are not logged."""
    refused: Counter[str] = field(default_factory=Counter)
    """Number of calls that the sandbox could not run, by reason."""
    notes: list[str] = field(default_factory=list)
    """Notes, such as sources that could not be read and models that failed."""

    def as_json(self) -> dict[str, Any]:
        """The report as JSON."""
        return {
            "log": self.log.address,
            "rows": self.rows,
            "tasks": self.tasks,
            "coverage": self.coverage.as_json(),
            "hung": dict(self.hung),
            "refused": dict(self.refused),
            "notes": self.notes,
        }


async def generate(
    tools: Toolset | StartState | Sequence[Toolset | StartState],
    log: CallStore | Iterable[CallRecord] | None = None,
    budget: GenerationBudget | None = None,
    seed: int = 0,
    *,
    out: CallStore | str | PathLike[str],
    sources: Iterable[str] = (Mutation.name, Guided.name),
    writer: Backend | None = None,
    solvers: Sequence[Backend] = (),
    queries: int = 100,
    tries: int = 2,
    pure: Sequence[str] = (),
    vary_state: bool = True,
    prompts: Prompts | None = None,
    on_progress: Callable[[GenerationProgress], None] | None = None,
) -> Generated:
    """Run calls that fail in as many ways as possible, in a sandbox over the tools' real code.

    Nothing real is touched: calls run in a forked process, over forks of the tools' objects, and acts
    that would leave it are refused (see `SandboxSimulator`). Start states vary by plain values that
    tools look at, never by paths and addresses. The rows are sandboxed ones; those made from a logged
    session carry its name, so a split keeps them together. Mutation and property-based calls are the
    same for the same seed, in every process and for any PYTHONHASHSEED, if the tools are deterministic
    and no call takes just about `call_seconds`.

    Args:
        tools: the tools, or several toolsets over different objects, which are the start states.
        log: log of real calls to start from; its modes count as reached.
        budget: budget; by default 5,000 calls.
        seed: seed of everything that models do not decide.
        out: log to which rows are added.
        sources: names from `SOURCES`.
        writer: model that writes queries (agents) and calls (targeted).
        solvers: models that solve queries; by default the writer.
        queries: number of queries per tool (agents).
        tries: maximum answers per mode (targeted).
        pure: functions without an object that change nothing, see `SandboxSimulator`.
        vary_state: whether to change plain values of start states too.
        prompts: templates `queries_*`, `action_*` and `targeted_*`.
        on_progress: callback for progress, in any thread.

    Raises:
        ConfigurationError: an unknown source, a source without its model, or objects that cannot be
            forked.
        LogError: the log cannot be written.
    """
    wanted = _checked(list(sources), writer)
    worlds = worlds_of(tools)
    taxonomy = Taxonomy(tool for world in worlds for tool in world.tools)
    store = open_call_log(out) if isinstance(out, str | PathLike) else out
    try:
        with Runner(worlds, taxonomy, pure=pure, budget=budget or GenerationBudget()) as runner:
            run = _Run(runner, store, seed, vary_state, on_progress)
            await asyncio.to_thread(run.read, log)
            if agents.NAME in wanted and writer is not None:
                share = 1.0 if len(wanted) == 1 else _AGENTS_SHARE
                await run.ask_agents(writer, solvers or (writer,), queries, prompts or Prompts(), share)
            await run.model_free(wanted)
            if targeted.NAME in wanted and writer is not None:
                await run.ask_targeted(writer, tries, prompts or Prompts())
        await asyncio.to_thread(store.flush)
    except BaseException:
        if store is not out:
            await asyncio.to_thread(store.close)
        raise
    return run.generated


class _Run:
    def __init__(
        self,
        runner: Runner,
        log: CallStore,
        seed: int,
        vary_state: bool,
        on_progress: Callable[[GenerationProgress], None] | None,
    ) -> None:
        self.runner = runner
        self.seed = seed
        self.vary_state = vary_state
        self.generated = Generated(
            log, Coverage.of(runner.taxonomy), hung=runner.hung, refused=runner.refused
        )
        for tool in runner.taxonomy.tools.values():
            self.generated.notes += [f"{tool.tool}: {note}" for note in tool.notes]
        self.places = Places(runner.state)
        self.pool = Pool()
        self.tasks = list(logged_tasks((), runner.worlds, runner.state, Random(seed)))
        self.guided: Guided | None = None
        self._on_progress = on_progress

    @property
    def complete(self) -> bool:
        """Whether generation is over: the budget is spent, or its coverage reached."""
        return self.runner.spent or self.generated.coverage.share >= self.runner.budget.coverage

    def read(self, log: CallStore | Iterable[CallRecord] | None) -> None:
        """Read the real calls: their tasks, values, states and coverage."""
        if log is None:
            return
        records = list(log).__iter__ if isinstance(log, Iterable) else log.records
        self.generated.coverage.add_log(records(), self.runner.taxonomy)
        random = Random(f"{self.seed}:log")
        self.tasks = logged_tasks(records(), self.runner.worlds, self.runner.state, random)
        for task in self.tasks:
            for call in task.calls:
                self.pool.add_call(call)
        for world in sorted({task.world for task in self.tasks})[:_STATES]:
            self.pool.add_state(self.runner.state(world))

    # --- sources ----------------------------------------------------------------------------------

    async def ask_agents(
        self, writer: Backend, solvers: Sequence[Backend], queries: int, prompts: Prompts, share: float
    ) -> None:
        """Source 1, with its share of the calls."""
        with self.runner.limited(share):
            asking = Agents(
                self.runner, writer, solvers, queries=queries, seed=self.seed, done=self.take, prompts=prompts
            )
            await asking.run()
        self.generated.notes += asking.notes

    async def ask_targeted(self, writer: Backend, tries: int, prompts: Prompts) -> None:
        """Source 4, for modes that no call has reached."""
        asking = Targeted(self.runner, writer, tries=tries, seed=self.seed, done=self.take, prompts=prompts)
        await asking.run([mode for mode in self.generated.coverage.unseen() if mode.in_source])
        self.generated.notes += asking.notes

    async def model_free(self, wanted: Sequence[str]) -> None:
        """Sources 2 and 3, in their own thread."""
        stop = Event()
        share = 1 - _TARGETED_SHARE if targeted.NAME in wanted else 1.0
        try:
            with self.runner.limited(share):
                await asyncio.to_thread(self._model_free, wanted, stop)
        finally:
            stop.set()

    def _model_free(self, wanted: Sequence[str], stop: Event) -> None:
        makers: list[Mutation | Guided] = []
        if Mutation.name in wanted and self.tasks:
            makers.append(Mutation(self.tasks, self.pool, Random(f"{self.seed}:mutation")))
        if Guided.name in wanted:
            makers.append(self._guided())
        found = {maker.name: _HOPED for maker in makers}
        spent = {maker.name: _HOPED for maker in makers}
        while makers and not stop.is_set() and not self.complete:
            maker = max(makers, key=lambda m: found[m.name] / spent[m.name])
            before = self.runner.calls
            found[maker.name] += self.take(self.runner.run(maker.draft()))
            spent[maker.name] += self.runner.calls - before

    def _guided(self) -> Guided:
        load_hypothesis()
        self.guided = Guided(
            self.runner.worlds,
            self.runner.taxonomy,
            self.generated.coverage,
            self.pool,
            self.places,
            self.tasks,
            Random(f"{self.seed}:property"),
            vary=self.vary_state,
        )
        return self.guided

    # --- results ----------------------------------------------------------------------------------

    def take(self, ran: TaskRun) -> int:
        """Log a task's rows and count what it reached; gives how much of that is new."""
        world = self.runner.worlds[ran.draft.world]
        for record in ran.records(world.tools, world.session, self.seed):
            self.generated.log.append(record)
            self.generated.rows += 1
        new = self.generated.coverage.add(ran)
        if self.guided is not None:
            self.guided.learn(ran, new)
        self.generated.tasks += 1
        if self._on_progress is not None and self.generated.tasks % _PROGRESS == 0:
            self._on_progress(self._progress(ran.draft.source))
        return len(new)

    def _progress(self, source: str) -> GenerationProgress:
        coverage = self.generated.coverage
        return GenerationProgress(
            source, self.runner.calls, self.generated.rows, coverage.reached, len(coverage.modes)
        )


_HOPED = 50  # assumed earlier calls of each source, all with new coverage, so that every source is tried


def _checked(wanted: list[str], writer: Backend | None) -> list[str]:
    unknown = [name for name in wanted if name not in SOURCES]
    if unknown or not wanted:
        raise ConfigurationError(
            f"source of generation {', '.join(unknown) or '(none)'}: choose from {', '.join(SOURCES)}"
        )
    asking = [name for name in wanted if name in (agents.NAME, targeted.NAME)]
    if asking and writer is None:
        raise ConfigurationError(
            f"{' and '.join(asking)} need a model: pass writer=, or --writer on the command line"
        )
    return wanted
