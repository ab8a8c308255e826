"""The approver of a session, decisions in the journal, and the options of a commit."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from helpers.approved_payments import PAID, agent, rehearsed, session
from helpers.loop import call

from artis_sdk import guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.approval import approved
from artis_sdk.commit.approver import Approve, PlanRequest, Reject, Request
from artis_sdk.commit.journal import Decided, Decision, SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError, JournalError, NotApproved
from artis_sdk.records import History, Outcome, Plan, Provenance, State, ToolCall


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


# --- the approver of a session ----------------------------------------------------------------


async def test_run_asks_before_it_commits_and_holds_the_agent_to_the_plan(tmp_path: Path) -> None:
    asked: list[Request] = []

    async def ann(request: Request) -> Any:
        asked.append(request)
        assert PAID == []
        return Approve() if isinstance(request, PlanRequest) else Reject(reason="not eve")

    model = ScriptedBackend(
        [[call("pay", who="bob", amount=8)], "Paid.", [call("pay", who="eve", amount=8)], "Not."]
    )
    async with session(tmp_path, model, approve=ann) as running:
        result = await running.run("Pay bob.")
    plan, unforeseen = asked
    assert isinstance(plan, PlanRequest)
    assert (plan.mode, plan.plan.foreseen[0].call.arguments["who"]) == ("bound", "bob")
    assert unforeseen.call.arguments["who"] == "eve"  # type: ignore[union-attr]
    assert (PAID, result.ended, result.answer) == ([], "answer", "Not.")
    assert "rejected this call: not eve" in result.messages[1].content
    decisions = SQLiteJournal(tmp_path / "journal.db").decisions(plan=result.plan.id)
    assert [(one.about, one.verdict) for one in decisions] == [
        ("plan", Decided.APPROVED),
        ("call", Decided.REJECTED),
    ]
    assert all(one.by.endswith("ann") and one.digest == plan.plan.digest for one in decisions)


@pytest.mark.parametrize(
    ("answer", "why"), [(Reject(reason="too much"), "rejected it: too much"), ("yes", "not approved")]
)
async def test_a_plan_that_is_not_approved_is_not_committed(tmp_path: Path, answer: Any, why: str) -> None:
    async def ann(request: Request) -> Any:
        return answer

    async with session(tmp_path, agent("bob", "bob"), approve=ann) as running:
        with pytest.raises(NotApproved, match=why):
            await running.run("Pay bob.")
    assert PAID == []
    assert [one.verdict for one in SQLiteJournal(tmp_path / "journal.db").decisions()] == [
        Decided.REJECTED if isinstance(answer, Reject) else Decided.STOPPED
    ]


async def test_what_the_journal_has_as_approved_is_not_asked_again(tmp_path: Path) -> None:
    """The process ended between the approval and the commit."""
    asked: list[Request] = []

    async def ann(request: Request) -> Any:
        asked.append(request)
        return Approve()

    plan = await rehearsed(tmp_path)
    journal = SQLiteJournal(tmp_path / "journal.db")
    await journal.decide(
        Decision(plan=plan.id, at=1.0, about="plan", verdict=Decided.APPROVED, by="ann", digest=plan.digest)
    )
    await journal.aclose()
    async with session(tmp_path, agent("bob"), approve=ann) as committing:
        result = await committing.commit(plan)
    assert (asked, result.mode, PAID) == ([], "bound", [("bob", 8)])


async def test_an_approver_and_the_journal_see_no_secret(tmp_path: Path) -> None:
    seen: list[str] = []

    async def ann(request: Request) -> Any:
        seen.append(request.model_dump_json())
        return Approve()

    @guarded_tool
    def login(user: str, password: str) -> str:
        """Log in."""
        PAID.append((password, 1))
        return "in"

    given = call("login", user="ann", password="hunter-2-hunter")
    model = ScriptedBackend(
        [[given], "In.", [given.model_copy(update={"arguments": {**given.arguments, "user": "bob"}})], "In."]
    )

    class In(Simulator):
        async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
            return Outcome.success("in", Provenance.SIMULATED)

    async with session(tmp_path, model, tools=[login], simulator=In(), approve=ann) as running:
        await running.run("Log in.")
    assert PAID == [("hunter-2-hunter", 1)]
    assert len(seen) == 2
    assert "hunter-2" not in "".join(seen)
    assert b"hunter-2" not in (tmp_path / "journal.db").read_bytes()


async def test_the_digest_of_a_shown_plan_is_none_over_its_secrets(tmp_path: Path) -> None:
    """A short secret could be found from it by trying."""

    async def plan_with(pin: str) -> tuple[str | None, str | None]:
        path = tmp_path / pin
        async with session(path, agent("bob")) as rehearsing:
            plan = await rehearsing.rehearse(f"Pay bob, my password is {pin}")
            return plan.digest, rehearsing.saved(plan).digest

    whole, shown = await plan_with("4711-0815-x")
    assert whole != shown


async def test_a_plan_saved_without_its_secrets_is_approved_and_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("cryptography")
    from cryptography.fernet import Fernet

    monkeypatch.setenv("ARTIS_PLAN_KEY", Fernet.generate_key().decode())
    secret = "password is hunter-2-hunter"
    async with session(tmp_path, agent("bob")) as rehearsing:
        saved = rehearsing.saved(await rehearsing.rehearse(f"Pay bob, my {secret}."))
    assert saved.withheld is not None
    plan = approved(Plan.model_validate_json(saved.model_dump_json()), by="ann")
    async with session(tmp_path, agent("bob")) as committing:
        result = await committing.commit(plan)
    assert (result.mode, PAID) == ("bound", [("bob", 8)])
    assert secret in result.plan.task.query
    assert result.plan.approvals == plan.approvals


# --- decisions in the journal -----------------------------------------------------------------


async def test_nobody_changes_or_removes_a_decision(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    journal = SQLiteJournal(tmp_path / "journal.db")
    decision = Decision(plan="p", at=1.0, about="plan", verdict=Decided.REJECTED, by="ann", digest="d")
    await journal.decide(decision)
    await journal.aclose()
    with closing(sqlite3.connect(journal.path)) as connection:
        for statement in ("UPDATE decision SET verdict = 'approved'", "DELETE FROM decision"):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
    assert SQLiteJournal(journal.path).decisions() == [decision]
    assert SQLiteJournal(journal.path).decisions(plan="q") == []


async def test_a_decision_of_nobody_is_not_written(tmp_path: Path) -> None:
    journal = SQLiteJournal(tmp_path / "journal.db")
    with pytest.raises(JournalError):
        await journal.decide(
            Decision(plan="p", at=1.0, about="plan", verdict=Decided.APPROVED, by=" ", digest="d")
        )
    await journal.aclose()


# --- the options ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "bond"},
        {"on_unforeseen": "alow"},
        {"on_divergence": {"reversible": "never"}},
        {"on_unforeseen": {"dangerous": "stop"}},
    ],
)
async def test_a_misspelt_option_is_refused_before_anything_runs(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError, match="must be one of"):
        async with session(tmp_path, agent("bob"), **options):
            pass
    plan = await rehearsed(tmp_path)
    if "mode" in options:
        async with session(tmp_path, agent("bob")) as committing:
            with pytest.raises(ConfigurationError, match="must be one of guided, bound, replay, not 'bond'"):
                await committing.commit(plan, mode="bond")  # type: ignore[arg-type]
    assert PAID == []


@pytest.mark.parametrize(("value", "ended"), [('{"irreversible": "allow"}', "answer"), ("stop", "stopped")])
async def test_settings_hold_the_terms_of_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, ended: str
) -> None:
    monkeypatch.setenv("ARTIS_MODE", "bound")
    monkeypatch.setenv("ARTIS_ON_UNFORESEEN", value)
    plan = await rehearsed(tmp_path)
    async with session(tmp_path, agent("eve")) as committing:
        result = await committing.commit(plan)
    assert (result.ended, result.mode) == (ended, "bound")
    assert ([("eve", 8)] if ended == "answer" else []) == PAID


async def test_an_approver_whose_question_is_cancelled_has_not_answered(tmp_path: Path) -> None:
    """As where the page that showed the question was closed; the commit itself was not cancelled."""

    async def left(request: Request) -> Any:
        closed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        closed.cancel()
        return await closed

    plan = await rehearsed(tmp_path)
    async with session(tmp_path, agent("bob"), approve=left) as committing:
        with pytest.raises(NotApproved, match="what it waited for was cancelled"):
            await committing.commit(plan)
    assert PAID == []
    (decision,) = SQLiteJournal(tmp_path / "journal.db").decisions()
    assert (decision.verdict, decision.by) == (Decided.STOPPED, "nobody")


async def test_an_approver_that_shortens_a_tools_schema_for_its_page_changes_no_tool(tmp_path: Path) -> None:
    async def shortens(request: Request) -> Any:
        assert isinstance(request, PlanRequest)
        request.plan.task.tools[0].parameters.clear()
        return Approve(by="ann")

    plan = await rehearsed(tmp_path)
    schema = plan.task.tools[0].model_dump()["parameters"]
    assert schema
    async with session(tmp_path, agent("bob"), approve=shortens) as committing:
        result = await committing.commit(plan)
    assert plan.task.tools[0].parameters == result.plan.task.tools[0].parameters == schema
    assert PAID == [("bob", 8)]
