"""A plan carried out once (equation 4): its agent acts in the real world, guided by the recommendation."""

from __future__ import annotations

from collections.abc import Iterator

from artis_sdk.commit.commit import RealWorld
from artis_sdk.loop.actor import Actor, Trajectory
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.rehearsal import NO_CALLS, shown_at_commit
from artis_sdk.records import Plan, Result
from artis_sdk.records.events import CommitFinished, CommitStarted
from artis_sdk.tools import running_code


async def commit(
    plan: Plan, actor: Actor, world: RealWorld, budget: Budget, *, application_code: bool = False
) -> Result:
    """Carry a plan out once (equation 4): the actor, guided by the recommendation, in the real world.

    Args:
        plan: rehearsed plan.
        actor: actor that carries it out.
        world: real world made for this plan.
        budget: budget of the run, with the rehearsal's usage counted; its limits stop the commit only before
            the first call that changes something.
        application_code: whether parts other than the agent run application code, see
            `artis_sdk.loop.whose_code`; guarded calls of unknown origin are then refused meanwhile.

    Raises:
        CommitRefused: see `RealWorld.open`.
        UnknownOutcome: a call's outcome is not known, or a call was refused; nothing was done after it.
        JournalError: the journal cannot be written.
        LimitReached: before any call that changes something.
        BackendError: see `artis_sdk.errors`. The calls made until then are journaled.
    """
    meter = budget.for_commit()
    own_agent: bool = getattr(actor, "runs_code", True)  # its calls count as its steps
    with budget.running():
        async with world.open(
            on_change=meter.begin, on_call=meter.step if own_agent else None, answers=own_agent
        ):
            with running_code("commit", application_code or own_agent, refused=world.remember_refusal):
                world.emit(CommitStarted(plan=plan.id))
                guidance, prior = shown_at_commit(plan)
                done = {"done": world.history} if world.history else {}  # of a commit that goes on
                trajectory = await actor.act(plan.task, world, meter, guidance=guidance, prior=prior, **done)
    notes = (*world.notes, *_notes(budget, trajectory, own_agent=own_agent))
    result = trajectory.result(plan, world.calls, budget.usage, notes)
    world.emit(CommitFinished(result=result))
    return result


def _notes(budget: Budget, trajectory: Trajectory, *, own_agent: bool) -> Iterator[str]:
    yield from budget.notes
    if trajectory.condensed_attempts:
        yield "attempts were condensed to fit"
    if own_agent and not trajectory.steps:
        yield f"the agent {NO_CALLS}"
