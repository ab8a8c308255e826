"""What no model plays, beside every comparison: an idle agent, and the calls that fulfil each task.

An idle agent shows how many tasks ask for nothing, and the right calls that each task can be fulfilled with
the tools that are offered and is then judged so.
"""

from __future__ import annotations

from collections.abc import Sequence

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.contracts import Backend
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.world import BenchmarkTask, InstanceT
from artis_sdk.records import Request, ToolCall


def control_cells(tasks: Sequence[BenchmarkTask[InstanceT]]) -> list[BenchCell]:
    """The controls that a world's tasks allow: `truth` where each of them knows its right calls."""
    truth = [BenchCell(method="truth", n=0)] if all(task.truth is not None for task in tasks) else []
    return [BenchCell(method="idle", n=0), *truth]


def agent_of(cell: BenchCell, task: BenchmarkTask[InstanceT], backend: Backend) -> Backend:
    """The model that plays a task in a cell: in a control one that makes the right calls, or none.

    Raises:
        ConfigurationError: the cell is `truth`, and the world does not know the right calls.
    """
    if cell.method == "idle":
        return ScriptedBackend(lambda request: "I have done nothing.", name="idle")
    if cell.method != "truth":
        return backend
    if task.truth is None:
        raise ConfigurationError(f"the task {task.id} names no calls that fulfil it: leave out truth")
    turns = task.truth()

    def reply(request: Request) -> str | tuple[ToolCall, ...]:
        turn = sum(message.role == "user" for message in request.messages) - 1
        made = request.messages[-1].role == "tool"
        return task.answer if made or not turns[turn] else turns[turn]

    return ScriptedBackend(reply, name="truth")
