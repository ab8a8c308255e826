"""The real calls of one commit so far: for its result, the call log, and listeners."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from artis_sdk.commit.foreseen import Match
from artis_sdk.commit.guard import Admitted, beside
from artis_sdk.commit.journal import Intent, JournaledCall
from artis_sdk.commit.resume import step_of
from artis_sdk.contracts import LogStore
from artis_sdk.errors import CommitStopped
from artis_sdk.loop.budget import Emit
from artis_sdk.records import CallRecord, CommitMode, CommittedCall, History, Outcome, Plan, Step, new_id
from artis_sdk.records.events import CallBegun, CallCommitted
from artis_sdk.tools.passed import changed, to_run


@dataclass(eq=False, slots=True)
class CallUnderWay:
    """One real call that is being carried out."""

    admitted: Admitted
    intent: Intent
    history: History
    """Steps before the call began, oldest first."""
    withdrawn: bool = False
    """Whether its caller was cancelled: a tool that has not started then does not start."""

    def withdraw(self) -> None:
        """Its caller was cancelled."""
        self.withdrawn = True

    @property
    def nested(self) -> bool:
        """Whether another tool's body makes it."""
        return self.intent.within is not None

    @property
    def kwargs(self) -> dict[str, Any]:
        """The keyword arguments that `run` takes, hidden ones included."""
        return self.admitted.invocation.kwargs

    def run(self, body: Callable[..., Any], /, **kwargs: Any) -> Any:
        """Run a body with the caller's objects if they still are what the call shows.

        Args:
            body: the tool's.
            kwargs: `kwargs`, and injected values.
        """
        args, passed = to_run(self.admitted.invocation, nested=self.nested)
        return body(*args, **{**kwargs, **passed})

    def cancelled_itself(self) -> CommitStopped:
        """The error that ends a commit whose tool cancelled the task that it ran in, while nobody cancelled
        the agent: it would take the call for failed."""
        return CommitStopped(self.intent.tool, "made, and its code cancelled the task that it ran in")

    def changed(self, mode: CommitMode) -> CommitStopped | None:
        """The error that ends a commit that is held to its plan if somebody has changed the call's objects:
        they are not what was foreseen, approved and journaled any more. What a tool's body does with its own
        is its own matter.

        Args:
            mode: how the plan is committed.
        """
        names = [] if self.nested or mode == "guided" else changed(self.admitted.invocation)
        if not names:
            return None
        return CommitStopped(
            self.intent.tool,
            f"not made: {', '.join(names)} was changed after the call was made and before it was carried "
            "out; pass a copy, or hide= a parameter that is not the agent's to give",
        )


class MadeCalls:
    """Keeps the calls of a commit, each beside its prediction.

    Args:
        plan: plan being committed.
        session: id of the session, for the call log.
        record: call log.
        emit: receiver of `CallBegun` and `CallCommitted`.
        failed: told what log or receiver raise: an agent that took its call for failed would make it again.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        session: str | None,
        record: LogStore | None,
        emit: Emit,
        failed: Callable[[Exception], object],
    ) -> None:
        self._plan = plan
        self._session = session
        self._record = record
        self._emit = emit
        self._failed = failed
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

    def call(self, seq: int) -> CommittedCall:
        """The call with this sequence number."""
        return self._committed[seq]

    def begun(
        self,
        admitted: Admitted,
        redacted: dict[str, JsonValue],
        *,
        key: str | None,
        seq: int,
        within: int | None,
    ) -> CallUnderWay:
        """A call that is about to be made.

        Args:
            admitted: the call.
            redacted: its arguments without secrets, for the journal.
            key: its idempotency key.
            seq: its position among the real calls of the commit, from 0.
            within: `seq` of the call in whose tool's body it is made; None for a call of the agent's.
        """
        tool = admitted.invocation.tool
        intent = Intent(
            plan=self._plan.id,
            seq=seq,
            tool=tool.name,
            arguments=redacted,
            risk=tool.risk,
            idempotency_key=key,
            begun=time.time(),
            within=within,
        )
        return CallUnderWay(admitted, intent, self.history)

    def begin(self, call: CallUnderWay) -> None:
        """Tell that the intent of a call is journaled and its tool runs next."""
        made, intent = call.admitted.invocation.call, call.intent
        try:
            self._emit(CallBegun(call=made, risk=intent.risk, journal_id=intent.id))
        except Exception as error:
            self._failed(error)
            raise

    def add(self, call: CallUnderWay, outcome: Outcome, expected: Outcome | None) -> None:
        """Add a call with an observed outcome.

        Args:
            call: the call.
            outcome: real outcome, not redacted.
            expected: predicted outcome, with real identifiers; None if the call is not foreseen.
        """
        admitted, intent = call.admitted, call.intent
        made = admitted.invocation.call
        nested = call.nested
        committed = CommittedCall(
            call=made,
            outcome=outcome,
            risk=intent.risk,
            **{**beside(admitted.match, expected), "approved_by": admitted.approved_by},
            journal_id=intent.id,
            nested=nested,
        )
        self._committed[intent.seq] = committed
        if not nested:
            self.history = (*self.history, Step(call=made, outcome=outcome))
        try:
            self._tell(call, committed)
        except Exception as error:
            self._failed(error)
            raise

    def _tell(self, call: CallUnderWay, committed: CommittedCall) -> None:
        """Tell the call log and the listeners."""
        intent, tool = call.intent, call.admitted.invocation.tool
        if self._record is not None:
            self._record.append(
                # Every part is a value already; checking state and history again would cost by length. Every
                # field is passed: pydantic's defaults cost more than all the rest.
                CallRecord.model_construct(
                    id=new_id(),
                    at=intent.begun,
                    session=self._session,
                    task=self._plan.task.id,
                    spec=tool.spec,
                    source_hash=tool.source_hash,
                    call=committed.call,
                    state=self._plan.task.state,
                    history=call.history,
                    outcome=committed.outcome,
                    predicted=committed.predicted,
                    risk=intent.risk,
                    process=os.getpid(),
                )
            )
        self._emit(CallCommitted(committed=committed))

    def take_over(self, made: JournaledCall, match: Match, expected: Outcome | None) -> CommittedCall:
        """Add a call made, and logged, before the commit was interrupted; arguments as in `add`."""
        step = step_of(made)
        nested = made.within is not None
        committed = self._committed[made.seq] = CommittedCall(
            call=step.call,
            outcome=step.outcome,
            risk=made.risk,
            **beside(match, expected),
            journal_id=made.id,
            nested=nested,
        )
        if not nested:
            self.history = (*self.history, step)
        return committed
