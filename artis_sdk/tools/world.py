"""The destination of a guarded call: a context variable, and the firewall around it.

Outside every session the variable is empty and a guarded function is the plain function. In a rehearsal
or a commit the context is carried into the threads and pools (`carry`) and processes (`processes`) that
it starts. While one runs the application's code, a call with an empty variable is of unknown
origin (a C callback, a `__del__`, a worker that the application feeds by a queue of its own) and is
refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

# These two register the patches that `install` installs.
import artis_sdk.tools.carry
import artis_sdk.tools.pools  # noqa: F401
from artis_sdk.errors import FirewallError
from artis_sdk.tools.firewall import (
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
from artis_sdk.tools.garbage import expect
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
    "current",
    "current_world",
    "entered",
    "firewall",
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
def entered(world: World) -> Iterator[None]:
    """Send guarded calls of this context, and of all code that it starts, to `world`.

    Later calls, from tasks, threads or timers left behind, are refused.
    """
    from asyncio import get_running_loop

    install()
    outer = current.get()
    binding = WorldBinding(world, get_running_loop(), os.getpid())
    binding.code = None if outer is None else outer.code
    binding.refused = getattr(world, "remember_refusal", None)
    with _told(binding.code, binding.refused):
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
    binding = WorldBinding(current_world(), get_running_loop(), os.getpid(), inline=admit)
    if outer is not None:
        binding.code, binding.refused = outer.code, outer.refused
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
    code, outer = RunningCode(kind), current.get()
    binding = WorldBinding(current_world(), None, os.getpid(), beside=True, code=code, refused=refused)
    if refused is None and outer is not None:
        binding.refused = outer.refused
    before = Snapshot()
    with lock:
        firewall.running.append(code)
        firewall.update()
    token = current.set(binding)
    try:
        with _told(code, refused):
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
        raise FirewallError("outside()", "this context belongs to a world; it cannot be declared outside")
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
    if firewall.collecting == get_ident():
        refuse(tool, _LAST_WORDS, binding)
    if binding is None:
        _check_unbound(tool)
        return None
    if binding is OUTSIDE:
        return None
    if binding.process != os.getpid():
        refuse(tool, _OTHER_PROCESS, binding)
    if not binding.open:
        refuse(tool, _OVER, binding)
    if binding.beside:
        refuse(tool, _BESIDE, binding)
    return binding


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


@contextmanager
def _told(code: RunningCode | None, refused: Refused | None) -> Iterator[None]:
    """Report refusals of unknown origin to `refused` during the block."""
    if code is None or refused is None:
        yield
        return
    with lock:
        code.refused.append(refused)
    try:
        yield
    finally:
        with lock:
            code.refused.remove(refused)


_OVER = (
    "called by something left behind: the world that it belongs to is over. A worker thread of your own "
    "that serves others too is started before the session, or by contextvars.Context().run(thread.start)"
)
_LAST_WORDS = (
    "called by a `__del__` or a weak reference's callback while garbage is collected that a rehearsal or "
    "commit may have left behind; refused"
)
_OTHER_PROCESS = (
    "refused, because this process, or this call in it, was started inside a rehearsal or commit, which "
    "lives in another process and cannot see it; make the call in the session's own process"
)
_BESIDE = (
    "refused: code of the application's that belongs to a rehearsal or commit made a guarded call beside "
    "the agent's own (an evaluator, a listener, a simulator); it has no world to call into"
)
_UNKNOWN_ORIGIN = (
    "refused, because a rehearsal or commit is going on and this call's context does not say whether it "
    "belongs to it. Threads, timers and the standard library's pools keep the context; a C callback, a "
    "`__del__` and a worker fed by a queue of your own lose it: run the call through "
    "contextvars.copy_context().run. Code that belongs to no rehearsal or commit says so with "
    "artis_sdk.tools.outside()."
)


if _mark := os.environ.get(MARK):
    arrived(_mark)
