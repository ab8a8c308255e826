"""The stores that a commit journal may stand on. What is held to `STORES` is a law of all of them."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from helpers.postgres import PostgresStore
from pydantic_core import PydanticSerializationError, to_json

from artis_sdk.commit.journal import (
    FINISHED,
    OPEN,
    REFUSED,
    CallState,
    CommitJournal,
    Decision,
    Intent,
    JournaledCall,
    SQLiteJournal,
)
from artis_sdk.errors import CommitRefused, JournalError
from artis_sdk.records import Outcome, Risk, new_id


class Store(Protocol):
    """Where several journals write, as those of several processes write to one file or server."""

    def open(self) -> CommitJournal:
        """A journal that is an owner of its own."""

    def check_left(self) -> None:
        """Assert that journals that were closed left nothing but their records."""


class SQLiteStore:
    """A file in a folder that is made with it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "store" / "journal.db"

    def open(self) -> SQLiteJournal:
        return SQLiteJournal(self._path)

    def check_left(self) -> None:
        folder = self._path.parent
        assert not folder.exists() or [path.name for path in folder.iterdir()] == ["journal.db"]


@dataclass
class _Plan:
    owner: str
    parent: str | None
    ending: str | None = None
    last: float = 0.0
    """When it was begun or ended, in seconds since the epoch."""


class MemoryStore:
    """A dictionary: nothing of `SQLiteJournal` is in it or in its journals."""

    def __init__(self, folder: Path) -> None:
        self.id = new_id()
        self.pruned: set[str] = set()
        self.plans: dict[str, _Plan] = {}
        self.calls: dict[tuple[str, int], JournaledCall] = {}
        self.decisions: list[Decision] = []
        self.alive: set[str] = set()
        self.lock = threading.Lock()

    def open(self) -> MemoryJournal:
        return MemoryJournal(self)

    def check_left(self) -> None:
        assert self.alive == set()


