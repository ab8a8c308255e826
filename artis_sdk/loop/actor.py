"""Actors: a model in our loop, or the caller's own agent. Both act in any world."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from artis_sdk.contracts import Meter
from artis_sdk.records import (
    Attempt,
    CommittedCall,
    Ending,
    Message,
    Plan,
    Result,
    Role,
    Step,
    Task,
    Usage,
)
from artis_sdk.tools.world import World


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One pass of an actor over a task."""

    steps: tuple[Step, ...]
    """Every call with its outcome, forced failures (malformed, unknown, invalid) included."""
    messages: tuple[Message, ...]
    """Messages after the query; empty for the caller's own agent."""
    answer: str | None
    ended: Ending = "answer"
    condensed_attempts: int = 0

    def result(
        self, plan: Plan, calls: tuple[CommittedCall, ...], usage: Mapping[Role, Usage], notes: Iterable[str]
    ) -> Result:
        """The result of a plan that was carried out so; arguments as the fields of `Result`."""
        return Result(
            plan=plan,
            answer=self.answer,
            calls=calls,
            messages=self.messages,
            usage=dict(usage),
            ended=self.ended,
            notes=tuple(notes),
        )


class Actor(Protocol):
    """Carries out a task in a world: equations 2 to 4, depending on guidance and earlier attempts."""

    async def act(
        self,
        task: Task,
        world: World,
        meter: Meter,
        *,
        guidance: str | None = None,
        prior: Sequence[Attempt] = (),
        done: Sequence[Step] = (),
    ) -> Trajectory:
        """Act until a final answer or the step limit.

        Args:
            task: query, conversation, tools and state.
            world: where the calls go; the actor enters it.
            meter: the only way to a model.
            guidance: the recommendation S (equation 4), for a commit.
            prior: earlier attempts (equation 2), for a sequential rehearsal.
            done: the real calls that a commit made before it broke off. A caller's own agent, which makes its
                calls again, is answered by the world instead and gets none.

        Raises:
            LimitReached: from the meter, between steps.
            SimulationError: from a simulated world.
        """
