"""Benchmarks of checkouts: ACEBench and tau2-bench, on small folders of their layout, and on real ones."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.checkouts import acebench, forgotten, tau2

from artis_sdk import Direct, SandboxSimulator, Sequential
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench import tau2 as tau2_world
from artis_sdk.evals.bench.acebench import ACEBenchWorld
from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.controls import agent_of, control_cells
from artis_sdk.evals.bench.named_worlds import named_world
from artis_sdk.evals.bench.runner import PlayedTask, asked, play
from artis_sdk.evals.bench.world import BenchmarkTask, BenchmarkWorld
from artis_sdk.records import ToolCall

TRUTH = BenchCell(method="truth", n=0)


@pytest.fixture(autouse=True)
def _imported_anew() -> Iterator[None]:
    tau2_world._tau2.cache_clear()
    with forgotten("model_inference", "model_eval", "tau2", "loguru"):
        yield
    tau2_world._tau2.cache_clear()


async def played(
    world: BenchmarkWorld[Any], task: BenchmarkTask[Any], backend: Any, folder: Path
) -> PlayedTask[Any]:
    return await play(world, task, backend, None, Direct(), journal=folder / "journal.db")


async def test_acebench_is_judged_end_to_end_and_by_its_milestones(tmp_path: Path) -> None:
    world = named_world("acebench-en", acebench(tmp_path / "ace"))
    assert list(world.tasks("train")) == []
    tasks = {task.id: task for task in world.tasks("held_out")}
    assert control_cells(list(tasks.values()))[-1] == TRUTH
    light = next(spec for spec in tasks["0"].start().tools.specs if spec.name == "light")
    assert light.parameters["properties"]["lamp"] == {"type": "string", "description": "Its colour."}

    async def result(id: str, *calls: ToolCall) -> tuple[str | None, float]:
        backend = ScriptedBackend([list(calls), "Done."] if calls else ["Done."])
        done = await played(world, tasks[id], backend, tmp_path)
        return done.problems[0], done.instance.score()

    wifi, red = ToolCall(tool="turn_on_wifi"), ToolCall(tool="light", arguments={"lamp": "red", "level": 2})
    assert await result("0", wifi, red) == (None, 1.0)
    assert await result("1", wifi, red) == (None, 1.0)
    assert await result("0") == ("no call was made", 0.0)
    problem, score = await result("0", wifi, ToolCall(tool="light", arguments={"lamp": "red"}))
    assert (problem, score) == ("Lamps is {'lit': {'1': ['red', 1]}}", 0.5)
    problem, score = await result("0", red, wifi)
    assert (problem, score) == ("Lamps is {'lit': {}}", 0.5)
    truth = await played(world, tasks["1"], agent_of(TRUTH, tasks["1"], ScriptedBackend([])), tmp_path)
    assert truth.fulfilled, "a milestone that cannot be read is left out"


async def test_acebench_is_rehearsed_on_copies(tmp_path: Path) -> None:
    world = named_world("acebench-en", acebench(tmp_path / "ace"))
    (task,) = asked(world, 1)
    backend = ScriptedBackend([ToolCall(tool="turn_on_wifi"), "Done.", "Done."])
    options: dict[str, Any] = {"evaluate": False, "summarize": False, "journal": tmp_path / "journal.db"}
    done = await play(world, task, backend, SandboxSimulator(), Sequential(1), **options)
    (attempt,) = done.results[0].plan.attempts
    assert [step.outcome.ok for step in attempt.steps] == [True]
    assert done.instance.state()["Device"]["Lamps"]["wifi"] is False, "only the copy has changed"


async def test_tau2_is_judged_by_its_evaluator_on_the_real_calls(tmp_path: Path) -> None:
    world = named_world("tau2-retail", tau2(tmp_path / "tau2"))
    assert [task.id for task in world.tasks("train")] == ["0"]
    (task,) = world.tasks("held_out")
    assert task.id == "1", "the other one asks a model"
    assert "You want to pay Bob." in task.queries[0]
    (query,) = next(asked(named_world("tau2-telecom", tmp_path / "tau2"), 1)).queries
    assert query == "Ticket: pay Bob."
    assert world.prompts is not None
    assert "Pay nobody {{ twice }}." in world.prompts.render("action_system", functions=None)

    backend = ScriptedBackend(["I will not."])
    idle = await played(world, task, backend, tmp_path)
    assert idle.problems == ("reward 0: DB 0, COMMUNICATE 0",)
    assert idle.instance.state() == {"desk": {"paid": []}}
    truth = await played(world, task, agent_of(TRUTH, task, backend), tmp_path)
    assert truth.fulfilled, truth.problems
    assert [call.outcome.ok for call in truth.results[0].calls] == [True, False]
    assert truth.results[0].calls[1].outcome.failure_type == "ValueError"
    silent = ScriptedBackend([ToolCall(tool="pay", arguments={"to": "bob"}), "Paid."])
    assert (await played(world, task, silent, tmp_path)).problems == ("reward 0: COMMUNICATE 0",)


@pytest.mark.parametrize(
    ("world", "folder", "words"),
    [
        ("acebench-en", None, "none is given: git clone https://github.com/ACEBench/ACEBench"),
        ("acebench-en", "nowhere", "there is no folder"),
        ("acebench-en", ".", "data_agent_multi_step.json: is it the right checkout?"),
        ("tau2-retail", ".", "the package tau2 of PyPI is another one"),
    ],
)
def test_what_is_missing_is_said(world: str, folder: str | None, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        named_world(world, None if folder is None else tmp_path / folder)
    assert words in str(raised.value)


def real(name: str, what: str) -> Path:
    folder = os.environ.get(name)
    if not folder:
        pytest.skip(
            f"set {name} to a checkout of {what}, with what it needs installed, to play its own tasks"
        )
    return Path(folder)


@pytest.mark.slow
@pytest.mark.parametrize(("language", "right"), [("en", 10), ("zh", 14)])
async def test_the_real_acebench(language: str, right: int, tmp_path: Path) -> None:
    """Its own right calls fulfil 10 and 14 of its 20 tasks."""
    world = ACEBenchWorld(language, real("ARTIS_TEST_ACEBENCH", "ACEBench"))
    tasks = list(asked(world, 20))
    done = [await played(world, one, agent_of(TRUTH, one, ScriptedBackend([])), tmp_path) for one in tasks]
    assert sum(one.fulfilled for one in done) == right


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the packages that it imports
@pytest.mark.parametrize("domain", tau2_world.DOMAINS)
async def test_the_real_tau2(domain: str, tmp_path: Path) -> None:
    world = named_world(f"tau2-{domain}", real("ARTIS_TEST_TAU2", "tau2-bench"))
    for task in asked(world, 4):
        done = await played(world, task, agent_of(TRUTH, task, ScriptedBackend([])), tmp_path)
        assert done.fulfilled, (task.id, done.problems)