class MemoryJournal:
    """Answers one turn of the event loop after it was asked, as a store that takes its time."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._owner = new_id()
        self._running: set[str] = set()
        self._lost: dict[str, JournalError] = {}
        self._closed = False
        store.alive.add(self._owner)

    # --- commits ------------------------------------------------------------------------------

    async def identity(self) -> str:
        return f"memory:{self._store.id}"

    async def begin_plan(self, plan: str, *, parent: str | None = None, resume: bool = False) -> int:
        self._check_open()
        answer = self._claim(plan, parent, resume)
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            if isinstance(answer, int):
                self._end(plan, "cancelled")
            raise
        if isinstance(answer, CommitRefused):
            raise answer
        return answer

    async def end_plan(self, plan: str, ending: str) -> None:
        self._check_open()
        self._end(plan, ending)
        await asyncio.sleep(0)
        self._raise_lost(plan)

    def _claim(self, plan: str, parent: str | None, resume: bool) -> int | CommitRefused:
        with self._store.lock:
            if plan in self._store.pruned:
                return CommitRefused(plan, "it was committed and pruned")
            held = self._store.plans.get(plan)
            calls = [call for call in self._store.calls.values() if self._is_part(call.plan, plan)]
            reached = [
                call
                for call in calls
                if call.risk is not Risk.READ_ONLY and call.state is not CallState.NOT_EXECUTED
            ]
            goes_on = held is not None and held.ending is None and held.owner in self._store.alive
            if held is not None and held.ending == REFUSED:
                return CommitRefused(plan, "a refused call ended its commit")
            if held is not None and reached:
                made = f"its commit has already made {len(reached)} real calls"
                unsettled = [call for call in reached if call.state in OPEN]
                if unsettled:
                    names = ", ".join(f"{call.tool} ({call.id})" for call in unsettled)
                    why = f"the outcome of {names} is not known: run `artis recover`"
                    return CommitRefused(plan, f"{made}, and {why}")
                broke_off = not goes_on and held.ending != FINISHED
                if not (resume and broke_off and all(call.plan == plan for call in reached)):
                    return CommitRefused(plan, made)
            if goes_on:
                return CommitRefused(plan, "its commit is still running")
            self._store.plans[plan] = _Plan(self._owner, parent, last=time.time())
            return max((call.seq + 1 for call in calls if call.plan == plan), default=0)

    def _is_part(self, plan: str | None, whole: str) -> bool:
        """Whether a plan is another one, or was committed within its commit."""
        while plan is not None and plan != whole:
            plan = self._store.plans[plan].parent
        return plan is not None

    def _end(self, plan: str, ending: str) -> None:
        with self._store.lock:
            held = self._store.plans.get(plan)
            if held is not None and held.owner == self._owner and held.ending is None:
                held.ending, held.last = ending, time.time()

    # --- calls --------------------------------------------------------------------------------

    async def begin(self, intent: Intent) -> str:
        self._check_open()
        self._raise_lost(intent.plan)
        if intent.risk is not Risk.READ_ONLY:
            self._insert(intent, CallState.INTENT, None)
            await asyncio.sleep(0)
        return intent.id

    def finish(self, intent: Intent, outcome: Outcome) -> Awaitable[None]:
        self._check_open()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            if intent.risk is Risk.READ_ONLY:
                self._insert(intent, CallState.DONE, outcome)
            elif not self._move(intent, CallState.INTENT, CallState.DONE, outcome):
                raise JournalError(f"call {intent.id} of {intent.tool} has already ended in the journal")
        except JournalError as error:
            if intent.risk is not Risk.READ_ONLY:
                done.set_exception(error)
                return done
            self._lost[intent.plan] = error
        done.set_result(None)
        return done

    def close_unobserved(self, intent: Intent, state: CallState) -> None:
        if not self._closed:
            self._move(intent, CallState.INTENT, state)

    def mark_running(self, intent: Intent) -> None:
        self._running.add(intent.id)

    def finish_late(self, intent: Intent, outcome: Outcome) -> None:
        self._running.discard(intent.id)
        if self._closed:
            self._release()
        else:
            self._move(intent, CallState.INTENT, CallState.DONE, outcome)

    def _insert(self, intent: Intent, state: CallState, outcome: Outcome | None) -> None:
        try:
            to_json(intent.arguments)
        except PydanticSerializationError as error:
            raise JournalError(f"the journal cannot write this value: {error}") from error
        with self._store.lock:
            plan = self._store.plans.get(intent.plan)
            if plan is None or plan.owner != self._owner:
                raise JournalError(f"plan {intent.plan} is not being committed by this journal")
            if plan.ending is not None:
                raise JournalError("the commit of this plan is over")
            if (intent.plan, intent.seq) in self._store.calls:
                raise JournalError(f"call {intent.id} was begun before")
            self._store.calls[intent.plan, intent.seq] = JournaledCall(
                **asdict(intent),
                state=state,
                outcome=outcome,
                ended=None if outcome is None else time.time(),
                host=socket.gethostname(),
                process=os.getpid(),
            )

    def _move(
        self,
        call: Intent | JournaledCall,
        old: CallState,
        new: CallState,
        outcome: Outcome | None = None,
        **more: str | None,
    ) -> bool:
        with self._store.lock:
            held = self._store.calls.get((call.plan, call.seq))
            if held is None or held.state is not old:
                return False
            changes = {"state": new, "outcome": outcome, "ended": time.time(), **more}
            self._store.calls[call.plan, call.seq] = held.model_copy(update=changes)
            return True

    def _raise_lost(self, plan: str) -> None:
        lost = self._lost.pop(plan, None)
        if lost is not None:
            raise JournalError(f"plan {plan}: a read-only call could not be recorded: {lost}") from lost

    # --- decisions ----------------------------------------------------------------------------

    async def decide(self, decision: Decision) -> None:
        self._check_open()
        with self._store.lock:
            self._store.decisions.append(decision)
        await asyncio.sleep(0)

    def decisions(self, *, plan: str | None = None) -> list[Decision]:
        with self._store.lock:
            return [decision for decision in self._store.decisions if plan in (None, decision.plan)]

    # --- after a crash ------------------------------------------------------------------------

    def calls(
        self, *, plan: str | None = None, states: Iterable[CallState] = CallState
    ) -> list[JournaledCall]:
        wanted = set(states)
        with self._store.lock:
            return [
                call.model_copy(update=self._as_of_now(call))
                for call in self._store.calls.values()
                if call.state in wanted and plan in (None, call.plan)
            ]

    async def abandon(self, call: JournaledCall) -> None:
        self._check_open()
        self._move(call, CallState.INTENT, CallState.UNKNOWN)
        await asyncio.sleep(0)

    async def reconcile(
        self, call: JournaledCall, outcome: Outcome | None, *, by: str | None = None, why: str | None = None
    ) -> None:
        self._check_open()
        state = CallState.NOT_EXECUTED if outcome is None else CallState.RECONCILED
        self._move(call, CallState.UNKNOWN, state, outcome, settled_by=by, settled_why=why)
        await asyncio.sleep(0)

    async def prune(self, before: float) -> int:
        self._check_open()
        with self._store.lock:
            roots = [plan for plan, held in self._store.plans.items() if held.parent is None]
            families = [{plan for plan in self._store.plans if self._is_part(plan, root)} for root in roots]
            over = {plan for family in families if self._is_over(family, before) for plan in family}
            for key in [key for key in self._store.calls if key[0] in over]:
                del self._store.calls[key]
            for plan in over:
                del self._store.plans[plan]
            self._store.pruned |= over
            self._store.decisions = [one for one in self._store.decisions if one.plan not in over]
        await asyncio.sleep(0)
        return len(over)

    def _is_over(self, family: set[str], before: float) -> bool:
        plans = [self._store.plans[plan] for plan in family]
        calls = [call for call in self._store.calls.values() if call.plan in family]
        if any(plan.ending is None and plan.owner in self._store.alive for plan in plans):
            return False
        if any(call.state in OPEN for call in calls):
            return False
        events = [plan.last for plan in plans] + [call.ended or call.begun for call in calls]
        return max(events) < before

    def _as_of_now(self, call: JournaledCall) -> dict[str, object]:
        plan = self._store.plans[call.plan]
        alive = plan.owner in self._store.alive
        is_intent = call.state is CallState.INTENT
        return {
            "parent": plan.parent,
            "running": alive and is_intent,
            "left_behind": is_intent and (not alive or plan.ending is not None),
        }

    # --- lifetime -----------------------------------------------------------------------------

    async def aclose(self) -> None:
        self._closed = True
        self._release()

    def _release(self) -> None:
        if not self._running:
            self._store.alive.discard(self._owner)

    def _check_open(self) -> None:
        if self._closed:
            raise JournalError("the journal is closed")


STORES: dict[str, Callable[[Path], Store]] = {
    "sqlite": SQLiteStore,
    "postgres": PostgresStore,
    "memory": MemoryStore,
}


def examples(store: str, *, of: int) -> int:
    """Number of drawn examples for a store, where the others have `of`: a server takes 20 times as long."""
    return max(of // 10, 8) if store == "postgres" else of
