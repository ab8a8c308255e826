"""Calls without an outcome are settled by a person: by hand, or asked before a commit."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, REDACT, intent, steps
from helpers.journals import Store
from helpers.loop import call
from helpers.unsettled import PAID, TOOLS, make, pay, session

from artis_sdk import Direct, Sequential, Session, guarded_tool
from artis_sdk.commit.approver import Asking, Reject, Settle
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.guard import Terms
from artis_sdk.commit.journal import CallState, CommitJournal
from artis_sdk.commit.recover import UNSET, recover, settle
from artis_sdk.contracts import Simulator
from artis_sdk.errors import CommitRefused, ConfigurationError, JournalError, UnknownOutcome
from artis_sdk.records import Attempt, Outcome, Plan, Provenance, Task

pytestmark = pytest.mark.usefixtures("nothing_paid")


@pytest.fixture
def journal(unsettled_journal: CommitJournal) -> CommitJournal:
    return unsettled_journal


# --- settled by hand --------------------------------------------------------------------------


@pytest.mark.parametrize(("done", "state"), [(True, CallState.RECONCILED), (False, CallState.NOT_EXECUTED)])
async def test_a_call_is_settled_by_hand_once(journal: CommitJournal, done: bool, state: CallState) -> None:
    call = await settle(journal, "dead:0", done=done, by="ann", why="the statement", redact=REDACT)
    assert (call.state, call.settled_by, call.settled_why) == (state, "ann", "the statement")
    assert (call.outcome is not None and call.outcome.ok) is done
    with pytest.raises(ConfigurationError, match="already settled"):
        await settle(journal, "dead:0", done=not done, by="bob", why="I think so", redact=REDACT)
    assert journal.calls() == [call]
    assert await recover(journal, (), redact=REDACT) == []


@pytest.mark.parametrize(
    ("call_id", "more", "says"),
    [
        ("dead:1", {}, "no call 'dead:1'"),
        ("nonsense", {}, "no call 'nonsense'"),
        ("dead:0", {"by": " "}, "who says so"),
        ("dead:0", {"why": ""}, "how they know"),
        ("dead:0", {"done": False, "value": None}, "no value"),
    ],
)
async def test_a_settlement_that_cannot_be_meant_is_refused(
    journal: CommitJournal, call_id: str, more: dict[str, Any], says: str
) -> None:
    given = {"done": True, "by": "ann", "why": "seen", "value": UNSET, **more}
    with pytest.raises(ConfigurationError, match=says):
        await settle(journal, call_id, redact=REDACT, **given)
    assert [call.state for call in journal.calls()] == [CallState.INTENT]


async def test_a_call_of_a_living_process_is_not_settled_by_hand(
    journal: CommitJournal, store: Store
) -> None:
    async with aclosing(store.open()) as living:
        await living.begin_plan("p")
        await living.begin(intent())
        with pytest.raises(ConfigurationError, match="is still running in process"):
            await settle(journal, "p:0", done=True, by="ann", why="seen", redact=REDACT)
        await living.finish(intent(), OK)


async def test_two_people_settle_at_once_and_the_first_answer_stays(
    journal: CommitJournal, store: Store
) -> None:
    async with aclosing(store.open()) as other:
        await asyncio.gather(
            settle(journal, "dead:0", done=True, by="ann", why="seen", value=1, redact=REDACT),
            settle(other, "dead:0", done=False, by="bob", why="not seen", redact=REDACT),
            return_exceptions=True,
        )
    (call,) = journal.calls()
    assert (call.state, call.settled_by) in [(CallState.RECONCILED, "ann"), (CallState.NOT_EXECUTED, "bob")]


async def test_the_secrets_of_a_value_given_by_hand_are_not_written(journal: CommitJournal) -> None:
    call = await settle(
        journal, "dead:0", done=True, by="ann", why="seen", value={"password": "hunter2222"}, redact=REDACT
    )
    assert "hunter2222" not in str(call)


async def test_a_session_settles_and_goes_on(store: Store) -> None:
    async with aclosing(store.open()) as journal:

        @guarded_tool(timeout=0.05)
        async def hang(to: str) -> int:
            """Hang."""
            await asyncio.sleep(30)
            return 1

        async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
            await pay("ann")
            return str(await hang("bob"))

        s = Session(agent=agent, tools=[pay, hang], strategy=Direct(), journal=journal)
        async with s:
            plan = await s.rehearse("go")
            with pytest.raises(UnknownOutcome) as raised:
                await s.commit(plan)
            assert raised.value.journal_id is not None
            with pytest.raises(CommitRefused, match="artis recover"):
                await s.commit(plan, resume=True)
            await s.settle(raised.value.journal_id, done=True, by="ann", why="seen", value=42)
            result = await s.commit(plan, resume=True)
        assert result.answer == "42"
        assert len(PAID) == 1


async def test_a_journal_that_cannot_be_read_refuses_a_commit(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"no journal, but a text of some length " * 200)
    async with session(path, "Hello.") as s:
        with pytest.raises(JournalError, match=r"journal\.db"):
            await s.rehearse("Hello.")


async def test_a_plan_that_was_made_inside_a_rehearsal_is_not_committed_for_real(tmp_path: Path) -> None:
    leaked: list[Plan] = []

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with session(tmp_path / "inner.db", [call("pay", to="ann")], "Paid.") as inner:
            leaked.append(await inner.rehearse("Pay ann."))
        return "planned"

    async with Session(
        agent=agent,
        tools=TOOLS,
        simulator=Says(),
        strategy=Sequential(1),
        evaluate=False,
        summarize=False,
        journal=tmp_path / "outer.db",
    ) as outer:
        await outer.rehearse("Plan.")
    assert not (tmp_path / "inner.db").exists()
    async with session(tmp_path / "inner.db", [call("pay", to="ann")], "Paid.") as s:
        with pytest.raises(CommitRefused, match="inside a rehearsal"):
            await s.commit(leaked[0])
    assert PAID == []


class Says(Simulator):
    """Predicts that all goes well."""

    async def predict(self, call: Any, state: Any, history: Any) -> Outcome:
        return Outcome.success(1, Provenance.SIMULATED)


# --- asking -----------------------------------------------------------------------------------


@pytest.mark.parametrize("foreseen", [False, True])
@pytest.mark.parametrize(
    ("answer", "paid", "state"),
    [
        (Settle(done=False, why="asked the bank", by="ann"), True, CallState.NOT_EXECUTED),
        (Settle(done=True, why="asked the bank", by="ann"), False, CallState.RECONCILED),
        (Reject(reason="who knows"), False, CallState.INTENT),
        (None, False, CallState.INTENT),
    ],
)
async def test_a_person_settles_the_twin_and_the_call_is_made_only_if_it_was_not_done(
    journal: CommitJournal, foreseen: bool, answer: Any, paid: bool, state: CallState
) -> None:
    asked: list[Any] = []

    async def ann(request: Any) -> Any:
        asked.append(request)
        return answer

    terms = Terms(asking=Asking(None if answer is None else ann))
    predicted = steps(pay={"to": "ann"}) if foreseen else ()
    attempts = (Attempt(index=0, steps=predicted),)
    plan = Plan(task=Task(query="q", tools=TOOLS.specs), strategy="sequential", attempts=attempts)
    world = RealWorld(journal, plan, redact=REDACT, on_unknown="ask", terms=terms)
    if paid:
        await make(world, ("pay", {"to": "ann"}))
    else:
        with pytest.raises(CommitRefused, match="was not called"):
            await make(world, ("pay", {"to": "ann"}))
    assert len(PAID) == paid
    (twin,) = journal.calls(plan="dead")
    assert twin.state is state
    if isinstance(answer, Settle):
        assert (twin.settled_by, twin.settled_why) == ("ann", "asked the bank")
    assert len(asked) == (answer is not None)
    assert all(request.twin.id == twin.id for request in asked)
