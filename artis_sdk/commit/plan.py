"""A plan carried out once (equation 4): its agent acts in the real world, guided by the recommendation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from artis_sdk.commit.before import NO_JOURNAL, read_unsettled, unsettled_notes
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.errors import CommitStopped
from artis_sdk.loop.actor import Actor, Trajectory
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.calls import unread_note
from artis_sdk.loop.rehearsal import NO_CALLS, shown_at_commit
from artis_sdk.records import ForeseenCall, Plan, Result, Risk, ToolCall
from artis_sdk.records.action_text import format_actions
from artis_sdk.records.events import CommitFinished, CommitStarted
from artis_sdk.tools import running_code
from artis_sdk.tools.world import OUTSIDE, current

_LISTED = 5
_LONGEST = 120  # characters of a call in a note


async def commit(
    plan: Plan, actor: Actor, world: RealWorld, budget: Budget, *, application_code: bool = False
) -> Result:
    """Carry a plan out once (equation 4): the actor, guided by the recommendation, in the real world.

    A commit that is stopped, because of a call or an outcome that the plan does not foresee, has a result
    that ended as `stopped`, whose last note says where.

    Args:
        plan: rehearsed plan.
        actor: actor that carries it out.
        world: real world made for this plan.
        budget: budget of the run, with the rehearsal's usage counted; its limits stop the commit only before
            the first call that changes something.
        application_code: whether parts other than the agent run application code, see
            `artis_sdk.loop.whose_code`; guarded calls of unknown origin are then refused during the commit.

    Raises:
        CommitRefused: see `RealWorld.open`.
        UnknownOutcome: a call's outcome is not known, or a call was refused; nothing was done after it.
        JournalError: the journal cannot be written.
        LimitReached: before any call that changes something.
        BackendError: a model failed before the first call. Later the result says so (`ended`), and has the
            calls.
    """
    own_agent: bool = getattr(actor, "runs_code", True)  # its calls count as its steps
    stopped: CommitStopped | None = None
    try:
        trajectory = await _act(plan, actor, world, budget, application_code=application_code)
    except CommitStopped as error:
        stopped = error
        trajectory = Trajectory(steps=world.history, messages=(), answer=None, ended="stopped")
    blind = own_agent and not world.calls
    notes = [*world.notes, *_notes(budget, trajectory, blind=blind), *_beside_the_plan(plan, world)]
    if stopped is not None:
        notes.append(f"the commit was stopped: {stopped}")
    result = trajectory.result(
        plan,
        world.calls,
        budget.usage,
        notes,
        mode=world.guard.mode,
        not_made=tuple(world.guard.not_made),
        missed=_missed(world),
    )
    world.emit(CommitFinished(result=result))
    return result


def inside_attempt() -> bool:
    """Whether this context belongs to a rehearsed attempt or the body of a sandboxed tool: what a session
    commits there is not real."""
    outer = current.get()
    if outer is None or outer is OUTSIDE:
        return False
    return outer.inline is not None or not isinstance(outer.world, RealWorld)


def journal_around(journal: CommitJournal) -> CommitJournal:
    """The journal of this context's commits: of the commit around it, if there is one, else the session's.

    Args:
        journal: journal of the session.
    """
    outer = current.get()
    if outer is not None and isinstance(outer.world, RealWorld):
        return outer.world.journal
    return journal


async def journal_here(journal: CommitJournal) -> tuple[str, tuple[str, ...]]:
    """Name of the journal of this context's commits, and its notes for a plan's reader.

    Inside another session's commit it is that session's journal; inside a rehearsed attempt it is
    `NO_JOURNAL`, and no journal is read: a plan made there is not committed for real.

    Args:
        journal: journal of the session.

    Raises:
        JournalError: the journal cannot be read.
    """
    if inside_attempt():
        return NO_JOURNAL, ()
    journal = journal_around(journal)
    return await journal.identity(), unsettled_notes(await read_unsettled(journal))


async def _act(
    plan: Plan, actor: Actor, world: RealWorld, budget: Budget, *, application_code: bool
) -> Trajectory:
    meter = budget.for_commit()
    own_agent: bool = getattr(actor, "runs_code", True)
    repeats: bool = own_agent or getattr(actor, "repeats", False)
    with budget.running():
        async with world.open(
            on_change=meter.begin, on_call=meter.step if own_agent else None, answers=repeats
        ):
            with running_code("commit", application_code or own_agent, refused=world.remember_refusal):
                world.emit(CommitStarted(plan=plan.id))
                briefing = shown_at_commit(
                    plan,
                    done=world.history,  # of a resumed commit
                    is_due=partial(_is_due, plan, world),
                )
                trajectory = await actor.act(plan.task, world, meter, briefing)
                if trajectory.error is not None:
                    world.ending = "stopped"
                return trajectory


def _is_due(plan: Plan, world: RealWorld) -> bool:
    """Whether a change among the guidance's calls is still to be made, and every call so far was one of them
    and went as predicted."""
    advice, guard = plan.recommendation, world.guard
    if advice is None or advice.attempt is None or guard.not_made or guard.foreseen.is_over:
        return False
    return all(call.kind == "foreseen" and not call.diverged for call in world.calls)


def _notes(budget: Budget, trajectory: Trajectory, *, blind: bool) -> Iterator[str]:
    yield from budget.notes
    yield from trajectory.notes
    if trajectory.error is not None:
        yield (
            f"the commit ended without a final answer: {trajectory.error}; its calls are in the result, and "
            "artis run --plan FILE --resume, or commit(plan, resume=True), continues"
        )
    if trajectory.condensed_attempts:
        yield "attempts were condensed to fit the model's context"
    if unread := unread_note(trajectory.steps):
        yield unread
    if blind:
        yield f"the agent {NO_CALLS}"


def _missed(world: RealWorld) -> tuple[ForeseenCall, ...]:
    return tuple(call for call in world.guard.foreseen.left if call.risk is not Risk.READ_ONLY)


def _beside_the_plan(plan: Plan, world: RealWorld) -> Iterator[str]:
    """Notes on what was made and not foreseen, and on what was held to and not made."""
    if plan.followed is not None:
        new = [call for call in world.calls if call.kind != "foreseen" and call.risk is not Risk.READ_ONLY]
        if new:
            yield f"made and not foreseen: {_listed([call.call for call in new])}"
    if world.guard.not_made:
        yield f"asked for and not made: {_listed([call.call for call in world.guard.not_made])}"
    if world.guard.mode != "guided" and (missed := _missed(world)):
        yield f"foreseen and not made: {_listed([call.call for call in missed])}"


def _listed(calls: Sequence[ToolCall]) -> str:
    """The first calls in short, and the number of the others."""
    texts = [format_actions([call])[1:-1] for call in calls[:_LISTED]]
    short = [text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…" for text in texts]
    others = f" and {len(calls) - _LISTED} more" if len(calls) > _LISTED else ""
    return f"{', '.join(short)}{others}"
