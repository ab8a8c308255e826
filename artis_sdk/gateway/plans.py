"""Plans of calls that a client's agent proposes: rehearsed in simulation, and committed as they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp import types
from pydantic import JsonValue

from artis_sdk.commit.approver import Approver, Asking
from artis_sdk.commit.before import look_around
from artis_sdk.commit.journal import CommitJournal
from artis_sdk.contracts import LogStore, Simulator
from artis_sdk.errors import ConfigurationError, SimulationError, ToolFailure
from artis_sdk.gateway.link import answers_kept
from artis_sdk.logs import Redactor
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.loop.foresee import bound, foreseen_calls
from artis_sdk.loop.strategies import Direct, Parallel
from artis_sdk.records import (
    Attempt,
    ForeseenCall,
    History,
    Outcome,
    Plan,
    Result,
    State,
    Step,
    Task,
    ToolCall,
    plan_digest,
)
from artis_sdk.records.brief import call_line
from artis_sdk.records.places import value_at
from artis_sdk.session import Session
from artis_sdk.tools import Toolset

_REMEMBERED = 50
"""Latest real calls that a simulator sees as the history before a plan."""
_UNPREDICTED = "it was not rehearsed"


class NoPrediction(Simulator):
    """The simulator of a gateway without one."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """Refuse.

        Raises:
            SimulationError: always.
        """
        raise SimulationError(
            call.tool, "the gateway has no simulator (--simulator), so nothing is predicted"
        )


@dataclass(frozen=True, slots=True)
class Committed:
    """A plan that was carried out."""

    result: Result
    answers: tuple[types.CallToolResult, ...]
    """The servers' own answers, in the order of the calls."""

    @property
    def not_made(self) -> tuple[ToolCall, ...]:
        """The plan's calls after the last that was made."""
        return tuple(one.call for one in self.result.plan.foreseen[len(self.result.calls) :])


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes and commits the plans of one gateway."""

    tools: Toolset
    journal: CommitJournal
    log: LogStore | None
    redactor: Redactor
    simulator: Simulator
    agent: str | None = None
    """Backend that rehearses tasks in words; None where only lists of calls are rehearsed."""
    trust: Path | None = None
    """File with the verdicts on the simulator."""
    past: deque[Step] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    """Latest real calls, oldest first."""

    async def rehearsed(
        self, calls: Sequence[ToolCall], query: str, told: Collection[JsonValue] = ()
    ) -> tuple[Plan, Plan]:
        """A plan of exactly these calls, each with the outcome that the simulator predicts; and the plan as
        it may be shown, without secrets. Where it cannot predict, nothing is predicted from there on.

        Args:
            calls: calls that fit their tools' schemas.
            query: what they are for, in words.
            told: identifiers that earlier rehearsals made up. A call may refer to one of them; what else is
                like a predicted identifier the client knew from elsewhere, and means as it stands.
        """
        tools = self._only([call.tool for call in calls])
        async with self._session(
            tools, agent=_playing(calls), simulator=self.simulator, trust=self.trust, strategy=Parallel(1)
        ) as session:
            plan = _standing_for(await session.rehearse(query), calls, tools, told)
            return plan, session.shown(plan)

    async def rehearsed_task(self, task: str) -> tuple[Plan, Plan]:
        """A plan for a task in words: the gateway's own agent attempts it several times in simulation.

        Raises:
            ConfigurationError: the gateway has no agent.
        """
        if self.agent is None:
            raise ConfigurationError(
                "this gateway has no agent of its own (--agent): pass `calls`, not a task"
            )
        async with Session(
            agent=self.agent,
            simulator=self.simulator,
            trust=self.trust,
            tools=self.tools,
            journal=self.journal,
            redact=self.redactor,
            history=tuple(self.past),
        ) as session:
            plan = await session.rehearse(task)
            return plan, session.shown(plan)

    async def unrehearsed(self, call: ToolCall, *notes: str) -> tuple[Plan, Plan]:
        """A plan of one call, of which nothing is predicted, and the plan as it may be shown.

        Args:
            call: the call, which fits its tool's schema.
            notes: what a person must know who is asked about it.
        """
        tools = self._only([call.tool])
        task = Task(query=call_line(call), tools=tools.specs)
        plan = Plan(task=task, strategy=Direct.name, journal=await self.journal.identity(), notes=notes)
        plan = _standing_for(bound(plan, tools), [call], tools)
        return plan, SessionSecrets(self.redactor).shown(plan)

    async def check(self, plan: Plan) -> None:
        """Refuse a plan with a call whose twin in the journal has no known outcome, before anyone is asked.

        Raises:
            CommitRefused: it has one; the message names it.
        """
        await look_around(plan, self.journal, "refuse", Asking(None), self.redactor)

    async def committed(self, plan: Plan, approve: Approver | None) -> Committed:
        """Make exactly the calls of a plan, once, in their order. It ends early after an outcome that is not
        the predicted one, if calls that may change something are left.

        Args:
            plan: the plan.
            approve: who says whether it was approved; None for a plan that only reads.

        Raises:
            CommitRefused: nothing was made: it is not approved, or was committed before, or has a twin.
            UnknownOutcome: a call may have been made; nothing was made after it.
            JournalError: the journal cannot be written.
        """
        tools = self._only([tool.name for tool in plan.tools])
        session = self._session(tools, agent=_playing(()), strategy=Direct(), approve=approve, log=self.log)
        with answers_kept() as answers:
            async with session:
                result = await session.commit(plan, mode="replay")
        self.past.extend(Step(call=made.call, outcome=made.outcome) for made in result.calls)
        return Committed(result, tuple(answers))

    def _session(self, tools: Toolset, **more: Any) -> Session:
        return Session(
            tools=tools,
            journal=self.journal,
            redact=self.redactor,
            on_divergence="stop",
            on_unforeseen="stop",
            on_unknown="refuse",
            evaluate=False,
            summarize=False,
            history=tuple(self.past),
            **more,
        )

    def _only(self, names: Iterable[str]) -> Toolset:
        """The tools of these names: a plan binds those that it needs."""
        return Toolset(*(self.tools[name] for name in dict.fromkeys(names)))


def _playing(calls: Sequence[ToolCall]) -> Any:
    """An agent that makes these calls, whatever their outcomes."""

    async def play(task: str, *, tools: Any, guidance: str | None) -> str:
        for call in calls:
            with suppress(ToolFailure):
                await tools[call.tool](**call.arguments)
        return ""

    return play


def made_up(plan: Plan) -> Iterator[JsonValue]:
    """The identifiers in a plan's predictions that the simulator made up."""
    for one in plan.foreseen:
        if one.predicted is not None:
            yield from (value_at(one.predicted.value, place) for place in one.made_up)


