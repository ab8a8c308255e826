"""Connections of a fork of an async SQLAlchemy engine: over a copy of SQLite, or in a transaction."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from artis_sdk.errors import ConfigurationError
from artis_sdk.simulators.forks.contents import database
from artis_sdk.simulators.forks.files import backup
from artis_sdk.simulators.forks.making import check_after_calls, show_content, temporary_folder
from artis_sdk.simulators.forks.savepoints import Savepoints
from artis_sdk.simulators.seal import guard_attach, unsealed

Arguments = tuple[list[Any], dict[str, Any]]
"""Positional and named arguments that an engine passes to its driver."""


@contextmanager
def async_pool(real: Any, arguments_of: Callable[[Any], Arguments]) -> Iterator[Any]:
    """The pool of a fork. Its connections are opened by the attempt's own calls, and end with the attempt.

    Args:
        real: the `sqlalchemy.Engine` inside the async engine.
        arguments_of: function of such an engine.

    Raises:
        ConfigurationError: the driver is not known, or the database is in the memory of a connection that
            cannot be copied.
    """
    forks: dict[str, Callable[..., Iterator[Any]]] = {
        "aiosqlite": _sqlite,
        "asyncpg": _postgresql,
        "psycopg": _postgresql,
        "psycopg_async": _postgresql,
    }
    if real.dialect.driver not in forks:
        raise ConfigurationError(
            f"forks.engine knows the async drivers {', '.join(sorted(forks))}, not {real.dialect.driver}; "
            "give the object a __fork__ method that puts an engine over a copy of the database in its place"
        )
    with ExitStack() as opened:
        yield from forks[real.dialect.driver](real, arguments_of, opened)


def _sqlite(real: Any, arguments_of: Callable[[Any], Arguments], opened: ExitStack) -> Iterator[Any]:
    arguments, options = arguments_of(real)
    with temporary_folder() as folder:
        copy = folder / "copy.db"
        _copied(real, str(arguments[0]), options, copy)
        show_content("database", partial(database, copy))
        options |= {"check_same_thread": False, "uri": False}

        def connect(*_: Any) -> Any:
            made = real.dialect.connect(str(copy), *arguments[1:], **options)
            opened.callback(_end, made.driver_connection)
            guard_attach(made.driver_connection._conn)  # aiosqlite before 0.22 cannot be asked to do it
            return made

        pool = real.pool.recreate()
        pool._creator = connect
        yield pool


def _copied(real: Any, name: str, options: dict[str, Any], copy: Path) -> None:
    from sqlalchemy.pool import StaticPool

    if ":memory:" not in name and "mode=memory" not in name:
        with closing(sqlite3.connect(name, uri=bool(options.get("uri")))) as source:
            backup(source, copy)
        return
    if not isinstance(real.pool, StaticPool):
        raise ConfigurationError(
            "forks.engine: each connection of this async engine has a database of its own, in memory; make "
            "it with poolclass=StaticPool, or over a file"
        )
    record = vars(real.pool).get("connection")
    if record is not None:  # otherwise it was never used, and is empty
        with closing(sqlite3.connect(copy, check_same_thread=False)) as made:
            _finished(record.dbapi_connection.driver_connection.backup(made))


def _postgresql(real: Any, _: Callable[[Any], Arguments], opened: ExitStack) -> Iterator[Any]:
    from sqlalchemy.pool import StaticPool
    from sqlalchemy.util import await_only

    begun: list[Savepoints] = []
    turn = asyncio.Lock()

    def begin(*_: Any) -> Savepoints:
        # A pool asks again after it was disposed of, and for sessions side by side. In a second transaction
        # nothing of the first would be there, and its rows would stay locked.
        await_only(turn.acquire())
        try:
            if not begun:
                begun.append(connected())
            return begun[0]
        finally:
            turn.release()

    def connected() -> Savepoints:
        with unsealed():
            checked_out = real.raw_connection()
            connection = checked_out.dbapi_connection
            checked_out.detach()
        opened.callback(_end, connection.driver_connection)
        in_one_loop = real.dialect.driver == "asyncpg"
        loop = asyncio.get_running_loop() if in_one_loop else None
        return Savepoints(connection, around=unsealed, loop=loop)

    def check() -> None:
        for connection in begun:
            connection.check()

    check_after_calls(check)
    yield StaticPool(begin, dialect=real.dialect)


def _end(driver: Any) -> None:
    """End a driver's connection, outside of its event loop; a server rolls its transaction back."""
    if hasattr(driver, "terminate"):  # asyncpg, whose `close` needs that loop
        transport = driver._transport
        try:
            driver.terminate()
        except RuntimeError:  # the loop is closed, as after `asyncio.run` in a tool
            if getattr(transport, "_sock", None) is not None:
                transport._sock.close()
                transport._sock = None
    else:
        _finished(_closed(driver))


async def _closed(driver: Any) -> None:
    if hasattr(driver, "interrupt"):  # aiosqlite, whose thread goes on with a statement after its call
        with suppress(ValueError):  # it is closed
            await driver.interrupt()
    await driver.close()


def _finished(work: Coroutine[Any, Any, Any]) -> None:
    """Wait for a driver that needs no particular event loop. One may be running in this thread."""
    with ThreadPoolExecutor(1, "artis-fork") as pool:
        pool.submit(asyncio.run, work).result()
