"""The tables of the first version of an SQLite journal, as they were."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_TABLES = """
CREATE TABLE plan (
    id TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    host TEXT NOT NULL,
    process INTEGER NOT NULL,
    begun REAL NOT NULL,
    ended REAL,
    ending TEXT,
    CHECK ((ended IS NULL) = (ending IS NULL))
) WITHOUT ROWID;
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
    PRIMARY KEY (plan, seq),
    CHECK ((outcome IS NOT NULL) = (state IN ('done', 'reconciled'))),
    CHECK ((ended IS NULL) = (state = 'intent')),
    CHECK (risk != 'read_only' OR state = 'done')
);
CREATE INDEX call_open ON call (state) WHERE state IN ('intent', 'unknown');
CREATE TRIGGER call_steps BEFORE UPDATE ON call
WHEN NOT (
    (old.state = 'intent' AND new.state IN ('done', 'unknown', 'not_executed'))
    OR (old.state = 'unknown' AND new.state IN ('reconciled', 'not_executed'))
)
BEGIN SELECT RAISE(ABORT, 'a call that has ended does not change'); END;
CREATE TRIGGER call_facts
BEFORE UPDATE OF plan, seq, tool, arguments, risk, idempotency_key, begun ON call
BEGIN SELECT RAISE(ABORT, 'what was begun does not change'); END;
CREATE TRIGGER call_begins_first BEFORE INSERT ON call
WHEN new.state != 'intent' AND new.risk != 'read_only'
BEGIN SELECT RAISE(ABORT, 'a call that may change the world begins as an intent'); END;
CREATE TRIGGER call_of_open_plan BEFORE INSERT ON call
WHEN (SELECT ended FROM plan WHERE id = new.plan) IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the commit of this plan is over'); END;
CREATE TRIGGER plan_commits_once BEFORE UPDATE ON plan
WHEN old.ended IS NOT NULL OR new.owner != old.owner
BEGIN
    SELECT RAISE(ABORT, 'a plan whose commit reached the world is not committed again')
    WHERE EXISTS (SELECT 1 FROM call WHERE plan = old.id AND reached_world);
END;
CREATE TRIGGER call_stays BEFORE DELETE ON call BEGIN SELECT RAISE(ABORT, 'journaled'); END;
CREATE TRIGGER plan_stays BEFORE DELETE ON plan BEGIN SELECT RAISE(ABORT, 'journaled'); END;
"""
_ROWS = """
INSERT INTO plan VALUES ('over', 'gone', 'host', 7, 900.0, NULL, NULL);
INSERT INTO plan VALUES ('old', 'gone', 'host', 7, 1000.0, NULL, NULL);
INSERT INTO call (plan, seq, tool, arguments, risk, state, begun) VALUES
    ('over', 0, 'pay', '{"to": "ann"}', 'irreversible', 'intent', 910.0),
    ('old', 0, 'pay', '{"to": "bob"}', 'irreversible', 'intent', 1001.0);
UPDATE call SET state = 'done', outcome = '{"ok": true, "provenance": "real"}', ended = 920.0
    WHERE plan = 'over';
UPDATE plan SET ended = 950.0, ending = 'finished' WHERE id = 'over';
"""


def write_first_version(path: Path) -> None:
    """A journal of an artis_sdk that was killed in a call, after a commit that ended well."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(_TABLES + _ROWS)
        connection.execute("PRAGMA application_id = 1095914569")
        connection.execute("PRAGMA user_version = 1")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.commit()
