"""A rehearsal: attempts in simulation, each judged, condensed into one recommendation. Nothing real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar, runtime_checkable

from artis_sdk.contracts import Evaluator, Meter, Simulator, Summarizer
from artis_sdk.errors import (
    AgentError,
    ConfigurationError,
    ContextOverflow,
    EvaluationError,
    FirewallError,
    LimitReached,
    SimulationError,
    SummaryError,
)
from artis_sdk.loop.actor import Actor, Trajectory
from artis_sdk.loop.budget import Budget, BudgetMeter, Emit, ignore
from artis_sdk.loop.callable_actor import attempts_text
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.loop.scoring import Scorer
from artis_sdk.loop.strategies.base import StepStrategy, Strategy
from artis_sdk.loop.summarize import ModelSummarizer
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.prompts import Prompts
from artis_sdk.records import Attempt, Ending, Plan, Recommendation, Task
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

T_co = TypeVar("T_co", covariant=True)

NO_CALLS = (
    "made no guarded call: either the task needs none, or the agent holds functions that are not the "
    "session's tools, and what they do is real"
)
"""Note on an attempt or a commit of the caller's own agent."""


@runtime_checkable
class Meterable(Protocol[T_co]):
    """A judge that reaches a model through a meter; a judge without a model lacks this."""

    def metered(self, meter: Meter) -> T_co:
        """The same judge on this meter."""


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
    application_code: bool = False,
    journal: str | None = None,
    notes: Sequence[str] = (),
) -> Plan:
    """Attempt a task in simulation by a strategy, and condense the attempts.

    A limit ends it early with the attempts so far; the plan names the limit. An attempt ends with an error,
    while the others continue, if its simulator cannot predict a call, if it outgrows the agent's context,
    if the caller's agent fails, or if the firewall refuses a call. An attempt whose verdict is unreadable
    has none. A simulator that is trusted for none of the tools is not called, and the plan has no attempts.
    Without a recommendation (summaries are off, or the plan's notes say why), the guidance is the attempts
    themselves.

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
        application_code: whether parts other than agent and simulator run application code, see
            `artis_sdk.loop.whose_code`.
        journal: name of the journal that the plan is to be committed in.
        notes: what a reader of the plan must know beside what the rehearsal finds.

    Raises:
        BackendError: a model cannot be reached; the attempts under way are cancelled.
        ConfigurationError: the strategy needs evaluations and they are off.
        RehearsalStopped: an attempt calls an untrusted tool, and the gate's `on_doubt` is `stop`.
    """
    rehearsal = Rehearsal(
        task, actor=actor, simulator=simulator, tools=tools, budget=budget, evaluator=evaluator, emit=emit
    )
    rehearsal.notes += notes
    with running_code("rehearsal", application_code or simulator.runs_code or rehearsal.own_agent):
        emit(RehearsalStarted(task=task, strategy=strategy.name))
        with budget.running():
            await _attempts(rehearsal, strategy, simulator, tools)
            recommendation = await _summarize(rehearsal, summarizer)
        plan = _plan(rehearsal, strategy, recommendation, prompts or Prompts(), journal)
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
) -> Plan:
    if recommendation is not None:
        rehearsal.emit(Recommended(recommendation=recommendation))
        guidance: str | None = recommendation.recommendation
    else:
        guidance = attempts_text(prompts, rehearsal.usable) or None
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
    )


def shown_at_commit(plan: Plan) -> tuple[str | None, tuple[Attempt, ...]]:
    """Arguments `guidance` and `prior` of the committing actor's `Actor.act` (equation 4).

    The recommendation; without one, as with summaries off, the attempts themselves, which an actor
    shows like earlier attempts.
    """
    if plan.recommendation is not None:
        return plan.guidance, ()
    return None, _usable(plan.attempts)


def committing_actor(strategy: Strategy, actor: Actor, scorer: Scorer) -> Actor:
    """The actor that commits; a step-level strategy (appendix G) decides its turns.

    Raises:
        ConfigurationError: a step-level strategy with the caller's own agent, whose steps it cannot decide.
    """
    if not isinstance(strategy, StepStrategy):
        return actor
    if not isinstance(actor, ModelActor):
        raise ConfigurationError(
            f"strategy {strategy.name!r} chooses each step of the agent, which needs a model as agent; "
            "an agent of your own can be rehearsed by Sequential, Parallel or Hybrid"
        )
    return actor.deciding(strategy.decider(scorer))


