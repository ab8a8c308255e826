"""Claiming a plan, to commit it or to resume its commit: whether it is free, and the claim in a file."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable
from typing import Any, NamedTuple

from artis_sdk.commit.journal.call import FINISHED, REFUSED
from artis_sdk.errors import CommitRefused

_SELECT = """
WITH RECURSIVE part (id) AS (
    VALUES (:plan) UNION SELECT plan.id FROM plan JOIN part ON plan.parent = part.id
)
SELECT plan.owner, plan.ended, plan.ending, plan.resumed,
       (SELECT count(*) FROM call JOIN part ON part.id = call.plan WHERE call.reached_world),
       (SELECT count(*) FROM call WHERE call.plan = plan.id AND call.reached_world),
       (SELECT group_concat(call.tool || ' (' || call.plan || ':' || call.seq || ')', ', ')
        FROM call JOIN part ON part.id = call.plan WHERE call.state IN ('intent', 'unknown')),
       (SELECT coalesce(max(call.seq) + 1, 0) FROM call WHERE call.plan = plan.id)
FROM plan WHERE plan.id = :plan
"""
"""Commits of sessions within the plan's commit count as part of it."""


class Claim(NamedTuple):
    """A journal's claim to commit a plan."""

    plan: str
    parent: str | None
    owner: str
    begun: float
    """Seconds since the epoch."""


class HeldPlan(NamedTuple):
    """A plan with an earlier claim."""

    owner: Any
    ended: float | None
    ending: str | None
    resumed: int | None
    """Number of times its commit was resumed; None if begun by a version that could not resume."""
    reached: int
    """Number of calls that changed the world or may have, including those of commits within its commit."""
    own: int
    """Number of these calls that are its own."""
    unsettled: str | None
    """Names of its calls without an outcome, comma-separated; None if all have one."""
    next_seq: int


def claim(connection: sqlite3.Connection, new: Claim, *, resume: bool, alive: Callable[[str], bool]) -> int:
    """Claim a plan; see `CommitJournal.begin_plan`. Inside a transaction.

    Args:
        new: the claim.
        resume: whether to resume the commit after the plan's last call.
        alive: test whether an owner, by id, is alive.

    Returns:
        Sequence number of the first call.

    Raises:
        CommitRefused: the plan is not free; the message says why, and what to do.
    """
    row = connection.execute(_SELECT, {"plan": new.plan}).fetchone()
    now = (new.owner, socket.gethostname(), os.getpid(), new.begun, new.parent)
    if row is None:
        if connection.execute("SELECT 1 FROM pruned WHERE plan = ?", (new.plan,)).fetchone():
            raise pruned(new.plan)
        connection.execute(
            "INSERT INTO plan (owner, host, process, begun, parent, id, resumed)"
            " VALUES (?, ?, ?, ?, ?, ?, 0)",
            (*now, new.plan),
        )
        return 0
    held = HeldPlan(*row)
    goes_on = held.ended is None and alive(held.owner)
    check_free(new.plan, held, goes_on=goes_on, resume=resume)
    connection.execute(
        "UPDATE plan SET owner = ?, host = ?, process = ?, begun = ?, parent = ?,"
        " ended = NULL, ending = NULL, resumed = resumed + ? WHERE id = ?",
        (*now, 1 if held.reached else 0, new.plan),
    )
    return held.next_seq


def check_free(plan: str, held: HeldPlan, *, goes_on: bool, resume: bool) -> None:
    """Check that a plan with an earlier claim may be claimed again.

    Args:
        plan: id of the plan.
        held: what the journal has about it.
        goes_on: whether its commit has not ended, and its owner lives.
        resume: whether to resume its commit.

    Raises:
        CommitRefused: it may not; the message says why, and what to do.
    """
    if held.ending == REFUSED:
        raise CommitRefused(plan, "a refused call ended its commit; fix the agent and rehearse again")
    if held.reached:
        problem = _against_resuming(held, goes_on, resume)
        if problem is not None:
            raise CommitRefused(plan, f"its commit has already made {held.reached} real calls{problem}")
    if goes_on:
        raise CommitRefused(plan, "its commit is still running")


def pruned(plan: str) -> CommitRefused:
    """The refusal of a plan that was pruned."""
    return CommitRefused(plan, "it was committed and pruned from the journal; rehearse again")


def _against_resuming(held: HeldPlan, goes_on: bool, resume: bool) -> str | None:
    """Reason why a plan that made real calls is not committed now; None if its commit may be resumed."""
    if goes_on:
        return ", and is still running"
    if held.unsettled:
        return f", and the outcome of {held.unsettled} is not known: run `artis recover` or session.recover()"
    if held.ending == FINISHED:
        return " and finished; rehearse again"
    if held.own < held.reached:
        inside = held.reached - held.own
        return f", {inside} of them in nested sessions, which cannot be resumed; rehearse again"
    if held.resumed is None:
        return " under an earlier version of artis_sdk; rehearse again"
    return (
        None
        if resume
        else " and was interrupted; rehearse again, or resume it with artis run --plan FILE --resume, or "
        "commit(plan, resume=True)"
    )
