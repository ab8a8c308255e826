"""The commit journal in one SQLite file."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from artis_sdk._former_names import renamed
from artis_sdk.commit.journal.call import CallState, Intent, JournaledCall
from artis_sdk.commit.journal.claim import Claim, claim
from artis_sdk.commit.journal.decision import Decision
from artis_sdk.commit.journal.prune import candidates, remove
from artis_sdk.commit.journal.rows import (
    Row,
    call_from_row,
    decision_from_row,
    json_text,
    row_of,
    row_of_decision,
)
from artis_sdk.commit.journal.schema import (
    INSERT_CALL,
    INSERT_DECISION,
    MOVE_CALL,
    SELECT_CALLS,
    SELECT_DECISIONS,
    open_database,
)
from artis_sdk.commit.journal.sharing import SharedJournal, SharedJournals
from artis_sdk.commit.journal.sqlite_file import JournalFile, lingering
from artis_sdk.commit.journal.writer import WriteRequest
from artis_sdk.errors import ArtisError, JournalError
from artis_sdk.lease import ProcessLease, is_alive
from artis_sdk.records import Outcome, Risk
from artis_sdk.sqlite import check_file

_PRUNED_AT_ONCE = 200
"""Number of outermost plans removed per transaction, which keeps other writers waiting."""


class SQLiteJournal(SharedJournal[JournalFile]):
    """A `CommitJournal` in a file that several processes of one machine may share.

    Durability: an irreversible call's intent, with everything before it, survives a power cut once awaited,
    and so does the end of a commit that made one; everything else survives the end of the process at once,
    and a power cut from the next durable write on. An outcome lost to a power cut leaves
    its call `unknown`.

    All sessions of a process, on any event loops, do best with one journal: their concurrent writes share
    an fsync. `SQLiteJournal.shared` returns it.

    Args:
        path: path of the file; made with the first write.
        timeout: maximum wait for another process's lock, in seconds.

    Raises:
        ConfigurationError: it is no path, such as `:memory:`.
    """

    _journals: ClassVar[SharedJournals[SQLiteJournal]] = SharedJournals()
    _lingering = lingering

    @classmethod
    def shared(cls, path: str | os.PathLike[str]) -> SQLiteJournal:
        """This process's journal of a file; every caller closes it once."""
        where = os.path.realpath(path)

        def make() -> SQLiteJournal:
            journal = cls(path)
            return journal._sharing((journal.path, where))

        return cls._journals.join(where, make)

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 10.0) -> None:
        check_file("journal", path)
        self.path = Path(path).absolute()
        self._timeout = timeout
        super().__init__(JournalFile(self.path, timeout))
        self._owner: ProcessLease | None = None
        self._lost: dict[str, ArtisError] = {}
        self._irreversible: set[str] = set()
        """Ids of plans being committed that have made an irreversible call."""

    async def identity(self) -> str:
        """See `CommitJournal.identity`: the file's real path and the id stored in it.

        The id alone would be the same in a copy, the path alone the same for another file in its place.
        """
        file = self._store
        if file.identity is None:
            file.identity = str(await file.writer.ask(self._name, durable=False))
        return file.identity

    # --- commits ------------------------------------------------------------------------------

    async def begin_plan(self, plan: str, *, parent: str | None = None, resume: bool = False) -> int:
        """See `CommitJournal.begin_plan`. The first irreversible call makes the claim durable."""
        begun = time.time()
        try:
            work = partial(self._claim, plan, parent, begun, resume)
            return int(await self._store.writer.ask(work, durable=False))
        except asyncio.CancelledError:  # the claim is or will be written anyway
            if not self._store.writer.closed:
                undo = partial(self._end, plan, "cancelled", begun)
                self._store.writer.submit(WriteRequest(undo, durable=False))
            raise

    async def end_plan(self, plan: str, ending: str) -> None:
        """See `CommitJournal.end_plan`."""
        durable = plan in self._irreversible
        self._irreversible.discard(plan)
        await self._store.writer.ask(partial(self._end, plan, ending, None), durable=durable)
        self._raise_lost(plan)

    # --- calls --------------------------------------------------------------------------------

    async def begin(self, intent: Intent) -> str:
        """See `CommitJournal.begin`. A read-only call is written by `finish` alone."""
        self._raise_lost(intent.plan)
        if intent.risk is not Risk.READ_ONLY:
            durable = intent.risk is Risk.IRREVERSIBLE
            if durable:
                self._irreversible.add(intent.plan)
            work = partial(self._insert, row_of(intent, None))
            await self._store.writer.ask(work, durable=durable)
        return intent.id

    def finish(self, intent: Intent, outcome: Outcome) -> asyncio.Future[None]:
        """See `CommitJournal.finish`."""
        text = json_text(outcome)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if intent.risk is Risk.READ_ONLY:
            self._store.writer.submit_later(_Finished(self, intent, text))
            future.set_result(None)
            return future

        def finished(connection: sqlite3.Connection) -> None:
            if not _step(connection, call=intent, old=CallState.INTENT, new=CallState.DONE, outcome=text):
                raise JournalError(f"call {intent.id} of {intent.tool} has already ended in the journal")

        self._store.writer.submit(WriteRequest(finished, durable=False, future=future))
        return future

    def close_unobserved(self, intent: Intent, state: CallState) -> None:
        """See `CommitJournal.close_unobserved`."""
        if intent.risk is not Risk.READ_ONLY and not self._store.writer.closed:
            work = partial(_step, call=intent, old=CallState.INTENT, new=state)
            self._store.writer.submit(WriteRequest(work, durable=False))

    def mark_running(self, intent: Intent) -> None:
        """See `CommitJournal.mark_running`."""
        self._still_running.add(intent.id)

    def finish_late(self, intent: Intent, outcome: Outcome) -> None:
        """See `CommitJournal.finish_late`."""
        self._still_running.discard(intent.id)
        if self._store.writer.closed:
            self._release()
        else:
            work = partial(
                _step, call=intent, old=CallState.INTENT, new=CallState.DONE, outcome=json_text(outcome)
            )
            self._store.writer.submit(WriteRequest(work, durable=False))

    # --- decisions ----------------------------------------------------------------------------

    async def decide(self, decision: Decision) -> None:
        """See `CommitJournal.decide`."""
        row = row_of_decision(decision)

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute(INSERT_DECISION, row)

        await self._store.writer.ask(insert, durable=True)

    def decisions(self, *, plan: str | None = None) -> list[Decision]:
        """See `CommitJournal.decisions`."""
        where, given = ("", ()) if plan is None else ("WHERE plan = ?", (plan,))
        return [
            decision_from_row(row) for row in self._read(f"{SELECT_DECISIONS} {where} ORDER BY rowid", given)
        ]

    # --- after a crash ------------------------------------------------------------------------

    def calls(
        self, *, plan: str | None = None, states: Iterable[CallState] = CallState
    ) -> list[JournaledCall]:
        """See `CommitJournal.calls`."""
        rows = self._read(
            _select_calls(frozenset(states), of_plan=plan is not None), () if plan is None else (plan,)
        )
        try:
            alive = {owner for owner in {row[13] for row in rows} if is_alive(self.path, owner)}
        except OSError as error:
            raise JournalError(f"{self.path}: {error}") from error
        return [call_from_row(row, alive) for row in rows]

    @property
    def answers_at_once(self) -> bool:
        """Whether `calls` and `decisions` need not wait for another process now."""
        return self._store.writer.is_at_work and self._store.reader.is_free()

    def _read(self, statement: str, parameters: Sequence[str | None]) -> list[Any]:
        try:
            if self._store.writer.is_at_work:  # so it will be closed, and its reader with it
                # Locked: wait on another connection.
                with suppress(sqlite3.OperationalError, FileNotFoundError):
                    return self._store.reader.rows(statement, parameters)
            if not self.path.exists():
                return []
            with closing(open_database(self.path, timeout=self._timeout)) as connection:
                return connection.execute(statement, parameters).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"{self.path}: {error}") from error

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

        def find() -> list[str]:
            with closing(open_database(self.path, timeout=self._timeout)) as connection:
                return candidates(connection, before)

        try:
            roots = await asyncio.to_thread(find)
        except (sqlite3.Error, OSError) as error:
            raise JournalError(f"{self.path}: {error}") from error
        removed, alive = 0, partial(is_alive, self.path)
        for n in range(0, len(roots), _PRUNED_AT_ONCE):
            work = partial(remove, roots=roots[n : n + _PRUNED_AT_ONCE], before=before, alive=alive)
            removed += await self._store.writer.ask(work, durable=True)
        return removed

    # --- the file -----------------------------------------------------------------------------

    def _unopened(self) -> JournalFile:
        return JournalFile(self.path, self._timeout)

    def _close(self) -> None:
        self._store.close()
        self._release()

    def _release(self) -> None:
        if self._owner is not None and not self._still_running:
            self._owner.release()

    def _lease(self) -> str:
        """Id of this journal's owner, alive from the first claim on."""
        if self._owner is None:
            self._owner = ProcessLease(self.path)
        return self._owner.id

    def _raise_lost(self, plan: str) -> None:
        lost = self._lost.pop(plan, None)
        if lost is not None:
            raise JournalError(f"plan {plan}: a read-only call could not be recorded: {lost}") from lost

    def _end(self, plan: str, ending: str, begun: float | None, connection: sqlite3.Connection) -> None:
        """End a claim of this journal's own; with `begun` (seconds), only the claim begun at that time."""
        connection.execute(
            "UPDATE plan SET ended = ?, ending = ?"
            " WHERE id = ? AND owner = ? AND ended IS NULL AND begun = coalesce(?, begun)",
            (time.time(), ending, plan, self._lease(), begun),
        )

    def _name(self, connection: sqlite3.Connection) -> str:
        (file_id,) = connection.execute("SELECT id FROM journal").fetchone()
        return f"{os.path.realpath(self.path)}#{file_id}"

    def _claim(
        self, plan: str, parent: str | None, begun: float, resume: bool, connection: sqlite3.Connection
    ) -> int:
        alive = partial(is_alive, self.path)
        return claim(connection, Claim(plan, parent, self._lease(), begun), resume=resume, alive=alive)

    def _insert(self, row: Row, connection: sqlite3.Connection) -> None:
        inserted = connection.execute(INSERT_CALL, (*row, self._lease()))
        if inserted.rowcount != 1:
            raise JournalError(f"plan {row[-1]} is not being committed by this journal")


