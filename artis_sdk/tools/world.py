"""Where a guarded call goes: a context variable, and the firewall around it.

Outside every session the variable is empty and a guarded function is the plain function. During a
rehearsal that runs code of the application's, a call whose context has no world is of unknown
origin (a raw thread, an executor that does not copy the context, a spawned process) and is refused.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from artis_sdk.records import Outcome, ToolCall

if TYPE_CHECKING:
    from artis_sdk.tools.decorator import GuardedTool


@dataclass(frozen=True, slots=True)
class Invocation:
    """One validated call of a guarded tool: the JSON view, and the Python arguments beside it."""

    tool: GuardedTool
    call: ToolCall
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a world gives back: the outcome, and the Python value or exception behind it."""

    outcome: Outcome
    value: Any = None
    error: BaseException | None = None
    """Raised to a caller's own agent, as the real tool would have raised it."""


class World(Protocol):
    """Where guarded calls go while it is entered."""

    async def handle(self, invocation: Invocation) -> Reply:
        """Carry out one call: predict it, or run it for real."""

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Carry out the calls of one turn, in order, one reply a call."""


current_world: ContextVar[World | None] = ContextVar("artis_sdk_world", default=None)

# A marker in the environment reaches processes that a rehearsed agent spawns.
_MARKER = "ARTIS_REHEARSAL"
_untraceable = 1 if os.environ.get(_MARKER) else 0
