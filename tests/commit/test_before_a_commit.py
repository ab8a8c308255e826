"""What a commit says before it does anything: whose journal this is, and what is unknown in it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import REDACT, make_world, steps
from helpers.journals import Store
from helpers.loop import call
from helpers.unsettled import PAID, TOOLS, left_open, make, session
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk import Toolset, guarded_tool
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CallState, CommitJournal
from artis_sdk.commit.recover import NotExecuted, recover, settle
from artis_sdk.errors import CommitRefused
from artis_sdk.logs import Redactor
from artis_sdk.records import Attempt, Outcome, Plan, Provenance, Task
from artis_sdk.records.redacted import is_redacted, may_be_same
from artis_sdk.records.same_call import same_value

pytestmark = pytest.mark.usefixtures("nothing_paid")


@pytest.fixture
def journal(unsettled_journal: CommitJournal) -> CommitJournal:
    return unsettled_journal


# --- twins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [CallState.INTENT, CallState.UNKNOWN])
async def test_the_twin_of_a_call_without_an_outcome_is_not_made(
    journal: CommitJournal, state: CallState
) -> None:
    if state is CallState.UNKNOWN:
        await journal.abandon(journal.calls()[0])
    world = make_world(journal)
    with pytest.raises(CommitRefused, match=r"pay was not called: .*\(dead:0, .*Run `artis recover`"):
        await make(
            world,
            ("pay", {"to": "bob"}),
            ("pay", {"to": "ann", "amount": 5}),
            ("pay", {"to": "eve"}),
        )
    assert [paid["to"] for paid in PAID] == ["bob"], "the commit went on after a refused call"
    assert len(world.notes) == 1
    assert "pay (dead:0)" in world.notes[0]


@pytest.mark.parametrize(
    "other", [{"to": "bob"}, {"to": "ann", "amount": 6}, {"to": "ann", "note": "x"}, {"to": "Ann"}]
)
async def test_other_calls_are_made_and_the_note_says_what_is_unknown(
    journal: CommitJournal, other: dict[str, Any]
) -> None:
    world = make_world(journal)
    await make(world, ("pay", other))
    assert len(PAID) == 1
    assert "artis recover" in world.notes[0]


async def test_with_note_the_twin_is_made_and_the_note_names_the_other(journal: CommitJournal) -> None:
    world = make_world(journal, on_unknown="note")
    await make(world, ("pay", {"to": "ann"}))
    assert len(PAID) == 1
    assert "pay (dead:0)" in world.notes[0]


async def test_a_plan_that_predicts_a_twin_is_refused_before_its_first_call(journal: CommitJournal) -> None:
    predicted = (*steps(pay={"to": "bob"}), *steps(pay={"to": "ann", "amount": 5, "note": ""}))
    plan = Plan(
        id="p", task=Task(query="q"), strategy="direct", attempts=(Attempt(index=0, steps=predicted),)
    )
    with pytest.raises(CommitRefused, match="dead:0"):
        await make(RealWorld(journal, plan, redact=REDACT), ("pay", {"to": "bob"}))
    assert PAID == []
    await settle(journal, "dead:0", done=False, by="ann", why="asked the bank", redact=REDACT)
    await make(RealWorld(journal, plan, redact=REDACT), ("pay", {"to": "bob"}), ("pay", {"to": "ann"}))
    assert len(PAID) == 2


async def test_settled_and_living_calls_have_no_twin(journal: CommitJournal, store: Store) -> None:
    async with aclosing(store.open()) as living:
        await living.begin_plan("p2")
        await living.begin(replace(left_open({"to": "bob", "amount": 5, "note": ""}), plan="p2"))
        await recover(
            journal, Toolset(guarded_tool(name="pay", reconcile=not_executed)(plain)), redact=REDACT
        )
        world = make_world(journal)
        await make(world, ("pay", {"to": "ann"}), ("pay", {"to": "bob"}))
        assert len(PAID) == 2
        assert world.notes == []
        running = replace(left_open({}), plan="p2")
        living.mark_running(running)
        await living.end_plan("p2", "stopped")  # a thread goes on with it, and no commit waits
        with pytest.raises(CommitRefused, match="p2:0"):
            await make(make_world(journal, "q"), ("pay", {"to": "bob"}))
        living.finish_late(running, Outcome.success("paid", Provenance.REAL))


def not_executed(call: Any, key: str | None) -> NotExecuted:
    return NotExecuted()


async def plain(to: str) -> None:
    """Never run."""


@pytest.mark.parametrize(("password", "refused"), [("hunter2222", True), ("an other one", True)])
async def test_redacted_arguments_are_compared_redacted(store: Store, password: str, refused: bool) -> None:
    """A placeholder differs from process to process, so that it may stand for any secret."""
    before = Redactor().redact_arguments(TOOLS["login"].spec, {"user": "ann", "password": "hunter2222"})
    assert is_redacted(before)
    async with aclosing(store.open()) as dead:
        await dead.begin_plan("dead")
        await dead.begin(left_open(before, tool="login"))
    async with aclosing(store.open()) as journal:
        await make(make_world(journal, "other"), ("login", {"user": "bob", "password": password}))
        with pytest.raises(CommitRefused, match="login was not called"):
            await make(make_world(journal), ("login", {"user": "ann", "password": password}))
    assert PAID == [{"user": "bob"}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def hide(value: Any, choose: Any) -> Any:
    if isinstance(value, dict):
        return {key: hide(item, choose) for key, item in value.items()}
    if isinstance(value, list):
        return [hide(item, choose) for item in value]
    if isinstance(value, str) and choose(st.booleans()):
        cut = choose(st.integers(0, len(value)))
        return value[:cut] + f"[redacted:{choose(st.integers(0, 2**32 - 1)):08x}]"
    return f"[redacted:{choose(st.integers(0, 2**32 - 1)):08x}]" if choose(st.booleans()) else value


@given(value=JSON, data=st.data())
def test_redaction_never_hides_a_twin(value: Any, data: st.DataObject) -> None:
    one, two = hide(value, data.draw), hide(value, data.draw)
    assert may_be_same(value, value)
    for a, b in ((value, one), (one, value)):
        assert may_be_same(a, b)
    assert may_be_same(one, two) or _cut_differently(one, two)


def _cut_differently(one: Any, two: Any) -> bool:
    """Two texts that were redacted in part, each elsewhere: as a rule one redactor cuts as the other does."""
    return is_redacted(one) and is_redacted(two)


@given(one=JSON, two=JSON)
def test_what_holds_no_placeholder_is_compared_exactly(one: Any, two: Any) -> None:
    assert may_be_same(one, two) is (repr(one) == repr(two) or same_value(one, two))


def test_a_long_text_with_many_placeholders_is_compared_in_linear_time() -> None:
    text = "[redacted:00000000]a" * 20_000
    assert not may_be_same(text, "a" * 400_000 + "b")
    assert may_be_same(text, "a" * 400_000)


# --- the plan's journal -----------------------------------------------------------------------


async def test_a_plan_is_committed_in_the_journal_of_its_session_only(tmp_path: Path) -> None:
    async with session(tmp_path / "one.db", [call("pay", to="ann")], "Paid.") as one:
        plan = Plan.model_validate_json((await one.rehearse("Pay ann.")).model_dump_json())
        assert plan.journal is not None
        assert str(tmp_path / "one.db") in plan.journal
        async with session(tmp_path / "two.db", [call("pay", to="ann")], "Paid.") as two:
            with pytest.raises(CommitRefused, match=r"one\.db.*two\.db"):
                await two.commit(plan)
        assert PAID == []
        await one.commit(plan)
    assert len(PAID) == 1
    shutil.copy(tmp_path / "one.db", tmp_path / "copy.db")
    async with session(tmp_path / "copy.db", [call("pay", to="ann")], "Paid.") as copied:
        with pytest.raises(CommitRefused, match=r"copy\.db"):
            await copied.commit(plan)


async def test_one_plan_is_not_committed_from_two_working_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan: Plan | None = None
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        for journal in (None, "journal.db"):
            async with session(journal, [call("pay", to="ann")], "Paid.") as each:
                if plan is None:
                    plan = await each.rehearse("Pay ann.")
                    await each.commit(plan)
                else:
                    with pytest.raises(CommitRefused):
                        await each.commit(plan)
    assert len(PAID) == 1


@pytest.mark.parametrize(
    ("setting", "argument", "made"),
    [(None, None, 0), ("note", None, 1), ("note", "refuse", 0), (None, "note", 1), ("refuse", "note", 1)],
)
async def test_the_argument_stands_above_the_setting(
    journal: CommitJournal,
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
    argument: Any,
    made: int,
) -> None:
    if setting is not None:
        monkeypatch.setenv("ARTIS_ON_UNKNOWN", setting)
    async with session(journal, [call("pay", to="ann")], "Paid.", on_unknown=argument) as s:
        plan = await s.rehearse("Pay ann.")
        if made:
            await s.commit(plan)
        else:
            with pytest.raises(CommitRefused, match="dead:0"):
                await s.commit(plan)
    assert len(PAID) == made


async def test_a_session_notes_what_is_unknown_in_plan_and_result(journal: CommitJournal) -> None:
    async with session(journal, [call("pay", to="bob")], "Paid.") as s:
        plan = await s.rehearse("Pay bob.")
        result = await s.commit(plan)
    assert ["pay (dead:0)" in note for note in (*plan.notes, *result.notes)] == [True, True]


@pytest.mark.slow
async def test_a_script_that_was_killed_in_a_payment_does_not_pay_again_when_it_is_started_again(
    tmp_path: Path,
) -> None:
    """SIGKILL inside the payment; the script starts again, twice, from another folder."""
    truth = tmp_path / "truth"
    for n, folder in enumerate(("a", "b", "c")):
        (tmp_path / folder).mkdir()
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "helpers.paying_child", str(truth), cwd=tmp_path / folder,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, errors = await child.communicate()
        if n == 0:
            assert child.returncode == -9
        else:
            assert child.returncode == 3, errors.decode()
            assert "artis recover" in out.decode()
    assert truth.read_text() == "paid\n"
