"""Where a guarded call goes: a context variable, and the firewall around it.

Outside every session the variable is empty and a guarded function is the plain function. During a
rehearsal that runs code of the application's, a call whose context has no world is of unknown
origin (a raw thread, an executor that does not copy the context, a spawned process) and is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any, Protocol

from artis_sdk.errors import FirewallError
from artis_sdk.tools.guarded import Invocation, Reply

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

    from artis_sdk.contracts import Observer
    from artis_sdk.tools.leftovers import Leftovers


class World(Protocol):
    """Where guarded calls go while it is entered."""

    async def handle(self, invocation: Invocation) -> Reply:
        """Carry out one call: predict it, or run it for real."""

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Carry out the calls of one turn, in order, one reply a call."""


@dataclass(eq=False, slots=True)
class WorldBinding:
    """A world as long as it is entered, and the event loop it lives on."""

    world: World | None
    """None: positively outside every rehearsal."""
    loop: AbstractEventLoop | None = None
    process: int = 0
    open: bool = True
    calls: set[Task[Reply]] = field(default_factory=set)
    """Calls that came from other threads and are being handled."""
    inline: Callable[[Invocation], Callable[[], Any]] | None = None
    """In the body of a sandboxed tool: what a nested call runs, at once and where it was made."""


lock = RLock()
"""Held while `firewall` changes."""


class FirewallState:
    """Why a call without a world may not take the fast path. One per process."""

    __slots__ = ("active", "leftovers", "observers", "rehearsals")

    def __init__(self) -> None:
        self.rehearsals = 0
        """Rehearsals now going on whose calls may lose their context."""
        self.leftovers: Leftovers | None = None
        """What such rehearsals have left running in other threads."""
        self.observers: tuple[Observer, ...] = ()
        self.active = False

    def update(self) -> None:
        """Say anew, under the lock, whether any reason holds."""
        with lock:
            self.active = self.rehearsals > 0 or bool(self.leftovers) or bool(self.observers)


# A marker in the environment reaches processes that a rehearsed agent spawns.
_MARKER = "ARTIS_REHEARSAL"
current: ContextVar[WorldBinding | None] = ContextVar("artis_sdk_binding", default=None)
firewall = FirewallState()


def _started_in_rehearsal() -> None:
    """This process was started during a rehearsal of another one: it is never outside of it."""
    with lock:
        firewall.rehearsals += 1
        firewall.update()


if os.environ.get(_MARKER):
    _started_in_rehearsal()


def current_world() -> World | None:
    """The world that this context's guarded calls go to; None outside every session."""
    binding = current.get()
    return None if binding is None else binding.world


@contextmanager
def entered(world: World) -> Iterator[None]:
    """Send this context's guarded calls, and those of contexts copied from it, to `world`.

    Calls that come after the end, from tasks or threads left behind, are refused.
    """
    from asyncio import get_running_loop

    binding = WorldBinding(world, get_running_loop(), os.getpid())
    token = current.set(binding)
    try:
        yield
    finally:
        binding.open = False
        current.reset(token)
        for call in binding.calls:
            call.cancel()


@contextmanager
def sandboxed(admit: Callable[[Invocation], Callable[[], Any]]) -> Iterator[None]:
    """Run the body of a sandboxed tool: the guarded calls inside it go to the same sandbox.

    They are made at once, in the thread that makes them, as the plain code would: no world waits for
    them, and the body's locks, objects and thread-bound connections stay its own.

    Args:
        admit: gives what a nested call runs, or raises; called in any thread.
    """
    from asyncio import get_running_loop

    binding = WorldBinding(current_world(), get_running_loop(), os.getpid(), inline=admit)
    token = current.set(binding)
    try:
        yield
    finally:
        binding.open = False
        current.reset(token)


@contextmanager
def rehearsing(runs_code: bool) -> Iterator[None]:
    """A rehearsal is going on in this process.

    Out of reach are other processes that ran before (a pool's workers started earlier, a service), and
    what something left behind starts in new threads when the rehearsal is over.

    Args:
        runs_code: whether it runs code of the application's (a caller's own agent, a sandbox), whose
            calls may lose their context; if so, calls of unknown origin are refused meanwhile, here
            and in processes started meanwhile.
    """
    if not runs_code:
        yield
        return
    from artis_sdk.tools.leftovers import Leftovers, RehearsalMarker, mark_children, working

    before = working()
    with lock:
        firewall.rehearsals += 1
        firewall.update()
        os.environ[_MARKER] = "1"
        mark_children(RehearsalMarker(_started_in_rehearsal))
    try:
        yield
    finally:
        with lock:
            firewall.leftovers = firewall.leftovers or Leftovers()
            firewall.leftovers.add(before)
            firewall.rehearsals -= 1
            firewall.update()
            if not firewall.rehearsals:
                os.environ.pop(_MARKER, None)
                mark_children(None)


@contextmanager
def outside() -> Iterator[None]:
    """Declare that this context belongs to no rehearsal: its guarded calls are the plain functions.

    For the parts of an application that go on working, in their own threads, while it rehearses.

    Raises:
        FirewallError: this context belongs to a world, so it is not outside.
    """
    binding = current.get()
    if binding is not None and (binding.world is not None or binding.inline is not None):
        raise FirewallError("outside()", "this context belongs to a world; it cannot be declared outside")
    token = current.set(WorldBinding(None))
    try:
        yield
    finally:
        current.reset(token)


def route(tool: str) -> WorldBinding | None:
    """Where a guarded call made in this context goes; None is the plain function.

    Raises:
        FirewallError: the call is of unknown origin during a rehearsal, or its world is over.
    """
    binding = current.get()
    if binding is None:
        if firewall.rehearsals:
            raise FirewallError(tool, _UNKNOWN_ORIGIN)
        if firewall.leftovers:
            if firewall.leftovers.running_here():
                raise FirewallError(tool, _OVER)
            firewall.update()
        return None
    if binding.world is None and binding.inline is None:
        return None
    if binding.process != os.getpid():
        raise FirewallError(tool, "called in a process that was forked inside a world; refused")
    if not binding.open:
        raise FirewallError(tool, _OVER)
    return binding


_OVER = "called by something left behind: the world that it belongs to is over"
_UNKNOWN_ORIGIN = (
    "refused, because a rehearsal is going on and this call's context does not say whether it belongs to "
    "it. A raw thread, loop.run_in_executor and a new process lose the context: use asyncio.to_thread, or "
    "run the call through contextvars.copy_context().run. Code that belongs to no rehearsal says so with "
    "artis_sdk.tools.outside()."
)
