"""The journal's file: its tables, the rules that the database itself enforces, and its statements."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from artis_sdk.errors import JournalError
from artis_sdk.sqlite import turn_on_wal

_APPLICATION = 0x41525449  # "ARTI", so that no other program's database is taken for a journal
_VERSION = 5
_COMMITS_ONCE = """
    CREATE TRIGGER plan_commits_once BEFORE UPDATE ON plan
    WHEN old.ended IS NOT NULL OR new.owner != old.owner
    BEGIN
        SELECT RAISE(ABORT, 'a plan whose commit reached the world is not committed again')
        WHERE EXISTS (
            SELECT 1 FROM call JOIN plan AS part ON part.id = call.plan
            WHERE (part.id = old.id OR part.parent = old.id) AND reached_world
        ) AND NOT (
            coalesce(new.resumed = old.resumed + 1, 0)
            AND coalesce(old.ending, '') NOT IN ('finished', 'refused')
            AND NOT EXISTS (SELECT 1 FROM call WHERE plan = old.id AND state IN ('intent', 'unknown'))
            AND NOT EXISTS (
                SELECT 1 FROM call JOIN plan AS part ON part.id = call.plan
                WHERE part.parent = old.id AND reached_world
            )
        );
    END
    """
_FACTS_STAY = """
    CREATE TRIGGER call_facts
    BEFORE UPDATE OF plan, seq, tool, arguments, risk, idempotency_key, begun, within ON call
    BEGIN SELECT RAISE(ABORT, 'what was begun does not change'); END
    """
_IDENTITY = (
    "CREATE TABLE journal (id TEXT NOT NULL)",
    "INSERT INTO journal VALUES (lower(hex(randomblob(16))))",
)
_PRUNING = (
    "CREATE TABLE pruned (plan TEXT PRIMARY KEY NOT NULL, at REAL NOT NULL) WITHOUT ROWID",
    """
    CREATE TRIGGER pruned_is_over BEFORE INSERT ON pruned
    WHEN EXISTS (SELECT 1 FROM call WHERE plan = new.plan AND state IN ('intent', 'unknown'))
    BEGIN SELECT RAISE(ABORT, 'a call of this plan has no outcome'); END
    """,
    "CREATE TRIGGER pruned_stays BEFORE DELETE ON pruned BEGIN SELECT RAISE(ABORT, 'pruned'); END",
    """
    CREATE TRIGGER pruned_commits_no_more BEFORE INSERT ON plan
    WHEN EXISTS (SELECT 1 FROM pruned WHERE plan = new.id)
    BEGIN SELECT RAISE(ABORT, 'this plan was pruned'); END
    """,
    """
    CREATE TRIGGER call_stays BEFORE DELETE ON call
    WHEN NOT EXISTS (SELECT 1 FROM pruned WHERE plan = old.plan)
    BEGIN SELECT RAISE(ABORT, 'journaled'); END
    """,
    """
    CREATE TRIGGER plan_stays BEFORE DELETE ON plan
    WHEN NOT EXISTS (SELECT 1 FROM pruned WHERE plan = old.id)
    BEGIN SELECT RAISE(ABORT, 'journaled'); END
    """,
)
"""A plan's rows are deleted only after its id is kept as pruned, and that only once it is over."""
_DECISIONS = (
    """
    CREATE TABLE decision (
        plan TEXT NOT NULL,  -- may not have begun: it is approved before its commit
        at REAL NOT NULL,
        about TEXT NOT NULL CHECK (about IN ('plan', 'call', 'outcome')),
        verdict TEXT NOT NULL CHECK (verdict IN ('approved', 'rejected', 'edited', 'stopped')),
        by TEXT NOT NULL CHECK (trim(by) != ''),
        digest TEXT,
        expires REAL,
        tool TEXT,
        arguments TEXT,
        call TEXT,
        reason TEXT,
        CHECK ((about = 'plan') = (tool IS NULL))
    )
    """,
    "CREATE INDEX decision_plan ON decision (plan)",
    """
    CREATE TRIGGER decision_stands BEFORE UPDATE ON decision
    BEGIN SELECT RAISE(ABORT, 'a decision does not change'); END
    """,
    """
    CREATE TRIGGER decision_stays BEFORE DELETE ON decision
    WHEN NOT EXISTS (SELECT 1 FROM pruned WHERE plan = old.plan)
    BEGIN SELECT RAISE(ABORT, 'journaled'); END
    """,
)
"""Decisions are only added; a pruned plan's go with it."""
_CHANGES = ("ALTER TABLE decision ADD COLUMN change TEXT",)
"""What a decision changes in the calls that the plan stands for, as JSON."""
_SCHEMA = (
    """
    CREATE TABLE plan (
        id TEXT PRIMARY KEY NOT NULL,
        owner TEXT NOT NULL,
        host TEXT NOT NULL,
        process INTEGER NOT NULL,
        begun REAL NOT NULL,
        ended REAL,
        ending TEXT,
        parent TEXT REFERENCES plan (id),
        resumed INTEGER,  -- how often its commit went on; null where version 2 began it
        CHECK ((ended IS NULL) = (ending IS NULL))
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE call (
        plan TEXT NOT NULL REFERENCES plan (id),
        seq INTEGER NOT NULL CHECK (seq >= 0),
        tool TEXT NOT NULL,
        arguments TEXT NOT NULL,
        risk TEXT NOT NULL CHECK (risk IN ('read_only', 'reversible', 'irreversible')),
        idempotency_key TEXT,
        state TEXT NOT NULL
            CHECK (state IN ('intent', 'done', 'unknown', 'reconciled', 'not_executed')),
        outcome TEXT,
        begun REAL NOT NULL,
        ended REAL,
        reached_world INTEGER NOT NULL AS (risk != 'read_only' AND state != 'not_executed'),
        within INTEGER,  -- seq of the call in whose tool's body it was made
        settled_by TEXT,  -- who settled it by hand
        settled_why TEXT,
        PRIMARY KEY (plan, seq),
        CHECK ((outcome IS NOT NULL) = (state IN ('done', 'reconciled'))),
        CHECK ((ended IS NULL) = (state = 'intent')),
        CHECK (risk != 'read_only' OR state = 'done')
    )
    """,
    "CREATE INDEX call_open ON call (state) WHERE state IN ('intent', 'unknown')",
    """
    CREATE TRIGGER call_steps BEFORE UPDATE ON call
    WHEN NOT (
        (old.state = 'intent' AND new.state IN ('done', 'unknown', 'not_executed'))
        OR (old.state = 'unknown' AND new.state IN ('reconciled', 'not_executed'))
    )
    BEGIN SELECT RAISE(ABORT, 'a call that has ended does not change'); END
    """,
    _FACTS_STAY,
    """
    CREATE TRIGGER call_begins_first BEFORE INSERT ON call
    WHEN new.state != 'intent' AND new.risk != 'read_only'
    BEGIN SELECT RAISE(ABORT, 'a call that may change the world begins as an intent'); END
    """,
    """
    CREATE TRIGGER call_of_open_plan BEFORE INSERT ON call
    WHEN (SELECT ended FROM plan WHERE id = new.plan) IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'the commit of this plan is over'); END
    """,
    _COMMITS_ONCE,
    *_IDENTITY,
    *_PRUNING,
    *_DECISIONS,
    *_CHANGES,
)


