"""The pocket bank as a benchmark's world; only the final books are checked."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial

from artis_sdk.evals.bench.world import BenchmarkTask, CallsByTurn, Split
from artis_sdk.pocket.chat import pocket_prompts
from artis_sdk.pocket.desk import pocket_tools
from artis_sdk.pocket.oracle import Oracle, fulfilled, state_of
from artis_sdk.pocket.task import PocketTask
from artis_sdk.pocket.tasks import FamiliesName, tasks
from artis_sdk.prompts import Style
from artis_sdk.records import Result, State, ToolCall
from artis_sdk.tools import Toolset


class PocketInstance:
    """A task on its own bank.

    Attributes:
        task: the task, with its initial books.
        bank: the present books.
        tools: tools of the desk that the task offers.
    """

    def __init__(self, task: PocketTask) -> None:
        self.task = task
        self.bank = copy.deepcopy(task.bank)
        self.tools = Toolset(*(tool for tool in pocket_tools(self.bank) if tool.name in task.offered))

    def state(self) -> State:
        """See `state_of`."""
        return state_of(self.bank)

    def damaged(self) -> bool:
        """See `KnowsDamage` and `Oracle.damaged`."""
        return Oracle().damaged(self.task, self.bank)

    def check_turn(self, turn: int, result: Result) -> str | None:
        """See `TaskInstance.check_turn`; only the last turn is judged, by the books alone."""
        if turn < len(self.task.turns) - 1 or fulfilled(self.task, self.bank, Oracle()):
            return None
        return "the books are not as asked"


class PocketWorld:
    """Tasks without end, with the pocket model's own prompts, or the session's for any other model.

    Args:
        style: see `pocket_prompts`; None for the session's prompts.
        families: see `tasks`.
    """

    name = "pocket"
    max_steps = 8

    def __init__(self, style: Style | None = "paper", families: FamiliesName = "bank") -> None:
        self._families: FamiliesName = families
        self.prompts = None if style is None else pocket_prompts(style)

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[PocketInstance]]:
        """See `BenchmarkWorld.tasks`."""
        oracle = Oracle()
        for task in tasks(split, seed=seed, families=self._families):
            yield BenchmarkTask(
                id=task.id,
                queries=tuple(turn.query for turn in task.turns),
                start=partial(PocketInstance, task),
                family=task.family,
                hidden=oracle.hidden(task),
                kind=oracle.kind(task),
                truth=partial(_truth, task),
            )


def _truth(task: PocketTask) -> CallsByTurn:
    return tuple(
        tuple(ToolCall(tool=call.tool, arguments=dict(call.arguments)) for call in calls)
        for calls in Oracle().truth(task)
    )
