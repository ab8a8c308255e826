"""A whole plan that is edited: it is another plan, which needs its own approval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.bound_commits import answering
from helpers.edits import BOOKED, Desk, plan_of, said, session
from helpers.loop import call

from artis_sdk import Session, Toolset, guarded_tool
from artis_sdk.commit.approval import approved
from artis_sdk.commit.approver import (
    Approve,
    EditPlan,
    PlanRequest,
)
from artis_sdk.commit.journal import Decided, PlanChange, SQLiteJournal
from artis_sdk.errors import CommitRefused, ConfigurationError, NotApproved, PlanChanged
from artis_sdk.loop.foresee import bound
from artis_sdk.records import Attempt, Plan, Task, plan_digest
from artis_sdk.view.plan_rows import plan_rows, problems, result_rows


async def test_an_edited_plan_is_another_plan_that_needs_its_own_approval(tmp_path: Path) -> None:
    desk = Desk()
    plan = approved(plan_of(desk), by="bob")
    edit = EditPlan(removed=(2,), arguments={0: {"guest": "cy", "seats": 2}}, by="ann")
    async with session(desk, tmp_path) as editing:
        edited = await editing.edit(plan, edit)
        assert edited.digest == plan_digest(edited) != plan.digest
        assert (edited.id, edited.approvals) == (plan.id, ())
        assert [one.call.arguments for one in edited.foreseen] == [
            {"guest": "cy", "seats": 2},
            {"ticket": "T891"},
        ]
        assert edited.foreseen[0].edited_from == plan.foreseen[0].call
        with pytest.raises(NotApproved, match="edited by ann, and nobody approved it as it is now"):
            await editing.commit(edited)
        with pytest.raises(PlanChanged, match="of another plan"):
            await editing.commit(edited.model_copy(update={"approvals": plan.approvals}))
        assert desk.did == []
        result = await editing.commit(approved(edited, by="bob"))
    # The confirmed ticket is the real one of the edited booking.
    assert desk.did == [("book", "cy", 2), ("confirm", "X17", "none")]
    assert (result.ended, result.divergences, result.answer) == ("answer", (), None)
    assert [row.status for row in result_rows(result)] == ["edited", "as predicted"]


async def test_the_plan_as_it_was_before_its_edit_is_never_committed(tmp_path: Path) -> None:
    """Whoever brings it, even approved, gets the edited one."""
    desk = Desk()
    plan = plan_of(desk)
    async with session(desk, tmp_path) as editing:
        edited = await editing.edit(plan, EditPlan(removed=(2,), by="ann"))
    async with session(desk, tmp_path) as committing:
        with pytest.raises(NotApproved, match="edited by ann"):
            await committing.commit(approved(plan, by="eve"))
    ann, asked = answering(Approve(by="ann"))
    async with session(desk, tmp_path, approve=ann) as committing:
        result = await committing.commit(approved(plan, by="eve"))
    (request,) = asked
    assert isinstance(request, PlanRequest)
    assert request.plan.digest == edited.digest == result.plan.digest
    assert [tool for tool, *_ in desk.did] == ["book", "confirm"]


async def test_an_approver_that_edits_again_and_again_is_not_asked_for_ever(tmp_path: Path) -> None:
    desk = Desk()
    plan = plan_of(desk)
    asked: list[int] = []

    async def ann(request: Any) -> Any:
        asked.append(len(asked) + 1)
        return EditPlan(arguments={2: {"who": "bob", "amount": asked[-1]}})

    async with session(desk, tmp_path, approve=ann) as committing:
        with pytest.raises(NotApproved, match="edited it 20 times and never approved it"):
            await committing.commit(plan)
    assert desk.did == []
    assert len(asked) == 20
    eve, _ = answering(Approve(by="eve"))
    async with session(desk, tmp_path, approve=eve) as committing:
        await committing.commit(plan)
    assert desk.did[-1] == ("pay", "bob", 20)


async def test_an_approver_edits_a_plan_and_is_asked_about_it_as_it_is_then(tmp_path: Path) -> None:
    desk = Desk()
    plan = plan_of(desk)
    edit = EditPlan(arguments={2: {"who": "bob", "amount": 7}})
    ann, asked = answering(edit, Approve(by="ann"))
    async with session(desk, tmp_path, approve=ann) as committing:
        result = await committing.commit(plan)
    first, second = asked
    assert isinstance(first, PlanRequest)
    assert isinstance(second, PlanRequest)
    assert first.plan.digest == plan.digest != second.plan.digest
    assert desk.did[-1] == ("pay", "bob", 7)
    assert result.plan == second.plan
    decisions = SQLiteJournal(tmp_path / "journal.db").decisions()
    assert [(one.verdict, one.digest) for one in decisions] == [
        (Decided.EDITED, plan.digest),
        (Decided.APPROVED, second.plan.digest),
    ]
    assert decisions[0].change == PlanChange(after=0, removed=(), edited={2: {"who": "bob", "amount": 7}})
    assert (decisions[0].by.endswith("ann"), decisions[0].reason) == (True, "changed call 3")


async def test_an_agent_reads_the_edited_calls_and_is_held_to_them(tmp_path: Path) -> None:
    desk = Desk()
    async with session(desk, tmp_path) as editing:
        plan = await editing.edit(plan_of(desk), EditPlan(removed=(2,), by="ann"))
    assert plan.guidance is not None
    assert 'book(guest="ann")' in plan.guidance
    assert "pay" not in plan.guidance
    calls = call("book", guest="ann"), call("confirm", ticket="X17"), call("pay", who="bob", amount=8)
    async with session(desk, tmp_path, calls) as committing:
        result = await committing.commit(approved(plan, by="ann"))
    assert [tool for tool, *_ in desk.did] == ["book", "confirm"]
    assert (result.mode, result.ended) == ("bound", "answer")
    assert result.not_made[0].reason == "ann rejected this call: it is a call that was edited out of the plan"


async def test_a_removed_call_is_not_made_with_the_real_identifier_either(tmp_path: Path) -> None:
    desk = Desk()
    async with session(desk, tmp_path) as editing:
        plan = await editing.edit(plan_of(desk), EditPlan(removed=(1,), by="ann"))
    calls = call("book", guest="ann"), call("confirm", ticket="X17")
    async with session(desk, tmp_path, calls, on_unforeseen="allow") as committing:
        await committing.commit(approved(plan, by="ann"))
    assert [tool for tool, *_ in desk.did] == ["book"]


async def test_one_of_two_equal_calls_can_be_removed(tmp_path: Path) -> None:
    desk = Desk()
    async with session(desk, tmp_path) as editing:
        plan = await editing.edit(plan_of(desk, BOOKED[2], BOOKED[2]), EditPlan(removed=(0,), by="ann"))
    calls = [call("pay", who="bob", amount=8)] * 3
    async with session(desk, tmp_path, calls, on_unforeseen="allow") as committing:
        await committing.commit(approved(plan, by="ann"))
    assert desk.did == [("pay", "bob", 8)]


BAD = {
    "nothing": (EditPlan(), "changes nothing"),
    "the same": (EditPlan(arguments={0: {"guest": "ann", "seats": 1}}), "changes nothing"),
    "all": (EditPlan(removed=(0, 1, 2)), "leaves no call"),
    "an index": (EditPlan(removed=(3,)), "the plan has 3 calls, and none with the index 3"),
    "both": (EditPlan(removed=(2,), arguments={2: {"who": "x", "amount": 1}}), "do one of them"),
    "schema": (
        EditPlan(arguments={2: {"who": "bob", "amount": "much"}}),
        r"call 3 \(pay\) cannot have these",
    ),
    "unknown": (EditPlan(arguments={2: {"who": "bob", "sum": 1}}), r"call 3 \(pay\) cannot have these"),
    "identifier": (EditPlan(removed=(0,)), r"call 2 \(confirm\) takes an identifier from call 1 \(book\)"),
    "too early": (EditPlan(arguments={0: {"guest": "T891"}}), "no call before it has one"),
}


@pytest.mark.parametrize("what", BAD)
async def test_an_edit_that_does_not_fit_is_refused_before_anything_runs(tmp_path: Path, what: str) -> None:
    edit, why = BAD[what]
    desk = Desk()
    plan = plan_of(desk)
    async with session(desk, tmp_path) as editing:
        with pytest.raises(ConfigurationError, match=why):
            await editing.edit(plan, edit.model_copy(update={"by": "ann"}))
    ann, _ = answering(edit)
    async with session(desk, tmp_path, approve=ann) as committing:
        with pytest.raises(NotApproved, match=why):
            await committing.commit(plan)
    assert desk.did == []
    (decision,) = SQLiteJournal(tmp_path / "journal.db").decisions()
    assert (decision.verdict, decision.change) == (Decided.STOPPED, None)


async def test_an_edit_takes_a_name(tmp_path: Path) -> None:
    desk = Desk()
    async with session(desk, tmp_path) as editing:
        with pytest.raises(ConfigurationError, match="who makes it"):
            await editing.edit(plan_of(desk), EditPlan(removed=(2,)))


async def test_a_reference_may_be_edited_away_and_a_text_around_it_changed(tmp_path: Path) -> None:
    desk = Desk()
    steps = (BOOKED[0], said("pay", "paid", who="for T891", amount=8), BOOKED[1])
    async with session(desk, tmp_path) as editing:
        edit = EditPlan(
            arguments={1: {"who": "the house, for T891", "amount": 8}, 2: {"ticket": "X1"}}, by="ann"
        )
        plan = await editing.edit(plan_of(desk, *steps), edit)
        await editing.commit(approved(plan, by="ann"))
    assert desk.did == [("book", "ann", 1), ("pay", "the house, for X17", 8), ("confirm", "X1", "none")]


async def test_a_plan_is_edited_twice_and_a_page_says_all_of_it(tmp_path: Path) -> None:
    desk = Desk()
    async with session(desk, tmp_path) as editing:
        plan = await editing.edit(
            plan_of(desk), EditPlan(arguments={2: {"who": "bob", "amount": 7}}, by="ann")
        )
        plan = await editing.edit(plan, EditPlan(removed=(1,), by="cy"))
    assert [one.by for one in plan.edits] == ["ann", "cy"]
    assert [row.status for row in plan_rows(plan)] == ["foreseen", "edited"]
    page = plan.to_html()
    for words in ("ann edited 1 call", "cy edited 0 calls and removed confirm", "edited, it was pay(who="):
        assert words in page
    assert list(problems(plan)) == []


async def test_a_plan_whose_commit_has_begun_is_not_edited(tmp_path: Path) -> None:
    desk = Desk()
    plan = approved(plan_of(desk), by="ann")
    calls = call("book", guest="ann"), call("pay", who="eve", amount=1)
    async with session(desk, tmp_path, calls) as committing:
        assert (await committing.commit(plan)).ended == "stopped"
        with pytest.raises(CommitRefused, match="its commit has begun"):
            await committing.edit(plan, EditPlan(removed=(2,), by="ann"))


def contents(folder: Path) -> list[tuple[str, bytes]]:
    return [(file.name, file.read_bytes()) for file in folder.iterdir()]


async def test_secrets_of_an_edit_stay_out_of_the_journal_and_reach_the_tool(tmp_path: Path) -> None:
    sent: list[str] = []

    @guarded_tool
    def login(user: str, password: str) -> str:
        """Log in."""
        sent.append(password)
        return "in"

    tools = Toolset(login)
    step = said("login", "in", user="ann", password="hunter2-old-secret")
    task = Task(query="Log in.", tools=tools.specs)
    plan = Plan(task=task, strategy="sequential", attempts=(Attempt(index=0, steps=(step,), answer="In."),))
    plan = bound(plan, tools)
    new = "correct-horse-battery-77"
    edit = EditPlan(arguments={0: {"user": "ann", "password": new}}, by="ann")
    ann, asked = answering(edit, Approve(by="ann"))
    options: dict[str, Any] = {"tools": tools, "journal": tmp_path / "journal.db", "mode": "replay"}
    async with Session(**options, approve=ann) as committing:
        await committing.commit(plan)
    assert sent == [new]
    assert new not in repr(asked)
    assert not [name for name, held in contents(tmp_path) if new.encode() in held]
    # Another process cannot know it: the plan as it was before is refused, and nothing is sent.
    sent.clear()
    other = plan.model_copy(update={"id": "other"})
    other = other.model_copy(update={"digest": plan_digest(other)})
    async with Session(**options) as editing:
        await editing.edit(other, edit)
    async with Session(**options) as committing:
        with pytest.raises(CommitRefused, match="without their secrets"):
            await committing.commit(approved(other, by="ann"))
    assert sent == []
