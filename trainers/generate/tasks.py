"""A generated task: its calls, their outcomes, and its rows for the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from artis_sdk.logs.codec import dumps
from artis_sdk.records import CallRecord, Provenance, State, Step, ToolCall
from artis_sdk.tools import Toolset
from artis_sdk.tools.source_checks.read import FailureMode
from artis_sdk.trainers.generate.trace import Line
from artis_sdk.trainers.generate.worlds import Change


@dataclass(frozen=True, slots=True)
class Draft:
    """A task to run: calls in a world, from its own start state."""

    source: str
    """Name of the source that made it."""
    world: int
    calls: tuple[ToolCall, ...]
    changes: tuple[Change, ...] = ()
    session: str | None = None
    """Session of the logged calls that it was made from; its rows stay on the same side of a split."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """One finished call."""

    step: Step
    lines: frozenset[Line]
    modes: tuple[FailureMode, ...]
    type: str


@dataclass(slots=True)
class TaskRun:
    """A finished task, complete or not."""

    draft: Draft
    number: int
    """Number of the task, from 0, in the order of runs."""
    state: State
    worker: int
    """Number of the runner's worker."""
    reached: list[CallResult] = field(default_factory=list)
    stopped: str | None = None
    """Reason why the rest was not run: a call hung, or the sandbox could not run it."""

    def records(self, tools: Toolset, session: str | None, seed: int) -> Iterator[CallRecord]:
        """The rows: calls with real outcomes, in order, each with those before it.

        Ids follow from seed and content, so that a repeated run adds nothing.

        Args:
            tools: tools of its world.
            session: session of its world.
            seed: seed of the run.
        """
        task = f"generated-{self.draft.source}-{seed}-{self.number}"
        session = session or self.draft.session or task
        start = dumps([session, task, self.state])
        history: tuple[Step, ...] = ()
        at = time.time()
        for reached in self.reached:
            step, tool = reached.step, tools[reached.step.call.tool]
            if step.outcome.provenance is not Provenance.SANDBOXED:
                continue
            start = _digest(start, dumps([step.call.tool, step.call.arguments, tool.source_hash]))
            yield CallRecord(
                id=start,
                at=at,
                session=session,
                task=task,
                spec=tool.spec,
                source_hash=tool.source_hash,
                call=step.call,
                state=self.state,
                history=history,
                outcome=step.outcome,
                risk=tool.risk,
            )
            history = (*history, step)


def _digest(*texts: str) -> str:
    """32 hexadecimal digits."""
    return blake2b("\0".join(texts).encode(errors="surrogatepass"), digest_size=16).hexdigest()