class Rehearsal:
    """The rehearsal as a strategy sees it: it runs and keeps attempts, and knows of a reached limit."""

    def __init__(
        self,
        task: Task,
        *,
        actor: Actor,
        simulator: Simulator,
        tools: Toolset,
        budget: Budget,
        evaluator: Evaluator | None,
        emit: Emit = ignore,
    ) -> None:
        self.task = task
        self.budget = budget
        self.emit = emit
        self.notes: list[str] = []
        self.stopped: LimitReached | None = None
        # An actor of unknown kind counts as application code: the firewall is then at its strictest.
        self.own_agent: bool = getattr(actor, "runs_code", True)
        self._actor = actor
        self._simulator = simulator
        self._tools = tools
        self._evaluator = evaluator
        self._next = 0
        self._attempts: dict[int, Attempt] = {}

    @property
    def evaluates(self) -> bool:
        """Whether attempts are judged."""
        return self._evaluator is not None

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
        index, self._next = self._next, self._next + 1
        self.emit(AttemptStarted(attempt=index))
        meter = self.budget.for_attempt(index)
        attempt = await self._simulate(index, meter, _usable(prior))
        self.emit(AttemptFinished(attempt=attempt))
        attempt = await self._judge(attempt, meter)
        self._attempts[index] = attempt
        return attempt

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
                    self._simulator.fork(self._tools, meter),
                    self.task.state,
                    earlier=self.task.history,
                    attempt=index,
                    emit=self.emit,
                    count=meter.step if self.own_agent else None,
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
        else:
            if trajectory.condensed_attempts:
                self.notes.append(
                    f"attempt {index} saw {trajectory.condensed_attempts} of {len(prior)} earlier attempts "
                    "condensed, to fit the context"
                )
            if self.own_agent and not trajectory.steps:
                self.notes.append(f"attempt {index} {NO_CALLS}")
            return Attempt(
                index=index,
                steps=trajectory.steps,
                messages=trajectory.messages,
                answer=trajectory.answer,
                ended=trajectory.ended,
                condensed_attempts=trajectory.condensed_attempts,
            )
        self.notes.append(f"attempt {index} ended early: {reason}")
        return Attempt(index=index, steps=world.history if world else (), ended=ended, error=reason)

    async def _act(self, world: SimulatedWorld, meter: BudgetMeter, prior: tuple[Attempt, ...]) -> Trajectory:
        try:
            trajectory = await self._actor.act(self.task, world, meter, prior=prior)
        except AgentError:
            world.check()  # the cause that broke the world counts, not the agent's report of it
            raise
        finally:
            await world.aclose()
        world.check()
        return trajectory

    async def _judge(self, attempt: Attempt, meter: BudgetMeter) -> Attempt:
        if self._evaluator is None or attempt.ended in ("limit", "simulation_error", "refused"):
            return attempt
        evaluator = self._evaluator
        if isinstance(evaluator, Meterable):
            evaluator = evaluator.metered(meter)
        try:
            async with meter.deadline():
                evaluation = await evaluator.evaluate(self.task, attempt)
        except (EvaluationError, ContextOverflow) as error:
            self.notes.append(f"attempt {attempt.index} is not evaluated: {error}")
            return attempt
        except LimitReached as error:
            self.notes.append(f"attempt {attempt.index} is not evaluated: {error}")
            self.stop(error)
            return attempt
        self.emit(AttemptEvaluated(attempt=attempt.index, evaluation=evaluation))
        return attempt.model_copy(update={"evaluation": evaluation})


async def _summarize(rehearsal: Rehearsal, summarizer: Summarizer | None) -> Recommendation | None:
    if summarizer is None or not rehearsal.usable:
        return None
    meter = rehearsal.budget.for_summary()
    if isinstance(summarizer, Meterable):
        summarizer = summarizer.metered(meter)
    try:
        async with meter.deadline():
            recommendation = await summarizer.summarize(rehearsal.task, rehearsal.usable)
    except (SummaryError, ContextOverflow) as error:
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
