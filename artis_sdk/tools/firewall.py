"""What the firewall knows of a context and of the process: whose guarded calls are to be refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Protocol

from artis_sdk.errors import FirewallError
from artis_sdk.tools.guarded import Invocation, Reply

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task

    from artis_sdk.contracts import Observer
    from artis_sdk.lease import ProcessLease
    from artis_sdk.tools.leftovers import Leftovers


class World(Protocol):
    """Where guarded calls go while it is entered.

    A world may have a method `remember_refusal(error: FirewallError) -> None`. It is called, in any
    thread, with each refusal that is or may be of the world's own doing, before the caller of the guarded
    function sees the exception.
    """

    async def handle(self, invocation: Invocation) -> Reply:
        """Carry out one call: predict it, or run it for real."""

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Carry out the calls of one turn, in order, one reply a call."""


Refused = Callable[[FirewallError], None]
"""Called, in any thread, with a refusal, before the caller of the guarded function sees it."""

Kind = Literal["rehearsal", "commit"]


@dataclass(eq=False, slots=True)
class RunningCode:
    """A rehearsal or commit of this process that runs code of the application's."""

    kind: Kind
    refused: list[Refused] = field(default_factory=list)
    """Its own, and those of the worlds that are entered in it: an unknown origin may be any of them."""


@dataclass(eq=False, slots=True)
class WorldBinding:
    """What a context belongs to: a world as long as it is entered, and the event loop it lives on."""

    world: World | None
    loop: AbstractEventLoop | None = None
    process: int = 0
    """The only process in which calls are let through."""
    open: bool = True
    beside: bool = False
    """Code of the application's that belongs to a rehearsal or commit, but has no world to call into."""
    code: RunningCode | None = None
    refused: Refused | None = None
    """Called with each refusal in this context."""
    calls: set[Task[Reply]] = field(default_factory=set)
    """Calls that came from other threads and are being handled."""
    inline: Callable[[Invocation], Callable[[], Any]] | None = None
    """In the body of a sandboxed tool: what a nested call runs, at once and where it was made."""


OUTSIDE = WorldBinding(None)
"""Positively outside every rehearsal and commit."""

lock = RLock()
"""Held while `firewall` changes."""


class FirewallState:
    """Why a call without a world may not take the fast path. One per process."""

    __slots__ = ("active", "collecting", "lease", "leftovers", "observers", "running", "started")

    def __init__(self) -> None:
        self.running: list[RunningCode] = []
        """Rehearsals and commits that run code of the application's, whose calls may lose their context."""
        self.collecting: int | None = None
        """The thread in which garbage is collected now that some of it may come from."""
        self.leftovers: Leftovers | None = None
        """What such rehearsals and commits have left running in other threads."""
        self.started: str | None = None
        """The mark that this process was started with, see `processes.mark`."""
        self.lease: ProcessLease | None = None
        """Shows other processes that something is in `running`; made when one of them is started."""
        self.observers: tuple[Observer, ...] = ()
        self.active = False

    def update(self) -> None:
        """Say anew, under the lock, whether any reason holds."""
        with lock:
            reasons = (self.running, self.leftovers, self.started, self.collecting, self.observers)
            self.active = any(map(bool, reasons))


current: ContextVar[WorldBinding | None] = ContextVar("artis_sdk_binding", default=None)
firewall = FirewallState()


def refuse(call: str, reason: str, binding: WorldBinding | None = None) -> NoReturn:
    """Tell whoever a refusal may belong to, then raise it.

    Args:
        call: the tool, or whatever was called.
        reason: why it is refused, and what to do.
        binding: the caller's; None for an unknown origin, which may belong to everything of this process
            that runs code of the application's.

    Raises:
        FirewallError: always.
    """
    error = FirewallError(call, reason)
    if binding is None:
        with lock:
            told = [refused for code in firewall.running for refused in code.refused]
    else:
        told = [binding.refused] if binding.refused is not None else []
    for refused in told:
        refused(error)
    raise error
