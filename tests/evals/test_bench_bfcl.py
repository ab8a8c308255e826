"""BFCL as worlds: multi-turn with its own environments, and live single-turn, by the official checkers."""

from __future__ import annotations

from pathlib import Path

import pytest

from artis_sdk import Direct
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.bfcl import CATEGORIES, BFCLInstance, BFCLWorld
from artis_sdk.evals.bench.bfcl_first import OFFERED, BFCLFirstTurnWorld
from artis_sdk.evals.bench.bfcl_single import LIVE, BFCLSingleTurnWorld
from artis_sdk.evals.bench.runner import asked, play
from artis_sdk.evals.bench.world import BenchmarkTask, Split
from artis_sdk.records import Request, ToolCall


class Known:
    """An agent that makes the ground truth's calls of each turn."""

    def __init__(self, task: BenchmarkTask[BFCLInstance], *, drop_last: bool) -> None:
        assert task.truth is not None
        self._turns = [list(turn) for turn in task.truth()]
        if drop_last:
            last = max(n for n, turn in enumerate(self._turns) if turn)
            self._turns[last].pop()

    def __call__(self, request: Request) -> str | list[ToolCall]:
        turn = sum(message.role == "user" for message in request.messages) - 1
        calls = self._turns[turn]
        return "done" if request.messages[-1].role == "tool" or not calls else calls


@pytest.mark.slow
@pytest.mark.parametrize("category", CATEGORIES)
async def test_bfcl_is_judged_by_the_official_checks(tmp_path: Path, category: str) -> None:
    pytest.importorskip("bfcl_eval")
    world = BFCLWorld(category)
    for task in asked(world, 4, seed=1):
        assert task.family == category
        for drop_last in (False, True):
            backend = ScriptedBackend(Known(task, drop_last=drop_last))
            played = await play(world, task, backend, None, Direct(), journal=tmp_path / "j.db")
            assert len(played.problems) == len(task.queries)
            assert played.fulfilled == (not drop_last), (task.id, played.problems)


def test_bfcl_is_split_by_index_in_every_category() -> None:
    pytest.importorskip("bfcl_eval")

    def numbers(category: str, split: Split, seed: int) -> list[str]:
        return [task.id.rpartition("_")[2] for task in BFCLWorld(category).tasks(split, seed=seed)]

    held = numbers("base", "held_out", 0)
    assert len(held) == 40
    assert held != numbers("base", "held_out", 1)
    assert held == numbers("base", "held_out", 0)
    for category in CATEGORIES:
        assert set(numbers(category, "held_out", 1)) == set(held)
        assert len(numbers(category, "train", 0)) == 160
        assert not set(numbers(category, "train", 1)) & set(held)
    with pytest.raises(ConfigurationError, match="choose from base"):
        BFCLWorld("live")


async def test_first_turns_offer_few_tools_and_are_judged_by_the_official_checks(tmp_path: Path) -> None:
    pytest.importorskip("bfcl_eval")
    world, whole = BFCLFirstTurnWorld(), BFCLWorld("base")
    tasks = list(world.tasks("held_out"))
    assert [task.id for task in tasks] == [task.id for task in whole.tasks("held_out")]
    for task, base in zip(tasks, whole.tasks("held_out"), strict=True):
        assert task.truth is not None
        (calls,) = task.truth()
        names = {tool.name for tool in task.start().tools}
        assert task.queries == base.queries[:1]
        assert names >= {call.tool for call in calls}
        assert len(names) <= max(OFFERED, len({call.tool for call in calls}))
        assert names == {tool.name for tool in task.start().tools}
    for task in tasks[:4]:
        for drop_last in (False, True):
            backend = ScriptedBackend(Known(task, drop_last=drop_last))
            played = await play(world, task, backend, None, Direct(), journal=tmp_path / "j.db")
            assert played.fulfilled == (not drop_last), (task.id, played.problems)


async def test_bfcl_offers_a_missing_tool_in_the_turn_that_says_so(tmp_path: Path) -> None:
    pytest.importorskip("bfcl_eval")
    (task,) = asked(BFCLWorld("miss_func"), 1)
    ((at, missed),) = task.start().task.missed.items()
    backend = ScriptedBackend(lambda request: "done")
    await play(BFCLWorld("miss_func"), task, backend, None, Direct(), journal=tmp_path / "j.db")
    offered = [{tool.name for tool in request.tools} for request in backend.requests]
    assert len(offered) == len(task.queries)
    assert all(set(missed).isdisjoint(names) == (turn < at) for turn, names in enumerate(offered))
    assert "updated some more functions" in task.queries[at]
    told = [message.content for message in backend.requests[-1].messages if message.role == "user"]
    assert told == list(task.queries), "the conversation goes on"


@pytest.mark.parametrize("category", LIVE)
async def test_bfcl_live_is_judged_by_the_official_checker(tmp_path: Path, category: str) -> None:
    pytest.importorskip("bfcl_eval")
    world = BFCLSingleTurnWorld(category)
    assert list(world.tasks("train")) == []
    for task in asked(world, 2, seed=2):
        assert task.truth is not None
        right = task.truth()[0]
        wrong = [ToolCall(tool=right[0].tool, arguments={}), *right[1:]]
        for calls, fulfilled in ((right, True), (wrong, False), ([*right, *right], False)):
            backend = ScriptedBackend([list(calls)])
            played = await play(world, task, backend, None, Direct(), journal=tmp_path / "j.db")
            assert played.fulfilled == fulfilled, (task.id, played.problems)
            assert len(backend.requests) == 1, "one answer"
