"""BFCL-v3 multi-turn-base: the ground truth, played through Session with the sandbox, passes the
official checks, and the real environments are bit-identical as long as it rehearses."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.sessions import unjudged

from artis_sdk import SandboxSimulator, Sequential, Toolset
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.evals.bench.bfcl import BFCLTask, OfficialChecker, guard, load_tasks, parse_ground_truth
from artis_sdk.records import Provenance, Request, ToolCall

pytestmark = pytest.mark.slow


class Playing:
    """An agent that makes the turn's ground-truth calls, all in one step, in every world."""

    def __init__(self, task: BFCLTask, tools: Toolset) -> None:
        self.turns = [[parse_ground_truth(text, tools) for text in turn] for turn in task.ground_truth]
        self.turn = 0

    def __call__(self, request: Request) -> str | list[ToolCall]:
        calls = self.turns[self.turn]
        return "done" if request.messages[-1].role == "tool" or not calls else calls


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SQLiteJournal]:
    journal = SQLiteJournal(tmp_path_factory.mktemp("bfcl") / "journal.db")
    yield journal
    journal.close()


async def play(task: BFCLTask, journal: SQLiteJournal) -> str | None:
    """Play one task through a session; None when it passes the official checks, else why not."""
    instances = task.instances()
    tools = guard(instances)
    agent, checker = Playing(task, tools), OfficialChecker(task)
    async with unjudged(
        ScriptedBackend(agent), tools, journal, simulator=SandboxSimulator(), strategy=Sequential(1)
    ) as session:
        for turn, query in enumerate(task.queries):
            agent.turn = turn
            before = pickle.dumps(instances)
            plan = await session.rehearse(query)
            assert pickle.dumps(instances) == before, f"{task.id}: a rehearsal changed a real instance"
            result = await session.commit(plan)
            assert all(call.outcome.provenance is Provenance.REAL for call in result.calls)
            diverged = [call for call in result.calls if call.diverged]
            assert not diverged or not _deterministic(task), f"{task.id}: {diverged[0]}"
            problem = checker.check_turn(turn, instances, [call.outcome for call in result.calls])
            if problem is not None:
                return f"{task.id}: {problem}"
    return None


def _deterministic(task: BFCLTask) -> bool:
    """Whether the environments answer the same call the same way (none of them draws at random anew)."""
    return "TravelAPI" not in task.classes


async def test_ground_truth_passes_the_official_checks_200_of_200(
    journal: SQLiteJournal, tmp_path: Path
) -> None:
    problems = [await play(task, journal) for task in load_tasks("base")]
    assert len(problems) == 200
    assert [problem for problem in problems if problem] == []


async def test_a_dropped_call_is_noticed(journal: SQLiteJournal) -> None:
    task = load_tasks("base", limit=1)[0]
    dropped = BFCLTask(
        id=task.id,
        queries=task.queries,
        ground_truth=(task.ground_truth[0][:-1], *task.ground_truth[1:]),
        classes=task.classes,
        config=task.config,
    )
    instances = task.instances()
    tools = guard(instances)
    agent = Playing(dropped, tools)
    async with unjudged(
        ScriptedBackend(agent), tools, journal, simulator="sandbox", strategy=Sequential(0)
    ) as session:
        result = await session.run(task.queries[0])
    problem = OfficialChecker(task).check_turn(0, instances, [call.outcome for call in result.calls])
    assert problem is not None
