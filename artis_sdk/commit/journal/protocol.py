"""The commit journal's interface for commit, recovery and session, for any store."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Protocol, runtime_checkable

from artis_sdk.commit.journal.call import CallState, Intent, JournaledCall
from artis_sdk.commit.journal.decision import Decision
from artis_sdk.records import Outcome


@runtime_checkable
class CommitJournal(Protocol):
    """Guards every real call: its intent is written before the tool runs, its outcome after.

    At most once: of all journals on a store, in any process, one commits a plan; a plan that changed or
    may have changed the world is never committed again, and no call begins twice. The store itself
    enforces this and the steps of `CallState`, so that no order of requests, no crash and no lost
    connection can get around it. Where the store cannot say whether a write arrived, the write counts as
    failed and the call as unknown; nothing is sent to the tool a second time.

    Each journal is an *owner* of what it begins. An owner is alive until `aclose` or the end of its
    process, however that ends, and an intent of a live owner is `running`: nobody else settles it. Requests
    of one journal take effect in the order in which they were made, except that a read-only call's may come
    before others that wait.

    `SQLiteJournal` is the implementation that ships.
    """

    async def identity(self) -> str:
        """Name of the store, the same in every process and from every working directory.

        A plan has the name of its session's journal and is committed in no other. A store that was moved or
        copied has another name: two copies could each let one plan be committed.

        Raises:
            JournalError: the store cannot be read or made.
        """

    async def begin_plan(self, plan: str, *, parent: str | None = None, resume: bool = False) -> int:
        """Claim a plan for this journal's commit.

        A commit that ended, or whose owner died, before it had changed anything leaves the plan free to be
        claimed again, unless it ended as `REFUSED`. Calls of the commits made within a plan's commit count
        as the plan's own. If cancelled while it waits, it releases the claim.

        With `resume` a plan that has changed something is claimed again, if its commit was interrupted: it
        is not running, did not end as `FINISHED` or `REFUSED`, no call of it is open or unknown, and no
        commit made within it has changed anything.

        Args:
            plan: id of the plan.
            parent: id of the plan whose commit contains this one's: a session inside a session.
            resume: whether to resume the commit after the plan's last call.

        Returns:
            Sequence number of the commit's first call: one above the plan's last, else 0.

        Raises:
            CommitRefused: a call of the plan was made or may have been, its commit is still running, a
                refused call ended it, or the plan was pruned; with `resume`, the message names the obstacle.
            JournalError: the claim could not be written.
        """

    async def end_plan(self, plan: str, ending: str) -> None:
        """End this journal's commit of a plan: no call of it can begin any more.

        Durable on return, with every outcome, if the commit made an irreversible call. No effect on a plan
        that this journal does not commit.

        Args:
            plan: id of the plan.
            ending: kind of ending, one word; `REFUSED` closes the plan for good.

        Raises:
            JournalError: the end could not be written, or a read-only call could not be recorded.
        """

    async def begin(self, intent: Intent) -> str:
        """Write a call's intent; the tool may run once this returns, and not before.

        Once it returns, an irreversible call's intent survives a power cut, and a reversible one's the end
        of the process. A read-only call changes nothing: it may be written with its outcome alone.

        Args:
            intent: the call, of a plan that this journal commits.

        Returns:
            Name of the call in the journal, `intent.id`.

        Raises:
            JournalError: the intent was not written, and the tool must not run: the store failed, this
                call began before, or this journal is not committing its plan.
        """

    def finish(self, intent: Intent, outcome: Outcome) -> Awaitable[None]:
        """Write the observed outcome of a call that began.

        The write is queued when this returns, and happens even if the waiter is cancelled.

        Args:
            intent: the call.
            outcome: observed outcome, redacted by the caller.

        Returns:
            Awaitable, done once the outcome survives the end of the process. For a read-only call it is done
            at once, and the outcome is written with the next request at the latest.

        Raises:
            JournalError: at once, the outcome cannot be written as JSON; from the awaitable, it was not
                written, or the call is not open. A read-only call that could not be recorded is reported
                by a later `begin` of its plan, or by `end_plan`.
        """

    def close_unobserved(self, intent: Intent, state: CallState) -> None:
        """Write that an open call ended without an observed outcome, without waiting for the store.

        A write that fails is not reported: the call counts as unknown once its owner is gone.

        Args:
            intent: the call.
            state: `unknown`, or `not_executed` if the tool did not run.
        """

    def mark_running(self, intent: Intent) -> None:
        """Keep a call `running` that still runs in a thread that nobody awaits.

        Until `finish_late` or the end of the process its owner stays alive, `aclose` or not: a reconcile
        hook that sees no effect yet would be wrong a second later.

        Args:
            intent: the call.
        """

    def finish_late(self, intent: Intent, outcome: Outcome) -> None:
        """Write the outcome of a call that was marked running, without waiting for the store.

        A journal that is closed cannot take the outcome any more: the call becomes unknown.

        Args:
            intent: the call.
            outcome: observed outcome, redacted by the caller.
        """

    def calls(
        self, *, plan: str | None = None, states: Iterable[CallState] = CallState
    ) -> list[JournaledCall]:
        """Read calls in the order in which they began. Changes nothing, and waits for no writer.

        Blocks while it reads; on an event loop, call it in a thread.

        Args:
            plan: id of the only plan to read; None reads all.
            states: states to read.

        Raises:
            JournalError: the store cannot be read.
        """

    async def decide(self, decision: Decision) -> None:
        """Add a decision. Durable on return; the store lets nobody change or remove it.

        The decisions about a plan go when it is pruned.

        Args:
            decision: the decision, its arguments redacted by the caller. Its plan may not have begun.

        Raises:
            JournalError: it was not written.
        """

    def decisions(self, *, plan: str | None = None) -> list[Decision]:
        """Read decisions in the order in which they were added. As `calls`, it blocks.

        Args:
            plan: id of the only plan to read; None reads all.

        Raises:
            JournalError: the store cannot be read.
        """

    async def abandon(self, call: JournaledCall) -> None:
        """Turn the intent of an owner that is gone into `unknown`. Durable on return.

        No effect on a call that has ended or that somebody else has settled meanwhile.

        Args:
            call: call as read, not `running`.

        Raises:
            JournalError: the state was not written.
        """

    async def reconcile(
        self, call: JournaledCall, outcome: Outcome | None, *, by: str | None = None, why: str | None = None
    ) -> None:
        """Settle an unknown call as `reconciled` or `not_executed`. Durable on return.

        The first answer stays: no effect on a call that somebody else has settled meanwhile.

        Args:
            call: call as read.
            outcome: real outcome, redacted; None if the call had no effect.
            by: name of the person who settles it by hand; None if its tool's hook did.
            why: that person's evidence.

        Raises:
            JournalError: the answer was not written.
        """

    async def prune(self, before: float) -> int:
        """Remove plans that were over before a time, with their calls.

        A plan is removed together with the plans committed within it, never in part, and never while one is
        being committed or has an open or unknown call. Its id stays, so that it is not committed again.
        Durable on return.

        Args:
            before: time in seconds since the epoch, after the last event of each plan to remove.

        Returns:
            Number of plans removed.

        Raises:
            JournalError: the store failed; the step that failed removed nothing.
        """

    async def aclose(self) -> None:
        """Write queued requests, and release the store.

        Calls still open count as unknown from then on, except those marked running.
        """
