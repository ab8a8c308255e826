"""The commit journal: intent before a real call, outcome after it, in one SQLite file.

One thread owns the connection. Whatever is asked of it while it waits for the disk shares the next
transaction, so that many concurrent commits cost one fsync together (group commit).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_json

from artis_sdk.errors import ArtisError, CommitRefused, JournalError
from artis_sdk.loop.journal_schema import (
    SELECT_CALLS,
    CallState,
    JournaledCall,
    call_from_row,
    open_database,
)
from artis_sdk.loop.owner import Owner, is_alive, sweep
from artis_sdk.records import Outcome, Risk


@dataclass(frozen=True, slots=True)
class Intent:
    """A real call about to be made. Arguments are already redacted: the file gets them as they are."""

    id: str
    plan: str
    seq: int
    """Position among the real calls of the plan's commit, from 0."""
    tool: str
    arguments: dict[str, JsonValue]
    risk: Risk
    idempotency_key: str | None
    begun: float
    """Seconds since the epoch."""


_Work = Callable[[sqlite3.Connection], Any]
"""Runs in the writer's thread, inside a transaction; whatever it raises, it has changed nothing."""


@dataclass(slots=True)
class _Request:
    work: _Work
    durable: bool
    future: asyncio.Future[Any] | None = None
    """None where nobody waits for it."""
    plan: str | None = None
    """Whose next step raises, should this request fail with nobody waiting for it."""


