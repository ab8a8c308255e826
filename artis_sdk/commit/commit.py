"""The real world: guarded calls carried out once, each journaled. The only file that runs real tools."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from functools import partial

from pydantic import JsonValue

from artis_sdk.commit.alike import may_be_one
from artis_sdk.commit.before import OnUnknown, UnsettledCalls, look_around
from artis_sdk.commit.call_identity import IdempotencyKeys
from artis_sdk.commit.guard import Admitted, Guard, Terms
from artis_sdk.commit.journal import FINISHED, REFUSED, CallState, CommitJournal
from artis_sdk.commit.made import CallUnderWay, MadeCalls
from artis_sdk.commit.redaction import Redact, redacted_arguments, redacted_at_once, redacted_outcome
from artis_sdk.commit.resume import EarlierCalls
from artis_sdk.commit.waiting import Running, is_cancelled
from artis_sdk.contracts import LogStore
from artis_sdk.errors import (
    CommitRefused,
    CommitStopped,
    FirewallError,
    JournalError,
    UnknownOutcome,
)
from artis_sdk.loop.budget import Emit, ignore
from artis_sdk.records import CommittedCall, History, Plan, Provenance, Risk
from artis_sdk.tools.execute import execute
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.reply import Reply
from artis_sdk.traces.operations import executing

# The commit and the `seq` of the call whose tool's body this context is in: guarded calls there are its.
_inside: ContextVar[tuple[RealWorld, int] | None] = ContextVar("artis_sdk_inside", default=None)


class RealWorld:
    """Runs guarded calls for real, with the journal in front: intent, call, outcome.

    A call whose outcome is not known ends the commit: every later call raises the same `UnknownOutcome`, even
    if the agent ignored it. A call that may change something and runs while its caller is cancelled is
    awaited to its end and journaled, and then the cancellation continues; a second cancellation interrupts
    it, and its outcome is unknown. Guarded calls in a real tool's body are journaled too, as calls of their
    own.

    A call whose twin in the journal, of another plan, has no known outcome is refused, and so is the commit
    of a plan that predicts one, before it does anything.

    Args:
        journal: journal of intents and outcomes.
        plan: plan to commit; its predictions are kept beside the real outcomes.
        redact: remover of secrets from intents and outcomes for the journal.
        record: call log that every call is appended to.
        emit: receiver of the commit's events.
        session: id of the session, for the call log.
        parent: world of the commit that this one is part of, for a session inside another's commit; its plan
            is held to, too.
        terms: how the calls are held to the plan; by default they are not.
        on_unknown: treatment of a call whose twin has no known outcome.
        resume: whether to resume the plan's interrupted commit. An agent that makes its calls again gets its
            answers from the journal; a model sees them as done.
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
        parent: RealWorld | None = None,
        terms: Terms = Terms(),  # noqa: B008  a value
        on_unknown: OnUnknown = "refuse",
        resume: bool = False,
    ) -> None:
        self.emit = emit
        self.journal = journal
        self.notes: list[str] = []
        """Notes for the reader of the result."""
        self._on_unknown = on_unknown
        self._resume = resume
        self._unsettled: UnsettledCalls | None = None
        self._earlier: EarlierCalls | None = None
        self._parent = parent
        self._plan = plan
        self.guard = Guard(plan, terms, journal)
        """Holds the calls to the plan."""
        self.redact = redact
        self._made = MadeCalls(plan, session=session, record=record, emit=emit, failed=self._end)
        self._keys = IdempotencyKeys(plan.id)
        self._seq = 0
        self._running = Running()
        self._open = False
        self._broken: Exception | None = None
        """Error that ended the commit, a listener's included: every later call raises it."""
        self._refused = False
        self.ending = FINISHED  # as the journal has it; "stopped" for a commit that can be resumed
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
            answers: whether a resumed commit answers the agent's calls from the journal; else the steps
                are in `history` from the start.

        Raises:
            CommitRefused: the plan has been committed before, belongs to another journal, or predicts a call
                whose twin has no known outcome; on leaving, a call was refused for that.
            UnknownOutcome: on leaving, a call's outcome is not known.
            JournalError: the journal cannot be written.
        """
        self._unsettled = await look_around(
            self._plan, self.journal, self._on_unknown, self.guard.terms.asking, self.redact
        )
        self.notes += self._unsettled.notes
        parent = None if self._parent is None else self._parent.plan
        self._seq = await self.journal.begin_plan(self._plan.id, parent=parent, resume=self._resume)
        self._on_change, self._on_call = on_change, on_call
        self._open = True
        try:
            if self._resume:
                await self._restore(answers=answers)
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
                error.add_note(f"Real calls were made before; the journal has them under plan {self.plan}.")
            if self._broken is not None and isinstance(error, Exception) and error is not self._broken:
                raise self._broken from error
            raise
        await self.journal.end_plan(self._plan.id, self.ending)
        if self._earlier is not None:
            self.notes += self._earlier.notes()

    def remember_refusal(self, error: FirewallError) -> None:
        """End the commit because one of its guarded calls was refused where it was made: the agent may take
        that call for made. The plan is not committed again."""
        self._refused = True
        self._broken = self._broken or UnknownOutcome(
            error.tool,
            f"a call was refused and not made ({error}); the agent may have continued as if it had been made",
        )

    async def handle(self, invocation: Invocation) -> Reply:
        """Carry out one call.

        Raises:
            CommitRefused: the commit is over; the call was not made.
            JournalError: the intent could not be written; the call was not made.
            UnknownOutcome: this call or an earlier one was made, and its outcome is not known.
            CommitStopped: the plan does not foresee this call, which was not made, or its outcome.
        """
        self._check_open(invocation)
        within = self._within()
        invocation = self.guard.in_place(invocation, nested=within is not None)
        if self._earlier is not None and (taken := self._answer(invocation, self._earlier)):
            await self._look_at(taken[0])
            return taken[1]
        redacted = await redacted_arguments(self.redact, invocation)
        self._check_open(invocation)
        if self._on_call is not None and within is None:
            self._on_call()
        admitted = await self._admitted(invocation, redacted, nested=within is not None)
        if isinstance(admitted, Reply):
            return admitted
        if admitted.invocation is not invocation:  # edited
            redacted = await redacted_arguments(self.redact, admitted.invocation)
        assert self._unsettled is not None
        try:
            tool = admitted.invocation.tool
            await self._unsettled.check_twin(tool.name, partial(may_be_one, tool), redacted)
        except CommitRefused as error:
            self._end(error)
            raise
        self._check_open(invocation)
        call = self._begun(admitted, redacted, within)
        reply = await executing(admitted.invocation.call, call.intent, self._carried_out(call))
        await self._look_at(self._made.call(call.intent.seq), admitted)
        return reply

    async def _carried_out(self, call: CallUnderWay) -> Reply:
        if call.intent.risk is Risk.READ_ONLY:  # may be interrupted anywhere
            return await self._carry_out(call)
        try:
            return await self._running.to_its_end(self._carry_out(call), call.withdraw)
        except asyncio.CancelledError as error:
            if is_cancelled():
                raise
            raise self._end(call.cancelled_itself()) from error

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Carry out the calls of one turn, one after the other."""
        return [await self.handle(invocation) for invocation in invocations]

    async def _restore(self, *, answers: bool) -> None:
        """Take over the calls that were made before the commit was interrupted."""
        calls = await asyncio.to_thread(self.journal.calls, plan=self._plan.id)
        self._earlier = EarlierCalls(self._plan.id, calls, answers=answers)
        self._keys.restore(calls)
        await self.guard.restore(calls, answers=answers)
        if self._earlier.changed:
            self._change()
        if not answers:
            for earlier in self._earlier.calls:
                await self._look_at(self._made.take_over(earlier, *self.guard.matched(earlier)))

    # --- before the call ----------------------------------------------------------------------

    def _check_open(self, invocation: Invocation) -> None:
        if self._broken is not None:
            raise self._broken
        if not self._open:
            why = f"its commit has ended; {invocation.tool.name} was called too late and did not run"
            raise CommitRefused(self._plan.id, why)

    def _end(self, error: Exception) -> Exception:
        """Have an error end the commit: every later call raises it, or the one that did before."""
        self._broken = self._broken or error
        return self._broken

    def _within(self) -> int | None:
        """The `seq` of the call in whose tool's body this context is."""
        inside = _inside.get()
        return inside[1] if inside is not None and inside[0] is self else None

    def _answer(self, invocation: Invocation, before: EarlierCalls) -> tuple[CommittedCall, Reply] | None:
        """This same call, and the reply that it got, before the commit was interrupted."""
        try:
            found = before.take(invocation, nested=self._within() is not None)
        except CommitRefused as error:
            self._end(error)
            raise
        if found is None:
            return None
        earlier, reply = found
        return self._made.take_over(earlier, *self.guard.matched(earlier)), reply

    async def _admitted(
        self, invocation: Invocation, redacted: Mapping[str, JsonValue], *, nested: bool
    ) -> Admitted | Reply:
        """The call as the plans around and this one let it be made, or the answer to one that is rejected."""
        around: Admitted | None = None
        if self._parent is not None:
            within = self._parent._within()
            there = await self._parent._admitted(invocation, redacted, nested=within is not None)
            if isinstance(there, Reply):
                return there
            around, invocation = there, there.invocation
        try:
            admitted = await self.guard.admit(invocation, redacted, nested=nested)
        except CommitStopped as error:
            self._end(error)
            raise
        return replace(admitted, around=around) if around and isinstance(admitted, Admitted) else admitted

    async def _look_at(self, made: CommittedCall, admitted: Admitted | None = None) -> None:
        """Look at the outcome of a call, for this plan and those around."""
        try:
            await self.guard.look_at(made)
        except CommitStopped as error:
            self._end(error)
            raise
        if self._parent is not None and admitted is not None and admitted.around is not None:
            there = self._parent.guard.beside(made, admitted.around.match)
            await self._parent._look_at(there, admitted.around)

    def _begun(self, admitted: Admitted, redacted: dict[str, JsonValue], within: int | None) -> CallUnderWay:
        invocation, key = self._keys.filled_in(admitted.invocation, redacted)
        admitted = admitted if invocation is admitted.invocation else replace(admitted, invocation=invocation)
        call = self._made.begun(admitted, redacted, key=key, seq=self._seq, within=within)
        self._seq += 1
        return call

    async def _begin(self, call: CallUnderWay) -> None:
        try:
            await self.journal.begin(call.intent)
        except asyncio.CancelledError:
            self.journal.close_unobserved(call.intent, CallState.NOT_EXECUTED)
            raise
        self._broken = self._broken or call.changed(self.guard.mode)
        try:
            if call.withdrawn or self._broken is not None:
                raise self._broken or asyncio.CancelledError
            self._made.begin(call)
        except BaseException:  # a listener's, too: the tool does not run
            self.journal.close_unobserved(call.intent, CallState.NOT_EXECUTED)
            raise
        if call.intent.risk is not Risk.READ_ONLY:
            self._change()

    def _change(self) -> None:
        if self._on_change is not None:
            self._on_change()
            self._on_change = None

    async def _carry_out(self, call: CallUnderWay) -> Reply:
        await self._begin(call)
        tool, late = call.admitted.invocation.tool, partial(self._ended_late, call)
        outside = _inside.set((self, call.intent.seq))
        try:
            body = partial(call.run, tool.function)
            reply = await execute(tool, body, (), call.kwargs, Provenance.REAL, late=late)
        except BaseException as error:
            unknown = self._journal_unobserved(call, error)
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

    def _journal_unobserved(self, call: CallUnderWay, error: BaseException) -> UnknownOutcome | None:
        """Journal a call that ended without an outcome. None if the error concerns only the caller."""
        intent = call.intent
        interrupted = isinstance(error, asyncio.CancelledError) and is_cancelled()
        if intent.risk is Risk.READ_ONLY and (interrupted or isinstance(error, Exception)):
            return None
        timed_out = isinstance(error, UnknownOutcome) and error.journal_id is None
        if (interrupted or timed_out) and not call.admitted.invocation.tool.is_async:
            self.journal.mark_running(intent)
        else:
            self.journal.close_unobserved(intent, CallState.UNKNOWN)
        message = str(error).removeprefix(f"{intent.tool}: ") if timed_out else f"ended by {error!r}"
        unknown = UnknownOutcome(intent.tool, message, journal_id=intent.id)
        if self._broken is None or isinstance(self._broken, CommitStopped):
            self._broken = unknown
        return None if interrupted else unknown

    # --- after the call -----------------------------------------------------------------------

    async def _finish(self, call: CallUnderWay, reply: Reply) -> None:
        intent, outcome = call.intent, reply.outcome
        try:
            try:
                redacted = await redacted_outcome(self.redact, call.admitted.invocation, reply)
            except asyncio.CancelledError:
                self._ended_late(call, reply)  # keeps the outcome, at the price of blocking the loop once
                raise
            await self.journal.finish(intent, redacted)
        except Exception as error:
            if intent.risk is Risk.READ_ONLY:
                raise
            message = f"the call was made ({outcome.type}), but its outcome could not be journaled: {error}"
            self._broken = UnknownOutcome(intent.tool, message, journal_id=intent.id)
            raise self._broken from error
        finally:
            expected = self.guard.expected(call.admitted.match, outcome)
            self._made.add(call, outcome, expected)

    def _ended_late(self, call: CallUnderWay, reply: Reply) -> None:
        self.journal.finish_late(call.intent, redacted_at_once(self.redact, call.admitted.invocation, reply))

    async def _drain(self, *, grace: int) -> None:
        self._open = False
        await self._running.drained(grace=grace)
