"""The laws of a commit journal, on every store."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from helpers.commit import OK, intent
from helpers.journals import Store

from artis_sdk.commit.journal import REFUSED, CallState, CommitJournal, Intent, JournaledCall
from artis_sdk.errors import CommitRefused, JournalError
from artis_sdk.records import Outcome, Provenance, Risk


def only(journal: CommitJournal) -> JournaledCall:
    (call,) = journal.calls()
    return call


async def test_a_call_is_there_before_and_after_its_outcome(journal: CommitJournal) -> None:
    assert await journal.begin_plan("p") == 0
    assert await journal.begin(intent()) == "p:0"
    begun = only(journal)
    assert (begun.state, begun.outcome, begun.ended, begun.running) == (CallState.INTENT, None, None, True)
    assert (begun.tool, begun.arguments, begun.idempotency_key) == ("pay", {"to": "ann"}, "key-1")
    assert (begun.risk, begun.begun, begun.process) == (Risk.IRREVERSIBLE, 12.5, os.getpid())
    await journal.finish(intent(), OK)
    done = only(journal)
    assert (done.state, done.outcome, done.running) == (CallState.DONE, OK, False)
    assert done.ended is not None
    assert abs(done.ended - time.time()) < 60


async def test_a_failure_is_an_outcome_like_any_other(journal: CommitJournal) -> None:
    failed = Outcome.failure("NoMoney", "nothing left: ünïcode \x00", Provenance.REAL, raised=True)
    await journal.begin_plan("p")
    await journal.begin(intent())
    await journal.finish(intent(), failed)
    assert (only(journal).state, only(journal).outcome) == (CallState.DONE, failed)


async def test_a_call_is_begun_once(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    await journal.begin(intent())
    with pytest.raises(JournalError, match=r"UNIQUE|begun before"):
        await journal.begin(intent())
    await journal.finish(intent(), OK)
    with pytest.raises(JournalError, match=r"UNIQUE|begun before"):
        await journal.begin(intent())


async def test_a_call_ends_once(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    with pytest.raises(JournalError, match="already ended"):
        await journal.finish(intent(), OK)
    await journal.begin(intent())
    await journal.finish(intent(), OK)
    with pytest.raises(JournalError, match="already ended"):
        await journal.finish(intent(), Outcome.success("other", Provenance.REAL))
    assert only(journal).outcome == OK


async def test_a_call_belongs_to_a_plan_that_this_journal_commits(
    journal: CommitJournal, store: Store
) -> None:
    with pytest.raises(JournalError, match="not being committed by this journal"):
        await journal.begin(intent())
    await journal.begin_plan("p")
    other = store.open()
    with pytest.raises(JournalError, match="not being committed by this journal"):
        await other.begin(intent())
    await other.aclose()
    await journal.end_plan("p", "finished")
    with pytest.raises(JournalError, match="over"):
        await journal.begin(intent())
    assert journal.calls() == []


async def test_a_read_only_call_that_could_not_be_recorded_is_told_before_the_commit_is_over(
    journal: CommitJournal,
) -> None:
    await journal.begin_plan("p")
    await journal.finish(intent(0, risk=Risk.READ_ONLY), OK)
    await journal.finish(intent(0, risk=Risk.READ_ONLY), OK)
    with pytest.raises(JournalError, match="could not be recorded"):
        await journal.end_plan("p", "finished")
    assert [call.seq for call in journal.calls()] == [0]


async def test_a_call_left_without_an_outcome(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    for seq, state in ((0, CallState.UNKNOWN), (1, CallState.NOT_EXECUTED)):
        await journal.begin(intent(seq))
        journal.close_unobserved(intent(seq), state)
    await journal.end_plan("p", "stopped")
    assert [call.state for call in journal.calls()] == [CallState.UNKNOWN, CallState.NOT_EXECUTED]


async def check_refused(journal: CommitJournal, store: Store, reason: str) -> None:
    """The plan is refused here and in another process's journal."""
    other = store.open()
    for each in (journal, other):
        with pytest.raises(CommitRefused, match=reason):
            await each.begin_plan("p")
    await other.aclose()


async def test_a_plan_is_committed_once(journal: CommitJournal, store: Store) -> None:
    await journal.begin_plan("p")
    with pytest.raises(CommitRefused, match="still running"):
        await journal.begin_plan("p")
    await journal.begin(intent())
    await journal.end_plan("p", "finished")
    await check_refused(journal, store, "1 real call")


