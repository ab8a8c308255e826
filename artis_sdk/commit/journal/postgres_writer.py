"""Writing to a PostgreSQL database in group commits, in the session that is the owner."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from artis_sdk.commit.journal.postgres_owner import OwnerSession
from artis_sdk.commit.journal.postgres_schema import ENTER
from artis_sdk.commit.journal.writer import GroupWriter, LaterRequest, RestRequest, WriteRequest
from artis_sdk.errors import ArtisError, JournalError
from artis_sdk.postgresql import problem

Sent = Callable[[], Any]
"""What work returns: it gives the result, once the transaction is written."""


@dataclass(frozen=True, slots=True)
class LoneRequest(WriteRequest):
    """A write that reads first, so that no other session may write meanwhile."""


@dataclass(frozen=True, slots=True)
class SettlingRequest(WriteRequest):
    """An outcome of a call. Where its session is lost, nobody here knows whether it was written."""

    lost: JournalError = field(kw_only=True)
    """Error of a session that was lost while the call ran."""


class PostgresWriter(GroupWriter):
    """Writes to a server. Work sends its statements, and returns a function that gives the result later.

    A session that is lost takes its owner with it. What was asked of it has failed, written or not; the next
    request opens another session, of another owner.

    Args:
        name: name of the store in messages.
        connect: function that opens a session, in the thread.
    """

    def __init__(self, name: str, connect: Callable[[], OwnerSession]) -> None:
        super().__init__(name)
        self._connect = connect
        self._session: OwnerSession | None = None
        self.keeps_session = False
        """Whether the session outlives the thread."""

    async def ask_alone(self, work: Callable[[psycopg.Connection], Sent]) -> Any:
        """As `ask`, while no other session writes; durable with the first durable write after it."""
        future = asyncio.get_running_loop().create_future()
        self.submit(LoneRequest(work, False, future))
        return await future

    @property
    def owner(self) -> int:
        """Key of the owner's lock; for work, in the thread."""
        assert self._session is not None
        return self._session.id

    def release(self) -> None:
        """End the session, once the thread has ended."""
        if self._session is not None:
            self._session.close()
            self._session = None

    # --- in the thread ------------------------------------------------------------------------

    def _write(self, batch: Sequence[WriteRequest | LaterRequest]) -> list[Any]:
        writes = [request for request in batch if not isinstance(request, RestRequest)]
        results = iter(self._written(writes) if writes else ())
        if len(writes) < len(batch):
            self._rest()
        return [None if isinstance(request, RestRequest) else next(results) for request in batch]

    def _rest(self) -> None:
        """Leave the owner dead. A session that is lost is not opened anew for this."""
        if self._session is not None and self._session.is_lost:
            self.release()
        if self._session is not None and not self._session.is_resting:
            self._session.rest()

    def _written(self, batch: Sequence[WriteRequest | LaterRequest]) -> list[Any]:
        """Each request's result or its error, of one transaction."""
        try:
            session = self._open()
        except (psycopg.Error, ArtisError) as error:
            return [self._failed(error) for _ in batch]
        try:
            sent = self._transaction(session, batch)
        except (psycopg.Error, UnicodeError) as error:
            if session.is_lost:
                self.release()  # what it began is others' to settle at once
                return [
                    each.lost if isinstance(each, SettlingRequest) else self._failed(error) for each in batch
                ]
            if len(batch) == 1:
                return [self._failed(error)]
            # One of them is at fault, and all were rolled back.
            return [result for request in batch for result in self._written([request])]
        with session.answering():  # a result may take another look
            return [each if isinstance(each, ArtisError) else self._result(each) for each in sent]

    def _open(self) -> OwnerSession:
        if self._session is not None and self._session.is_lost:
            self.release()
        if self._session is not None and self._session.is_resting:
            try:
                self._session.renew()
            except psycopg.Error:  # the server may have restarted, or another have taken its place
                self.release()
        if self._session is None:
            self._session = self._connect()
        return self._session

    def _transaction(
        self, session: OwnerSession, batch: Sequence[WriteRequest | LaterRequest]
    ) -> list[Sent | ArtisError]:
        """What each request sent in one transaction, which is written on return, or the refusal of it."""
        connection = session.connection
        durable = "on" if any(request.durable for request in batch) else "off"
        alone = any(isinstance(request, LoneRequest) for request in batch)
        with session.answering(), connection.pipeline(), connection.transaction():
            connection.execute(ENTER, (durable, session.id, alone))
            sent = [_sent(request, connection) for request in batch]
        if session.is_lost:  # psycopg leaves the transaction of a broken connection without an error
            raise psycopg.OperationalError("the connection was lost")
        return sent

    def _result(self, sent: Sent) -> Any:
        try:
            return sent()
        except ArtisError as error:
            return error
        except psycopg.Error as error:
            return self._failed(error)

    def _failed(self, error: Exception) -> JournalError:
        if isinstance(error, JournalError):
            return error
        what = problem(error) if isinstance(error, psycopg.Error) else str(error)
        return JournalError(f"{self._name}: {what}")

    def _end(self) -> None:
        if not self.keeps_session:
            self.release()


def _sent(request: WriteRequest | LaterRequest, connection: psycopg.Connection) -> Sent | ArtisError:
    try:
        return request.work(connection)  # type: ignore[no-any-return]
    except ArtisError as error:
        return error
