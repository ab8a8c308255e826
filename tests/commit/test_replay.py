"""A plan replayed: its calls in their order, without a model, with real identifiers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import found_by
from helpers.loop import call

from artis_sdk import Risk, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.approval import approved
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.errors import CommitRefused, ConfigurationError, PlanChanged
from artis_sdk.loop.foresee import bound
from artis_sdk.records import Attempt, Outcome, Plan, Provenance, Result, Step, Task


class Desk:
    """Real tools with real ticket numbers.

    Args:
        broken: tools that fail.
        fee: fee of a booking.
    """

    def __init__(self, *broken: str, fee: int = 2) -> None:
        self.did: list[tuple[str, ...]] = []
        numbers = itertools.count(17)

        @guarded_tool
        def book(guest: str) -> dict[str, Any]:
            """Book."""
            self.did.append(("book", guest))
            if "book" in broken:
                raise ValueError("the house is full")
            return {"ticket": f"X{next(numbers)}", "guest": guest, "fee": fee}

        @guarded_tool(risk=Risk.REVERSIBLE)
        async def confirm(ticket: str) -> dict[str, Any]:
            """Confirm."""
            self.did.append(("confirm", ticket))
            return {"confirmed": ticket}

        @guarded_tool
        def mail(text: str) -> str:
            """Mail."""
            self.did.append(("mail", text))
            return f"mailed {len(text)}"

        @guarded_tool(risk=Risk.READ_ONLY)
        def free(day: str) -> int:
            """Seats that are free."""
            self.did.append(("free", day))
            return 3

        self.tools = Toolset(book, confirm, mail, free)


def said(tool: str, value: Any, **arguments: Any) -> Step:
    return Step(call=call(tool, **arguments), outcome=Outcome.success(value, Provenance.SIMULATED))


BOOKED = (
    said("free", 3, day="monday"),
    said("book", {"ticket": "T891", "guest": "ann", "fee": 2}, guest="ann"),
    said("confirm", {"confirmed": "T891"}, ticket="T891"),
    said("mail", "mailed 17", text="Your seat: T891."),
)


def plan_of(desk: Desk, *steps: Step, **more: Any) -> Plan:
    more = {"attempts": (Attempt(index=0, steps=steps or BOOKED, answer="Done, ticket T891."),)} | more
    task = Task(query="A seat for ann on monday.", tools=desk.tools.specs)
    return bound(Plan(task=task, strategy="sequential", **more), desk.tools)


async def replayed(desk: Desk, plan: Plan, path: Path, **more: Any) -> Result:
    """In a session that has tools and a journal, and nothing else."""
    async with Session(tools=desk.tools, journal=path / "journal.db", mode="replay") as session:
        return await session.commit(plan, **more)


async def test_the_calls_are_made_in_their_order_with_real_identifiers_and_without_a_model(
    tmp_path: Path,
) -> None:
    desk = Desk()
    plan = plan_of(desk)
    result = await replayed(desk, approved(plan, by="ann"), tmp_path)
    assert desk.did == [
        ("free", "monday"),
        ("book", "ann"),
        ("confirm", "X17"),
        ("mail", "Your seat: X17."),
    ]
    assert (result.mode, result.ended, result.usage) == ("replay", "answer", {})
    assert [one.kind for one in result.calls] == ["foreseen"] * 4
    assert [one.diverged for one in result.calls] == [False, False, False, True]
    assert result.calls[1].predicted == BOOKED[1].outcome
    assert result.calls[1].expected is not None
    assert result.calls[1].expected.value == {"ticket": "X17", "guest": "ann", "fee": 2}
    assert result.missed == ()
    # The last outcome was another, so the rehearsal's answer may not be true.
    assert result.answer is None


async def test_the_answer_is_the_rehearsals_with_real_identifiers(tmp_path: Path) -> None:
    desk = Desk()
    result = await replayed(desk, plan_of(desk, *BOOKED[:3]), tmp_path)
    assert (result.answer, result.divergences) == ("Done, ticket X17.", ())


DIVERGED = {
    "another fee": (Desk(fee=9), ["free", "book"], "book: the call gave success"),
    "a failure": (Desk("book"), ["free", "book"], "book: the call gave ValueError"),
}


@pytest.mark.parametrize("what", DIVERGED)
async def test_the_first_divergence_stops_it_and_the_result_says_where(tmp_path: Path, what: str) -> None:
    desk, did, where = DIVERGED[what]
    result = await replayed(desk, plan_of(desk), tmp_path)
    assert [tool for tool, *_ in desk.did] == did
    assert (result.ended, result.answer) == ("stopped", None)
    assert f"the commit was stopped: {where}" in result.notes[-1]
    assert [one.call.tool for one in result.missed] == ["confirm", "mail"]


async def test_a_value_that_was_read_and_differs_stops_it_before_anything_changes(tmp_path: Path) -> None:
    desk = Desk()
    result = await replayed(desk, plan_of(desk, said("free", 1, day="monday"), *BOOKED[1:]), tmp_path)
    assert (desk.did, result.ended) == ([("free", "monday")], "stopped")


async def test_a_real_outcome_without_the_identifier_stops_it(tmp_path: Path) -> None:
    desk = Desk()
    given = said("book", {"ticket": "X99", "guest": "ann", "fee": 2, "seat": {"id": "S-1"}}, guest="ann")
    plan = plan_of(desk, given, said("confirm", {}, ticket="S-1"))
    async with Session(
        tools=desk.tools, journal=tmp_path / "journal.db", mode="replay", on_divergence="allow"
    ) as session:
        result = await session.commit(plan)
    assert (desk.did, result.ended) == ([("book", "ann")], "stopped")
    assert "refers to an identifier that no real outcome before it gave" in result.notes[-1]


async def test_an_agent_goes_on_from_where_a_replay_stopped(tmp_path: Path) -> None:
    desk = Desk(fee=9)
    plan = plan_of(desk)
    assert (await replayed(desk, plan, tmp_path)).ended == "stopped"
    model = ScriptedBackend([[call("confirm", ticket="X17")], "Confirmed, the fee is 9."])
    async with Session(
        agent=model, tools=desk.tools, journal=tmp_path / "journal.db", simulator="sandbox"
    ) as session:
        result = await session.commit(plan, mode="guided", resume=True)
        assert len(session.conversation) == 1 + len(result.messages)
    assert desk.did == [("free", "monday"), ("book", "ann"), ("confirm", "X17")]
    assert (result.answer, result.mode) == ("Confirmed, the fee is 9.", "guided")
    assert [one.kind for one in result.calls] == ["foreseen"] * 3


async def test_a_replay_goes_on_where_it_was_and_asks_the_model_nothing(tmp_path: Path) -> None:
    desk = Desk(fee=9)
    plan = plan_of(desk)
    assert (await replayed(desk, plan, tmp_path)).ended == "stopped"
    async with Session(
        tools=desk.tools, journal=tmp_path / "journal.db", mode="replay", on_divergence="allow"
    ) as session:
        result = await session.commit(plan, resume=True)
        with pytest.raises(CommitRefused, match="and finished"):
            await session.commit(plan, resume=True)
    assert desk.did == [
        ("free", "monday"),
        ("book", "ann"),
        ("confirm", "X17"),
        ("mail", "Your seat: X17."),
    ]
    assert result.ended == "answer"


async def test_the_same_call_twice_is_made_twice(tmp_path: Path) -> None:
    desk = Desk()
    steps = [said("confirm", {"confirmed": "A1b"}, ticket="A1b")] * 2
    result = await replayed(desk, plan_of(desk, *steps), tmp_path)
    assert desk.did == [("confirm", "A1b")] * 2
    assert [one.kind for one in result.calls] == ["foreseen", "foreseen"]


async def test_a_call_in_a_body_that_is_not_foreseen_is_stopped(tmp_path: Path) -> None:
    desk = Desk()

    @guarded_tool(risk=Risk.READ_ONLY)
    def audit(day: str) -> str:
        """Look, and mail somebody about it."""
        desk.tools["mail"](f"looked at {day}")
        return "fine"

    tools = Toolset(*desk.tools, audit)
    task = Task(query="Audit.", tools=tools.specs)
    attempts = (Attempt(index=0, steps=(said("audit", "fine", day="monday"),), answer="Fine."),)
    plan = bound(Plan(task=task, strategy="sequential", attempts=attempts), tools)
    async with Session(tools=tools, journal=tmp_path / "journal.db", mode="replay") as session:
        result = await session.commit(plan)
    assert (desk.did, result.ended) == ([], "stopped")
    assert [(one.call.tool, one.nested) for one in result.not_made] == [("mail", True)]


async def test_a_plan_that_follows_no_attempt_is_not_replayed(tmp_path: Path) -> None:
    desk = Desk()
    with pytest.raises(CommitRefused, match="follows no attempt, so there is nothing to replay"):
        await replayed(desk, plan_of(desk, attempts=()), tmp_path)
    with pytest.raises(CommitRefused, match="binds nothing"):
        await replayed(desk, plan_of(desk).model_copy(update={"digest": None}), tmp_path)
    with pytest.raises(PlanChanged):
        await replayed(desk, plan_of(desk).model_copy(update={"guidance": "eve"}), tmp_path)
    assert desk.did == []


async def test_an_attempt_without_calls_is_replayed_as_its_answer(tmp_path: Path) -> None:
    desk = Desk()
    plan = plan_of(desk, attempts=(Attempt(index=0, answer="Nothing to do."),))
    result = await replayed(desk, plan, tmp_path)
    assert (desk.did, result.answer, result.ended) == ([], "Nothing to do.", "answer")


async def test_a_session_without_an_agent_says_what_it_cannot_do(tmp_path: Path) -> None:
    desk = Desk()
    async with Session(tools=desk.tools, journal=tmp_path / "journal.db", mode="replay") as session:
        with pytest.raises(ConfigurationError, match="has no agent"):
            await session.commit(plan_of(desk), mode="guided")
    assert desk.did == []
    assert SQLiteJournal(tmp_path / "journal.db").calls() == []


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_replay_that_is_killed_at_every_boundary_goes_on(tmp_path: Path) -> None:
    """Between approval and commit, between any two calls, and within them; once more as it goes on."""
    found = await found_by("replay_child")
    assert found["boundaries"] > 100
    assert found["killed twice"] > 50
    assert found["gone on"] > 50
