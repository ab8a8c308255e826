"""The common part of sources that use models: rendered state and tools, and running a model's call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from artis_sdk.prompts import encode
from artis_sdk.records import Outcome, Provenance, State, Step, ToolCall, ToolSpec
from artis_sdk.simulators.cut import cut
from artis_sdk.tools import Toolset
from artis_sdk.trainers.generate.runner import Runner
from artis_sdk.trainers.generate.tasks import TaskRun

STATE = 8000  # characters of a state in a prompt


def shown_state(state: State, calls: Sequence[ToolCall] = ()) -> State:
    """A state as a prompt shows it: cut to `STATE` characters, with entries that the calls name first."""
    return cut(calls, state, (), room=STATE, focus=False).state


def documents(specs: Sequence[ToolSpec]) -> str:
    """The tools as the paper's prompts list them."""
    return encode([spec.document() for spec in specs])


async def run_call(
    runner: Runner, lock: asyncio.Lock, ran: TaskRun, call: ToolCall, tools: Toolset
) -> Step | None:
    """Make a call that a model wrote; None when the task is over.

    An unreadable call, or one of an unknown tool, is answered here, as in every world.
    """
    if call.malformed is not None:
        return Step(
            call=call, outcome=_forced("malformed_call", f"this call could not be read: {call.malformed}")
        )
    if call.tool not in tools:
        return Step(call=call, outcome=_forced("unknown_tool", f"there is no tool named {call.tool[:200]!r}"))
    async with lock:
        if runner.spent or ran.stopped is not None:
            return None
        reached = await asyncio.to_thread(runner.call, ran, call)
    return reached.step if reached is not None else None


def _forced(type_: str, message: str) -> Outcome:
    return Outcome.failure(type_, message, Provenance.FORCED, raised=True)
