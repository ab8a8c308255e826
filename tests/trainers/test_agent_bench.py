"""An agent's training tasks as a benchmark's world: judged in a Session as they are in a rollout."""

from __future__ import annotations

import copy
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from artis_sdk import SandboxSimulator, Sequential, Toolset
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.runner import PlayedTask, play
from artis_sdk.evals.bench.world import BenchmarkTask
from artis_sdk.loop.strategies import Direct, Strategy
from artis_sdk.records import Request, ToolCall
from artis_sdk.trainers.agent.bench import AgentTaskInstance, AgentTasksWorld
from artis_sdk.trainers.agent.examples.lookup import lookup_tasks
from artis_sdk.trainers.agent.examples.registry import EXAMPLES, Tasks
from artis_sdk.trainers.agent.examples.shop import Shop, shop_tools
from artis_sdk.trainers.agent.rollout import AgentTask, Rollout

Task = BenchmarkTask[AgentTaskInstance]


class Knowing:
    """An agent that makes the right calls one after the other, and gives an answer."""

    def __init__(self, task: AgentTask, answer: str | None, calls: bool = True) -> None:
        self._calls = task.calls if calls else ()
        self._answer = answer or ""

    def __call__(self, request: Request) -> str | list[ToolCall]:
        made = sum(message.role == "tool" for message in request.messages)
        return [self._calls[made]] if made < len(self._calls) else self._answer


async def played(
    world: AgentTasksWorld, task: Task, folder: Path, strategy: Strategy | None = None, **given: Any
) -> PlayedTask[AgentTaskInstance]:
    own = task.start().task
    agent = Knowing(own, **{"answer": own.answer, **given})
    return await play(
        world,
        task,
        ScriptedBackend(agent),
        SandboxSimulator(),
        strategy or Direct(),
        journal=folder / "j.db",
        evaluate=False,
        summarize=False,
    )


@pytest.mark.parametrize("name", ["shop", "lookup"])
async def test_the_right_calls_do_the_task_and_others_do_not(name: str, tmp_path: Path) -> None:
    world = AgentTasksWorld(name)
    for task in islice(world.tasks("held_out", seed=1), 6):
        own = task.start().task
        before = copy.deepcopy(own.tools.state())
        for _ in range(2):  # the second time on fresh objects
            assert (await played(world, task, tmp_path)).fulfilled
        rehearsed = await played(world, task, tmp_path, Sequential(2))
        assert rehearsed.fulfilled
        assert not any(made.diverged for made in rehearsed.results[0].calls)
        wrong = await played(world, task, tmp_path, answer="wrong")
        assert wrong.problems == ("worth 0 of 1 by the task's own judgement",)
        if own.goal is not None:  # saying so is not doing so
            assert not (await played(world, task, tmp_path, calls=False)).fulfilled
        assert own.tools.state() == before, "the task's own objects are the trainer's"


async def test_sums_are_judged_by_their_answer(tmp_path: Path) -> None:
    world = AgentTasksWorld("python")
    task = next(world.tasks("train"))
    assert (await played(world, task, tmp_path)).fulfilled
    assert not (await played(world, task, tmp_path, answer="-1")).fulfilled


def test_tasks_are_those_of_the_trainer() -> None:
    for name, make in EXAMPLES.items():
        made, world = make(3), AgentTasksWorld(name)
        for split, tasks in (("train", made.train), ("held_out", made.held_out)):
            found = list(world.tasks(split, seed=3))  # type: ignore[arg-type]
            assert [task.id for task in found] == [task.id for task in tasks]
            assert {task.family for task in found} == {name}
    with pytest.raises(ConfigurationError, match="unknown example"):
        next(AgentTasksWorld("nothing").tasks("train"))


def half_sold(rollout: Rollout) -> float:
    """A check of the caller's: calls, turns and the final state are those of the session."""
    state: Any = rollout.state
    assert [turn.calls[0].tool for turn in rollout.turns if turn.calls] == ["order"]
    assert [step.outcome.ok for step in rollout.steps] == [True]
    assert rollout.tape.ids == []
    return float(state["Shop"]["orders"]["P1"] == 2 and rollout.answer == "half")


def own(seed: int) -> Tasks:
    tools: Toolset = shop_tools(Shop({"P1": ("red lamp", 12, 4)}))
    order = ToolCall(tool="order", arguments={"product": "P1", "pieces": 2})
    task = AgentTask("own", "Sell half of the lamps.", tools, check=half_sold, calls=(order,))
    return Tasks([task], lookup_tasks(1, seed=seed, held_out=True))


async def test_a_check_of_the_callers_sees_the_session_as_a_rollout(tmp_path: Path) -> None:
    world = AgentTasksWorld(f"{__name__}:own")
    (task,) = world.tasks("train")
    assert (await played(world, task, tmp_path, answer="half")).fulfilled
    assert not (await played(world, task, tmp_path, answer="all")).fulfilled