class Journal:
    """A store that several processes may share.

    What survives what: an irreversible call's intent, and the beginning and end of a commit, survive
    a power cut once awaited; everything else survives the end of the process at once, and a power
    cut from the next durable write on. An outcome lost to a power cut leaves its call `unknown`.

    Args:
        path: the file; made with the first write.
        timeout: seconds to wait for another process's lock.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = 10.0) -> None:
        self.path = Path(path)
        self._timeout = timeout
        self._requests: SimpleQueue[_Request | None] = SimpleQueue()
        self._process = os.getpid()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._lost: dict[str, ArtisError] = {}
        self._connection: sqlite3.Connection | None = None
        self._owner: Owner | None = None

    # --- commits ------------------------------------------------------------------------------

    async def begin_plan(self, plan: str) -> None:
        """Claim a plan for this journal's commit; durable on return.

        Raises:
            CommitRefused: it has been claimed before, by whomever.
            JournalError: the file cannot be written.
        """

        def work(connection: sqlite3.Connection) -> None:
            assert self._owner is not None
            row = (plan, self._owner.id, socket.gethostname(), os.getpid(), time.time())
            try:
                connection.execute(
                    "INSERT INTO plan (id, owner, host, process, begun) VALUES (?, ?, ?, ?, ?)", row
                )
            except sqlite3.IntegrityError:
                raise CommitRefused(plan, "it has been committed before; rehearse again") from None

        await self._ask(work, durable=True)

    async def end_plan(self, plan: str, ending: str) -> None:
        """The commit is over: nothing of it can begin any more, and what is open becomes unknown.

        Durable on return, with every outcome before it.
        """

        def work(connection: sqlite3.Connection) -> None:
            now = time.time()
            ended = connection.execute(
                "UPDATE plan SET ended = ?, ending = ? WHERE id = ?", (now, ending, plan)
            )
            if ended.rowcount != 1:
                raise JournalError(f"plan {plan} was never begun")
            connection.execute(
                "UPDATE call SET state = 'unknown', ended = ? WHERE plan = ? AND state = 'intent'",
                (now, plan),
            )

        await self._ask(work, durable=True)
        self._raise_lost(plan)

    # --- calls --------------------------------------------------------------------------------

    async def begin(self, intent: Intent) -> str:
        """Write an intent; the tool may run once this returns. Gives the call's journal id.

        An irreversible call's intent is durable on return, a reversible one's survives the end of the
        process. A read-only call changes nothing and is written by `finish` alone.

        Raises:
            JournalError: it was not written, or this call was begun before, or its plan is not being
                committed by this journal.
        """
        self._raise_lost(intent.plan)
        if intent.risk is not Risk.READ_ONLY:
            work = partial(self._insert, intent=intent, arguments=_json(intent.arguments), outcome=None)
            await self._ask(work, durable=intent.risk is Risk.IRREVERSIBLE)
        return intent.id

    async def finish(self, intent: Intent, outcome: Outcome) -> None:
        """Write an observed outcome (redacted by the caller).

        Raises:
            JournalError: it was not written, or the call is not open.
        """
        text = _json(outcome)
        if intent.risk is Risk.READ_ONLY:
            arguments = _json(intent.arguments)
            work = partial(self._insert, intent=intent, arguments=arguments, outcome=text)
            self._submit(_Request(work, durable=False, plan=intent.plan))
            return

        def update(connection: sqlite3.Connection) -> None:
            ended = connection.execute(
                "UPDATE call SET state = 'done', outcome = ?, ended = ? WHERE id = ? AND state = 'intent'",
                (text, time.time(), intent.id),
            )
            if ended.rowcount != 1:
                raise JournalError(f"call {intent.id} of {intent.tool} is not open")

        await self._ask(update, durable=False)

    def leave(self, intent: Intent, state: CallState) -> None:
        """Write that an open call ended without an observed outcome, without waiting for the file.

        Should it not reach the file, the call counts as unknown all the same.

        Args:
            state: `unknown`, or `not_executed` where the tool was not run.
        """
        if intent.risk is not Risk.READ_ONLY:
            values = (state.value, None, time.time(), intent.id, CallState.INTENT.value)
            self._submit(_Request(partial(_move, values=values), durable=False))

    # --- after a crash ------------------------------------------------------------------------

    def calls(
        self, *, plan: str | None = None, states: Iterable[CallState] = CallState
    ) -> list[JournaledCall]:
        """Read calls in the order they were begun. Blocks for the read; waits for no writer.

        Raises:
            JournalError: the file cannot be read.
        """
        wanted = [state.value for state in states]
        where = f"WHERE state IN ({', '.join('?' * len(wanted))}) AND (? IS NULL OR plan = ?)"
        if not self.path.exists():
            return []
        try:
            with closing(open_database(self.path, timeout=self._timeout)) as connection:
                rows = connection.execute(
                    f"{SELECT_CALLS} {where} ORDER BY call.begun, call.seq", (*wanted, plan, plan)
                ).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise self._error(error) from error
        alive = {owner: is_alive(self.path, owner) for owner in {row[-2] for row in rows if row[-1] is None}}
        return [
            call.model_copy(update={"running": True})
            if call.state is CallState.INTENT and row[-1] is None and alive[row[-2]]
            else call
            for row, call in ((row, call_from_row(row)) for row in rows)
        ]

    async def abandon(self, call: JournaledCall) -> None:
        """Turn a dead owner's intent into `unknown`; no effect on a call that has ended."""
        values = (CallState.UNKNOWN.value, None, time.time(), call.id, CallState.INTENT.value)
        await self._ask(partial(_move, values=values), durable=True)

    async def reconcile(self, call: JournaledCall, outcome: Outcome | None) -> None:
        """Settle an unknown call; no effect on one that somebody else has settled meanwhile.

        Args:
            outcome: what the call gave, redacted; None where it had no effect.
        """
        state = CallState.NOT_EXECUTED if outcome is None else CallState.RECONCILED
        text = None if outcome is None else _json(outcome)
        values = (state.value, text, time.time(), call.id, CallState.UNKNOWN.value)
        await self._ask(partial(_move, values=values), durable=True)

    # --- the writer ---------------------------------------------------------------------------

    def close(self) -> None:
        """Write what is queued, and end the thread. Closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None and self._process == os.getpid():
            self._requests.put(None)
            self._thread.join()

    async def aclose(self) -> None:
        """As `close`, off the event loop."""
        await asyncio.to_thread(self.close)

    async def _ask(self, work: _Work, *, durable: bool) -> Any:
        future = asyncio.get_running_loop().create_future()
        self._submit(_Request(work, durable, future))
        return await future

    def _submit(self, request: _Request) -> None:
        if self._closed:
            raise JournalError(f"{self.path}: the journal is closed")
        if self._process != os.getpid():
            raise JournalError(f"{self.path}: a journal does not survive a fork; open it in the new process")
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, name="artis-journal", daemon=True)
            self._thread.start()
        self._requests.put(request)

    def _raise_lost(self, plan: str) -> None:
        lost = self._lost.pop(plan, None)
        if lost is not None:
            raise JournalError(f"plan {plan}: a read-only call could not be recorded: {lost}") from lost

    def _insert(
        self, connection: sqlite3.Connection, *, intent: Intent, arguments: str, outcome: str | None
    ) -> None:
        assert self._owner is not None
        inserted = connection.execute(
            "INSERT INTO call (id, plan, seq, tool, arguments, risk, idempotency_key, state, outcome, begun,"
            " ended) SELECT ?, id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM plan WHERE id = ? AND owner = ?",
            (
                intent.id,
                intent.seq,
                intent.tool,
                arguments,
                intent.risk.value,
                intent.idempotency_key,
                (CallState.INTENT if outcome is None else CallState.DONE).value,
                outcome,
                intent.begun,
                None if outcome is None else time.time(),
                intent.plan,
                self._owner.id,
            ),
        )
        if inserted.rowcount != 1:
            raise JournalError(f"plan {intent.plan} is not being committed by this journal")

    def _run(self) -> None:
        """The writer's thread: take what is queued, write it, answer; None ends it."""
        last = False
        while not last:
            batch = [self._requests.get()]
            with suppress(Empty):
                while True:
                    batch.append(self._requests.get_nowait())
            last = None in batch
            requests = [request for request in batch if request is not None]
            results: list[Any] = [JournalError(f"{self.path}: the journal's writer broke") for _ in requests]
            try:
                results = self._write(requests)
            finally:
                self._answer(requests, results)
        if self._connection is not None:
            self._connection.close()
        if self._owner is not None:
            self._owner.release()

    def _write(self, batch: list[_Request]) -> list[Any]:
        """One transaction. Gives each request's result, or the ArtisError that it shall get."""
        connection = None
        try:
            connection = self._open()
            full = any(request.durable for request in batch)
            connection.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            results = [self._apply(connection, request.work) for request in batch]
            connection.execute("COMMIT")
        except (sqlite3.Error, OSError, ArtisError) as error:
            if connection is not None and connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            return [self._error(error) for _ in batch]
        return results

    def _apply(self, connection: sqlite3.Connection, work: _Work) -> Any:
        try:
            return work(connection)
        except ArtisError as error:
            return error
        except sqlite3.IntegrityError as error:  # this statement alone is undone
            return self._error(error)

    def _answer(self, batch: list[_Request], results: list[Any]) -> None:
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
        for request, result in zip(batch, results, strict=True):
            if request.future is not None:
                by_loop.setdefault(request.future.get_loop(), []).append((request.future, result))
            elif request.plan is not None and isinstance(result, ArtisError):
                self._lost[request.plan] = result
        for loop, answers in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_set_results, answers)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = open_database(self.path, timeout=self._timeout)
            sweep(self.path)
        if self._owner is None:
            self._owner = Owner(self.path)
        return self._connection

    def _error(self, error: Exception) -> ArtisError:
        return JournalError(f"{self.path}: {error}")


def _json(value: Any) -> str:
    try:
        return to_json(value).decode()
    except PydanticSerializationError as error:
        raise JournalError(f"the journal cannot write this value: {error}") from error


def _move(connection: sqlite3.Connection, *, values: tuple[str, str | None, float, str, str]) -> None:
    """Values: new state, outcome, time, id, and the state to move from; no effect on any other."""
    connection.execute("UPDATE call SET state = ?, outcome = ?, ended = ? WHERE id = ? AND state = ?", values)


def _set_results(answers: list[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, result in answers:
        if future.done():  # its waiter was cancelled
            continue
        if isinstance(result, ArtisError):
            future.set_exception(result)
        else:
            future.set_result(result)
