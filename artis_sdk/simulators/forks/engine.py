"""A fork of an SQLAlchemy engine: for SQLite a copied database, for a server a transaction that is never
committed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from threading import get_ident
from typing import Any

from artis_sdk.errors import ConfigurationError
from artis_sdk.simulators.forks.async_engine import async_pool
from artis_sdk.simulators.forks.contents import database
from artis_sdk.simulators.forks.files import backup
from artis_sdk.simulators.forks.making import (
    check_after_calls,
    show_content,
    stand_in,
    stands_in,
    temporary_folder,
    vouch,
)
from artis_sdk.simulators.forks.savepoints import Savepoints
from artis_sdk.simulators.forks.sessions import bound_engine, rebound
from artis_sdk.simulators.seal import guard_attach


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
        real: an `sqlalchemy.Engine` or `AsyncEngine`, or a maker of sessions bound to one: `sessionmaker`,
            `scoped_session`, and their async forms.

    Raises:
        ConfigurationError: it is none of these, or is for another database or driver.
    """
    try:
        from sqlalchemy.engine import Engine
        from sqlalchemy.ext.asyncio import AsyncEngine
    except ModuleNotFoundError as error:
        raise ConfigurationError("forks.engine: SQLAlchemy is not installed") from error
    bound = real if isinstance(real, Engine | AsyncEngine) else bound_engine(real)
    if not isinstance(bound, Engine | AsyncEngine):
        raise ConfigurationError(
            "forks.engine takes an SQLAlchemy Engine or AsyncEngine, or a maker of sessions bound to one, "
            f"not a {type(real if bound is None else bound).__name__}"
        )
    before = stands_in(bound)
    if before is not None:  # another object of the attempt holds it
        yield before if real is bound else rebound(real, before)
        return
    if isinstance(bound, AsyncEngine):
        inner = bound.sync_engine
        with async_pool(inner, _connect_arguments) as pool:
            made = type(bound)(_over(inner, pool))
            yield _given(real, bound, made, (inner, made.sync_engine))
        return
    forks = {"sqlite": _sqlite, "postgresql": _postgresql}
    if bound.dialect.name not in forks:
        raise ConfigurationError(
            f"forks.engine knows SQLite and PostgreSQL, not {bound.dialect.name}; give the object a __fork__ "
            "method that puts an engine over a copy of the database in its place"
        )
    with forks[bound.dialect.name](bound) as made:
        try:
            yield _given(real, bound, made)
        finally:
            made.dispose()


def _given(real: Any, bound: Any, made: Any, *others: tuple[Any, Any]) -> Any:
    """What stands in for an engine or a maker of sessions; it stands in for the whole object's engine.

    Args:
        real: the engine or maker.
        bound, made: its engine, and that one's fork.
        others: engines inside them, and their forks.
    """
    for original, fork in ((bound, made), *others):
        vouch(original, fork)
        stand_in(original, fork)
    return made if real is bound else rebound(real, made)


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
            shared = Savepoints(connection)
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
