"""The destination of a guarded call: a context variable, and the firewall around it.

Outside every session the variable is empty and a guarded function is the plain function. In a rehearsal
or a commit the context is carried into the threads and pools (`carry`) and processes (`processes`) that
it starts. While one runs the application's code, a call with an empty variable is of unknown
origin (a C callback, a `__del__`, a worker that the application feeds by a queue of its own) and is
refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

# These two register the patches that `install` installs.
import artis_sdk.tools.carry
import artis_sdk.tools.pools  # noqa: F401
from artis_sdk.errors import FirewallError
from artis_sdk.tools.firewall import (
    LAST_WORDS,
    OUTSIDE,
    Kind,
    Refused,
    RunningCode,
    World,
    WorldBinding,
    current,
    firewall,
    lock,
    refuse,
)
from artis_sdk.tools.garbage import expect, watch
from artis_sdk.tools.generators import watch_running_loop
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.leftovers import Leftovers, Snapshot
from artis_sdk.tools.patches import install
from artis_sdk.tools.processes import INSIDE, MARK, arrived, still_holds

__all__ = [
    "OUTSIDE",
    "Kind",
    "Refused",
    "World",
    "WorldBinding",
    "check_allowed",
    "current",
    "current_world",
    "entered",
    "firewall",
    "no_real_calls",
    "outside",
    "refuse",
    "route",
    "running_code",
    "sandboxed",
]


def current_world() -> World | None:
    """The world that this context's guarded calls go to; None outside every session."""
    binding = current.get()
    return None if binding is None else binding.world


@contextmanager
def entered(world: World, tools: Iterable[object] = ()) -> Iterator[None]:
    """Send guarded calls of this context, and of all code that it starts, to `world`.

    Later calls, from tasks, threads or timers left behind, are refused.

    Args:
        world: the world.
        tools: tools of the session whose agent acts there: a plain function that several sessions have as a
            tool is this one's.
    """
    from asyncio import get_running_loop

    install()
    watch_running_loop()
    outer = current.get()
    binding = WorldBinding(world, get_running_loop(), get_ident(), os.getpid(), tools=tuple(tools))
    binding.code = None if outer is None else outer.code
    binding.refused = getattr(world, "remember_refusal", None)
    with _Reporting(binding.code, binding.refused):
        token = current.set(binding)
        try:
            yield
        finally:
            expect()
            binding.open = False
            current.reset(token)
            for call in binding.calls:
                call.cancel()


@contextmanager
def sandboxed(admit: Callable[[Invocation], Callable[[], Any]]) -> Iterator[None]:
    """Run the body of a sandboxed tool: the guarded calls inside it go to the same sandbox.

    They run at once, in the calling thread, as in plain code: no world waits for
    them, and the body's locks, objects and thread-bound connections stay its own.

    Args:
        admit: function of a nested call that returns the code to run, or raises; called in any thread.
    """
    from asyncio import get_running_loop

    install()
    outer = current.get()
    binding = WorldBinding(current_world(), get_running_loop(), get_ident(), os.getpid(), inline=admit)
    if outer is not None:
        binding.code, binding.refused, binding.tools = outer.code, outer.refused, outer.tools
    token = current.set(binding)
    try:
        yield
    finally:
        binding.open = False
        current.reset(token)


@contextmanager
def running_code(kind: Kind, runs: bool = True, *, refused: Refused | None = None) -> Iterator[None]:
    """Declare a rehearsal or commit in this process that runs the application's code.

    Guarded calls of unknown origin are refused, here and in processes started during the block. A
    guarded call of this context itself, outside the worlds entered in it, is refused too: it comes
    from an evaluator, a listener or similar code, which has no world to call into.

    Args:
        kind: rehearsal or commit, for messages.
        runs: whether it does run the application's code (a caller's own agent, a sandbox); nothing
            is refused if not.
        refused: function of each refusal that its code caused or may have caused; runs, in any thread,
            before the caller of the guarded function sees the exception.
    """
    if not runs:
        yield
        return
    install()
    watch()
    code, outer = RunningCode(kind), current.get()
    binding = WorldBinding(current_world(), process=os.getpid(), beside=True, code=code, refused=refused)
    if refused is None and outer is not None:
        binding.refused = outer.refused
    before = Snapshot()
    with lock:
        firewall.running.append(code)
        firewall.update()
    token = current.set(binding)
    try:
        with _Reporting(code, refused):
            yield
    finally:
        expect()
        binding.open = False
        current.reset(token)
        with lock:
            firewall.leftovers = firewall.leftovers or Leftovers()
            firewall.leftovers.add(before)
            firewall.running.remove(code)
            if not firewall.running and firewall.lease is not None:
                firewall.lease.release()
                firewall.lease = None
            firewall.update()