_MIGRATIONS = {
    1: ("ALTER TABLE plan ADD COLUMN parent TEXT REFERENCES plan (id)",),
    2: (
        "ALTER TABLE plan ADD COLUMN resumed INTEGER",
        "ALTER TABLE call ADD COLUMN within INTEGER",
        "ALTER TABLE call ADD COLUMN settled_by TEXT",
        "ALTER TABLE call ADD COLUMN settled_why TEXT",
        "DROP TRIGGER plan_commits_once",
        _COMMITS_ONCE,
        "DROP TRIGGER call_facts",
        _FACTS_STAY,
        "DROP TRIGGER call_stays",
        "DROP TRIGGER plan_stays",
        *_IDENTITY,
        *_PRUNING,
    ),
    3: _DECISIONS,
    4: _CHANGES,
}
"""Statements that bring a file to the next version, by its version."""


def open_database(path: Path, *, timeout: float, any_thread: bool = False) -> sqlite3.Connection:
    """Open the journal's file in autocommit mode; make it if it is missing.

    Args:
        path: path of the file, readable by its owner only; its folder is made too.
        timeout: maximum wait for another process's lock, in seconds.
        any_thread: whether several threads may use the connection, one at a time.

    Raises:
        JournalError: the file is not a journal, or its file system cannot hold one.
        sqlite3.Error: the file cannot be read or written.
        OSError: the file or its folder cannot be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    connection = sqlite3.connect(
        path, timeout=timeout, isolation_level=None, check_same_thread=not any_thread
    )
    try:
        if new:  # not by a descriptor of our own: closing one drops every SQLite lock of this process
            path.chmod(0o600)
        if not turn_on_wal(connection, timeout):
            raise JournalError(
                f"{path}: its file system does not support SQLite's write-ahead log; use a local disk"
            )
        connection.execute("PRAGMA foreign_keys = ON")
        if not _is_journal(connection):
            connection.execute("BEGIN IMMEDIATE")
            _make_tables(connection, path)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_journal(connection: sqlite3.Connection) -> bool:
    return _version(connection) == _VERSION


def _version(connection: sqlite3.Connection) -> int | None:
    """Version of a journal's tables; None if the file is not a journal."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version) if application == _APPLICATION else None


def _make_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Make or migrate the tables, inside a transaction, so that only one of several processes does."""
    version = _version(connection)
    while version in _MIGRATIONS:
        for statement in _MIGRATIONS[version]:
            connection.execute(statement)
        version += 1
        connection.execute(f"PRAGMA user_version = {version}")
    if version == _VERSION:
        return
    if version is not None:
        raise JournalError(
            f"{path} is a commit journal of version {version}, and this artis_sdk knows up to {_VERSION}; "
            "update artis_sdk"
        )
    if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
        raise JournalError(f"{path} is not a commit journal of version {_VERSION}; give another file")
    for statement in _SCHEMA:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


SELECT_CALLS = """
SELECT call.plan, call.seq, call.tool, call.arguments, call.risk, call.idempotency_key,
       call.state, call.outcome, call.begun, call.ended, plan.host, plan.process, plan.parent, plan.owner,
       plan.ended IS NOT NULL, call.within, call.settled_by, call.settled_why
FROM call JOIN plan ON plan.id = call.plan
"""


INSERT_CALL = """
INSERT INTO call (plan, seq, tool, arguments, risk, idempotency_key, state, outcome, begun, ended, within)
SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM plan WHERE id = ? AND owner = ?
"""
"""Inserts nothing if the plan is not the owner's."""

MOVE_CALL = """
UPDATE call SET state = ?, outcome = ?, ended = ?, settled_by = ?, settled_why = ?
WHERE plan = ? AND seq = ? AND state = ?
"""

INSERT_DECISION = """
INSERT INTO decision (plan, at, about, verdict, by, digest, expires, tool, arguments, call, reason, change)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

SELECT_DECISIONS = """
SELECT plan, at, about, verdict, by, digest, expires, tool, arguments, call, reason, change FROM decision
"""
