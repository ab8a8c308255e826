"""Claiming plans in a PostgreSQL database, and removing old ones."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

from artis_sdk.commit.journal.claim import HeldPlan, check_free, pruned
from artis_sdk.commit.journal.postgres_schema import NOW
from artis_sdk.commit.journal.prune import quiet_since

if TYPE_CHECKING:
    import psycopg

_PART = """
WITH RECURSIVE part (id) AS (
    VALUES (%(plan)s::text)
    UNION SELECT plan.id FROM artis_journal.plan JOIN part ON plan.parent = part.id
)
"""
"""A plan and the plans committed within its commit."""
_SELECT = f"""
{_PART}
SELECT plan.owner, plan.ended, plan.ending, plan.resumed,
       (SELECT count(*) FROM artis_journal.call JOIN part ON part.id = call.plan WHERE call.reached_world),
       (SELECT count(*) FROM artis_journal.call WHERE call.plan = plan.id AND call.reached_world),
       (SELECT string_agg(call.tool || ' (' || call.plan || ':' || call.seq || ')', ', ' ORDER BY call.n)
        FROM artis_journal.call JOIN part ON part.id = call.plan WHERE call.state IN ('intent', 'unknown')),
       (SELECT coalesce(max(call.seq) + 1, 0) FROM artis_journal.call WHERE call.plan = plan.id)
FROM artis_journal.plan WHERE plan.id = %(plan)s
"""
_INSERT = f"""
INSERT INTO artis_journal.plan (owner, claim, host, process, parent, begun, resumed, id)
VALUES (%s, %s, %s, %s, %s, {NOW}, 0, %s)
"""
_TAKE_OVER = f"""
UPDATE artis_journal.plan SET owner = %s, claim = %s, host = %s, process = %s, parent = %s, begun = {NOW},
    ended = NULL, ending = NULL, resumed = resumed + %s
WHERE id = %s
"""
_LAST = """
greatest(coalesce(plan.ended, plan.begun),
         (SELECT max(coalesce(call.ended, call.begun)) FROM artis_journal.call WHERE call.plan = plan.id))
"""
_FAMILY = f"""
{_PART}
SELECT plan.id,
       plan.ended IS NULL AND plan.owner IN (SELECT id FROM artis_journal.live_owner),
       {_LAST},
       EXISTS (
           SELECT FROM artis_journal.call WHERE call.plan = plan.id AND call.state IN ('intent', 'unknown')
       )
FROM part JOIN artis_journal.plan ON plan.id = part.id
"""


def claim_plan(
    connection: psycopg.Connection, plan: str, parent: str | None, *, owner: int, token: str, resume: bool
) -> int:
    """Claim a plan; see `CommitJournal.begin_plan`. Inside a transaction that writes alone.

    Args:
        plan: id of the plan.
        parent: id of the plan whose commit contains this one's.
        owner: key of the owner's advisory lock.
        token: name of this claim.
        resume: whether to resume the commit after the plan's last call.

    Returns:
        Sequence number of the first call.

    Raises:
        CommitRefused: the plan is not free.
    """
    now = (owner, token, socket.gethostname(), os.getpid(), parent)
    # The owner is looked up before the calls: once it is gone, it begins no more of them.
    alive = connection.execute(
        "SELECT owner IN (SELECT id FROM artis_journal.live_owner) FROM artis_journal.plan WHERE id = %s",
        (plan,),
    ).fetchone()
    if alive is None:
        if connection.execute("SELECT 1 FROM artis_journal.pruned WHERE plan = %s", (plan,)).fetchone():
            raise pruned(plan)
        connection.execute(_INSERT, (*now, plan))
        return 0
    held = HeldPlan(*connection.execute(_SELECT, {"plan": plan}).fetchone())
    check_free(plan, held, goes_on=held.ended is None and alive[0], resume=resume)
    connection.execute(_TAKE_OVER, (*now, 1 if held.reached else 0, plan))
    return held.next_seq


def candidates_for_pruning(connection: psycopg.Connection, before: float) -> list[str]:
    """Ids of outermost plans whose families had no event since a time; they may still be running."""
    return quiet_since(
        before, connection.execute(f"SELECT plan.id, plan.parent, {_LAST} FROM artis_journal.plan")
    )


def remove_plans(connection: psycopg.Connection, roots: Sequence[str], before: float) -> int:
    """Remove families of plans, each only if it is still over. Inside a transaction that writes alone.

    Args:
        roots: plan ids from `candidates_for_pruning`.
        before: time in seconds since the epoch.

    Returns:
        Number of plans removed.
    """
    over: list[str] = []
    for root in roots:
        family = connection.execute(_FAMILY, {"plan": root}).fetchall()
        if not any(runs or last >= before or has_open for _, runs, last, has_open in family):
            over += [plan for plan, *_ in family]
    connection.execute("SET CONSTRAINTS ALL DEFERRED")  # a family's plans refer to each other
    connection.execute(
        f"INSERT INTO artis_journal.pruned SELECT unnest(%s::text[]), {NOW}",
        (over,),
    )
    for table, column in (("decision", "plan"), ("call", "plan"), ("plan", "id")):
        connection.execute(f"DELETE FROM artis_journal.{table} WHERE {column} = ANY(%s)", (over,))
    return len(over)
