"""A bound commit: no call that may change something is made unless the plan foresees it."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from helpers.bound_commits import RAN, SAYS, TOOLS, Makes, commits, plan_of, step
from helpers.commit import MEMORY, REDACT
from helpers.loop import call
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.guard import Terms, Treatments
from artis_sdk.commit.journal import CallState, CommitJournal, Decided, SQLiteJournal
from artis_sdk.errors import CommitStopped, UnknownOutcome
from artis_sdk.records import (
    Risk,
)
from artis_sdk.tools.world import entered

BODY = {"bundle": "pay", "peek": "hold"}
"""The guarded call in the body of each."""


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


# --- the law ----------------------------------------------------------------------------------

CALLS = st.lists(
    st.tuples(st.sampled_from(sorted(SAYS)), st.sampled_from(["ann", "bob"])), min_size=0, max_size=8
)


@given(foreseen=CALLS, inside=CALLS, made=CALLS, at_once=st.booleans())
def test_no_unforeseen_call_that_may_change_something_reaches_a_real_body(
    foreseen: list[tuple[str, str]],
    inside: list[tuple[str, str]],
    made: list[tuple[str, str]],
    at_once: bool,
) -> None:
    asyncio.run(check_law(foreseen, inside, made, at_once=at_once))


async def check_law(
    foreseen: list[tuple[str, str]],
    inside: list[tuple[str, str]],
    made: list[tuple[str, str]],
    *,
    at_once: bool,
) -> None:
    RAN.clear()
    plan = plan_of(
        *(step(tool, who=who) for tool, who in foreseen),
        nested=tuple(step(tool, who=who) for tool, who in inside),
    )
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        journal = SQLiteJournal(Path(folder) / "journal.db")
        world = RealWorld(journal, plan, redact=REDACT, terms=Terms(mode="bound", on_unforeseen="stop"))
        calls = [TOOLS[tool].parse(call(tool, who=who)) for tool, who in made]
        error: Exception | None = None
        try:
            async with world.open():
                with entered(world):
                    if at_once:
                        await asyncio.gather(*map(world.handle, calls), return_exceptions=True)
                    else:
                        for one in calls:
                            await asyncio.gather(world.handle(one), return_exceptions=True)
        except (CommitStopped, UnknownOutcome) as ended:
            error = ended
        decisions = journal.decisions()
        journaled = [one for one in journal.calls() if one.state is not CallState.NOT_EXECUTED]
        await journal.aclose()
    own, within = Counter(foreseen), Counter(inside)
    reached = Counter(RAN)
    for tool, who in reached:
        if TOOLS[tool].risk is not Risk.READ_ONLY:
            # Each foreseen call is used once, and one in a body is none of the agent's.
            assert reached[tool, who] <= own[tool, who] + within[tool, who]
    kept: Counter[tuple[bool, str, str]] = Counter()
    for there in journaled:
        kept[there.within is not None, there.tool, str(there.arguments["who"])] += 1
    for (nested, tool, who), count in kept.items():
        if TOOLS[tool].risk is not Risk.READ_ONLY:
            assert count <= (within if nested else own)[tool, who]
    assert sum(kept.values()) == len(RAN)
    if at_once:
        return
    # In turn, what is made is known: everything up to the first call that is not foreseen.
    for tool, who in made:
        if TOOLS[tool].risk is not Risk.READ_ONLY:
            if not own[tool, who]:
                break
            own[tool, who] -= 1
        body = BODY.get(tool)
        if body is not None:
            if not within[body, who]:
                break
            within[body, who] -= 1
    else:
        assert error is None
        assert decisions == []
        assert len([one for one in journaled if one.within is None]) == len(made)
        return
    assert error is not None
    assert [one.verdict for one in decisions] == [Decided.STOPPED]


# --- the kinds of calls -----------------------------------------------------------------------


async def test_each_call_has_its_kind_and_the_notes_name_what_is_new_and_what_is_missing(
    journal: CommitJournal,
) -> None:
    """The first input of the case: bob was approved, and eve is paid."""
    plan = plan_of(step("look", who="bob"), step("pay", who="bob", amount=8), step("hold", who="ann"))
    made = [call("pay", who="eve", amount=8000), call("bundle", who="eve"), call("look", who="bob")]
    result = await commits(journal, plan, *made, mode="guided")
    kinds = [(one.call.tool, one.kind, one.nested) for one in result.calls]
    assert kinds == [
        ("pay", "changed", False),
        ("bundle", "unforeseen", False),
        ("pay", "unforeseen", True),
        ("look", "foreseen", False),
    ]
    assert [one.diverged for one in result.calls] == [None, None, None, False]
    assert [one.call.tool for one in result.unforeseen] == ["pay", "bundle", "pay"]
    assert result.divergences == ()
    assert [one.call.arguments for one in result.missed] == [{"who": "bob", "amount": 8}, {"who": "ann"}]
    (note,) = [note for note in result.notes if note.startswith("made and not foreseen: ")]
    assert 'pay(who="eve", amount=8000)' in note
    assert (result.mode, result.ended) == ("guided", "answer")


async def test_a_bound_commit_stops_before_the_call_that_is_not_foreseen(journal: CommitJournal) -> None:
    plan = plan_of(step("pay", who="bob", amount=8), step("hold", who="ann"))
    agent = Makes(
        call("hold", who="ann"), call("pay", who="eve", amount=8000), call("pay", who="bob", amount=8)
    )
    result = await commits(journal, plan, agent=agent)
    assert RAN == [("hold", "ann")]
    assert (result.ended, result.answer) == ("stopped", None)
    (left_out,) = result.not_made
    assert (left_out.call.arguments, left_out.kind) == ({"who": "eve", "amount": 8000}, "changed")
    assert "on_unforeseen is `stop`" in left_out.reason
    assert [one.call.arguments["who"] for one in result.missed] == ["bob"]
    assert 'foreseen and not made: pay(who="bob", amount=8)' in result.notes
    assert result.notes[-1].startswith("the commit was stopped: pay: this call is changed and was not made")
    assert [type(got).__name__ for got in agent.got] == ["Outcome", "CommitStopped", "CommitStopped"]
    (decision,) = journal.decisions(plan=plan.id)
    assert (decision.about, decision.verdict, decision.by) == ("call", Decided.STOPPED, "nobody")
    assert (decision.tool, decision.arguments) == ("pay", {"who": "eve", "amount": 8000})
    assert decision.digest == plan.digest
    assert [one.tool for one in journal.calls()] == ["hold"]


async def test_the_same_call_twice_is_foreseen_once_unless_it_is_foreseen_twice(
    journal: CommitJournal,
) -> None:
    once = await commits(journal, plan_of(step("pay", who="bob")), *[call("pay", who="bob")] * 2)
    assert (RAN, once.ended) == ([("pay", "bob")], "stopped")
    RAN.clear()
    twice = await commits(journal, plan_of(*[step("pay", who="bob")] * 2), *[call("pay", who="bob")] * 2)
    assert (RAN, twice.ended) == ([("pay", "bob")] * 2, "answer")


async def test_written_defaults_and_another_order_of_keys_are_the_same_call(journal: CommitJournal) -> None:
    plan = plan_of(step("pay", who="bob"), step("pay", amount=1, who="ann"))
    calls = call("pay", amount=1, who="bob"), call("pay", who="ann")
    result = await commits(journal, plan, *calls)
    assert [one.kind for one in result.calls] == ["foreseen", "foreseen"]


async def test_unforeseen_reading_passes(journal: CommitJournal) -> None:
    result = await commits(
        journal, plan_of(step("pay", who="bob")), call("look", who="x"), call("pay", who="bob")
    )
    assert [one.kind for one in result.calls] == ["unforeseen", "foreseen"]
    assert (result.unforeseen, result.not_made, result.ended) == ((), (), "answer")


async def test_treatments_by_risk(journal: CommitJournal) -> None:
    by_risk: Treatments = {Risk.REVERSIBLE: "allow", Risk.IRREVERSIBLE: "stop"}
    plan = plan_of(step("look", who="x"))
    result = await commits(
        journal, plan, call("hold", who="ann"), call("pay", who="ann"), on_unforeseen=by_risk
    )
    assert (RAN, result.ended) == ([("hold", "ann")], "stopped")
    assert journal.decisions()[-1].tool == "pay"


async def test_a_call_in_a_body_that_is_foreseen_as_such_passes(journal: CommitJournal) -> None:
    plan = plan_of(step("bundle", who="ann"), nested=(step("pay", who="ann"),))
    result = await commits(journal, plan, call("bundle", who="ann"))
    assert [(one.kind, one.nested) for one in result.calls] == [("foreseen", False), ("foreseen", True)]
    # It is the body's, and none that the agent may make.
    RAN.clear()
    plan = plan_of(step("bundle", who="ann"), nested=(step("pay", who="ann"),))
    stopped = await commits(journal, plan, call("pay", who="ann"))
    assert (RAN, stopped.ended) == ([], "stopped")


async def test_a_body_whose_call_is_stopped_leaves_an_unknown_outcome(journal: CommitJournal) -> None:
    plan = plan_of(step("bundle", who="ann"))
    with pytest.raises(UnknownOutcome, match="bundle"):
        await commits(journal, plan, call("bundle", who="ann"))
    assert RAN == [("bundle", "ann")]
    assert [(one.tool, one.state) for one in journal.calls()] == [("bundle", CallState.UNKNOWN)]
