"""A call that the approver edits: it is the foreseen one, and the original cannot run."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from helpers.bound_commits import answering
from helpers.commit import REDACT
from helpers.edits import BOOKED, Desk, plan_of, said, session
from helpers.loop import call

from artis_sdk import Direct, Session
from artis_sdk.commit.approval import approved
from artis_sdk.commit.approver import (
    Approve,
    Asking,
    CallRequest,
    Edit,
    EditPlan,
    Reject,
    Request,
)
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.guard import Terms
from artis_sdk.commit.journal import CallChange, Decided, SQLiteJournal
from artis_sdk.records import Plan, Result
from artis_sdk.view.plan_rows import result_rows

# --- a call -----------------------------------------------------------------------------------


async def edited_call(desk: Desk, path: Path, edit: dict[str, Any], *model: Any) -> tuple[Result, Any]:
    """A bound commit of an agent that pays bob 8000, which ann edits."""
    ann, asked = answering(Edit(arguments=edit, by="ann"), Reject(reason="no", by="ann"))
    calls = model or (call("pay", who="bob", amount=8000),)
    plan = plan_of(desk, BOOKED[2])
    async with session(desk, path, calls, approve=ann, mode="bound") as committing:
        return await committing.commit(approved(plan, by="ann")), asked


async def test_an_edited_call_is_the_foreseen_one(tmp_path: Path) -> None:
    desk = Desk()
    result, _ = await edited_call(desk, tmp_path, {"who": "bob", "amount": 80})
    (made,) = result.calls
    assert desk.did == [("pay", "bob", 80)]
    assert (made.kind, made.approved_by, made.predicted, made.diverged) == ("foreseen", "ann", None, None)
    assert made.edited_from is not None
    assert made.edited_from.arguments == {"who": "bob", "amount": 8000}
    assert (result.unforeseen, result.missed, result.ended) == ((), (), "answer")
    assert [(one.call.arguments["amount"], one.reason) for one in result.not_made] == [
        (8000, 'ann edited it: pay(who="bob", amount=80)')
    ]
    assert not [note for note in result.notes if "not foreseen" in note or "foreseen and not made" in note]
    decision = SQLiteJournal(tmp_path / "journal.db").decisions()[-1]
    assert (decision.verdict, decision.arguments) == (Decided.EDITED, {"who": "bob", "amount": 8000})
    assert decision.change == CallChange(
        place=0, nested=False, kind="foreseen", arguments={"who": "bob", "amount": 80}
    )
    assert decision.digest == result.plan.digest
    rows = result_rows(result)
    assert [(row.status, row.odd) for row in rows] == [("edited", False), ("not made", True)]
    assert rows[0].notes == ('edited by ann, it was pay(who="bob", amount=8000)',)
    assert "edited" in str(result)


async def test_an_edit_to_the_foreseen_call_has_its_prediction(tmp_path: Path) -> None:
    result, _ = await edited_call(Desk(), tmp_path, {"who": "bob", "amount": 8})
    (made,) = result.calls
    assert (made.kind, made.diverged, made.edited_from) == ("foreseen", False, None)
    assert (result.missed, result.unforeseen) == ((), ())


async def test_the_original_cannot_run_after_its_edit_nor_can_the_foreseen_one(tmp_path: Path) -> None:
    desk = Desk()
    original, planned = call("pay", who="bob", amount=8000), call("pay", who="bob", amount=8)
    edited = call("pay", who="bob", amount=80)
    result, asked = await edited_call(
        desk, tmp_path, dict(edited.arguments), original, original, planned, edited
    )
    assert desk.did == [("pay", "bob", 80)]
    # The last is asked about, because the edited call is foreseen once: ann says no.
    assert [type(one) for one in asked] == [CallRequest, CallRequest]
    told = [one.reason for one in result.not_made]
    assert told[1:] == ["ann rejected this call: it is a call that was edited out of the plan"] * 2 + [
        "ann rejected this call: no"
    ]


async def test_an_allowed_unforeseen_call_is_not_made_if_it_was_edited_out(tmp_path: Path) -> None:
    """`allow` is about calls that nobody decided on."""
    desk = Desk()
    plan = plan_of(desk, *BOOKED[2:], said("read_mail", "x", box="ann"))
    async with session(desk, tmp_path) as editing:
        plan = await editing.edit(
            plan, EditPlan(removed=(1,), arguments={0: {"who": "bob", "amount": 7}}, by="ann")
        )
    calls = (call("pay", who="bob", amount=8), call("read_mail", box="ann"), call("pay", who="eve", amount=1))
    async with session(desk, tmp_path, calls, mode="guided") as committing:
        result = await committing.commit(approved(plan, by="ann"))
    assert desk.did == [("pay", "eve", 1)]
    assert len(result.not_made) == 2


async def test_an_edited_call_that_fails_diverges_from_the_success_that_was_foreseen(tmp_path: Path) -> None:
    desk = Desk()
    async with session(desk, tmp_path) as editing:
        edit = EditPlan(arguments={0: {"guest": "ann", "seats": 10}}, by="ann")
        plan = await editing.edit(plan_of(desk), edit)
        result = await editing.commit(approved(plan, by="ann"))
    assert desk.did == [("book", "ann", 10)]
    assert (result.ended, result.calls[0].diverged) == ("stopped", True)
    assert "book: the call gave ValueError" in result.notes[-1]


async def test_two_calls_at_once_do_not_stand_in_one_place(tmp_path: Path) -> None:
    """Both were asked for in the place of the one foreseen call, and edited while the other waited."""
    desk = Desk()
    amounts = iter((20, 30))

    async def ann(request: Request) -> Any:
        await asyncio.sleep(0.01)
        return Edit(arguments={"who": "bob", "amount": next(amounts)}, by="ann")

    plan = plan_of(desk, BOOKED[2])
    journal = SQLiteJournal(tmp_path / "journal.db")
    terms = Terms(mode="bound", asking=Asking(ann), digest=plan.digest)
    world = RealWorld(journal, plan, redact=REDACT, terms=terms)
    async with world.open():
        await asyncio.gather(*(world.handle(desk.tools["pay"].bind("bob", n)) for n in (2, 3)))
    assert sorted(desk.did) == [("pay", "bob", 20), ("pay", "bob", 30)]
    assert [one.change.place for one in journal.decisions() if isinstance(one.change, CallChange)] == [
        0,
        None,
    ]
    assert world.guard.foreseen.left == ()
    await journal.aclose()


# --- a commit that goes on --------------------------------------------------------------------


class Killed(BaseException):
    """The process ends here."""


async def broken_off(desk: Desk, path: Path, plan: Plan, *calls: Any, answers: list[Any]) -> None:
    """A bound commit whose process ends at the approver's last question."""
    left = list(answers)

    async def ann(request: Request) -> Any:
        if not left:
            raise Killed
        return left.pop(0)

    with pytest.raises(BaseException) as ended:
        async with session(desk, path, calls, approve=ann, mode="bound") as committing:
            await committing.commit(plan)
    assert "Killed" in repr(ended.getrepr())