async def test_a_plan_whose_commit_changed_nothing_may_be_committed_again(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    journal.finish(intent(0, risk=Risk.READ_ONLY), OK)
    await journal.begin(intent(1))
    journal.close_unobserved(intent(1), CallState.NOT_EXECUTED)
    await journal.end_plan("p", "stopped")
    assert await journal.begin_plan("p") == 2
    await journal.begin(intent(2))
    await journal.finish(intent(2), OK)
    assert [call.state for call in journal.calls()] == [
        CallState.DONE,
        CallState.NOT_EXECUTED,
        CallState.DONE,
    ]


async def test_a_plan_whose_commit_a_refused_call_ended_is_closed_for_good(
    journal: CommitJournal, store: Store
) -> None:
    await journal.begin_plan("p")
    await journal.end_plan("p", REFUSED)
    await check_refused(journal, store, "refused call")


async def test_calls_of_a_commit_within_a_commit_count_as_that_ones(journal: CommitJournal) -> None:
    for plan, parent in (("p", None), ("q", "p"), ("r", "q")):
        await journal.begin_plan(plan, parent=parent)
    await journal.begin(intent(plan="r"))
    assert [(call.plan, call.parent) for call in journal.calls()] == [("r", "q")]
    for plan in ("r", "q", "p"):
        await journal.end_plan(plan, "finished")
        with pytest.raises(CommitRefused, match="1 real call"):
            await journal.begin_plan(plan)


async def test_what_a_cancelled_waiter_asked_for_is_written_all_the_same(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    waiting = asyncio.ensure_future(journal.begin(intent()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await journal.end_plan("p", "stopped")
    assert only(journal).state is CallState.INTENT


async def test_a_claim_whose_waiter_is_cancelled_is_given_back(journal: CommitJournal) -> None:
    waiting = asyncio.ensure_future(journal.begin_plan("p"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await journal.begin_plan("p") == 0
    refused = asyncio.ensure_future(journal.begin_plan("p"))
    await asyncio.sleep(0)
    refused.cancel()
    with pytest.raises(asyncio.CancelledError):
        await refused
    await journal.begin(intent())  # the claim that stands is not the one that was given up


async def test_a_value_that_is_no_json_is_refused_before_the_call(journal: CommitJournal) -> None:
    await journal.begin_plan("p")
    odd = Intent("p", 0, "pay", {"to": "\ud800"}, Risk.IRREVERSIBLE, None, 1.0)
    with pytest.raises(JournalError, match="cannot write"):
        await journal.begin(odd)
    assert journal.calls() == []


async def test_an_open_call_is_its_journals_until_that_is_closed(
    store: Store, journal: CommitJournal
) -> None:
    other = store.open()
    await other.begin_plan("p")
    await other.begin(intent())
    assert only(journal).running
    with pytest.raises(CommitRefused, match="1 real call"):
        await journal.begin_plan("p")
    await other.aclose()
    assert not only(journal).running
    await journal.abandon(only(journal))
    assert only(journal).state is CallState.UNKNOWN


async def test_a_call_in_a_thread_left_behind_runs_until_it_has_ended(
    store: Store, journal: CommitJournal
) -> None:
    other = store.open()
    await other.begin_plan("p")
    for seq in (0, 1):
        await other.begin(intent(seq))
        other.mark_running(intent(seq))
    other.finish_late(intent(0), OK)
    await other.end_plan("p", "stopped")
    assert [(call.state, call.outcome, call.running) for call in journal.calls()] == [
        (CallState.DONE, OK, False),
        (CallState.INTENT, None, True),
    ]
    await other.aclose()
    assert journal.calls()[1].running
    other.finish_late(intent(1), OK)  # the journal is closed: how it ended is lost
    last = journal.calls()[1]
    assert (last.state, last.outcome, last.running) == (CallState.INTENT, None, False)


async def test_a_closed_journal_takes_nothing_more(store: Store) -> None:
    journal = store.open()
    await journal.begin_plan("p")
    await journal.begin(intent())
    await journal.aclose()
    for request in (journal.begin_plan("q"), journal.begin(intent(1)), journal.end_plan("p", "")):
        with pytest.raises(JournalError, match="closed"):
            await request
    with pytest.raises(JournalError, match="closed"):
        await journal.finish(intent(), OK)
    journal.close_unobserved(intent(), CallState.NOT_EXECUTED)
    reader = store.open()
    assert only(reader).state is CallState.INTENT
    await reader.aclose()
    store.check_left()
