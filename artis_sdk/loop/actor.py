"""Actors: a model in our loop, or the caller's own agent. Both act in any world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from artis_sdk.contracts import Meter
from artis_sdk.errors import BackendError
from artis_sdk.records import (
    Attempt,
    CommitMode,
    CommittedCall,
    Ending,
    ForeseenCall,
    Message,
    NotMade,
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
    error: str | None = None
    """Reason why the model gave no answer; None if it gave one, or had no steps left."""
    failure: BackendError | None = None
    """The model's backend failed so, after the first call."""
    notes: tuple[str, ...] = ()
    """Remarks for a reader beside the messages, such as a second request of one turn."""

    def result(
        self,
        plan: Plan,
        calls: tuple[CommittedCall, ...],
        usage: Mapping[Role, Usage],
        notes: Iterable[str],
        *,
        mode: CommitMode = "guided",
        not_made: tuple[NotMade, ...] = (),
        missed: tuple[ForeseenCall, ...] = (),
    ) -> Result:
        """The result of a plan that was carried out so; arguments as the fields of `Result`."""
        return Result(
            plan=plan,
            answer=self.answer,
            calls=calls,
            messages=self.messages,
            usage=dict(usage),
            ended=self.ended,
            error=self.error,
            notes=tuple(notes),
            mode=mode,
            not_made=not_made,
            missed=missed,
        )


def nothing_is_due() -> bool:
    """That no call is due."""
    return False


@dataclass(frozen=True, slots=True)
class Briefing:
    """What an actor is shown beside the task."""

    guidance: str | None = None
    """The recommendation S (equation 4), for a commit."""
    prior: Sequence[Attempt] = ()
    """Earlier attempts (equation 2), for a sequential rehearsal."""
    done: Sequence[Step] = ()
    """The real calls that a commit made before it was interrupted. A caller's own agent, which makes its
    calls again, is answered by the world instead and gets none."""
    is_due: Callable[[], bool] = nothing_is_due
    """Whether a call is due: in a commit whose guidance is calls, where all went as foreseen so far and a
    foreseen change is still to be made; in a rehearsal see `artis_sdk.loop.first_turn`. A model's next turn
    is then held to be a call."""


NO_BRIEFING: Final = Briefing()


class Actor(Protocol):
    """Carries out a task in a world: equations 2 to 4, depending on its briefing."""

    async def act(
        self, task: Task, world: World, meter: Meter, briefing: Briefing = NO_BRIEFING
    ) -> Trajectory:
        """Act until a final answer or the step limit.

        Args:
            task: query, conversation, tools and state.
            world: where the calls go; the actor enters it.
            meter: the only way to a model.
            briefing: guidance, earlier attempts and calls that are done.

        Raises:
            LimitReached: from the meter, between steps.
            SimulationError: from a simulated world.
            BackendError: the model failed before its first call; later it is the trajectory's `failure`.
        """
