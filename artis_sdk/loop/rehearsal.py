"""A rehearsal: attempts in simulation, each judged, condensed into one recommendation. Nothing real."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Final

from artis_sdk.contracts import Evaluator, Simulator, Summarizer
from artis_sdk.errors import (
    AgentError,
    ContextOverflow,
    EvaluationError,
    FirewallError,
    LimitReached,
    MalformedResponse,
    SimulationError,
    SummaryError,
)
from artis_sdk.loop.actor import Actor, Briefing, Trajectory, nothing_is_due
from artis_sdk.loop.asked_model import metered
from artis_sdk.loop.budget import Budget, BudgetMeter, Emit, ignore
from artis_sdk.loop.callable_actor import attempts_text
from artis_sdk.loop.calls import unread_note
from artis_sdk.loop.evaluate import suggestion
from artis_sdk.loop.first_turn import first_turn_is_due
from artis_sdk.loop.foresee import bound
from artis_sdk.loop.lasting import Lasting
from artis_sdk.loop.strategies.base import Strategy
from artis_sdk.loop.summarize import ModelSummarizer, NoRightAttempt
from artis_sdk.loop.worlds import See, SimulatedWorld, unseen
from artis_sdk.prompts import Prompts
from artis_sdk.records import Attempt, Ending, Evaluation, Plan, Recommendation, Step, Task
from artis_sdk.records.events import (
    AttemptEvaluated,
    AttemptFinished,
    AttemptStarted,
    LimitHit,
    Recommended,
    RehearsalFinished,
    RehearsalStarted,
)
from artis_sdk.simulators.trust import TrustGate
from artis_sdk.tools import Toolset, running_code
from artis_sdk.traces.operations import attempt as traced_attempt
from artis_sdk.traces.operations import judging, summarizing

NOT_JUDGED: Final = ("limit", "simulation_error", "refused", "model_error")
"""Endings of attempts that say nothing of the agent."""

NO_CALLS = (
    "made no guarded call: either the task needs none, or the agent holds functions that are not the "
    "session's tools, and what they do is real"
)
"""Note on an attempt or a commit of the caller's own agent."""


async def rehearse(
    task: Task,
    *,
    actor: Actor,
    simulator: Simulator,
    tools: Toolset,
    strategy: Strategy,
    budget: Budget,
    evaluator: Evaluator | None,
    summarizer: Summarizer | None,
    prompts: Prompts | None = None,
    emit: Emit = ignore,
    see: See = unseen,
    application_code: bool = False,
    journal: str | None = None,
    notes: Sequence[str] = (),
    expires: Lasting = Lasting(),  # noqa: B008  a value
    keep_changes: bool = False,
) -> Plan:
    """Attempt a task in simulation by a strategy, and condense the attempts.

    A limit ends it early with the attempts so far; the plan names the limit. An attempt ends with an error,
    while the others continue, if its simulator cannot predict a call, if it outgrows the agent's context,
    if the caller's agent fails, if a server's response is no answer, or if the firewall refuses a call. One
    whose model gives no answer ends so, too (`artis_sdk.loop.odd_answers`). An attempt whose verdict is
    unreadable has no verdict. A simulator that is trusted for none of the tools is not called, and the plan
    has no attempts. Without a recommendation (summaries are off, or the plan's notes say why), the guidance
    is the attempts themselves; without an attempt that was judged correct there is no guidance.

    Args:
        task: query, conversation, tools and state.
        actor: the actor of the attempts.
        simulator: the simulator, forked for each attempt.
        tools: the session's tools.
        strategy: order of the attempts.
        budget: limits and counts of the whole run.
        evaluator: judge of each attempt; None leaves evaluation out (figure 4, "w/o Eval").
        summarizer: writer of the recommendation; None leaves summarization out (figure 4, "w/o Sum").
        prompts: templates, of which `action_user` writes attempts as guidance.
        emit: callback for the events of the rehearsal.
        see: callback for the Python values that an agent of the application's passes to tools, and that real
            code returns.
        application_code: whether parts other than agent and simulator run application code, see
            `artis_sdk.loop.whose_code`.
        journal: name of the journal that the plan is to be committed in.
        notes: what a reader of the plan must know beside what the rehearsal finds.
        expires: until when the plan holds.
        keep_changes: whether each attempt keeps what it changed in its world's state.

    Raises:
        BackendError: a model cannot be reached; the attempts under way are cancelled.
        ConfigurationError: the strategy needs evaluations and they are off.
        RehearsalStopped: an attempt calls an untrusted tool, and the gate's `on_doubt` is `stop`.
    """
    rehearsal = Rehearsal(
        task,
        actor=actor,
        simulator=simulator,
        tools=tools,
        budget=budget,
        evaluator=evaluator,
        emit=emit,
        see=see,
        keep_changes=keep_changes,
    )
    rehearsal.notes += notes
    with running_code("rehearsal", application_code or simulator.runs_code or rehearsal.own_agent):
        emit(RehearsalStarted(task=task, strategy=strategy.name))
        with budget.running():
            await _attempts(rehearsal, strategy, simulator, tools)
            recommendation = await _summarize(rehearsal, summarizer)
        plan = _plan(rehearsal, strategy, recommendation, prompts or Prompts(), journal, expires)
        plan = bound(plan, tools)
        emit(RehearsalFinished(plan=plan))
    return plan


