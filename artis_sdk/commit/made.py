"""The real calls of one commit so far: for its result, the call log, and listeners."""

from __future__ import annotations

import os

from artis_sdk.commit.call_identity import PredictionQueue
from artis_sdk.commit.journal import Intent, JournaledCall
from artis_sdk.commit.resume import step_of
from artis_sdk.contracts import LogStore
from artis_sdk.loop.budget import Emit
from artis_sdk.records import CallRecord, CommittedCall, History, Outcome, Plan, Step, ToolCall
from artis_sdk.records.events import CallCommitted
from artis_sdk.tools.guarded import Invocation


class MadeCalls:
    """Keeps the calls of a commit, each beside its prediction.

    Args:
        plan: plan being committed.
        session: id of the session, for the call log.
        record: call log.
        emit: receiver of `CallCommitted`.
    """

    def __init__(self, plan: Plan, *, session: str | None, record: LogStore | None, emit: Emit) -> None:
        self._plan = plan
        self._session = session
        self._record = record
        self._emit = emit
        self._predictions = PredictionQueue(plan.predicted)
        self._committed: dict[int, CommittedCall] = {}
        self.history: History = plan.task.history
        """The task's history, then the agent's calls with their outcomes."""

    @property
    def steps(self) -> History:
        """The agent's calls so far with their outcomes, oldest first, without calls within calls."""
        return self.history[len(self._plan.task.history) :]

    @property
    def calls(self) -> tuple[CommittedCall, ...]:
        """Every call with an observed outcome, in the order in which they began."""
        return tuple(call for _, call in sorted(self._committed.items()))

    def predicted(self, call: ToolCall) -> Outcome | None:
        """The prediction for the next call of this tool and arguments; taken once."""
        return self._predictions.take(call)

    def add(
        self,
        invocation: Invocation,
        intent: Intent,
        outcome: Outcome,
        *,
        history: History,
        predicted: Outcome | None,
    ) -> None:
        """Add a call with an observed outcome.

        Args:
            invocation: the call.
            intent: its journaled intent.
            outcome: real outcome, not redacted.
            history: steps before the call began, oldest first.
            predicted: predicted outcome.
        """
        tool, made = invocation.tool, invocation.call
        nested = intent.within is not None
        committed = CommittedCall(
            call=made,
            outcome=outcome,
            risk=tool.risk,
            predicted=predicted,
            journal_id=intent.id,
            nested=nested,
        )
        self._committed[intent.seq] = committed
        if not nested:
            self.history = (*self.history, Step(call=made, outcome=outcome))
        if self._record is not None:
            self._record.append(
                # Every part is a value already; checking state and history again would cost by length.
                CallRecord.model_construct(
                    at=intent.begun,
                    session=self._session,
                    task=self._plan.task.id,
                    spec=tool.spec,
                    source_hash=tool.source_hash,
                    call=made,
                    state=self._plan.task.state,
                    history=history,
                    outcome=outcome,
                    predicted=predicted,
                    risk=tool.risk,
                    process=os.getpid(),
                )
            )
        self._emit(CallCommitted(committed=committed))

    def take_over(self, made: JournaledCall) -> None:
        """Add a call made, and logged, before the commit broke off."""
        step = step_of(made)
        nested = made.within is not None
        self._committed[made.seq] = CommittedCall(
            call=step.call,
            outcome=step.outcome,
            risk=made.risk,
            predicted=None if nested else self._predictions.take(step.call),
            journal_id=made.id,
            nested=nested,
        )
        if not nested:
            self.history = (*self.history, step)
