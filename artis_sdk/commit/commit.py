"""The real world: guarded calls carried out once, each journaled. The only file that runs real tools."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial

from pydantic import JsonValue

from artis_sdk.commit.before import OnUnknown, UnsettledCalls, look_around
from artis_sdk.commit.call_identity import IdempotencyKeys
from artis_sdk.commit.journal import FINISHED, REFUSED, CallState, CommitJournal, Intent
from artis_sdk.commit.made import MadeCalls
from artis_sdk.commit.redaction import Redact, off_loop
from artis_sdk.commit.resume import EarlierCalls
from artis_sdk.commit.waiting import drain, is_cancelled
from artis_sdk.contracts import LogStore
from artis_sdk.errors import ArtisError, CommitRefused, FirewallError, JournalError, UnknownOutcome
from artis_sdk.loop.budget import Emit, ignore
from artis_sdk.records import (
    CommittedCall,
    History,
    Outcome,
    Plan,
    Provenance,
    Risk,
)
from artis_sdk.tools.execute import execute
from artis_sdk.tools.guarded import Invocation, Reply


@dataclass(eq=False, slots=True)
class _Call:
    """One real call that is being carried out."""

    invocation: Invocation
    intent: Intent
    history: History
    predicted: Outcome | None
    withdrawn: bool = False
    """Whether its caller was cancelled: a tool that has not started then does not start."""


# The commit and the `seq` of the call whose tool's body this context is in: guarded calls there belong to
# that call.
_inside: ContextVar[tuple[RealWorld, int] | None] = ContextVar("artis_sdk_inside", default=None)


class RealWorld:
    """Runs guarded calls for real, with the journal in front: intent, call, outcome.

    A call whose outcome is not known ends the commit: every later call raises the same
    `UnknownOutcome`, even if the agent ignored it. A call that may change something and runs while
    its caller is cancelled is awaited to its end and journaled, and then the cancellation goes on; a
    second cancellation interrupts it, and its outcome is unknown. Guarded calls in a real tool's body
    are journaled too, as calls of their own.

    A call whose twin in the journal, of another plan, has no known outcome is refused, and so is the commit
    of a plan that predicts one, before it does anything.

    Args:
        journal: journal of intents and outcomes.
        plan: plan to commit; its predictions are kept beside the real outcomes.
        redact: remover of secrets from intents and outcomes for the journal.
        record: call log that every call is appended to.
        emit: receiver of the commit's events.
        session: id of the session, for the call log.
        parent: id of the plan whose commit this one is part of, for a session inside another's commit.
        on_unknown: treatment of a call whose twin has no known outcome.
        resume: whether the commit goes on where the one before it broke off. An agent that makes its calls
            again gets its answers from the journal; a model sees them as done.
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
        on_unknown: OnUnknown = "refuse",
        resume: bool = False,
    ) -> None:
        self.emit = emit
        self.journal = journal
        self.notes: list[str] = []
        """Notes for the reader of the result."""
        self._on_unknown = on_unknown
        self._resume = resume
        self._unsettled = UnsettledCalls()
        self._earlier: EarlierCalls | None = None
        self._parent = parent
        self._plan = plan
        self.redact = redact
        self._made = MadeCalls(plan, session=session, record=record, emit=emit)
        self._keys = IdempotencyKeys(plan.id)
        self._seq = 0
        self._running: set[asyncio.Task[Reply]] = set()
        self._open = False
        self._broken: ArtisError | None = None
        """Error that ended the commit: every later call raises it."""
        self._refused = False
        self._on_change: Callable[[], None] | None = None
        self._on_call: Callable[[], None] | None = None

    @property
    def plan(self) -> str:
        """Id of the plan being committed."""
        return self._plan.id

    @property
    def history(self) -> History:
        """The agent's calls so far with their outcomes, oldest first, without calls within calls."""
        return self._made.steps

    @property
    def calls(self) -> tuple[CommittedCall, ...]:
        """Every real call with an observed outcome, in the order in which they began."""
        return self._made.calls

    @asynccontextmanager
    async def open(
        self,
        *,
        on_change: Callable[[], None] | None = None,
        on_call: Callable[[], None] | None = None,
        answers: bool = True,
    ) -> AsyncIterator[None]:
        """Claim the plan; inside, calls are carried out. Leaving waits for calls that still run.

        Args:
            on_change: callback before the first call that may change something; called once.
            on_call: callback before each call of the agent's; may raise `LimitReached`.
            answers: whether a commit that goes on answers the agent's calls from the journal; else the steps
                are in `history` from the start.

        Raises:
            CommitRefused: the plan has been committed before, belongs to another journal, or predicts a call
                whose twin has no known outcome; on leaving, a call was refused for that.
            UnknownOutcome: on leaving, a call's outcome is not known.
            JournalError: the journal cannot be written.
        """
        self._unsettled = await look_around(self._plan, self.journal, self._on_unknown)
        self.notes += self._unsettled.notes
        self._seq = await self.journal.begin_plan(self._plan.id, parent=self._parent, resume=self._resume)
        self._on_change, self._on_call = on_change, on_call
        self._open = True
        try:
            if self._resume:
                await self._go_on(answers=answers)
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
            if self.calls:
                error.add_note(
                    f"Real calls were made before; the journal has them under plan {self._plan.id}."
                )
            if self._broken is not None and isinstance(error, Exception) and error is not self._broken:
                raise self._broken from error
            raise
        await self.journal.end_plan(self._plan.id, FINISHED)
        if self._earlier is not None and (left := self._earlier.left()):
            names = ", ".join(f"{call.tool} ({call.id})" for call in left)
            self.notes.append(f"the agent did not ask again for what its commit had done before: {names}")

    def remember_refusal(self, error: FirewallError) -> None:
        """End the commit because one of its guarded calls was refused where it was made: the agent may take
        that call for made. The plan is not committed again."""
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
            UnknownOutcome: this call or an earlier one was made, and its outcome is not known.
        """
        self._check_open(invocation)
        answer = self._answer(invocation)
        if answer is not None:
            return answer
        redacted = await self._redacted_arguments(invocation)
        self._check_open(invocation)
        call = self._admit(invocation, redacted)
        if call.intent.risk is Risk.READ_ONLY:  # may be interrupted anywhere
            return await self._carry_out(call)
        running = asyncio.create_task(self._carry_out(call))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            call.withdrawn = True
            await drain({running}, grace=0)
            raise

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Carry out the calls of one turn, one after the other."""
        return [await self.handle(invocation) for invocation in invocations]

    # --- before the first call ----------------------------------------------------------------

    async def _go_on(self, *, answers: bool) -> None:
        """Take over the calls that were made before the commit broke off."""
        calls = await asyncio.to_thread(self.journal.calls, plan=self._plan.id)
        self._earlier = EarlierCalls(self._plan.id, calls, answers=answers)
        self._keys.restore(calls)
        if not answers:
            for made in self._earlier.calls:
                self._made.take_over(made)
        if self._earlier.changed:
            self._change()

    # --- before the call ----------------------------------------------------------------------

    async def _redacted_arguments(self, invocation: Invocation) -> dict[str, JsonValue]:
        tool, arguments = invocation.tool, invocation.call.arguments
        shown = [value for name, value in invocation.kwargs.items() if name not in tool.hidden]
        redact = partial(self.redact.redact_arguments, tool.spec, arguments)
        return await off_loop(partial(redact, given=(invocation.args, shown)), arguments)

    def _check_open(self, invocation: Invocation) -> None:
        if self._broken is not None:
            raise self._broken
        if not self._open:
            name = invocation.tool.name
            raise CommitRefused(self._plan.id, f"the commit is over; {name} came late and was not called")

    def _within(self) -> int | None:
        """The `seq` of the call in whose tool's body this context is."""
        inside = _inside.get()
        return inside[1] if inside is not None and inside[0] is self else None

    def _answer(self, invocation: Invocation) -> Reply | None:
        """The reply that this same call got before the commit broke off."""
        if self._earlier is None:
            return None
        try:
            found = self._earlier.take(invocation, nested=self._within() is not None)
        except CommitRefused as error:
            self._broken = error
            raise
        if found is None:
            return None
        made, reply = found
        self._made.take_over(made)
        return reply

    def _admit(self, invocation: Invocation, redacted: dict[str, JsonValue]) -> _Call:
        tool, call = invocation.tool, invocation.call
        within = self._within()
        if self._on_call is not None and within is None:
            self._on_call()
        try:
            self._unsettled.refuse_twin(self._plan.id, tool.name, tool.spec, redacted)
        except CommitRefused as error:
            self._broken = error
            raise
        invocation, key = self._with_key(invocation, redacted)
        predicted = self._made.predicted(call) if within is None else None
        intent = Intent(
            plan=self._plan.id,
            seq=self._seq,
            tool=tool.name,
            arguments=redacted,
            risk=tool.risk,
            idempotency_key=key,
            begun=time.time(),
            within=within,
        )
        self._seq += 1
        return _Call(invocation, intent, self._made.history, predicted)

    def _with_key(
        self, invocation: Invocation, redacted: dict[str, JsonValue]
    ) -> tuple[Invocation, str | None]:
        """The call with its idempotency key, and the key; the caller's own key if it passed one."""
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
        if call.intent.risk is not Risk.READ_ONLY:
            self._change()

    def _change(self) -> None:
        if self._on_change is not None:
            self._on_change()
            self._on_change = None

    # --- the call -----------------------------------------------------------------------------

    async def _carry_out(self, call: _Call) -> Reply:
        await self._begin(call)
        tool, args, kwargs = call.invocation.tool, call.invocation.args, call.invocation.kwargs
        late = partial(self._ended_late, call)
        outside = _inside.set((self, call.intent.seq))
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
        if call.intent.idempotency_key is not None:
            settled = reply.outcome.ok or tool.had_no_effect(reply)
            self._keys.ended(call.intent.idempotency_key, settled=settled)
        return reply

    def _leave(self, call: _Call, error: BaseException) -> UnknownOutcome | None:
        """Journal a call that ended without an outcome. None if the error concerns only the caller."""
        intent = call.intent
        interrupted = isinstance(error, asyncio.CancelledError) and is_cancelled()
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
                self._ended_late(call, reply)  # the outcome is not lost; the loop waits this once
                raise
            await self.journal.finish(intent, redacted)
        except Exception as error:
            if intent.risk is Risk.READ_ONLY:
                raise
            message = f"the call was made and gave {outcome.type}, but that could not be journaled: {error}"
            self._broken = UnknownOutcome(intent.tool, message, journal_id=intent.id)
            raise self._broken from error
        finally:
            self._made.add(call.invocation, intent, outcome, history=call.history, predicted=call.predicted)

    def _ended_late(self, call: _Call, reply: Reply) -> None:
        self.journal.finish_late(call.intent, self._redacted(call, reply))

    def _redacted(self, call: _Call, reply: Reply) -> Outcome:
        tool, arguments = call.invocation.tool, call.invocation.call.arguments
        return self.redact.redact_outcome(tool.spec, reply.outcome, arguments, returned=reply.value)

    async def _drain(self, *, grace: int) -> None:
        self._open = False
        await drain(self._running, grace=grace)
