"""The commit journal in a PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from typing import ClassVar, Literal

import psycopg

from artis_sdk.commit.journal.call import CallState, Intent, JournaledCall
from artis_sdk.commit.journal.decision import Decision
from artis_sdk.commit.journal.postgres_connections import PostgresConnections, key_of, lingering
from artis_sdk.commit.journal.postgres_plans import candidates_for_pruning, claim_plan, remove_plans
from artis_sdk.commit.journal.postgres_schema import (
    END_PLAN,
    INSERT_CALL,
    INSERT_DECISION,
    MOVE_CALL,
    SELECT_CALLS,
    SELECT_DECISIONS,
    SELECT_IDENTITY,
    SELECT_OBSTACLE,
)
from artis_sdk.commit.journal.postgres_writer import Sent, SettlingRequest
from artis_sdk.commit.journal.rows import (
    Row,
    call_from_row,
    decision_from_row,
    json_text,
    row_of,
    row_of_decision,
)
from artis_sdk.commit.journal.sharing import SharedJournal, SharedJournals
from artis_sdk.commit.journal.writer import WriteRequest
from artis_sdk.errors import ArtisError, JournalError
from artis_sdk.records import Outcome, Risk, new_id

_PRUNED_AT_ONCE = 200
"""Number of outermost plans removed per transaction, which keeps other writers waiting."""


class PostgresJournal(SharedJournal[PostgresConnections]):
    """A `CommitJournal` in a database, PostgreSQL 14 or later, that processes of many hosts may share.

    All writes of a process go through one session, which holds an advisory lock. The server drops the lock
    with the session, and only then may others settle the calls that it left open. Where the session is lost
    while a call runs, that call ends as unknown, whatever its outcome, and its commit goes no further.

    Durability is the server's, and of the standbys that it waits for: an intent is there once awaited, and
    the end of a commit that made an irreversible call; the rest from the next such write on. An outcome lost
    to a crash of the server leaves its call `unknown`.

    All sessions of a process, on any event loops, do best with one journal: their concurrent writes share a
    transaction. `PostgresJournal.shared` returns it.

    Args:
        url: `postgresql://user@host:port/database` of the server itself, not of a pooler; parameters and
            password are found as libpq finds them. Its tables are in the schema `artis_journal`, made with
            the first write.
        timeout: maximum wait for a connection, and for another session's lock, in seconds. A server that
            has not answered for three times as long is taken for lost.

    Raises:
        ConfigurationError: the URL cannot be read.
    """

    _journals: ClassVar[SharedJournals[PostgresJournal]] = SharedJournals()
    _lingering = lingering

    @classmethod
    def shared(cls, url: str) -> PostgresJournal:
        """This process's journal of a URL; every caller closes it once."""
        return cls._journals.join(url, lambda: cls(url)._sharing(key_of(url)))

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        super().__init__(PostgresConnections(url, timeout))
        self._url, self._timeout = url, timeout
        self.name = self._store.name
        self._identity: str | None = None
        self._begun: dict[str, int] = {}
        """Owner under which each call began that has not ended; for the writer's thread."""
        self._lost: dict[str, ArtisError] = {}
        self._changing: set[str] = set()
        """Ids of plans being committed that have made an irreversible call."""

    async def identity(self) -> str:
        """See `CommitJournal.identity`: the ids of the server's data, of the database and of its journal.

        A standby that takes over keeps them; a restored dump has others.
        """
        if self._identity is None:
            row = await self._store.writer.ask(_row_of_identity, durable=False)
            self._identity = "postgresql:{}/{}#{}".format(*row)
        return self._identity

    def exists(self) -> bool:
        """Whether the database has a journal yet. Blocks; raises JournalError as `calls`."""
        return self._store.exists()

    # --- commits ------------------------------------------------------------------------------

    async def begin_plan(self, plan: str, *, parent: str | None = None, resume: bool = False) -> int:
        """See `CommitJournal.begin_plan`. The first call that may change something makes it durable."""
        token = new_id()

        def claim(connection: psycopg.Connection) -> Sent:
            first = claim_plan(
                connection, plan, parent, owner=self._store.writer.owner, token=token, resume=resume
            )
            return lambda: first

        try:
            return int(await self._store.writer.ask_alone(claim))
        except asyncio.CancelledError:  # the claim is or will be written anyway
            if not self._store.writer.closed:
                undo = partial(self._end, plan, "cancelled", token)
                self._store.writer.submit(WriteRequest(undo, durable=False))
            raise

    async def end_plan(self, plan: str, ending: str) -> None:
        """See `CommitJournal.end_plan`."""
        durable = plan in self._changing
        self._changing.discard(plan)
        await self._store.writer.ask(partial(self._end, plan, ending, None), durable=durable)
        self._raise_lost(plan)

    # --- calls --------------------------------------------------------------------------------

    async def begin(self, intent: Intent) -> str:
        """See `CommitJournal.begin`. A read-only call is written by `finish` alone.

        A reversible call's intent is as durable as an irreversible one's: the server may crash alone.
        """
        self._raise_lost(intent.plan)
        if intent.risk is not Risk.READ_ONLY:
            if intent.risk is Risk.IRREVERSIBLE:
                self._changing.add(intent.plan)
            await self._store.writer.ask(partial(self._insert, row_of(intent, None)), durable=True)
        return intent.id

    def finish(self, intent: Intent, outcome: Outcome) -> asyncio.Future[None]:
        """See `CommitJournal.finish`."""
        text = json_text(outcome)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if intent.risk is Risk.READ_ONLY:
            self._store.writer.submit_later(_Read(self, row_of(intent, text)))
            future.set_result(None)
        else:
            work = partial(self._finish, intent, text)
            self._store.writer.submit(SettlingRequest(work, False, future, lost=self._lost_during(intent)))
        return future

    def close_unobserved(self, intent: Intent, state: CallState) -> None:
        """See `CommitJournal.close_unobserved`."""
        if intent.risk is not Risk.READ_ONLY and not self._store.writer.closed:
            work = partial(self._close_call, intent, state)
            self._store.writer.submit(WriteRequest(work, durable=False))

    def mark_running(self, intent: Intent) -> None:
        """See `CommitJournal.mark_running`."""
        self._still_running.add(intent.id)

    def finish_late(self, intent: Intent, outcome: Outcome) -> None:
        """See `CommitJournal.finish_late`."""
        self._still_running.discard(intent.id)
        if not self._store.writer.closed:
            work = partial(self._finish, intent, json_text(outcome))
            self._store.writer.submit(WriteRequest(work, durable=False))
        elif not self._still_running:
            self._store.writer.release()

    # --- decisions ----------------------------------------------------------------------------

    async def decide(self, decision: Decision) -> None:
        """See `CommitJournal.decide`."""
        row = row_of_decision(decision)

        def insert(connection: psycopg.Connection) -> Sent:
            connection.execute(INSERT_DECISION, row)
            return lambda: None

        await self._store.writer.ask(insert, durable=True)

    def decisions(self, *, plan: str | None = None) -> list[Decision]:
        """See `CommitJournal.decisions`."""
        where, given = ("", ()) if plan is None else ("WHERE plan = %s", (plan,))
        return [
            decision_from_row(row)
            for row in self._store.read(f"{SELECT_DECISIONS} {where} ORDER BY n", given)
        ]

    # --- after a crash ------------------------------------------------------------------------

    def calls(
        self, *, plan: str | None = None, states: Iterable[CallState] = CallState
    ) -> list[JournaledCall]:
        """See `CommitJournal.calls`."""
        # As literals, in which the server recognizes its index of the open calls.
        wanted = ", ".join(sorted(f"'{state.value}'" for state in set(states))) or "NULL"
        where = f"WHERE state IN ({wanted})" + ("" if plan is None else " AND call.plan = %s")
        rows = self._store.read(f"{SELECT_CALLS} {where} ORDER BY call.n", () if plan is None else (plan,))
        alive = {row[13] for row in rows if row[18]}
        return [call_from_row(row, alive) for row in rows]

    async def abandon(self, call: JournaledCall) -> None:
        """See `CommitJournal.abandon`."""
        await self._store.writer.ask(
            partial(_step, call=call, old=CallState.INTENT, new=CallState.UNKNOWN), durable=True
        )

    async def reconcile(
        self, call: JournaledCall, outcome: Outcome | None, *, by: str | None = None, why: str | None = None
    ) -> None:
        """See `CommitJournal.reconcile`."""
        state = CallState.NOT_EXECUTED if outcome is None else CallState.RECONCILED
        text = None if outcome is None else json_text(outcome)
        work = partial(_step, call=call, old=CallState.UNKNOWN, new=state, outcome=text, by=by, why=why)
        await self._store.writer.ask(work, durable=True)

    async def prune(self, before: float) -> int:
        """See `CommitJournal.prune`. Other writers get in between its transactions."""

        def find(connection: psycopg.Connection) -> Sent:
            found = candidates_for_pruning(connection, before)
            return lambda: found

        def remove(roots: Sequence[str], connection: psycopg.Connection) -> Sent:
            removed = remove_plans(connection, roots, before)
            return lambda: removed

        roots = await self._store.writer.ask(find, durable=False)
        removed = 0
        for n in range(0, len(roots), _PRUNED_AT_ONCE):
            removed += await self._store.writer.ask_alone(partial(remove, roots[n : n + _PRUNED_AT_ONCE]))
        await self._store.writer.ask(_row_of_identity, durable=True)
        return removed

    # --- the server ---------------------------------------------------------------------------

    def _unopened(self) -> PostgresConnections:
        return PostgresConnections(self._url, self._timeout)

    def _close(self) -> None:
        self._store.writer.keeps_session = bool(self._still_running)
        self._store.close()

    def _raise_lost(self, plan: str) -> None:
        lost = self._lost.pop(plan, None)
        if lost is not None:
            raise JournalError(f"plan {plan}: a read-only call could not be recorded: {lost}") from lost

    # --- in the writer's thread ---------------------------------------------------------------

    def _end(self, plan: str, ending: str, token: str | None, connection: psycopg.Connection) -> Sent:
        """End a claim of this journal's own; with a token, only that claim."""
        connection.execute(END_PLAN, (ending, plan, self._store.writer.owner, token))
        return lambda: None

    def _insert(self, row: Row, connection: psycopg.Connection) -> Sent:
        owner, plan, call = self._store.writer.owner, str(row[-1]), f"{row[-1]}:{row[0]}"
        inserted = connection.execute(INSERT_CALL, (*row, owner))

        def check() -> None:
            if inserted.rowcount == 1:
                if row[5] == CallState.INTENT:
                    self._begun[call] = owner
                return
            mine, goes_on = connection.execute(SELECT_OBSTACLE, (owner, plan)).fetchone() or (False, False)
            if not mine:
                raise JournalError(
                    f"plan {plan} is not being committed by this journal, or no more: if the connection to "
                    f"{self.name} was lost, its commit is over; see `artis recover`"
                )
            if not goes_on:
                raise JournalError(f"plan {plan}: the commit of this plan is over")
            raise JournalError(f"call {call} was begun before")

        return check

    def _lost_during(self, intent: Intent) -> JournalError:
        return JournalError(
            f"call {intent.id} of {intent.tool}: the connection to {self.name} was lost while it ran"
        )

    def _close_call(self, intent: Intent, state: CallState, connection: psycopg.Connection) -> Sent:
        _step(connection, call=intent, old=CallState.INTENT, new=state)
        return lambda: self._begun.pop(intent.id, None)

    def _finish(self, intent: Intent, outcome: str, connection: psycopg.Connection) -> Sent:
        """Write an outcome; as unknown, if others may have taken the call for one of a dead owner."""
        cut_off = self._begun.get(intent.id, self._store.writer.owner) != self._store.writer.owner
        if cut_off:
            step = _step(connection, call=intent, old=CallState.INTENT, new=CallState.UNKNOWN)
        else:
            step = _step(connection, call=intent, old=CallState.INTENT, new=CallState.DONE, outcome=outcome)

        def check() -> None:
            self._begun.pop(intent.id, None)
            if cut_off:
                raise self._lost_during(intent)
            if not step():
                raise JournalError(f"call {intent.id} of {intent.tool} has already ended in the journal")

        return check


def _row_of_identity(connection: psycopg.Connection) -> Sent:
    found = connection.execute(SELECT_IDENTITY)
    return lambda: found.fetchone()


def _step(
    connection: psycopg.Connection,
    *,
    call: Intent | JournaledCall,
    old: CallState,
    new: CallState,
    outcome: str | None = None,
    by: str | None = None,
    why: str | None = None,
) -> Sent:
    """Move a call from one state to another; False, and no effect, if it is in a third."""
    moved = connection.execute(MOVE_CALL, (new.value, outcome, by, why, call.plan, call.seq, old.value))
    return lambda: moved.rowcount == 1


class _Read:
    """A read-only call with its outcome, queued to be written; kept small."""

    __slots__ = ("_journal", "_row")
    durable: Literal[False] = False
    future: None = None

    def __init__(self, journal: PostgresJournal, row: Row) -> None:
        self._journal = journal
        self._row = row

    def work(self, connection: psycopg.Connection) -> Sent:
        return self._journal._insert(self._row, connection)

    def failed(self, error: ArtisError) -> None:
        self._journal._lost[str(self._row[-1])] = error
