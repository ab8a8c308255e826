"""The common part of sources that use models: rendered state and tools, requests, and calls of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from artis_sdk.contracts import Backend
from artis_sdk.errors import BackendError
from artis_sdk.prompts import Prompts, encode
from artis_sdk.records import Completion, Outcome, Provenance, Request, State, Step, ToolCall, ToolSpec
from artis_sdk.simulators.cut import Cutter
from artis_sdk.tools import Toolset
from artis_sdk.trainers.generate.runner import Runner
from artis_sdk.trainers.generate.tasks import TaskRun

STATE = 8000  # characters of a state in a prompt

Done = Callable[[TaskRun], object]
"""Callback for a finished task."""


def shown_state(state: State, calls: Sequence[ToolCall] = ()) -> State:
    """A state as a prompt shows it: cut to `STATE` characters, with entries that the calls name first."""
    return Cutter().cut(calls, state, (), room=STATE, focus=False).state


def documents(specs: Sequence[ToolSpec]) -> str:
    """The tools as the paper's prompts list them."""
    return encode([spec.document() for spec in specs])


class ModelSource:
    """A source whose calls models write; they are run one at a time, in a thread.

    Args:
        runner: runner of the calls.
        seed: seed from which each request derives its own.
        done: callback for every finished task.
        prompts: templates of the requests.
    """

    def __init__(self, runner: Runner, *, seed: int, done: Done, prompts: Prompts) -> None:
        self._runner = runner
        self._seed = seed
        self._done = done
        self._prompts = prompts
        self._lock = asyncio.Lock()
        self.notes: list[str] = []

    async def _state(self, world: int) -> State:
        """The start state of a world, as a prompt shows it."""
        async with self._lock:
            state = await asyncio.to_thread(self._runner.state, world)
        return shown_state(state)

    async def _completion(self, backend: Backend, request: Request) -> Completion | None:
        """The answer; None, and a note, if the backend fails."""
        try:
            return await backend.complete(request)
        except BackendError as error:
            self.notes.append(str(error))
            return None

    async def _call(self, ran: TaskRun, call: ToolCall, tools: Toolset) -> Step | None:
        """Make a call that a model wrote; None when the task is over.

        An unreadable call, or one of an unknown tool, is answered here, as in every world.
        """
        if call.malformed is not None:
            return _refused(call, "malformed_call", f"this call could not be read: {call.malformed}")
        if call.tool not in tools:
            return _refused(call, "unknown_tool", f"there is no tool named {call.tool[:200]!r}")
        async with self._lock:
            if self._runner.spent or ran.stopped is not None:
                return None
            reached = await asyncio.to_thread(self._runner.call, ran, call)
        return reached.step if reached is not None else None


def _refused(call: ToolCall, type_: str, message: str) -> Step:
    return Step(call=call, outcome=Outcome.failure(type_, message, Provenance.FORCED, raised=True))
