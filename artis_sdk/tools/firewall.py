"""The firewall's state of a context and of the process: which guarded calls are refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

from artis_sdk.errors import FirewallError
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.reply import Reply

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

    from artis_sdk.contracts import Observer
    from artis_sdk.lease import ProcessLease
    from artis_sdk.tools.leftovers import Leftovers


class World(Protocol):
    """The destination of guarded calls while it is entered.

    A world may have a method `remember_refusal(error: FirewallError) -> None`. It is called, in any
    thread, with each refusal that the world's own code caused or may have caused, before the caller of
    the guarded function sees the exception.
    """

    async def handle(self, invocation: Invocation) -> Reply:
        """Carry out one call: predict it, or run it for real."""

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Carry out the calls of one turn, in order, with one reply per call."""


Refused = Callable[[FirewallError], None]
"""Function of a refusal; runs, in any thread, before the caller of the guarded function sees it."""

Kind = Literal["rehearsal", "commit"]


@dataclass(eq=False, slots=True)
class RunningCode:
    """A rehearsal or commit of this process that runs the application's code."""

    kind: Kind
    refused: list[Refused] = field(default_factory=list)
    """Listeners of its own and of the worlds entered in it: a call of unknown origin may be any's."""


@dataclass(eq=False, slots=True, weakref_slot=True)
class WorldBinding:
    """A context's world, as long as it is entered, and the world's event loop."""

    world: World | None
    loop: AbstractEventLoop | None = None
    thread: int = 0
    """Id of the thread that runs the loop."""
    process: int = 0
    """Id of the only process whose calls pass."""
    open: bool = True
    beside: bool = False
    """Whether this is application code of a rehearsal or commit, without a world to call into."""
    code: RunningCode | None = None
    refused: Refused | None = None
    """Function of each refusal in this context."""
    calls: set[Task[Reply]] = field(default_factory=set)
    """Calls from other threads, in progress."""
    tools: tuple[object, ...] = ()
    """Tools of the session whose agent acts in the world."""
    inline: Callable[[Invocation], Callable[[], Any]] | None = None
    """In a sandboxed tool's body: function of a nested call that returns what to run at once, in place."""


OUTSIDE = WorldBinding(None)
"""The binding of a context outside every rehearsal and commit."""

LAST_WORDS = WorldBinding(None, open=False)
"""The binding of what a `__del__` starts while garbage is collected, see `garbage`."""

lock = RLock()
"""Held while `firewall` changes."""


class FirewallState:
    """Why a call without a world may not take the fast path. One per process."""

    __slots__ = ("active", "collecting", "forbidden", "lease", "leftovers", "observers", "running", "started")

    def __init__(self) -> None:
        self.running: list[RunningCode] = []
        """Rehearsals and commits that run application code, whose calls may lose their context."""
        self.collecting: int | None = None
        """Id of the thread that now collects garbage, which may be theirs."""
        self.leftovers: Leftovers | None = None
        """Calls that they have left running in other threads."""
        self.started: str | None = None
        """The mark of this process from its start, see `processes.mark`."""
        self.lease: ProcessLease | None = None
        """Lock file that shows child processes that `running` is not empty; made for the first of them."""
        self.forbidden = 0
        """Number of blocks of `no_real_calls` that are open."""
        self.observers: tuple[Observer, ...] = ()
        self.active = False

    def update(self) -> None:
        """Recompute, under the lock, whether any reason holds."""
        with lock:
            reasons = (self.running, self.leftovers, self.started, self.collecting, self.observers)
            self.active = self.forbidden > 0 or any(map(bool, reasons))


current: ContextVar[WorldBinding | None] = ContextVar("artis_sdk_binding", default=None)
firewall = FirewallState()


def refuse(call: str, reason: str, binding: WorldBinding | None = None) -> NoReturn:
    """Report a refusal to the listeners of its world or possible origins, then raise it.

    Args:
        call: name of the tool or of another refused action.
        reason: the reason for the refusal, and what to do.
        binding: the caller's binding; None and `LAST_WORDS` for an unknown origin, which may be any
            rehearsal or commit of this process that runs application code.

    Raises:
        FirewallError: always.
    """
    error = FirewallError(call, reason)
    if binding is None or binding is LAST_WORDS:
        with lock:
            told = [refused for code in firewall.running for refused in code.refused]
    else:
        told = [binding.refused] if binding.refused is not None else []
    for refused in told:
        refused(error)
    raise error