@cache
def _select_calls(states: frozenset[CallState], *, of_plan: bool) -> str:
    # As literals, in which SQLite recognizes its index of the open calls.
    wanted = ", ".join(sorted(f"'{state.value}'" for state in states))
    where = f"WHERE state IN ({wanted})" + (" AND call.plan = ?" if of_plan else "")
    return f"{SELECT_CALLS} {where} ORDER BY call.rowid"


def _step(
    connection: sqlite3.Connection,
    *,
    call: Intent | JournaledCall,
    old: CallState,
    new: CallState,
    outcome: str | None = None,
    by: str | None = None,
    why: str | None = None,
) -> bool:
    """Move a call from one state to another; False, and no effect, if it is in a third."""
    moved = connection.execute(
        MOVE_CALL,
        (new.value, outcome, time.time(), by, why, call.plan, call.seq, old.value),
    )
    return moved.rowcount == 1


class _Finished:
    """A read-only call with its outcome, queued to be written; kept small."""

    __slots__ = ("_journal", "_row")
    durable: Literal[False] = False
    future: None = None

    def __init__(self, journal: SQLiteJournal, intent: Intent, outcome: str) -> None:
        self._journal = journal
        self._row = row_of(intent, outcome)

    def work(self, connection: sqlite3.Connection) -> None:
        self._journal._insert(self._row, connection)

    def failed(self, error: ArtisError) -> None:
        self._journal._lost[str(self._row[-1])] = error


if not TYPE_CHECKING:  # a type checker must see that the name is gone
    __getattr__ = renamed(__name__, {"Journal": "SQLiteJournal"})
