"""The interface of strategies, and concurrent attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from artis_sdk.loop.model_actor import Decide
    from artis_sdk.loop.scoring import Scorer
    from artis_sdk.records import Attempt

T = TypeVar("T")


class AttemptRunner(Protocol):
    """A rehearsal as strategies need it; `loop.rehearsal.Rehearsal` is one."""

    @property
    def evaluates(self) -> bool:
        """Whether attempts are judged."""

    async def attempt(self, prior: Sequence[Attempt] = ()) -> Attempt:
        """Run one attempt in its own world, and judge it. Any number may run concurrently.

        Args:
            prior: attempts that it sees, oldest first (equation 2); empty for equation 3.

        Raises:
            LimitReached: a limit was reached before. An attempt that reaches one itself is returned.
            BackendError: the run must stop.
        """


class Strategy(Protocol):
    """The order of a rehearsal's attempts."""

    @property
    def name(self) -> str:
        """Name in plans and events."""

    async def rehearse(self, rehearsal: AttemptRunner) -> None:
        """Run attempts by `rehearsal.attempt(prior)`; the rehearsal keeps them.

        Raises:
            LimitReached: from `rehearsal.attempt`; it ends the rehearsal and must not be caught.
        """


@runtime_checkable
class StepStrategy(Strategy, Protocol):
    """A strategy that works at the step level, while committing (appendix G)."""

    def decider(self, scorer: Scorer) -> Decide:
        """The function that decides each next turn of the committing agent.

        Args:
            scorer: scorer of candidates, 1 to 10.
        """


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Run all concurrently; the first to fail cancels the others, and its error is raised unchanged."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return [task.result() for task in tasks]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