@contextmanager
def outside() -> Iterator[None]:
    """Declare that this context belongs to no rehearsal: its guarded calls are the plain functions.

    For the parts of an application that go on working, in their own threads, while it rehearses.

    Raises:
        FirewallError: this context belongs to a world.
    """
    binding = current.get()
    if binding is not None and binding is not OUTSIDE:
        raise FirewallError(
            "outside()",
            "refused: this context belongs to a rehearsal or commit, so it cannot be declared outside of one",
        )
    token = current.set(OUTSIDE)
    try:
        yield
    finally:
        current.reset(token)


def route(tool: str) -> WorldBinding | None:
    """The binding for a guarded call of this context; None for the plain function.

    Raises:
        FirewallError: the call is of unknown origin while the application's code is rehearsed or
            committed, or its world has ended, or is in another process.
    """
    binding = current.get()
    if binding is LAST_WORDS or firewall.collecting == get_ident():
        refuse(tool, _LAST_WORDS, binding)
    if binding is None:
        _check_unbound(tool)
    if binding is None or binding is OUTSIDE:
        check_allowed(tool)
        return None
    if not binding.open:
        refuse(tool, _OVER, binding)
    if binding.process != os.getpid():
        refuse(tool, _OTHER_PROCESS, binding)
    if binding.beside:
        refuse(tool, _BESIDE, binding)
    return binding


@contextmanager
def no_real_calls() -> Iterator[None]:
    """Refuse every real guarded call of this process during the block, for tests: those outside sessions,
    and commits. Rehearsals go on, with sandboxes. Processes that it starts are not covered."""
    with lock:
        firewall.forbidden += 1
        firewall.update()
    try:
        yield
    finally:
        with lock:
            firewall.forbidden -= 1
            firewall.update()


def check_allowed(call: str) -> None:
    """Refuse a real call in a block of `no_real_calls`.

    Args:
        call: name of the tool or of another refused action.

    Raises:
        FirewallError: real calls are forbidden.
    """
    if firewall.forbidden:
        raise FirewallError(call, _FORBIDDEN)


def _check_unbound(tool: str) -> None:
    if firewall.running:
        refuse(tool, _UNKNOWN_ORIGIN)
    if firewall.started is not None:
        if firewall.started == INSIDE:
            raise FirewallError(tool, _OTHER_PROCESS)
        if still_holds(firewall.started):
            raise FirewallError(tool, _UNKNOWN_ORIGIN)
        firewall.started = None
        firewall.update()
    if firewall.leftovers:
        if firewall.leftovers.running_here():
            raise FirewallError(tool, _OVER)
        firewall.update()


class _Reporting:
    """Reports refusals of unknown origin to `refused` during the block."""

    def __init__(self, code: RunningCode | None, refused: Refused | None) -> None:
        self._code = code if refused is not None else None
        self._refused: Any = refused

    def __enter__(self) -> None:
        if self._code is not None:
            with lock:
                self._code.refused.append(self._refused)

    def __exit__(self, *_: object) -> None:
        if self._code is not None:
            with lock:
                self._code.refused.remove(self._refused)


_FORBIDDEN = (
    "refused: real calls are forbidden here, by no_real_calls() or a test's fixture `artis`; rehearse "
    "instead, or commit in a test without it"
)
_OVER = (
    "refused: the rehearsal or commit that this call belongs to is over. If a worker thread made the call "
    "for other code, start the thread before the session, or with contextvars.Context().run(thread.start)"
)
_LAST_WORDS = (
    "refused: a `__del__` or a weak reference's callback made this call during garbage collection, and a "
    "rehearsal or commit may have left that garbage. Make the call in a method that you call, such as close()"
)
_OTHER_PROCESS = (
    "refused: this process or call was started inside a rehearsal or commit of another process, which cannot "
    "see the call; make it in the session's own process"
)
_BESIDE = (
    "refused: application code other than the agent (an evaluator, a listener, a simulator) made a guarded "
    "call inside a rehearsal or commit; only the agent may call guarded tools there"
)
_UNKNOWN_ORIGIN = (
    "refused: a rehearsal or commit is running, and this call's context does not show whether the call "
    "belongs to it. Threads, timers and the standard library's pools keep the context; a C callback, a "
    "`__del__` and a worker fed by your own queue lose it. If the call belongs to the agent, run it through "
    "contextvars.copy_context().run; if not, make it inside `with artis_sdk.tools.outside():`."
)


if _mark := os.environ.get(MARK):
    arrived(_mark)
