"""A fork of an SQLAlchemy engine: for SQLite a copied database, for a server a transaction that is never
committed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from threading import get_ident
from typing import Any

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.simulators.forks.contents import database
from artis_sdk.simulators.forks.files import backup
from artis_sdk.simulators.forks.making import (
    check_after_calls,
    show_content,
    stand_in,
    temporary_folder,
    vouch,
)
from artis_sdk.simulators.forks.sessions import bound_engine, rebound
from artis_sdk.simulators.seal import guard_attach, refusal

_SAVEPOINT = "artis_fork"

# Makes every commit fail: its constraint is violated, and is checked only on commit.
_NEVER_COMMITTED = (
    "create temporary table artis_fork (x int unique deferrable initially deferred) on commit drop",
    "insert into artis_fork values (1), (1)",
)


@contextmanager
def engine(real: Any) -> Iterator[Any]:
    """An attempt's own engine, over the same data.

    SQLite: the database is copied by SQLite's backup, as a transaction would lock out everyone else.

    PostgreSQL: one connection with a transaction that is rolled back when the attempt is over; the
    code's own commits and rollbacks are savepoints in it, and the server itself would refuse to commit
    it. All connections of the engine are this one, so two open connections see each other's changes.
    Rows that an attempt has changed stay locked until it is over: concurrent attempts wait for each
    other, so rehearse with `Sequential`. Sequences keep counting, as PostgreSQL never rolls them back.

    Sessions and session makers that are bound to the engine, in the same object, are bound to the fork.

    Args:
        real: an `sqlalchemy.Engine`, or a `sessionmaker` or `scoped_session` bound to one.

    Raises:
        ConfigurationError: it is none of these, or is for another database or driver.
    """
    try:
        from sqlalchemy.engine import Engine
    except ModuleNotFoundError as error:
        raise ConfigurationError("forks.engine: SQLAlchemy is not installed") from error
    bound = real if isinstance(real, Engine) else bound_engine(real)
    if not isinstance(bound, Engine):
        raise ConfigurationError(
            "forks.engine takes an SQLAlchemy Engine, or a sessionmaker or scoped_session bound to one, "
            f"not a {type(real if bound is None else bound).__name__}"
        )
    forks = {"sqlite": _sqlite, "postgresql": _postgresql}
    if bound.dialect.name not in forks:
        raise ConfigurationError(
            f"forks.engine knows SQLite and PostgreSQL, not {bound.dialect.name}; give the object a __fork__ "
            "method that puts an engine over a copy of the database in its place"
        )
    with forks[bound.dialect.name](bound) as made:
        try:
            vouch(bound, made)
            stand_in(bound, made)
            yield made if real is bound else rebound(real, made)
        finally:
            made.dispose()


@contextmanager
def _sqlite(real: Any) -> Iterator[Any]:
    from sqlalchemy.pool import QueuePool, SingletonThreadPool

    arguments, options = _connect_arguments(real)
    with temporary_folder() as folder:
        copy = folder / "copy.db"
        connection = real.raw_connection()
        try:
            backup(connection.driver_connection, copy)
        finally:
            connection.close()
        show_content("database", partial(database, copy))

        def connect(*_: Any) -> Any:
            made = real.dialect.connect(str(copy), *arguments[1:], **options)
            guard_attach(made)
            return made

        if isinstance(real.pool, SingletonThreadPool):  # its connections end in their own threads alone
            options["check_same_thread"] = False
            pool = QueuePool(connect, _dispatch=real.pool.dispatch)
        else:
            pool = real.pool.recreate()
            pool._creator = connect
        yield _over(real, pool)


@contextmanager
def _postgresql(real: Any) -> Iterator[Any]:
    from sqlalchemy.pool import StaticPool

    checked_out = real.raw_connection()
    connection = checked_out.driver_connection
    checked_out.detach()
    with closing(connection):
        if not hasattr(connection, "info"):
            raise ConfigurationError(
                f"forks.engine knows the drivers psycopg and psycopg2, not {real.dialect.driver}"
            )
        try:
            with closing(connection.cursor()) as cursor:
                for statement in (*_NEVER_COMMITTED, f"savepoint {_SAVEPOINT}"):
                    cursor.execute(statement)
            shared = _Savepoints(connection)
            check_after_calls(shared.check)
            show_content("database", shared.written)
            yield _over(real, StaticPool(lambda: shared))
        finally:
            connection.rollback()


def _over(real: Any, pool: Any) -> Any:
    """The engine with another pool: its dialect, options and listeners are the same."""
    from sqlalchemy.engine import Engine
    from sqlalchemy.engine.base import OptionEngine

    heard = real
    while isinstance(heard, OptionEngine):  # options over another engine, whose listeners count
        heard = heard._proxied
    kind = Engine if heard is not real else type(real)
    made = kind(pool, real.dialect, real.url, execution_options=real.get_execution_options(), echo=real.echo)
    made.dispatch._update(heard.dispatch, only_propagate=False)
    return made


class _Enough(Exception):
    """The arguments are known; nothing need be connected."""


def _connect_arguments(real: Any) -> tuple[list[Any], dict[str, Any]]:
    """The arguments that the engine passes to its driver, `connect_args` included."""
    from sqlalchemy import event

    found: list[tuple[list[Any], dict[str, Any]]] = []
    here = get_ident()

    def look(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        if get_ident() == here:  # another thread may connect meanwhile
            found.append((list(arguments), dict(options)))
            raise _Enough

    event.listen(real, "do_connect", look)
    try:
        real.pool._invoke_creator(None).close()
    except _Enough:
        return found[0]
    finally:
        event.remove(real, "do_connect", look)
    raise ConfigurationError(
        "forks.engine: the engine was made with its own creator, so a connection to a copy cannot be "
        "made the same way; give the object a __fork__ method"
    )


class _Savepoints:
    """A DB-API connection whose commits and rollbacks are savepoints in a transaction."""

    def __init__(self, connection: Any) -> None:
        object.__setattr__(self, "_connection", connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("autocommit", "isolation_level"):
            raise refusal(f"setting {name}", "In a rehearsal the engine's connection is one transaction")
        setattr(self._connection, name, value)

    def check(self) -> None:
        """Refuse to continue after the transaction has ended: the next one would be real."""
        if self._connection.info.transaction_status == _IDLE:
            raise self._ended()

    def written(self) -> Any:
        """The number of rows written in the transaction so far, by table; what was rolled back counts too."""
        if self._connection.info.transaction_status != _IN_TRANSACTION:
            return "<not readable: the transaction failed or ended>"
        with closing(self._connection.cursor()) as cursor:
            cursor.execute(_WRITTEN)
            return {
                table: {"inserted": inserted, "updated": updated, "deleted": deleted}
                for table, inserted, updated, deleted in cursor.fetchall()
            }

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        self.check()
        return self._connection.cursor(*args, **kwargs)

    def commit(self) -> None:
        self._execute(f"release savepoint {_SAVEPOINT}")
        self._execute(f"savepoint {_SAVEPOINT}")

    def rollback(self) -> None:
        self._execute(f"rollback to savepoint {_SAVEPOINT}")

    def close(self) -> None:
        """It is closed with the attempt."""

    def _execute(self, statement: str) -> None:
        with closing(self.cursor()) as cursor:
            cursor.execute(statement)

    def _ended(self) -> SimulationError:
        return refusal(
            "the end of the rehearsal's transaction",
            "The code committed or rolled back past SQLAlchemy, in words or through the driver; let the "
            "engine's connections and sessions do it",
        )


_IDLE, _IN_TRANSACTION = 0, 2  # of libpq's transaction states
_WRITTEN = (
    "select relname, n_tup_ins, n_tup_upd, n_tup_del from pg_stat_xact_user_tables "
    "where n_tup_ins + n_tup_upd + n_tup_del > 0 and schemaname !~ '^pg_temp' order by relname"
)
