"""Seams in a framework's objects: attributes that are exchanged while a session runs an agent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import RLock
from typing import Any

from artis_sdk.integrations.agent_tools import AgentTools, Make

tools_here: ContextVar[AgentTools | None] = ContextVar("artis_sdk_agent_tools", default=None)
"""The tools of the agent that this context runs; None outside of its runs, where a seam does nothing."""

MakeSeam = Callable[[Any], Any]
"""The attribute's stand-in, from its own value."""

Answer = Callable[[AgentTools, str, Mapping[str, Any], Make], Awaitable[Any]]
"""The answer of the context's world: from its tools, a tool's name and arguments, and the real call."""


@dataclass(eq=False, slots=True)
class _Exchange:
    target: Any
    own: Any
    """The attribute's own value."""
    was_set: bool
    """Whether the object itself has the attribute, and not its class."""
    seam: Any
    runs: int = 0


_lock = RLock()
_exchanges: dict[tuple[int, str], _Exchange] = {}


@contextmanager
def exchanged(target: Any, attribute: str, make_seam: MakeSeam) -> Iterator[None]:
    """Put a seam in an attribute's place during the block; blocks that overlap share the first one's.

    Args:
        target: the framework's object.
        attribute: its attribute.
        make_seam: makes the stand-in; calls of contexts without `tools_here` must be as before.
    """
    key = (id(target), attribute)
    with _lock:
        found = _exchanges.get(key)
        if found is None:
            own, was_set = getattr(target, attribute), attribute in vars(target)
            found = _exchanges[key] = _Exchange(target, own, was_set, make_seam(own))
            object.__setattr__(target, attribute, found.seam)
        found.runs += 1
    try:
        yield
    finally:
        with _lock:
            found.runs -= 1
            if not found.runs:
                del _exchanges[key]
                if found.was_set:
                    object.__setattr__(target, attribute, found.own)
                else:
                    object.__delattr__(target, attribute)


def called_by_name(call_tool: Callable[..., Awaitable[Any]], answer: Answer) -> Any:
    """The stand-in of a method that calls a tool by its name.

    Args:
        call_tool: the method: name, arguments, and whatever else the framework passes.
        answer: the answer in a context with `tools_here`.
    """

    async def call(name: str, arguments: Mapping[str, Any] | None = None, *more: Any, **named: Any) -> Any:
        tools = tools_here.get()
        if tools is None:
            return await call_tool(name, arguments, *more, **named)

        async def make(given: dict[str, Any]) -> Any:
            return await call_tool(name, given, *more, **named)

        return await answer(tools, name, arguments or {}, make)

    return call


def own(target: Any, attribute: str) -> Any:
    """The attribute's own value, also while a seam is in its place."""
    found = _exchanges.get((id(target), attribute))
    return getattr(target, attribute) if found is None else found.own


def is_exchanged(target: Any, attribute: str) -> bool:
    """Whether a seam is in an attribute's place."""
    return (id(target), attribute) in _exchanges
