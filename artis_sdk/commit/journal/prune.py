"""Removing old plans from the journal's file."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

_PLANS = """
SELECT plan.id, plan.parent, max(
    coalesce(plan.ended, plan.begun),
    coalesce((SELECT max(coalesce(call.ended, call.begun)) FROM call WHERE call.plan = plan.id), 0)
) FROM plan
"""
"""Each plan, the plan around it, and the time of its last event."""
_FAMILY = """
WITH RECURSIVE part (id) AS (
    VALUES (:plan) UNION SELECT plan.id FROM plan JOIN part ON plan.parent = part.id
)
SELECT plan.id, plan.owner, plan.ended IS NULL,
       max(coalesce(plan.ended, plan.begun),
           coalesce((SELECT max(coalesce(call.ended, call.begun)) FROM call WHERE call.plan = plan.id), 0)),
       EXISTS (SELECT 1 FROM call WHERE call.plan = plan.id AND call.state IN ('intent', 'unknown'))
FROM part JOIN plan ON plan.id = part.id
"""
"""A plan and the plans committed within its commit: id, owner, whether its commit has not ended, time of
its last event, and whether it has an open call."""


def candidates(connection: sqlite3.Connection, before: float) -> list[str]:
    """Ids of outermost plans whose families had no event since a time; they may still be running.

    Args:
        before: time in seconds since the epoch.
    """
    return quiet_since(before, connection.execute(_PLANS))


def quiet_since(before: float, plans: Iterable[tuple[str, str | None, float]]) -> list[str]:
    """Ids of the outermost of some plans whose families had no event since a time.

    Args:
        before: time in seconds since the epoch.
        plans: each plan's id, the id of the plan around it, and the time of its last event.
    """
    rows = {plan: (parent, last) for plan, parent, last in plans}
    newest: defaultdict[str, float] = defaultdict(float)
    for plan, (_, last) in rows.items():
        root = plan
        while (parent := rows[root][0]) is not None:
            root = parent
        newest[root] = max(newest[root], last)
    return [root for root, last in newest.items() if last < before]


def remove(
    connection: sqlite3.Connection, roots: Sequence[str], before: float, alive: Callable[[str], bool]
) -> int:
    """Remove families of plans, each only if it is still over. Inside a transaction.

    Args:
        roots: plan ids from `candidates`.
        before: time in seconds since the epoch.
        alive: test whether an owner, by id, is alive.

    Returns:
        Number of plans removed.
    """
    removed = 0
    connection.execute("PRAGMA defer_foreign_keys = ON")  # a family's plans refer to each other
    for root in roots:
        family = connection.execute(_FAMILY, {"plan": root}).fetchall()
        if any(
            last >= before or has_open or (goes_on and alive(owner))
            for _, owner, goes_on, last, has_open in family
        ):
            continue
        for plan, *_ in family:
            connection.execute("INSERT INTO pruned VALUES (?, ?)", (plan, time.time()))
            connection.execute("DELETE FROM decision WHERE plan = ?", (plan,))
            connection.execute("DELETE FROM call WHERE plan = ?", (plan,))
            connection.execute("DELETE FROM plan WHERE id = ?", (plan,))
        removed += len(family)
    return removed
