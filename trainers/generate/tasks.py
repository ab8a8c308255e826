"""A generated task: what is called, what came of it, and its rows for the log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from artis_sdk.logs.codec import dumps
from artis_sdk.records import CallRecord, Provenance, State, Step, ToolCall
from artis_sdk.tools import Toolset
from artis_sdk.trainers.failure_modes.read import FailureMode
from artis_sdk.trainers.generate.trace import Line
from artis_sdk.trainers.generate.worlds import Change


@dataclass(frozen=True, slots=True)
class Draft:
    """A task to run: calls in a world, from a start state of its own."""

    source: str
    """Which source of generation made it."""
    world: int
    calls: tuple[ToolCall, ...]
    changes: tuple[Change, ...] = ()
    session: str | None = None
    """Of the logged calls that it was made from; its rows belong to the same side of a split."""


@dataclass(frozen=True, slots=True)
class CallResult:
    """One call that was run."""

    step: Step
    lines: frozenset[Line]
    modes: tuple[FailureMode, ...]
    type: str


@dataclass(slots=True)
class TaskRun:
    """A task that was run, as far as it came."""

    draft: Draft
    number: int
    """Of the task, from 0, in the order in which they ran."""
    state: State
    worker: int
    """In which of the runner's workers."""
    reached: list[CallResult] = field(default_factory=list)
    stopped: str | None = None
    """Why the rest was not run: a call hung, or the sandbox could not tell."""

    def records(self, tools: Toolset, session: str | None, seed: int) -> Iterator[CallRecord]:
        """The rows: calls with real outcomes, in order, each with those before it.

        Ids follow from seed and content, so that a run that is repeated adds nothing.

        Args:
            tools: of its world.
            session: of its world.
            seed: of the run.
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
