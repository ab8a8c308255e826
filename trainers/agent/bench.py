"""The tasks of agent training as a benchmark's world: any agent plays them through a Session."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

from artis_sdk.evals.bench.world import BenchmarkTask, Split
from artis_sdk.records import Result, State, Step
from artis_sdk.tools import Toolset
from artis_sdk.trainers.agent.examples.registry import load_tasks
from artis_sdk.trainers.agent.rewards import SUCCESS, answer
from artis_sdk.trainers.agent.rollout import AgentTask, Rollout
from artis_sdk.trainers.agent.tape import Tape
from artis_sdk.trainers.agent.turns import GeneratedTurn


class AgentTaskInstance:
    """A task over copies of its objects, judged like a rollout (`rewards.answer`).

    Attributes:
        task: the task, whose own objects stay unchanged.
        tools: tools of the task, bound to the copies.
    """

    def __init__(self, task: AgentTask) -> None:
        self.task = task
        owners = task.tools.owners
        copies = dict(zip(map(id, owners), copy.deepcopy(owners), strict=True))
        self.tools = Toolset(
            *(tool if tool.owner is None else tool.on(copies[id(tool.owner)]) for tool in task.tools)
        )

    def state(self) -> State:
        """The copies' public attributes."""
        return self.tools.state()

    def check_turn(self, turn: int, result: Result) -> str | None:
        """See `TaskInstance.check_turn`.

        Raises:
            TrainingError: the task has no measure of success, or its check returns no number from 0 to 1.
        """
        found = answer(self.rollout(result))
        return None if found >= SUCCESS else f"worth {found:.3g} of 1 by the task's own judgement"

    def rollout(self, result: Result) -> Rollout:
        """A session's result as a rollout for the caller's `check`, without tokens."""
        said = [message for message in result.messages if message.role == "assistant"]
        turns = [GeneratedTurn(message.content, message.tool_calls) for message in said]
        if result.answer is not None:
            turns[-1:] = [GeneratedTurn(result.answer, answer=result.answer)]
        return Rollout(
            self.task,
            Tape(()),
            turns=turns,
            steps=[Step(call=made.call, outcome=made.outcome) for made in result.calls if not made.nested],
            end="turns" if result.answer is None else "answer",
            state=self.state(),
        )


class AgentTasksWorld:
    """Tasks by `lookup`, `python` or `shop`, or by `module:name`, see `load_tasks`.

    Args:
        tasks: value of `artis train agent --tasks`.
    """

    prompts = None
    max_steps = None

    def __init__(self, tasks: str) -> None:
        self.name = tasks

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[AgentTaskInstance]]:
        """See `BenchmarkWorld.tasks`.

        Raises:
            ConfigurationError: the tasks do not exist.
        """
        found = load_tasks(self.name, seed)
        for task in found.train if split == "train" else found.held_out:
            yield BenchmarkTask(
                id=task.id, queries=(task.query,), start=partial(AgentTaskInstance, task), family=self.name
            )
