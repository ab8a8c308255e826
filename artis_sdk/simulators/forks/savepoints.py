"""A PostgreSQL connection whose commits and rollbacks are savepoints in a transaction without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from typing import Any

from artis_sdk.errors import SimulationError
from artis_sdk.simulators.seal import refusal

_SAVEPOINT = "artis_fork"

# Makes every commit fail: its constraint is violated, and is checked only on commit.
_NEVER_COMMITTED = (
    "create temporary table artis_fork (x int unique deferrable initially deferred) on commit drop",
    "insert into artis_fork values (1), (1)",
)
_MODES = ("autocommit", "isolation_level")
_SETTERS = ("set_autocommit", "set_isolation_level", "set_session", "tpc_begin")
_IDLE, _IN_TRANSACTION = 0, 2  # of libpq's transaction states
_WRITTEN = (
    "select relname, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_xact_user_tables "
    "where n_tup_ins + n_tup_upd + n_tup_del > 0 and schemaname !~ '^pg_temp' order by relname"
)


class Savepoints:
    """A DB-API connection in such a transaction, which it begins.

    Args:
        connection: a connection of psycopg, psycopg2, or one of SQLAlchemy's adapters of async drivers.
        around: context in which a statement runs, beside the rules of a sandboxed body: an async driver in
            Python sends what the seal would refuse.
        loop: the event loop to which the driver's connection belongs; None if any may use it.
    """

    _artis_given_up = False

    def __init__(
        self,
        connection: Any,
        around: Callable[[], AbstractContextManager[Any]] = nullcontext,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        object.__setattr__(self, "_artis_real", connection)
        object.__setattr__(self, "_artis_around", around)
        object.__setattr__(self, "_artis_loop", loop)
        if connection.autocommit:
            raise self._fixed("autocommit")
        with around(), closing(connection.cursor()) as cursor:
            for statement in (*_NEVER_COMMITTED, f"savepoint {_SAVEPOINT}"):
                cursor.execute(statement)

    def __getattr__(self, name: str) -> Any:
        if name in _SETTERS:
            return partial(self._not_set, name)
        return getattr(self._artis_real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _MODES:
            raise self._fixed(name)
        setattr(self._artis_real, name, value)

    def check(self) -> None:
        """Refuse to continue after the transaction has ended: the next one would be real."""
        if self._is_over():
            raise self._ended()

    def written(self) -> Any:
        """The number of rows written in the transaction so far, by table; what was rolled back counts too.
        Not for an async driver, which can read only inside its event loop."""
        if self._artis_real.info.transaction_status != _IN_TRANSACTION:
            return "<not readable: the transaction failed or ended>"
        with closing(self._artis_real.cursor()) as cursor:
            cursor.execute(_WRITTEN)
            return {
                table: {"inserted": inserted, "updated": updated, "deleted": deleted}
                for table, inserted, updated, deleted in cursor.fetchall()
            }

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        self._make_ready()
        made = self._artis_real.cursor(*args, **kwargs)
        return made if self._artis_around is nullcontext else _Around(made, self._artis_around)

    def commit(self) -> None:
        # In one go: other sessions of the attempt share the connection.
        self._execute(f"release savepoint {_SAVEPOINT}; savepoint {_SAVEPOINT}")

    def rollback(self) -> None:
        self._execute(f"rollback to savepoint {_SAVEPOINT}")

    def close(self) -> None:
        """It is closed with the attempt."""
        info = getattr(self._artis_real, "info", None)
        if info is not None and info.transaction_status != _IN_TRANSACTION:  # psycopg's `terminate`
            self.terminate()

    def terminate(self) -> None:
        """SQLAlchemy gives up a connection whose statement was cancelled. One of its own would end, with what
        was not committed; this one is rolled back before it is used again."""
        object.__setattr__(self, "_artis_given_up", True)

    def _make_ready(self) -> None:
        self.check()
        if self._artis_loop is not None and self._artis_loop is not asyncio.get_running_loop():
            raise refusal(
                "a database connection in another event loop",
                "In a rehearsal the engine has one connection, and one of asyncpg works in one event loop; "
                "call the engine in one, or use psycopg",
            )
        if self._artis_given_up:
            object.__setattr__(self, "_artis_given_up", False)
            self.rollback()

    def _execute(self, statements: str) -> None:
        self._make_ready()
        with self._artis_around():
            if not hasattr(self._artis_real, "info"):  # asyncpg, whose cursors take one statement each
                self._artis_real.run_async(partial(_run, self._artis_real._execute_mutex, statements))
                return
            with closing(self._artis_real.cursor()) as cursor:
                cursor.execute(statements)

    def _is_over(self) -> bool:
        if hasattr(self._artis_real, "info"):
            return bool(self._artis_real.info.transaction_status == _IDLE)
        driver = self._artis_real.driver_connection  # asyncpg's
        return driver.is_closed() or not driver.is_in_transaction()

    def _ended(self) -> SimulationError:
        return refusal(
            "the end of the rehearsal's transaction",
            "The code committed or rolled back past SQLAlchemy, in words or through the driver; let the "
            "engine's connections and sessions do it",
        )

    def _not_set(self, what: str, *_: Any) -> None:
        # The call ends with the refusal. Raised here, where SQLAlchemy has taken a connection that nobody has
        # yet, it would leave that one to the garbage collector.
        self._fixed(what)

    def _fixed(self, what: str) -> SimulationError:
        return refusal(f"setting {what}", "In a rehearsal the engine's connection is one transaction")


async def _run(turn: asyncio.Lock, statements: str, driver: Any) -> None:
    async with turn:
        await driver.execute(statements)


class _Around:
    """A cursor that works in a context."""

    def __init__(self, cursor: Any, around: Callable[[], AbstractContextManager[Any]]) -> None:
        object.__setattr__(self, "_artis_real", cursor)
        object.__setattr__(self, "_artis_around", around)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._artis_real, name)
        if not callable(value):
            return value

        def within(*args: Any, **kwargs: Any) -> Any:
            with self._artis_around():
                return value(*args, **kwargs)

        return within

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._artis_real, name, value)
