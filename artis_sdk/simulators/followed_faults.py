"""What an agent did about the faults that were injected into its rehearsal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from artis_sdk.records import Attempt, Risk, Step, ToolCall, ToolSpec
from artis_sdk.records.brief import call_line
from artis_sdk.records.calls import FaultKind


@dataclass(frozen=True, slots=True)
class FaultFollowed:
    """One injected fault, and what the agent did about it until the end of the attempt."""

    attempt: int
    """Index of the attempt, from 0."""
    step: int
    """Index of the struck call in `Attempt.steps`, from 0."""
    call: ToolCall
    kind: FaultKind
    asked: bool
    """Whether it called a read-only tool before it made this call again, or before the end."""
    retried: int
    """Number of times that it made the same call again: same tool, same arguments."""
    made: int
    """Number of times that the call took effect, the struck one included."""

    @property
    def did_twice(self) -> bool:
        """Whether the call took effect more than once."""
        return self.made > 1

    def __str__(self) -> str:
        said = ["asked first" if self.asked else "did not ask"]
        said.append({0: "did not retry", 1: "retried"}.get(self.retried, f"retried {self.retried} times"))
        said.append({0: "never made", 1: "made once"}.get(self.made, f"MADE {self.made} TIMES"))
        return f"attempt {self.attempt + 1}: {self.kind}: {call_line(self.call)}: {', '.join(said)}"


def fault_report(attempts: Iterable[Attempt], tools: Iterable[ToolSpec]) -> list[FaultFollowed]:
    """What the agent did about each injected fault, in the order in which they struck.

    A retry is a call of the same tool with the same arguments. The struck call of a retry that was struck
    again is not listed a second time.

    Args:
        attempts: attempts of a rehearsal, such as `plan.attempts`.
        tools: the task's tools, such as `plan.task.tools`, whose risk tells which calls ask.
    """
    readers = {spec.name for spec in tools if spec.risk is Risk.READ_ONLY}
    found: list[FaultFollowed] = []
    for attempt in attempts:
        listed: list[Step] = []
        for index, step in enumerate(attempt.steps):
            if step.outcome.fault is None or any(_same(step.call, one.call) for one in listed):
                continue
            listed.append(step)
            found.append(_followed(attempt, index, attempt.steps[index + 1 :], readers))
    return found


def _followed(attempt: Attempt, index: int, later: Sequence[Step], readers: set[str]) -> FaultFollowed:
    struck = attempt.steps[index]
    kind = struck.outcome.fault
    assert kind is not None
    again = [n for n, step in enumerate(later) if _same(step.call, struck.call)]
    before = later[: again[0]] if again else later
    same = [struck, *(later[n] for n in again)]
    return FaultFollowed(
        attempt=attempt.index,
        step=index,
        call=struck.call,
        kind=kind,
        asked=any(step.call.tool in readers for step in before),
        retried=len(again),
        made=sum(_took_effect(step) for step in same),
    )


def _took_effect(step: Step) -> bool:
    """Whether a call was made and did not fail by itself; only calls that succeed are struck after it."""
    outcome = step.outcome
    return outcome.reached_world and (outcome.ok or outcome.fault is not None)


def _same(a: ToolCall, b: ToolCall) -> bool:
    return a.tool == b.tool and a.arguments == b.arguments
