"""What a benchmark plays: tasks, tools over objects of their own, and a check of what was done to them.

A world of your own is a class with the members of `BenchmarkWorld`; nothing has to be registered. Three are
here: the pocket bank (`artis_sdk.evals.bench.pocket`), BFCL (`artis_sdk.evals.bench.bfcl`), and the tasks
that agents are trained on (`artis_sdk.trainers.agent.bench`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from artis_sdk.prompts import Prompts
from artis_sdk.records import Result, State
from artis_sdk.tools import Toolset

Split = Literal["train", "held_out"]


class TaskInstance(Protocol):
    """One task as it is played, over objects that no other instance has."""

    @property
    def tools(self) -> Toolset:
        """What the agent is given, bound to this instance's objects."""

    def state(self) -> State:
        """The objects as they stand, as simulators are shown them; asked for before each turn."""

    def check_turn(self, turn: int, result: Result) -> str | None:
        """Judge a turn that was carried out; the next one has not begun.

        Args:
            turn: the turn's number, from 0.
            result: the turn's real calls with their outcomes, and the agent's answer.

        Returns:
            What is wrong, or None. A world that judges the final state alone speaks at the last turn.
        """


InstanceT = TypeVar("InstanceT", bound=TaskInstance, covariant=True)


@dataclass(frozen=True, slots=True)
class BenchmarkTask(Generic[InstanceT]):
    """What is asked for, before anybody begins with it."""

    id: str
    """Unique in its world; rows of results are known by it."""
    queries: tuple[str, ...]
    """One user message a turn."""
    start: Callable[[], InstanceT]
    """A fresh instance, the same one each time."""
    family: str = ""
    """The kind of task, by which results are also told apart."""
    hidden: bool = False
    """Whether the plan that comes to mind first fails and another works."""


class BenchmarkWorld(Protocol[InstanceT]):
    """Tasks of one kind of environment."""

    @property
    def name(self) -> str:
        """What errors call it."""

    @property
    def prompts(self) -> Prompts | None:
        """Templates of the session's prompts; None for ours."""

    @property
    def max_steps(self) -> int | None:
        """Agent steps of one attempt or commit; None for the session's default."""

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[InstanceT]]:
        """Tasks in an order of their own; there may be no end to them.

        Args:
            split: those to train on, or those held out. No task is in both, whatever the seed.
            seed: of the tasks or of their order; the same seed gives the same tasks.
        """
