"""Calls outside sessions on their way into a log: taken as bytes by the caller, made records later."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass, field

from artis_sdk.contracts import ObservedTool
from artis_sdk.logs.codec import loads
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, Step, ToolCall, new_id


@dataclass(slots=True)
class Scope:
    """A task outside sessions. Steps are added by the log's thread."""

    session: str
    task: str
    state: State
    steps: list[Step] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def before(self, began: float) -> History:
        """The calls that had ended by then."""
        return tuple(self.steps[: bisect_right(self.ends, began)])

    def add(self, step: Step, ended: float) -> None:
        place = bisect_right(self.ends, ended)
        self.steps.insert(place, step)
        self.ends.insert(place, ended)


@dataclass(slots=True)
class LateCall:
    """A call that has ended, as its caller left it. Called in the log's thread, it makes the record."""

    tool: ObservedTool
    arguments: bytes
    value: bytes
    failure: Outcome | str | None
    """How it failed: by exception, by the type of its value, not at all."""
    secrets: list[str]
    at: float
    duration: float
    ended: float
    """Seconds of `time.perf_counter`."""
    session: str
    scope: Scope | None
    made: CallRecord | None = None

    def __call__(self) -> tuple[CallRecord, list[str]]:
        if self.made is None:
            self.made = self._record()
        return self.made, self.secrets

    def _record(self) -> CallRecord:
        # Every field is given: pydantic's defaults cost more than all the rest.
        name, scope, history = new_id(), self.scope, History()
        call = ToolCall.model_construct(
            id=name, tool=self.tool.name, arguments=loads(self.arguments), raw=None, malformed=None
        )
        outcome = self.failure if isinstance(self.failure, Outcome) else self._returned(self.failure)
        if scope is not None:
            history = scope.before(self.ended - self.duration)
            scope.add(Step.model_construct(call=call, outcome=outcome), self.ended)
        return CallRecord.model_construct(
            id=name,
            at=self.at,
            session=self.session if scope is None else scope.session,
            task=None if scope is None else scope.task,
            spec=self.tool.spec,
            source_hash=self.tool.source_hash,
            call=call,
            state=None if scope is None else scope.state,
            history=history,
            outcome=outcome,
            predicted=None,
            risk=self.tool.risk,
            process=os.getpid(),
        )

    def _returned(self, failure_type: str | None) -> Outcome:
        return Outcome.model_construct(
            ok=failure_type is None,
            value=loads(self.value),
            failure_type=failure_type,
            message=None,
            raised=False,
            provenance=Provenance.REAL,
            raw=None,
            duration=self.duration,
        )
