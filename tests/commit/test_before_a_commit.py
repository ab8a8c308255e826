"""What a commit says before it does anything: whose journal this is, and what is unknown in it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, REDACT, intent, make_world, steps
from helpers.journals import Store
from helpers.loop import call
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk import Direct, Sequential, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import CallState, CommitJournal
from artis_sdk.commit.recover import UNSET, NotExecuted, recover, settle
from artis_sdk.contracts import Simulator
from artis_sdk.errors import CommitRefused, ConfigurationError, JournalError, UnknownOutcome
from artis_sdk.logs import Redactor
from artis_sdk.records import Attempt, Outcome, Plan, Provenance, Task
from artis_sdk.records.redacted import is_redacted, may_be_same

PAID: list[dict[str, Any]] = []


@guarded_tool
async def pay(to: str, amount: float = 5, note: str = "") -> int:
    """Pay."""
    PAID.append({"to": to, "amount": amount, "note": note})
    return len(PAID)


@guarded_tool
async def login(user: str, password: str) -> str:
    """Log in."""
    PAID.append({"user": user})
    return "in"


TOOLS = Toolset(pay, login)


@pytest.fixture(autouse=True)
def nothing_paid() -> None:
    PAID.clear()


@pytest.fixture
async def journal(store: Store) -> AsyncIterator[CommitJournal]:
    """A journal in which a process that was killed left a payment to ann open."""
    async with aclosing(store.open()) as dead:
        await dead.begin_plan("dead")
        await dead.begin(left_open({"to": "ann", "amount": 5, "note": ""}))
    async with aclosing(store.open()) as journal:
        yield journal


def left_open(arguments: dict[str, Any], *, tool: str = "pay") -> Any:
    return replace(intent(plan="dead"), tool=tool, arguments=arguments)


async def make(world: RealWorld, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Make calls as an agent that lets no error stop it; gives outcomes and errors."""
    async with world.open():
        return [
            await asyncio.gather(
                world.handle(TOOLS[tool].parse(call(tool, **arguments))), return_exceptions=True
            )
            for tool, arguments in calls
        ]


# --- twins ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [CallState.INTENT, CallState.UNKNOWN])
async def test_the_twin_of_a_call_without_an_outcome_is_not_made(
    journal: CommitJournal, state: CallState
) -> None:
    if state is CallState.UNKNOWN:
        await journal.abandon(journal.calls()[0])
    world = make_world(journal)
    with pytest.raises(CommitRefused, match=r"pay was not called: whether dead:0 .*Run `artis recover`"):
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
        living.mark_running(replace(left_open({}), plan="p2"))
        await living.end_plan("p2", "stopped")  # a thread goes on with it, and no commit waits
        with pytest.raises(CommitRefused, match="p2:0"):
            await make(make_world(journal, "q"), ("pay", {"to": "bob"}))


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
    assert may_be_same(one, two) is (repr(one) == repr(two) or equal(one, two))


def equal(one: Any, two: Any) -> bool:
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(equal(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(equal, one, two))
    return isinstance(one, bool) is isinstance(two, bool) and one == two


def test_a_long_text_with_many_placeholders_is_compared_in_linear_time() -> None:
    text = "[redacted:00000000]a" * 20_000
    assert not may_be_same(text, "a" * 400_000 + "b")
    assert may_be_same(text, "a" * 400_000)


# --- the plan's journal -----------------------------------------------------------------------


def session(journal: Any, *script: Any, **more: Any) -> Session:
    return Session(agent=ScriptedBackend(script), tools=TOOLS, strategy=Direct(), journal=journal, **more)


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


# --- settled by hand --------------------------------------------------------------------------


@pytest.mark.parametrize(("done", "state"), [(True, CallState.RECONCILED), (False, CallState.NOT_EXECUTED)])
async def test_a_call_is_settled_by_hand_once(journal: CommitJournal, done: bool, state: CallState) -> None:
    call = await settle(journal, "dead:0", done=done, by="ann", why="the statement", redact=REDACT)
    assert (call.state, call.settled_by, call.settled_why) == (state, "ann", "the statement")
    assert (call.outcome is not None and call.outcome.ok) is done
    with pytest.raises(ConfigurationError, match="settled already"):
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
        with pytest.raises(ConfigurationError, match="goes on in process"):
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