async def test_a_replay_that_goes_on_knows_what_was_edited(tmp_path: Path) -> None:
    """Else the foreseen call would be made beside the one that was put in its place."""
    desk = Desk()
    plan = approved(plan_of(desk, BOOKED[2], said("pay", "paid", who="cy", amount=1)), by="ann")
    calls = call("pay", who="bob", amount=9), call("book", guest="eve")
    await broken_off(
        desk, tmp_path, plan, *calls, answers=[Edit(arguments={"who": "bob", "amount": 7}, by="ann")]
    )
    assert desk.did == [("pay", "bob", 7)]
    async with session(desk, tmp_path) as replaying:
        result = await replaying.commit(plan, resume=True)
    assert desk.did == [("pay", "bob", 7), ("pay", "cy", 1)]
    assert [(one.kind, one.approved_by) for one in result.calls] == [("foreseen", "ann"), ("foreseen", None)]
    assert result.calls[0].edited_from is not None
    assert result.calls[0].edited_from.arguments == {"who": "bob", "amount": 9}
    assert result.answer is None  # the rehearsal's is of the call that was not made


async def test_a_replay_that_goes_on_does_not_make_what_another_call_was_approved_for(tmp_path: Path) -> None:
    desk = Desk()
    plan = approved(plan_of(desk, BOOKED[2], said("pay", "paid", who="cy", amount=1)), by="ann")
    calls = call("pay", who="bob", amount=9), call("book", guest="eve")
    await broken_off(desk, tmp_path, plan, *calls, answers=[Approve(by="ann")])
    async with session(desk, tmp_path) as replaying:
        result = await replaying.commit(plan, resume=True)
    assert desk.did == [("pay", "bob", 9), ("pay", "cy", 1)]
    assert [(one.kind, one.approved_by) for one in result.calls] == [("changed", "ann"), ("foreseen", None)]


async def test_an_own_agent_that_asks_again_gets_the_edited_calls_outcome(tmp_path: Path) -> None:
    desk = Desk()
    plan = approved(plan_of(desk, BOOKED[2]), by="ann")
    got: list[Any] = []
    dies = True

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        got.append(desk.tools["pay"]("bob", 8000))
        if dies:
            raise Killed
        return "Paid."

    ann, asked = answering(Edit(arguments={"who": "bob", "amount": 80}, by="ann"))
    options: dict[str, Any] = {"agent": agent, "tools": desk.tools, "journal": tmp_path / "journal.db"}
    options |= {"strategy": Direct(), "approve": ann}
    with pytest.raises(Killed):
        async with Session(**options) as committing:
            await committing.commit(plan)
    dies = False
    async with Session(**options) as committing:
        result = await committing.commit(plan, resume=True)
    assert (desk.did, got, result.answer) == ([("pay", "bob", 80)], ["paid", "paid"], "Paid.")
    assert len(asked) == 1
