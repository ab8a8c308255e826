"""Calls outside sessions on their way into a log: first bytes, in the caller's thread, later records."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable
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
        """The calls that had ended by that time."""
        return tuple(self.steps[: bisect_right(self.ends, began)])

    def add(self, step: Step, ended: float) -> None:
        place = bisect_right(self.ends, ended)
        self.steps.insert(place, step)
        self.ends.insert(place, ended)


def late_record(
    tool: ObservedTool,
    seen: bytes,
    failure: tuple[str, str] | str | None,
    secrets: Iterable[str],
    at: float,
    duration: float,
    ended: float,
    place: Scope | str,
) -> tuple[CallRecord, Iterable[str]]:
    """A record of a call that has ended.

    Args:
        tool: the called tool.
        seen: JSON array of the arguments and the returned value.
        failure: type and message of a raised exception; else the failure type of the returned value, if
            any.
        secrets: values that are secret everywhere.
        at: start of the call, in seconds since the epoch.
        duration: duration in seconds.
        ended: end of the call, in seconds of `time.perf_counter`.
        place: task of the call, or session of a call outside tasks.
    """
    # Every field is passed: pydantic's defaults cost more than all the rest.
    name, history = new_id(), History()
    arguments, value = loads(seen)
    call = ToolCall.model_construct(id=name, tool=tool.name, arguments=arguments, raw=None, malformed=None)
    raised = isinstance(failure, tuple)
    failure_type, message = failure if isinstance(failure, tuple) else (failure, None)
    outcome = Outcome.model_construct(
        ok=failure is None,
        value=value,
        failure_type=failure_type,
        message=message,
        raised=raised,
        provenance=Provenance.REAL,
        declared=tool.declares_failures and not raised,
        raw=None,
        duration=duration,
    )
    scope = place if isinstance(place, Scope) else None
    if scope is not None:
        history = scope.before(ended - duration)
        scope.add(Step.model_construct(call=call, outcome=outcome), ended)
    record = CallRecord.model_construct(
        id=name,
        at=at,
        session=place if isinstance(place, str) else place.session,
        task=None if scope is None else scope.task,
        spec=tool.spec,
        source_hash=tool.source_hash,
        call=call,
        state=None if scope is None else scope.state,
        history=history,
        outcome=outcome,
        predicted=None,
        risk=tool.risk,
        process=os.getpid(),
    )
    return record, secrets
