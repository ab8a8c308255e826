"""Plans that wait for a person: what was said about each, and that each is committed once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from weakref import WeakValueDictionary

from artis_sdk.commit.approver import Answer, Approve, Reject
from artis_sdk.gateway.plans import Committed
from artis_sdk.records import Plan, ToolCall
from artis_sdk.records.same_call import canonical

_MOST = 1_000
"""Plans that are kept; the oldest are forgotten, and cannot be committed any more."""

Status = Literal["rehearsed", "waiting", "approved", "rejected", "running", "committed", "ended by an error"]


@dataclass(eq=False, slots=True)
class Held:
    """One plan. It never changes: an approval is of exactly these calls."""

    plan: Plan
    shown: Plan
    """The plan without secrets, for people."""
    direct: bool = False
    """Whether it is one call that a client made directly."""
    is_asked: bool = False
    """Whether a person is asked about it."""
    is_announced: bool = False
    is_awaited: bool = False
    """Whether a client waits for the answer now."""
    answer: Approve | Reject | None = None
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    commit: asyncio.Task[Committed] | None = None

    @property
    def status(self) -> Status:
        """Where it stands."""
        if self.answer is None:
            return "waiting" if self.is_asked else "rehearsed"
        if isinstance(self.answer, Reject):
            return "rejected"
        if self.commit is None:
            return "approved"
        if not self.commit.done():
            return "running"
        failed = self.commit.cancelled() or self.commit.exception() is not None
        return "ended by an error" if failed else "committed"

    def say(self, answer: Approve | Reject) -> bool:
        """Take a person's answer; False if it came too late, and changes nothing."""
        if self.answer is not None:
            return False
        self.answer = answer
        self.answered.set()
        return True

    async def approve(self, request: Any) -> Answer:
        """The session's approver: what the person said about this plan."""
        if request.plan.id != self.plan.id or self.answer is None:
            return Reject(reason="nobody approved it at the gateway", by="the gateway")
        return self.answer


class Holding:
    """The plans of one gateway, by id.

    Args:
        announce: told of each plan about which a person has to be asked on the page.
    """

    def __init__(self, announce: Callable[[Held], None]) -> None:
        self._announce = announce
        self._held: dict[str, Held] = {}
        self._alone: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def __getitem__(self, plan: str) -> Held | None:
        return self._held.get(plan)

    @property
    def all(self) -> tuple[Held, ...]:
        """The plans, oldest first."""
        return tuple(self._held.values())

    def put(self, held: Held) -> Held:
        """Keep a plan."""
        while len(self._held) >= _MOST:
            oldest = next((one for one in self._held.values() if one.status != "running"), None)
            if oldest is None:
                break
            del self._held[oldest.plan.id]
        self._held[held.plan.id] = held
        return held

    def same(self, call: ToolCall) -> Held | None:
        """The held plan of this very call, made directly before and neither rejected nor made."""
        wanted = canonical([call.tool, call.arguments])
        for held in self._held.values():
            if held.direct and held.status in ("rehearsed", "waiting", "approved", "running"):
                one = held.plan.foreseen[0].call
                if canonical([one.tool, one.arguments]) == wanted:
                    return held
        return None

    def alone(self, call: ToolCall) -> asyncio.Lock:
        """What is held while this very call is looked up and rehearsed: equal calls at once are one plan."""
        return self._alone.setdefault(canonical([call.tool, call.arguments]), asyncio.Lock())

    def announce(self, held: Held) -> None:
        """Tell the person once that a plan waits on the page."""
        if not held.is_announced and held.answer is None:
            held.is_announced = True
            self._announce(held)

    async def once(self, held: Held, commit: Callable[[], Awaitable[Committed]]) -> Committed:
        """Commit a plan, or wait for the commit that somebody began, which goes on if the waiter leaves.

        Raises:
            ArtisError: as the commit did, to everyone who asks.
        """
        if held.commit is None:

            async def run() -> Committed:
                return await commit()

            held.commit = asyncio.create_task(run())
            held.commit.add_done_callback(_seen)
        return await asyncio.shield(held.commit)

    async def aclose(self) -> None:
        """Wait for commits under way; a call that is being made is awaited to its end."""
        running = [held.commit for held in self.all if held.commit is not None and not held.commit.done()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _seen(task: asyncio.Task[Committed]) -> None:
    """A failure is for those who ask; nobody may be left to."""
    if not task.cancelled():
        task.exception()
