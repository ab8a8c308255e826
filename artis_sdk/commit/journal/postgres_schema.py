"""The journal in a PostgreSQL database: its tables, the rules that the server enforces, its statements."""

from __future__ import annotations

from artis_sdk.errors import JournalError
from artis_sdk.postgresql import Tables

SCHEMA = "artis_journal"
_VERSION = 1
_MAKING = 0x4152544953_00
"""Advisory lock of whoever makes or migrates the tables."""
_WRITING = 0x4152544953_01
"""Advisory lock of a transaction that writes: shared, or exclusive for what reads before it writes."""

_TABLES = """
CREATE TABLE artis_journal.journal (id text NOT NULL, version integer NOT NULL);
INSERT INTO artis_journal.journal VALUES (replace(gen_random_uuid()::text, '-', ''), 1);

CREATE TABLE artis_journal.plan (
    id text PRIMARY KEY,
    owner bigint NOT NULL,  -- key of the advisory lock that its session holds
    claim text NOT NULL,  -- a new one with each claim
    host text NOT NULL,
    process bigint NOT NULL,
    begun double precision NOT NULL,
    ended double precision,
    ending text,
    parent text REFERENCES artis_journal.plan (id) DEFERRABLE,
    resumed integer NOT NULL,  -- how often its commit went on
    CHECK ((ended IS NULL) = (ending IS NULL))
);
CREATE INDEX plan_parent ON artis_journal.plan (parent) WHERE parent IS NOT NULL;

CREATE TABLE artis_journal.call (
    n bigint GENERATED ALWAYS AS IDENTITY,  -- order in which they began
    plan text NOT NULL REFERENCES artis_journal.plan (id) DEFERRABLE,
    seq integer NOT NULL CHECK (seq >= 0),
    tool text NOT NULL,
    arguments text NOT NULL,
    risk text NOT NULL CHECK (risk IN ('read_only', 'reversible', 'irreversible')),
    idempotency_key text,
    state text NOT NULL CHECK (state IN ('intent', 'done', 'unknown', 'reconciled', 'not_executed')),
    outcome text,
    begun double precision NOT NULL,
    ended double precision,
    reached_world boolean NOT NULL
        GENERATED ALWAYS AS (risk != 'read_only' AND state != 'not_executed') STORED,
    within integer,  -- seq of the call in whose tool's body it was made
    settled_by text,  -- who settled it by hand
    settled_why text,
    PRIMARY KEY (plan, seq),
    CHECK ((outcome IS NOT NULL) = (state IN ('done', 'reconciled'))),
    CHECK ((ended IS NULL) = (state = 'intent')),
    CHECK (risk != 'read_only' OR state = 'done')
);
CREATE INDEX call_open ON artis_journal.call (plan) WHERE state IN ('intent', 'unknown');

CREATE TABLE artis_journal.pruned (plan text PRIMARY KEY, at double precision NOT NULL);

CREATE TABLE artis_journal.decision (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plan text NOT NULL,  -- may not have begun: it is approved before its commit
    at double precision NOT NULL,
    about text NOT NULL CHECK (about IN ('plan', 'call', 'outcome')),
    verdict text NOT NULL CHECK (verdict IN ('approved', 'rejected', 'edited', 'stopped')),
    by text NOT NULL CHECK (trim(by) != ''),
    digest text,
    expires double precision,
    tool text,
    arguments text,
    call text,
    reason text,
    change text,
    CHECK ((about = 'plan') = (tool IS NULL))
);
CREATE INDEX decision_plan ON artis_journal.decision (plan);

CREATE VIEW artis_journal.live_owner AS
SELECT (classid::bigint << 32) | objid::bigint AS id, pid FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND mode = 'ExclusiveLock'
AND database = (SELECT oid FROM pg_database WHERE datname = current_database());

CREATE FUNCTION artis_journal.enter(me bigint, alone boolean, known integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF alone THEN PERFORM pg_advisory_xact_lock(writing);
    ELSE PERFORM pg_advisory_xact_lock_shared(writing);
    END IF;
    IF NOT EXISTS (SELECT FROM artis_journal.journal WHERE version = known) THEN
        RAISE EXCEPTION 'the journal has been brought to another version than this session''s';
    END IF;
    IF NOT EXISTS (SELECT FROM artis_journal.live_owner WHERE id = me AND pid = pg_backend_pid()) THEN
        RAISE EXCEPTION 'this session does not hold the lock of its owner: a pooler has changed sessions';
    END IF;
END $$;

CREATE FUNCTION artis_journal.call_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF new.state != 'intent' AND new.risk != 'read_only' THEN
            RAISE EXCEPTION 'a call that may change the world begins as an intent';
        END IF;
        IF (SELECT ended FROM artis_journal.plan WHERE id = new.plan) IS NOT NULL THEN
            RAISE EXCEPTION 'the commit of this plan is over';
        END IF;
        RETURN new;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM artis_journal.pruned WHERE plan = old.plan) THEN
            RAISE EXCEPTION 'journaled';
        END IF;
        RETURN old;
    END IF;
    IF NOT (
        (old.state = 'intent' AND new.state IN ('done', 'unknown', 'not_executed'))
        OR (old.state = 'unknown' AND new.state IN ('reconciled', 'not_executed'))
    ) THEN
        RAISE EXCEPTION 'a call that has ended does not change';
    END IF;
    IF (new.n, new.plan, new.seq, new.tool, new.arguments, new.risk, new.begun)
            IS DISTINCT FROM (old.n, old.plan, old.seq, old.tool, old.arguments, old.risk, old.begun)
        OR (new.idempotency_key, new.within) IS DISTINCT FROM (old.idempotency_key, old.within)
    THEN
        RAISE EXCEPTION 'what was begun does not change';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER call_changes BEFORE INSERT OR UPDATE OR DELETE ON artis_journal.call
FOR EACH ROW EXECUTE FUNCTION artis_journal.call_changes();

CREATE FUNCTION artis_journal.plan_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF EXISTS (SELECT FROM artis_journal.pruned WHERE plan = new.id) THEN
            RAISE EXCEPTION 'this plan was pruned';
        END IF;
        RETURN new;
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM artis_journal.pruned WHERE plan = old.id) THEN
            RAISE EXCEPTION 'journaled';
        END IF;
        RETURN old;
    END IF;
    IF new.id != old.id THEN
        RAISE EXCEPTION 'a plan keeps its id';
    END IF;
    IF (old.ended IS NOT NULL OR new.owner != old.owner OR new.claim != old.claim) AND EXISTS (
        SELECT FROM artis_journal.call JOIN artis_journal.plan AS part ON part.id = call.plan
        WHERE (part.id = old.id OR part.parent = old.id) AND reached_world
    ) AND NOT (
        new.resumed = old.resumed + 1
        AND coalesce(old.ending, '') NOT IN ('finished', 'refused')
        AND NOT EXISTS (
            SELECT FROM artis_journal.call WHERE plan = old.id AND state IN ('intent', 'unknown')
        )
        AND NOT EXISTS (
            SELECT FROM artis_journal.call JOIN artis_journal.plan AS part ON part.id = call.plan
            WHERE part.parent = old.id AND reached_world
        )
    ) THEN
        RAISE EXCEPTION 'a plan whose commit reached the world is not committed again';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER plan_changes BEFORE INSERT OR UPDATE OR DELETE ON artis_journal.plan
FOR EACH ROW EXECUTE FUNCTION artis_journal.plan_changes();

CREATE FUNCTION artis_journal.pruned_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP != 'INSERT' THEN
        RAISE EXCEPTION 'pruned';
    END IF;
    IF EXISTS (
        SELECT FROM artis_journal.call WHERE plan = new.plan AND state IN ('intent', 'unknown')
    ) THEN
        RAISE EXCEPTION 'a call of this plan has no outcome';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER pruned_changes BEFORE INSERT OR UPDATE OR DELETE ON artis_journal.pruned
FOR EACH ROW EXECUTE FUNCTION artis_journal.pruned_changes();

CREATE FUNCTION artis_journal.decision_changes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        RAISE EXCEPTION 'a decision does not change';
    END IF;
    IF NOT EXISTS (SELECT FROM artis_journal.pruned WHERE plan = old.plan) THEN
        RAISE EXCEPTION 'journaled';
    END IF;
    RETURN old;
END $$;
CREATE TRIGGER decision_changes BEFORE UPDATE OR DELETE ON artis_journal.decision
FOR EACH ROW EXECUTE FUNCTION artis_journal.decision_changes();
""".replace("(writing)", f"({_WRITING})")

