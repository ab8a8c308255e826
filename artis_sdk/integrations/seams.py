"""Seams in a framework's objects: attributes that are exchanged while a session runs an agent."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial, wraps
from threading import RLock
from types import ModuleType
from typing import Any

from artis_sdk.integrations.agent_tools import AgentTools, Make, refuse_unseen

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
        target: the framework's object, class or module.
        attribute: its attribute.
        make_seam: makes the stand-in; calls of contexts without `tools_here` must be as before.
    """
    key = (id(target), attribute)
    with _lock:
        found = _exchanges.get(key)
        if found is None:
            own, was_set = getattr(target, attribute), attribute in vars(target)
            found = _exchanges[key] = _Exchange(target, own, was_set, make_seam(own))
            _set(target, attribute, found.seam)
        found.runs += 1
    try:
        yield
    finally:
        with _lock:
            found.runs -= 1
            if not found.runs:
                del _exchanges[key]
                if found.was_set:
                    _set(target, attribute, found.own)
                else:
                    object.__delattr__(target, attribute)


def _set(target: Any, attribute: str, value: Any) -> None:
    if isinstance(target, type | ModuleType):
        setattr(target, attribute, value)
    else:  # also where the object's own class forbids it
        object.__setattr__(target, attribute, value)


@contextmanager
def checked_in_all(base: type, methods: Iterable[str], check: Callable[[Any], None]) -> Iterator[None]:
    """During the block a check stands before methods of a class and of all its subclasses: what has no seam
    of its own is called by no way of the framework's without it.

    Args:
        base: the class.
        methods: names of the methods, of which a class may have none.
        check: gets the object; what it raises is raised instead of a call.
    """
    with ExitStack() as stack:
        for kind in _kinds(base):
            for method in methods:
                if method in vars(kind):
                    stack.enter_context(exchanged(kind, method, partial(_checked, check)))
        yield


def _kinds(base: type) -> set[type]:
    kinds: list[type] = [base]
    for kind in kinds:  # grows meanwhile
        kinds += kind.__subclasses__()
    return set(kinds)


def _checked(check: Callable[[Any], None], method: Callable[..., Any]) -> Any:
    @wraps(method)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        check(self)
        return method(self, *args, **kwargs)

    @wraps(method)
    async def call_async(self: Any, *args: Any, **kwargs: Any) -> Any:
        check(self)
        return await method(self, *args, **kwargs)

    return call_async if inspect.iscoroutinefunction(method) else call


def check_seen(name: str) -> None:
    """Refuse a tool that has no seam, where this context runs a session's agent.

    Args:
        name: the tool's.

    Raises:
        FirewallError: it does.
    """
    if tools_here.get() is not None:
        refuse_unseen(name)


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
