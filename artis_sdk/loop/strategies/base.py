"""What a strategy is, and how a rehearsal runs attempts beside each other."""

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
    """What a strategy needs of a rehearsal; `loop.rehearsal.Rehearsal` is one."""

    @property
    def evaluates(self) -> bool:
        """Whether attempts are judged."""

    async def attempt(self, prior: Sequence[Attempt] = ()) -> Attempt:
        """Run one attempt in a world of its own, and judge it. Any number may run at once.

        Args:
            prior: the attempts that it sees, oldest first (equation 2); empty for equation 3.

        Raises:
            LimitReached: a limit was reached before; an attempt that meets it itself is returned.
            BackendError: the run must stop.
        """


class Strategy(Protocol):
    """How the attempts of a rehearsal follow each other."""

    @property
    def name(self) -> str:
        """As plans and events name it."""

    async def rehearse(self, rehearsal: AttemptRunner) -> None:
        """Run attempts by `rehearsal.attempt(prior)`; the rehearsal keeps what they give.

        Raises:
            LimitReached: from `rehearsal.attempt`, which ends the rehearsal; let it pass.
        """


@runtime_checkable
class StepStrategy(Strategy, Protocol):
    """A strategy that works at the step level, while committing (appendix G)."""

    def decider(self, scorer: Scorer) -> Decide:
        """What decides each next turn of the committing agent.

        Args:
            scorer: gives a candidate its score, 1 to 10.
        """


async def together(*work: Coroutine[Any, Any, T]) -> list[T]:
    """Run all at once; the first that fails cancels the others, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise _first(errors) from None
    return [task.result() for task in tasks]


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
