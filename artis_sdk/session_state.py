"""The state of the environment before a session's task."""

from __future__ import annotations

import inspect
from collections.abc import Iterable

from artis_sdk.commit.commit import RealWorld
from artis_sdk.loop.callable_actor import RemembersCalls
from artis_sdk.records import History, State
from artis_sdk.session_args import StateSource
from artis_sdk.session_parts import SessionParts
from artis_sdk.tools import Toolset, current_world


async def snapshot(
    given: StateSource | None, parts: SessionParts, committed: Iterable[History]
) -> tuple[State, History]:
    """The state before a task, and the real calls made since it was taken.

    Args:
        given: the session's option `state`.
        parts: the session's parts.
        committed: real calls of the session's earlier commits, oldest first.
    """
    tools, made = parts.tools, sum(committed, ())
    if callable(given):
        state = given()
        state = await state if inspect.isawaitable(state) else state
        parts.secrets.see(state)
        return state, _earlier_in_attempt(tools)
    earlier = _earlier_in_attempt(tools)
    if given is None:
        return tools.state(), earlier if tools.owners else made + earlier
    return given, made + earlier


def _earlier_in_attempt(tools: Toolset) -> History:
    """The calls of these tools in the simulated attempt that this context is part of, for a simulator: the
    real objects do not show them."""
    world = current_world()
    if world is None or isinstance(world, RealWorld) or not isinstance(world, RemembersCalls):
        return ()
    return tuple(step for step in world.history if step.call.tool in tools)
