"""A session inside another session's attempt: its calls belong to that attempt, and nothing is real."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artis_sdk.errors import ArtisError, ToolFailure
from artis_sdk.loop.actor import Actor
from artis_sdk.loop.budget import Budget
from artis_sdk.loop.rehearsal import shown_at_commit
from artis_sdk.records import CommittedCall, History, Plan, Provenance, Result, Step
from artis_sdk.tools.bridge import hand_over
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.lazy import is_awaitable
from artis_sdk.tools.originals import in_body
from artis_sdk.tools.reply import Reply
from artis_sdk.tools.world import WorldBinding, current

NOTE = "this session ran inside a rehearsal: its calls are those of the attempt around it; nothing is real"


class OuterWorld:
    """The world around a nested session, as the world of its own agent.

    Args:
        binding: world binding of the context in which the nested session commits: a simulated attempt,
            or the body of a sandboxed tool.
    """

    def __init__(self, binding: WorldBinding) -> None:
        self._binding = binding
        self._calls: list[CommittedCall] = []

    @property
    def history(self) -> History:
        """The nested agent's calls so far with their outcomes, oldest first."""
        return tuple(Step(call=made.call, outcome=made.outcome) for made in self._calls)

    @property
    def calls(self) -> tuple[CommittedCall, ...]:
        """The same calls, as in a result; none of them was executed."""
        return tuple(self._calls)

    async def handle(self, invocation: Invocation) -> Reply:
        """Pass a call on to the attempt.

        Raises:
            FirewallError: the attempt is over.
            SimulationError, LimitReached, BackendError: the attempt's prediction failed.
        """
        if self._binding.inline is not None:
            reply = await _in_sandbox(self._binding.inline(invocation), invocation)
        else:
            reply = await hand_over(self._binding, invocation)
        risk = invocation.tool.risk
        self._calls.append(CommittedCall(call=invocation.call, outcome=reply.outcome, risk=risk))
        return reply

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Pass the calls of one turn on, one after the other."""
        return [await self.handle(invocation) for invocation in invocations]


async def commit_inside(plan: Plan, actor: Actor, world: OuterWorld, budget: Budget) -> Result:
    """Carry a nested session's plan out in the attempt around it. No journal, no log.

    Args:
        plan: plan of the nested session.
        actor: actor that carries it out.
        world: world of the attempt.
        budget: budget of the nested run.
    """
    meter = budget.for_commit()
    with budget.running():
        trajectory = await actor.act(plan.task, world, meter, shown_at_commit(plan))
    return trajectory.result(plan, world.calls, budget.usage, (NOTE,))


async def _in_sandbox(run: Any, invocation: Invocation) -> Reply:
    """A call inside a sandboxed tool's body, at once and over the body's own objects."""
    tool = invocation.tool
    try:
        with in_body(current.get(), is_real=False):
            value = run()
            if is_awaitable(value):
                value = await value
    except Exception as error:
        if isinstance(error, ArtisError) and not isinstance(error, ToolFailure):
            raise
        return Reply(tool.outcome_of_error(error, Provenance.SANDBOXED), error=error)
    return Reply(tool.outcome(value, Provenance.SANDBOXED), value)
