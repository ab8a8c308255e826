"""The real world: guarded calls carried out once, each journaled. The only file that runs real tools."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic import JsonValue

from artis_sdk.commit.call_identity import IdempotencyKeys, PredictionQueue
from artis_sdk.commit.journal import REFUSED, CallState, CommitJournal, Intent
from artis_sdk.commit.redaction import Redact, off_loop
from artis_sdk.contracts import LogStore
from artis_sdk.errors import CommitRefused, FirewallError, JournalError, UnknownOutcome
from artis_sdk.loop.budget import Emit, ignore
from artis_sdk.records import (
    CallRecord,
    CommittedCall,
    History,
    Outcome,
    Plan,
    Provenance,
    Risk,
    Step,
)
from artis_sdk.records.events import CallCommitted
from artis_sdk.tools.execute import execute
from artis_sdk.tools.guarded import Invocation, Reply


@dataclass(eq=False, slots=True)
class _Call:
    """One real call on its way."""

    invocation: Invocation
    intent: Intent
    history: History
    predicted: Outcome | None
    nested: bool
    withdrawn: bool = False
    """Its caller was cancelled: if the tool has not been started, it is not."""


# The commit whose tool's body this context is in: guarded calls in there are parts of that call.
_inside: ContextVar[RealWorld | None] = ContextVar("artis_sdk_inside", default=None)


class RealWorld:
    """Runs guarded calls for real, with the journal in front: intent, call, outcome.

    A call whose outcome is not known ends the commit: every later call raises the same
    `UnknownOutcome`, also where the agent let it pass. A call that may change something and runs while
    its caller is cancelled is awaited to its end and journaled, and then the cancellation goes on; a
    second cancellation interrupts it, and its outcome is unknown. Guarded calls in a real tool's body
    are journaled too, as calls of their own.

    Args:
        journal: where intents and outcomes go.
        plan: what is committed; its predictions stand beside the real outcomes.
        redact: takes secrets out of what the journal holds.
        record: call log that every call is appended to.
        emit: receives the commit's events.
        session: the session's id, for the call log.
        parent: id of the plan whose commit this one is part of, where a session commits inside another's.
    """

    def __init__(
        self,
        journal: CommitJournal,
        plan: Plan,
        *,
        redact: Redact,
        record: LogStore | None = None,
        emit: Emit = ignore,
        session: str | None = None,
        parent: str | None = None,
    ) -> None:
        self.emit = emit
        self.journal = journal
        self._parent = parent
        self._plan = plan
        self.redact = redact
        self._record = record
        self._session = session
        self._predictions = PredictionQueue(plan.predicted)
        self._keys = IdempotencyKeys(plan.id)
        self._seq = 0
        self._committed: dict[int, CommittedCall] = {}
        self._history: History = plan.task.history
        self._running: set[asyncio.Task[Reply]] = set()
        self._open = False
        self._broken: UnknownOutcome | None = None
        self._refused = False
        self._on_change: Callable[[], None] | None = None
        self._on_call: Callable[[], None] | None = None

    @property
    def plan(self) -> str:
        """The id of the plan that is committed."""
        return self._plan.id

    @property
    def history(self) -> History:
        """The agent's calls so far with their outcomes, oldest first, without calls within calls."""
        return self._history[len(self._plan.task.history) :]

    @property
    def calls(self) -> tuple[CommittedCall, ...]:
        """Every real call whose outcome was seen, in the order they were begun."""
        return tuple(call for _, call in sorted(self._committed.items()))

    @asynccontextmanager
    async def open(
        self, *, on_change: Callable[[], None] | None = None, on_call: Callable[[], None] | None = None
    ) -> AsyncIterator[None]:
        """Claim the plan; inside, calls are carried out. Leaving waits for calls that still run.

        Args:
            on_change: called once, when the first call that may change something is about to be made.
            on_call: called before each call of the agent's; may raise `LimitReached`.

        Raises:
            CommitRefused: the plan has been committed before.
            UnknownOutcome: on leaving, a call's outcome is not known.
            JournalError: the journal cannot be written.
        """
        self._seq = await self.journal.begin_plan(self._plan.id, parent=self._parent)
        self._on_change, self._on_call = on_change, on_call
        self._open = True
        try:
            yield
            await self._drain(grace=1)
            if self._broken is not None:
                raise self._broken
        except BaseException as error:
            try:
                await self._drain(grace=0 if isinstance(error, asyncio.CancelledError) else 1)
            finally:
                with suppress(JournalError):  # the error in hand says more
                    await self.journal.end_plan(self._plan.id, REFUSED if self._refused else "stopped")
            if self._committed:
                error.add_note(
                    f"Real calls were made before; the journal has them under plan {self._plan.id}."
                )
            if self._broken is not None and isinstance(error, Exception) and error is not self._broken:
                raise self._broken from error
            raise
        await self.journal.end_plan(self._plan.id, "finished")

    def remember_refusal(self, error: FirewallError) -> None:
        """A guarded call that belongs to this commit was refused where it was made. What the agent makes of
        that cannot be known, so the commit ends with it, and its plan is not committed again."""
        self._refused = True
        self._broken = self._broken or UnknownOutcome(
            error.tool,
            f"a call was refused and not made ({error}), and the agent may take it for made",
        )

    async def handle(self, invocation: Invocation) -> Reply:
        """Carry out one call.

        Raises:
            CommitRefused: the commit is over; the call was not made.
            JournalError: the intent could not be written; the call was not made.
            UnknownOutcome: a call was made, this one or one before, and its outcome is not known.
        """
        call = self._admit(invocation, await self._redacted_arguments(invocation))
        if call.intent.risk is Risk.READ_ONLY:  # may be interrupted anywhere
            return await self._carry_out(call)
        running = asyncio.create_task(self._carry_out(call))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            call.withdrawn = True
            await _drain_tasks({running}, grace=0)
            raise

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Carry out the calls of one turn, one after the other."""
        return [await self.handle(invocation) for invocation in invocations]

    # --- before the call ----------------------------------------------------------------------

    async def _redacted_arguments(self, invocation: Invocation) -> dict[str, JsonValue]:
        tool, arguments = invocation.tool, invocation.call.arguments
        shown = [value for name, value in invocation.kwargs.items() if name not in tool.hidden]
        redact = partial(self.redact.redact_arguments, tool.spec, arguments)
        return await off_loop(partial(redact, given=(invocation.args, shown)), arguments)

    def _admit(self, invocation: Invocation, redacted: dict[str, JsonValue]) -> _Call:
        if self._broken is not None:
            raise self._broken
        tool, call = invocation.tool, invocation.call
        if not self._open:
            raise CommitRefused(
                self._plan.id, f"the commit is over; {tool.name} came late and was not called"
            )
        nested = _inside.get() is self
        if self._on_call is not None and not nested:
            self._on_call()
        invocation, key = self._with_key(invocation, redacted)
        predicted = None if nested else self._predictions.take(call)
        intent = Intent(
            plan=self._plan.id,
            seq=self._seq,
            tool=tool.name,
            arguments=redacted,
            risk=tool.risk,
            idempotency_key=key,
            begun=time.time(),
        )
        self._seq += 1
        return _Call(invocation, intent, self._history, predicted, nested)

    def _with_key(
        self, invocation: Invocation, redacted: dict[str, JsonValue]
    ) -> tuple[Invocation, str | None]:
        """The call with its idempotency key, and the key; the caller's own where it gave one."""
        name = invocation.tool.idempotency_key
        if name is None:
            return invocation, None
        key = invocation.kwargs.get(name)
        if key is None:
            key = self._keys.next(invocation.call, redacted)
            invocation = replace(invocation, kwargs={**invocation.kwargs, name: key})
        return invocation, str(key)

    async def _begin(self, call: _Call) -> None:
        try:
            await self.journal.begin(call.intent)
        except asyncio.CancelledError:
            self.journal.close_unobserved(call.intent, CallState.NOT_EXECUTED)
            raise
        if call.withdrawn or self._broken is not None:
            self.journal.close_unobserved(call.intent, CallState.NOT_EXECUTED)
            raise self._broken or asyncio.CancelledError
        if self._on_change is not None and call.intent.risk is not Risk.READ_ONLY:
            self._on_change()
            self._on_change = None

    # --- the call -----------------------------------------------------------------------------

    async def _carry_out(self, call: _Call) -> Reply:
        await self._begin(call)
        tool, args, kwargs = call.invocation.tool, call.invocation.args, call.invocation.kwargs
        late = partial(self._ended_late, call)
        outside = _inside.set(self)
        try:
            reply = await execute(tool, tool.function, args, kwargs, Provenance.REAL, late=late)
        except BaseException as error:
            unknown = self._leave(call, error)
            if unknown is None or not isinstance(error, Exception | asyncio.CancelledError):
                raise
            raise unknown from error
        finally:
            _inside.reset(outside)
        await self._finish(call, reply)
        return reply

    def _leave(self, call: _Call, error: BaseException) -> UnknownOutcome | None:
        """The call ended without an outcome. None where that is nobody's concern but the caller's."""
        intent = call.intent
        interrupted = isinstance(error, asyncio.CancelledError) and _is_cancelled()
        if intent.risk is Risk.READ_ONLY and (interrupted or isinstance(error, Exception)):
            return None
        timed_out = isinstance(error, UnknownOutcome) and error.journal_id is None
        if (interrupted or timed_out) and not call.invocation.tool.is_async:
            self.journal.mark_running(intent)
        else:
            self.journal.close_unobserved(intent, CallState.UNKNOWN)
        message = str(error).removeprefix(f"{intent.tool}: ") if timed_out else f"ended by {error!r}"
        unknown = UnknownOutcome(intent.tool, message, journal_id=intent.id)
        self._broken = self._broken or unknown
        return None if interrupted else unknown

    # --- after the call -----------------------------------------------------------------------

    async def _finish(self, call: _Call, reply: Reply) -> None:
        intent, outcome = call.intent, reply.outcome
        try:
            redact = partial(self._redacted, call, reply)
            try:
                redacted = await off_loop(redact, outcome.value, outcome.message)
            except asyncio.CancelledError:
                self._ended_late(call, reply)  # what is known is not lost; the loop waits this once
                raise
            await self.journal.finish(intent, redacted)
        except Exception as error:
            if intent.risk is Risk.READ_ONLY:
                raise
            message = f"the call was made and gave {outcome.type}, but that could not be journaled: {error}"
            self._broken = UnknownOutcome(intent.tool, message, journal_id=intent.id)
            raise self._broken from error
        finally:
            self._record_call(call, outcome)

    def _ended_late(self, call: _Call, reply: Reply) -> None:
        self.journal.finish_late(call.intent, self._redacted(call, reply))

    def _redacted(self, call: _Call, reply: Reply) -> Outcome:
        tool, arguments = call.invocation.tool, call.invocation.call.arguments
        return self.redact.redact_outcome(tool.spec, reply.outcome, arguments, returned=reply.value)

    def _record_call(self, call: _Call, outcome: Outcome) -> None:
        tool, made, intent = call.invocation.tool, call.invocation.call, call.intent
        committed = CommittedCall(
            call=made,
            outcome=outcome,
            risk=tool.risk,
            predicted=call.predicted,
            journal_id=intent.id,
            nested=call.nested,
        )
        self._committed[intent.seq] = committed
        if not call.nested:
            self._history = (*self._history, Step(call=made, outcome=outcome))
        if self._record is not None:
            self._record.append(
                # Every part is a value already; checking state and history again would cost by length.
                CallRecord.model_construct(
                    at=intent.begun,
                    session=self._session,
                    task=self._plan.task.id,
                    spec=tool.spec,
                    source_hash=tool.source_hash,
                    call=made,
                    state=self._plan.task.state,
                    history=call.history,
                    outcome=outcome,
                    predicted=call.predicted,
                    risk=tool.risk,
                    process=os.getpid(),
                )
            )
        self.emit(CallCommitted(committed=committed))

    async def _drain(self, *, grace: int) -> None:
        self._open = False
        await _drain_tasks(self._running, grace=grace)


def _is_cancelled() -> bool:
    """Whether somebody cancelled this task, rather than that its own code raised `CancelledError`."""
    task: asyncio.Task[Any] | None = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _drain_tasks(tasks: Collection[asyncio.Task[Reply]], *, grace: int) -> None:
    """Wait until the tasks are done, whatever becomes of them.

    Args:
        tasks: real calls.
        grace: how many cancellations of the waiter leave them running; the next ones interrupt them.
    """
    interrupted: asyncio.CancelledError | None = None
    while pending := {task for task in tasks if not task.done()}:
        try:
            await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            interrupted = error
            grace -= 1
            if grace < 0:
                for task in pending:
                    task.cancel()
    if interrupted is not None:
        raise interrupted