TABLES = Tables(
    holds="commit journal",
    schema=SCHEMA,
    about="journal",
    version=_VERSION,
    statements=_TABLES,
    migrations={},
    making=_MAKING,
    writing=_WRITING,
)


def other_version(name: str, version: int) -> JournalError:
    """The refusal of tables of another version that are not brought to this one.

    Args:
        name: name of the store.
        version: their version.
    """
    return JournalError(
        f"{name}: its journal is of version {version}, and this artis_sdk knows up to {TABLES.version}; "
        "update artis_sdk"
    )


NOW = "extract(epoch FROM clock_timestamp())::double precision"
"""The server's time, in seconds since the epoch."""

ENTER = f"SELECT set_config('synchronous_commit', %s, true), artis_journal.enter(%s, %s, {_VERSION})"

SELECT_VERSION = "SELECT version FROM artis_journal.journal"

SELECT_IDENTITY = """
SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()),
       (SELECT id FROM artis_journal.journal)
FROM pg_control_system()
"""

SELECT_CALLS = """
SELECT call.plan, call.seq, call.tool, call.arguments, call.risk, call.idempotency_key,
       call.state, call.outcome, call.begun, call.ended, plan.host, plan.process, plan.parent, plan.owner,
       plan.ended IS NOT NULL, call.within, call.settled_by, call.settled_why,
       plan.owner IN (SELECT id FROM artis_journal.live_owner)
FROM artis_journal.call JOIN artis_journal.plan ON plan.id = call.plan
"""
"""The locks are looked at after the rows: an owner without a lock is gone, and was not about to begin."""