async def _attempts(rehearsal: Rehearsal, strategy: Strategy, simulator: Simulator, tools: Toolset) -> None:
    left_out = simulator.nothing_left(tools) if isinstance(simulator, TrustGate) else None
    if left_out is not None:
        rehearsal.notes.append(f"nothing was rehearsed: {left_out}")
        return
    try:
        await strategy.rehearse(rehearsal)
    except LimitReached as limit:
        rehearsal.stop(limit)


def _plan(
    rehearsal: Rehearsal,
    strategy: Strategy,
    recommendation: Recommendation | None,
    prompts: Prompts,
    journal: str | None,
    expires: Lasting,
) -> Plan:
    if recommendation is not None:
        rehearsal.emit(Recommended(recommendation=recommendation))
        guidance: str | None = recommendation.recommendation
    else:
        guidance = None if rehearsal.no_advice else attempts_text(prompts, rehearsal.usable) or None
    return Plan(
        task=rehearsal.task,
        strategy=strategy.name,
        attempts=rehearsal.attempts,
        recommendation=recommendation,
        guidance=guidance,
        journal=journal,
        usage=dict(rehearsal.budget.usage),
        stopped_by=rehearsal.stopped.limit if rehearsal.stopped else None,
        notes=tuple(rehearsal.notes),
        expires=expires.end(),
    )


def shown_at_commit(
    plan: Plan, *, done: Sequence[Step] = (), is_due: Callable[[], bool] = nothing_is_due
) -> Briefing:
    """What the committing actor is shown of the rehearsal (equation 4).

    The recommendation; with summaries off the attempts themselves, which an actor shows like earlier
    attempts; nothing where no attempt was judged correct. `done` and `is_due` are as in `Briefing`.
    """
    if plan.recommendation is not None or plan.guidance is None:
        return Briefing(guidance=plan.guidance, done=done, is_due=is_due)
    return Briefing(prior=_usable(plan.attempts), done=done, is_due=is_due)


