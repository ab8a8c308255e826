"""The links of the loop, each by itself, on cases that the pocket bank's oracle makes and labels.

No competent agent is needed: the right and the wrong attempts that judge, summary and commit get are the
oracle's.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel

from artis_sdk.commit.journal import CommitJournal, SQLiteJournal
from artis_sdk.contracts import Backend
from artis_sdk.errors import ArtisError, BackendClosed, ConfigurationError, EngineDead
from artis_sdk.evals.bench.pocket import PocketInstance
from artis_sdk.evals.bench.rows import added_to, rows_of
from artis_sdk.loop.evaluate import ModelEvaluator
from artis_sdk.loop.foresee import bound
from artis_sdk.loop.strategies import Direct, Parallel
from artis_sdk.loop.summarize import ModelSummarizer
from artis_sdk.pocket.oracle import Oracle, Played, books, fulfilled
from artis_sdk.pocket.task import PlannedCall, PocketTask, Way
from artis_sdk.pocket.tasks import tasks
from artis_sdk.prompts import Prompts, Style
from artis_sdk.records import Attempt, CommitMode, Evaluation, Plan, Recommendation, Result, Risk, Task
from artis_sdk.records.calls import FROZEN
from artis_sdk.session import Session
from artis_sdk.simulators import SandboxSimulator

Link = Literal[
    "attempts", "direct", "prose", "verbatim", "replay", "judge right", "judge refused", "judge silent"
]
"""`attempts`: N independent rehearsals in the bank's own code. `direct`: a commit without advice. `prose`,
`verbatim`, `replay`: a commit after one right attempt and one wrong one, both labelled: with the paper's
summary, with our advice, and replayed. `judge ...`: the verdict on a right attempt, a refused one, or one
with a silent failure, an omission or another amount."""
LINKS: Final[tuple[Link, ...]] = get_args(Link)
_STEPS: Final = 8  # agent steps of an attempt or a commit


class LinkRow(BaseModel):
    """One case of one link."""

    model_config = FROZEN

    task: str
    link: Link
    right: tuple[bool, ...]
    """By attempt whether it leads to a right state; of a commit whether it did; of the judge the verdict."""
    error: str | None = None
    """Error that prevented it; it counts as wrong, as a missing verdict does."""


@dataclass(frozen=True, slots=True)
class Case:
    """A task of one turn that a plan fulfils, with the attempts that its links get."""

    task: PocketTask
    right: Attempt
    wrong: Attempt
    """A refused attempt where some plan is refused, else a silent failure."""
    refused: Attempt | None
    silent: Attempt | None

    def judged(self, link: Link) -> Attempt | None:
        """The attempt that a link of the judge judges."""
        return {"judge right": self.right, "judge refused": self.refused, "judge silent": self.silent}.get(
            link
        )


def cases(count: int, seed: int = 0) -> Iterator[Case]:
    """Held-out cases, in the order of the tasks.

    Args:
        count: number of cases.
        seed: seed of the tasks.
    """
    return islice(_cases(seed), count)


def _cases(seed: int) -> Iterator[Case]:
    oracle = Oracle()
    for number, task in enumerate(tasks("held_out", seed=seed)):
        (turn, *more) = task.turns
        good = [] if more or turn.reads else oracle.good_ways(task.bank, turn)
        if not good:
            continue
        way, played = good[0]
        bad = [other for other in turn.ways if not oracle.play(task.bank, other.calls).good]
        refused = _refused(oracle, task, bad[0]) if bad else None
        silent = _silent(oracle, task, way, by_amount=number % 2 == 0)
        wrong = refused or silent
        if wrong is not None:
            label = Evaluation(correct=True, explanation=f"use {way.choice}")
            yield Case(task, _attempt(1, played, label), wrong, refused, silent)


def _attempt(index: int, played: Played, evaluation: Evaluation) -> Attempt:
    last = played.steps[-1].outcome if played.steps else None
    told = "Done." if last is None or last.ok else f"Not done: {last.message}."
    return Attempt(index=index, steps=played.steps, answer=told, evaluation=evaluation)


def _refused(oracle: Oracle, task: PocketTask, way: Way) -> Attempt:
    label = Evaluation(correct=False, suggestion=f"avoid {way.choice}")
    return _attempt(0, oracle.play(task.bank, way.calls), label)


def _silent(oracle: Oracle, task: PocketTask, way: Way, *, by_amount: bool) -> Attempt | None:
    """The plan with another amount, or without one of its changing calls: nothing is refused, the books are
    wrong."""
    reads = {tool.name for tool in oracle.tools if tool.risk is Risk.READ_ONLY}
    changing = [n for n, call in enumerate(way.calls) if call.tool not in reads]
    accepted = oracle.accepted(task)
    changed: list[tuple[PlannedCall, ...]] = []
    for n in reversed(changing):
        call, before, after = way.calls[n], way.calls[:n], way.calls[n + 1 :]
        omitted = (*before, *after)
        amount = call.arguments.get("amount")
        other = [omitted]
        if isinstance(amount, int):
            less = PlannedCall(call.tool, {**call.arguments, "amount": max(1, amount - 10)})
            other.insert(0 if by_amount else 1, (*before, less, *after))
        changed += other
    for calls in changed:
        played = oracle.play(task.bank, calls)
        if played.good and books(played.bank) not in accepted:
            label = Evaluation(correct=False, suggestion="a part of the request is missing or different")
            return _attempt(0, played, label)
    return None


class Links:
    """The links with one model in every role.

    Args:
        backend: the model.
        prompts: function from a style to the model's prompts.
        style: style of the judge and of the agent.
        attempts: rehearsals of the link `attempts`.
        options: further options of the sessions, such as `sampling`.
    """

    def __init__(
        self,
        backend: Backend,
        prompts: Callable[[Style], Prompts],
        *,
        style: Style = "ours",
        attempts: int = 3,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._backend = backend
        self._prompts = prompts
        self._style = style
        self._attempts = attempts
        self._options = dict(options or {})

    async def row(self, case: Case, link: Link, journal: CommitJournal) -> LinkRow:
        """Run one link on one case.

        Raises:
            EngineDead, BackendClosed, ConfigurationError: nothing more can be measured.
        """
        try:
            right = await self._run(case, link, journal)
        except (EngineDead, BackendClosed, ConfigurationError):
            raise
        except ArtisError as error:
            told = f"{type(error).__name__}: {error}"
            return LinkRow(task=case.task.id, link=link, right=(False,), error=told)
        return LinkRow(task=case.task.id, link=link, right=right)

    async def _run(self, case: Case, link: Link, journal: CommitJournal) -> tuple[bool, ...]:
        judged = case.judged(link)
        if judged is not None:
            bare = judged.model_copy(update={"index": 0, "evaluation": None})
            judge = ModelEvaluator(self._backend, prompts=self._prompts(self._style))
            return ((await judge.evaluate(_task(PocketInstance(case.task)), bare)).correct,)
        if link == "attempts":
            return await self._rehearsed(case, journal)
        instance = PocketInstance(case.task)
        await self._committed(case, instance, link, journal)
        return (fulfilled(case.task, instance.bank, Oracle()),)

    async def _rehearsed(self, case: Case, journal: CommitJournal) -> tuple[bool, ...]:
        instance, oracle = PocketInstance(case.task), Oracle()
        async with self._session(instance, journal, self._style, Parallel(self._attempts)) as session:
            plan = await session.rehearse(case.task.turns[0].query)
        made = [
            [PlannedCall(step.call.tool, step.call.arguments) for step in attempt.steps if step.outcome.ok]
            for attempt in plan.attempts
        ]
        return tuple(fulfilled(case.task, oracle.play(case.task.bank, calls).bank, oracle) for calls in made)

    async def _committed(
        self, case: Case, instance: PocketInstance, link: Link, journal: CommitJournal
    ) -> Result:
        style: Style = "paper" if link == "prose" else "ours" if link == "verbatim" else self._style
        mode: CommitMode = "replay" if link == "replay" else "guided"
        task = _task(instance)
        attempts = () if link == "direct" else (case.wrong, case.right)
        advice: Recommendation | None = None
        if link in ("prose", "verbatim"):
            advisor = ModelSummarizer(self._backend, prompts=self._prompts(style))
            advice = await advisor.summarize(task, attempts)
        guidance = None if advice is None else advice.recommendation
        plan = Plan(task=task, strategy=link, attempts=attempts, recommendation=advice, guidance=guidance)
        async with self._session(instance, journal, style, Direct()) as session:
            return await session.commit(bound(plan, instance.tools), mode=mode)

    def _session(
        self, instance: PocketInstance, journal: CommitJournal, style: Style, strategy: Direct | Parallel
    ) -> Session:
        return Session(
            agent=self._backend,
            tools=instance.tools,
            simulator=SandboxSimulator(),
            strategy=strategy,
            state=instance.state,
            journal=journal,
            prompts=self._prompts(style),
            max_steps=_STEPS,
            evaluate=False,
            summarize=False,
            on_divergence="allow",
            on_unforeseen="allow",
            seed=0,
            **self._options,
        )


def _task(instance: PocketInstance) -> Task:
    return Task(query=instance.task.turns[0].query, tools=instance.tools.specs, state=instance.state())


def read_rows(path: Path) -> Iterator[LinkRow]:
    """The rows of a results file; see `rows_of`."""
    return rows_of(path, LinkRow)


async def measure_links(
    links: Links,
    wanted: list[Case],
    path: Path,
    *,
    concurrency: int = 4,
    only: Collection[str] = LINKS,
    on_row: Callable[[LinkRow], None] = lambda row: None,
) -> None:
    """Run every link on every case; rows in the file are not run again.

    Args:
        links: the links with their model.
        wanted: the cases.
        path: file of JSON lines to which rows are added.
        concurrency: cases under way at the same time.
        only: links to run.
        on_row: callback for each new row.

    Raises:
        EngineDead, BackendClosed: nothing more can be measured; the rows so far are in the file.
    """
    done = {(row.task, row.link) for row in read_rows(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    room = asyncio.Semaphore(concurrency)
    with tempfile.TemporaryDirectory() as folder, added_to(path) as file:
        async with aclosing(SQLiteJournal.shared(Path(folder) / "journal.db")) as journal:

            async def one(case: Case) -> None:
                async with room:
                    for link in (link for link in LINKS if link in only):
                        asked = not link.startswith("judge") or case.judged(link) is not None
                        if not asked or (case.task.id, link) in done:
                            continue
                        row = await links.row(case, link, journal)
                        file.write(row.model_dump_json() + "\n")
                        file.flush()
                        on_row(row)

            try:
                async with asyncio.TaskGroup() as group:
                    for case in wanted:
                        group.create_task(one(case))
            except BaseExceptionGroup as errors:
                raise errors.exceptions[0] from None