INSERT_CALL = f"""
INSERT INTO artis_journal.call
    (seq, tool, arguments, risk, idempotency_key, state, outcome, begun, ended, within, plan)
SELECT %s, %s, %s, %s, %s, %s, %s, %s, CASE WHEN %s::double precision IS NOT NULL THEN {NOW} END, %s, id
FROM artis_journal.plan WHERE id = %s AND owner = %s AND ended IS NULL
ON CONFLICT DO NOTHING
"""
"""Inserts nothing if the plan is not the owner's, or is over, or the call began before."""

SELECT_OBSTACLE = """
SELECT owner = %s, ended IS NULL FROM artis_journal.plan WHERE id = %s
"""

MOVE_CALL = f"""
UPDATE artis_journal.call SET state = %s, outcome = %s, ended = {NOW}, settled_by = %s, settled_why = %s
WHERE plan = %s AND seq = %s AND state = %s
"""

END_PLAN = f"""
UPDATE artis_journal.plan SET ended = {NOW}, ending = %s
WHERE id = %s AND owner = %s AND ended IS NULL AND claim = coalesce(%s, claim)
"""

INSERT_DECISION = """
INSERT INTO artis_journal.decision
    (plan, at, about, verdict, by, digest, expires, tool, arguments, call, reason, change)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""

SELECT_DECISIONS = """
SELECT plan, at, about, verdict, by, digest, expires, tool, arguments, call, reason, change
FROM artis_journal.decision
"""
