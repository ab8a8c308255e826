"""Strategies over whole attempts: equations 2 and 3, and a hybrid of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.strategies.base import AttemptRunner, together

if TYPE_CHECKING:
    from artis_sdk.records import Attempt


def at_least(least: int, **numbers: int | None) -> None:
    """Check a strategy's numbers; None passes.

    Raises:
        ConfigurationError: a number is too small, or not whole.
    """
    for name, number in numbers.items():
        if number is not None and (type(number) is not int or number < least):
            raise ConfigurationError(f"{name} must be a whole number of at least {least}, not {number!r}")


@dataclass(frozen=True, slots=True)
class Direct:
    """No rehearsal: the task is committed at once (the paper's N = 0).

    Args:
        retries: maximum further tries after a refused call, each a real one: the evaluator's suggestion on
            what was done so far, and the agent acts again, shown the calls that succeeded. 0 in the paper.
    """

    retries: int = 0

    name = "direct"

    def __post_init__(self) -> None:
        at_least(0, retries=self.retries)

    async def rehearse(self, rehearsal: AttemptRunner) -> None:
        """Run nothing."""


@dataclass(frozen=True, slots=True)
class Sequential:
    """Each attempt sees all earlier ones with their evaluations (equation 2).

    Args:
        n: maximum attempts; 0 for `Direct`.
        stop_after: number of attempts judged correct in a row after which to stop; None, as in the
            paper, for no early stop.
    """

    n: int = 5
    stop_after: int | None = None

    name = "sequential"

    def __post_init__(self) -> None:
        at_least(0, n=self.n)
        at_least(1, stop_after=self.stop_after)

    async def rehearse(self, rehearsal: AttemptRunner) -> None:
        """Run the attempts one after another.

        Raises:
            ConfigurationError: `stop_after` without evaluations.
        """
        if self.stop_after is not None and not rehearsal.evaluates:
            raise ConfigurationError("stop_after counts passes, and evaluations are switched off")
        attempts: list[Attempt] = []
        passes = 0
        for _ in range(self.n):
            attempt = await rehearsal.attempt(attempts)
            attempts.append(attempt)
            passes = passes + 1 if attempt.evaluation is not None and attempt.evaluation.correct else 0
            if passes == self.stop_after:
                return


@dataclass(frozen=True, slots=True)
class Parallel:
    """All attempts at once, none seeing another (equation 3).

    Args:
        n: attempts; 0 is `Direct`.
    """

    n: int = 5

    name = "parallel"

    def __post_init__(self) -> None:
        at_least(0, n=self.n)

    async def rehearse(self, rehearsal: AttemptRunner) -> None:
        """Run the attempts concurrently."""
        await together(*[rehearsal.attempt() for _ in range(self.n)])


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Rounds of parallel attempts; each attempt sees all earlier rounds (the paper's open question 3).

    Args:
        width: attempts of a round, run at once.
        rounds: rounds, one after another.
    """

    width: int = 3
    rounds: int = 2

    name = "hybrid"

    def __post_init__(self) -> None:
        at_least(1, width=self.width, rounds=self.rounds)

    async def rehearse(self, rehearsal: AttemptRunner) -> None:
        """Run the rounds."""
        earlier: list[Attempt] = []
        for _ in range(self.rounds):
            earlier += await together(*[rehearsal.attempt(tuple(earlier)) for _ in range(self.width)])
