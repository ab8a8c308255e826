"""Worlds of benchmarks: tasks, tools over their own objects, and a check of the result.

Your own world is a class with the members of `BenchmarkWorld`; no registration is needed. Three exist: the
pocket bank (`artis_sdk.evals.bench.pocket`), BFCL (`artis_sdk.evals.bench.bfcl`), and the tasks
that agents are trained on (`artis_sdk.trainers.agent.bench`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar, runtime_checkable

from artis_sdk.prompts import Prompts
from artis_sdk.records import Result, State, ToolCall
from artis_sdk.tools import Toolset

Split = Literal["train", "held_out"]


class TaskInstance(Protocol):
    """One played task, over objects of its own."""

    @property
    def tools(self) -> Toolset:
        """The agent's tools, bound to this instance's objects; others from a turn on are another Toolset."""

    def state(self) -> State:
        """The present state of the objects, as simulators see it; read before each turn."""

    def check_turn(self, turn: int, result: Result) -> str | None:
        """Judge a committed turn, before the next one begins.

        Args:
            turn: number of the turn, from 0.
            result: the turn's real calls with their outcomes, and the agent's answer.

        Returns:
            The mistake, or None. A world that judges only the final state reports it at the last turn.
        """


@runtime_checkable
class KnowsDamage(Protocol):
    """An instance that can tell whether a task was left half done beyond repair; others count no damage."""

    def damaged(self) -> bool:
        """Whether the present state is no right one, and nothing leads from it to a right one."""


@runtime_checkable
class KnowsScore(Protocol):
    """An instance that can tell how much of a task was done, also where it is not fulfilled."""

    def score(self) -> float:
        """The share that was done, 0 to 1, after the last turn was checked."""


CallsByTurn = tuple[tuple[ToolCall, ...], ...]

InstanceT = TypeVar("InstanceT", bound=TaskInstance, covariant=True)


@dataclass(frozen=True, slots=True)
class BenchmarkTask(Generic[InstanceT]):
    """A task before it is played."""

    id: str
    """Id, unique in its world; it identifies rows of results."""
    queries: tuple[str, ...]
    """User messages, one per turn."""
    start: Callable[[], InstanceT]
    """A fresh instance, equal each time."""
    family: str = ""
    """Kind of task; results are also reported by it."""
    kind: str = ""
    """How hard it is, in a word, such as `artis_sdk.pocket.oracle.Kind`; empty if the world cannot tell."""
    hidden: bool = False
    """Whether the plan that comes to mind first fails and another works."""
    truth: Callable[[], CallsByTurn] | None = None
    """Finds calls that fulfil the task, by turn, for the control `truth`; None if the world knows none."""
    answer: str = "Done."
    """What that control answers at the end of a turn."""


class BenchmarkWorld(Protocol[InstanceT]):
    """Tasks of one kind of environment."""

    @property
    def name(self) -> str:
        """Name of the world, for errors."""

    @property
    def prompts(self) -> Prompts | None:
        """Templates of the session's prompts; None for ours."""

    @property
    def max_steps(self) -> int | None:
        """Agent steps of one attempt or commit; None for the session's default."""

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[InstanceT]]:
        """The tasks of a split, possibly without end.

        Args:
            split: tasks to train on, or held-out ones. No task is in both, for any seeds.
            seed: seed of the tasks or of their order; the same seed means the same tasks.
        """