def _standing_for(
    plan: Plan, calls: Sequence[ToolCall], tools: Toolset, told: Collection[JsonValue] = ()
) -> Plan:
    """The plan bound to exactly these calls, predicted or not."""
    attempt = plan.attempts[0] if plan.attempts else Attempt(index=0, ended="error", error=_UNPREDICTED)
    whole = attempt.model_copy(update={"error": None, "ended": "answer"})
    predicted = foreseen_calls(plan.model_copy(update={"attempts": (whole,)}))
    for one, call in zip(predicted, calls, strict=False):
        if (one.call.tool, one.call.arguments) != (call.tool, call.arguments):
            raise SimulationError(call.tool, "the rehearsal did not make the call that it was given")
    predicted = tuple(_referring(one, predicted, told) for one in predicted)
    rest = [
        ForeseenCall(call=call, risk=tools[call.tool].risk, predicted=None, agreed=0, attempts=1)
        for call in calls[len(predicted) :]
    ]
    notes = tuple(note for note in plan.notes if attempt.error is None or attempt.error not in note)
    if rest and plan.attempts:
        notes += (f"nothing is predicted from call {len(predicted) + 1} on: {attempt.error}",)
    made = {
        "attempts": (attempt,),
        "follows": attempt.index,
        "foreseen": (*predicted, *rest),
        "notes": notes,
    }
    plan = plan.model_copy(update=made)
    return plan.model_copy(update={"digest": plan_digest(plan)})


def _referring(
    call: ForeseenCall, calls: Sequence[ForeseenCall], told: Collection[JsonValue]
) -> ForeseenCall:
    """The call with references to those identifiers only that the client was told before."""
    kept = []
    for reference in call.references:
        predicted = calls[reference.call].predicted
        if predicted is not None and value_at(predicted.value, reference.outcome) in told:
            kept.append(reference)
    return call.model_copy(update={"references": tuple(kept)})