@dataclass(eq=False, repr=False)
class Rehearsal:
    """The rehearsal as a strategy sees it: it runs and keeps attempts, and knows of a reached limit."""

    task: Task
    _: KW_ONLY
    actor: Actor
    simulator: Simulator
    tools: Toolset
    budget: Budget
    evaluator: Evaluator | None
    emit: Emit = ignore
    see: See = unseen
    keep_changes: bool = False
    notes: list[str] = field(default_factory=list, init=False)
    stopped: LimitReached | None = field(default=None, init=False)
    no_advice: bool = field(default=False, init=False)
    own_agent: bool = field(init=False)
    """Whether the actor is the caller's own code."""
    _attempts: dict[int, Attempt] = field(default_factory=dict, init=False)
    _next: int = field(default=0, init=False)
    _suggesting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)
    _suggested: set[int] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        # An actor of unknown kind counts as application code: the firewall is then at its strictest.
        self.own_agent = getattr(self.actor, "runs_code", True)

    @property
    def evaluates(self) -> bool:
        """Whether attempts are judged."""
        return self.evaluator is not None

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts that are over, in the order in which they were begun."""
        return tuple(self._attempts[index] for index in sorted(self._attempts))

    @property
    def usable(self) -> tuple[Attempt, ...]:
        """The attempts with at least a call or an answer."""
        return _usable(self.attempts)

    async def attempt(self, prior: Sequence[Attempt] = ()) -> Attempt:
        """See `AttemptRunner.attempt`. A prior attempt without a call or an answer is left out."""
        if self.stopped is not None:
            raise self.stopped
        prior = await self._with_suggestions(prior)
        index, self._next = self._next, self._next + 1
        self.emit(AttemptStarted(attempt=index))
        meter = self.budget.for_attempt(index)
        with traced_attempt(index) as span:
            attempt = await self._simulate(index, meter, _usable(prior))
            self.emit(AttemptFinished(attempt=attempt))
            attempt = await self._judge(attempt, meter)
            span.result(attempt)
        self._attempts[index] = attempt
        return attempt

    async def _with_suggestions(self, prior: Sequence[Attempt]) -> tuple[Attempt, ...]:
        """Earlier attempts with a suggestion where one was judged wrong without; it is requested once."""
        async with self._suggesting:
            for attempt in prior:
                known = self._attempts.get(attempt.index, attempt)
                if known.evaluation is not None and attempt.index not in self._suggested:
                    self._suggested.add(attempt.index)
                    self._attempts[attempt.index] = await self._suggest(known, known.evaluation)
        return tuple(self._attempts.get(attempt.index, attempt) for attempt in prior)

    async def _suggest(self, attempt: Attempt, evaluation: Evaluation) -> Attempt:
        assert self.evaluator is not None
        meter = self.budget.for_attempt(attempt.index)
        try:
            async with meter.deadline():
                told = await suggestion(metered(self.evaluator, meter), self.task, attempt, evaluation)
        except (EvaluationError, ContextOverflow, MalformedResponse) as error:
            self.notes.append(f"attempt {attempt.index + 1} has no suggestion: {error}")
            return attempt
        except LimitReached as error:
            self.stop(error)
            raise
        evaluation = evaluation.model_copy(update={"suggestion": told})
        return attempt.model_copy(update={"evaluation": evaluation})

    def stop(self, limit: LimitReached) -> None:
        """A limit was reached: no further attempt begins."""
        if self.stopped is None:
            self.stopped = limit
            self.notes.append(f"the rehearsal ended early: {limit}")
            self.emit(LimitHit(limit=limit.limit, used=limit.used, allowed=limit.allowed))

    async def _simulate(self, index: int, meter: BudgetMeter, prior: tuple[Attempt, ...]) -> Attempt:
        world: SimulatedWorld | None = None
        ended: Ending
        try:
            async with meter.deadline():
                world = SimulatedWorld(
                    self.simulator.fork(self.tools, meter),
                    self.task.state,
                    earlier=self.task.history,
                    attempt=index,
                    emit=self.emit,
                    see=self.see,
                    count=meter.step if self.own_agent else None,
                    keep_change=self.keep_changes,
                )
                trajectory = await self._act(world, meter, prior)
        except LimitReached as error:
            self.stop(error)
            ended, reason = "limit", str(error)
        except SimulationError as error:
            ended, reason = "simulation_error", str(error)
        except FirewallError as error:
            ended, reason = "refused", str(error)
        except ContextOverflow as error:
            ended, reason = "context", str(error)
        except AgentError as error:
            ended, reason = "error", str(error)
        except MalformedResponse as error:
            ended, reason = "model_error", str(error)
        else:
            if trajectory.condensed_attempts:
                self.notes.append(
                    f"attempt {index + 1} saw {trajectory.condensed_attempts} of {len(prior)} earlier "
                    "attempts condensed, to fit the context"
                )
            if unread := unread_note(trajectory.steps):
                self.notes.append(f"attempt {index + 1}: {unread}")
            if self.own_agent and not world.history:
                self.notes.append(f"attempt {index + 1} {NO_CALLS}")
            self.notes += (f"attempt {index + 1}: {note}" for note in (*trajectory.notes, *world.notes))
            if trajectory.error is not None:
                self.notes.append(f"attempt {index + 1} ended early: {trajectory.error}")
            return Attempt(
                index=index,
                steps=trajectory.steps,
                nested=world.nested,
                messages=trajectory.messages,
                answer=trajectory.answer,
                ended=trajectory.ended,
                error=trajectory.error,
                condensed_attempts=trajectory.condensed_attempts,
                change=world.change,
            )
        self.notes.append(f"attempt {index + 1} ended early: {reason}")
        steps, nested, change = (world.history, world.nested, world.change) if world else ((), (), None)
        return Attempt(index=index, steps=steps, nested=nested, ended=ended, error=reason, change=change)

    async def _act(self, world: SimulatedWorld, meter: BudgetMeter, prior: tuple[Attempt, ...]) -> Trajectory:
        try:
            briefing = Briefing(prior=prior, is_due=first_turn_is_due(prior))
            trajectory = await self.actor.act(self.task, world, meter, briefing)
        except AgentError:
            world.check()  # the cause that broke the world counts, not the agent's report of it
            raise
        finally:
            await world.aclose()
        world.check()
        # One odd answer ends its attempt; a model that cannot be reached would end every one.
        if not isinstance(trajectory.failure, MalformedResponse | ContextOverflow | None):
            raise trajectory.failure
        return trajectory

    async def _judge(self, attempt: Attempt, meter: BudgetMeter) -> Attempt:
        if self.evaluator is None or attempt.ended in NOT_JUDGED:
            return attempt
        evaluator = metered(self.evaluator, meter)
        try:
            with judging("evaluate", attempt.index) as span:
                async with meter.deadline():
                    evaluation = await evaluator.evaluate(self.task, attempt)
                span.result(evaluation)
        except (EvaluationError, ContextOverflow, MalformedResponse) as error:
            self.notes.append(f"attempt {attempt.index + 1} is not evaluated: {error}")
            return attempt
        except LimitReached as error:
            self.notes.append(f"attempt {attempt.index + 1} is not evaluated: {error}")
            self.stop(error)
            return attempt
        self.emit(AttemptEvaluated(attempt=attempt.index, evaluation=evaluation))
        return attempt.model_copy(update={"evaluation": evaluation})


async def _summarize(rehearsal: Rehearsal, summarizer: Summarizer | None) -> Recommendation | None:
    if summarizer is None or not rehearsal.usable:
        return None
    meter = rehearsal.budget.for_summary()
    summarizer = metered(summarizer, meter)
    try:
        with summarizing() as span:
            async with meter.deadline():
                recommendation = await summarizer.summarize(rehearsal.task, rehearsal.usable)
            span.result(recommendation)
    except NoRightAttempt as error:
        rehearsal.notes.append(f"there is no advice: {error}")
        rehearsal.no_advice = True
    except (SummaryError, ContextOverflow, MalformedResponse) as error:
        rehearsal.notes.append(f"no recommendation was written: {error}")
    except LimitReached as error:
        rehearsal.notes.append(f"no recommendation was written: {error}")
        rehearsal.stop(error)
    else:
        if isinstance(summarizer, ModelSummarizer) and summarizer.condensed:
            rehearsal.notes.append(
                f"the summary saw {summarizer.condensed} of {len(rehearsal.usable)} attempts condensed, to "
                "fit the context"
            )
        return recommendation
    return None


def _usable(attempts: Sequence[Attempt]) -> tuple[Attempt, ...]:
    return tuple(attempt for attempt in attempts if attempt.steps or attempt.answer is not None)
