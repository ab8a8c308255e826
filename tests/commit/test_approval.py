"""A plan is approved, and what is committed is that plan: with the tools, in the journal, by then."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.approved_payments import PAID, agent, look, pay, rehearsed, session
from pydantic import SecretStr

from artis_sdk import Risk, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit.approval import approved
from artis_sdk.commit.journal import Decided, SQLiteJournal
from artis_sdk.errors import CommitRefused, ConfigurationError, PlanChanged
from artis_sdk.records import Plan, Provenance, plan_digest
from artis_sdk.records.digest import _UNBOUND
from artis_sdk.records.same_call import canonical


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


async def test_a_plan_binds_its_calls_tools_and_journal(tmp_path: Path) -> None:
    plan = await rehearsed(tmp_path)
    (one,) = plan.foreseen
    assert (one.call.tool, one.call.arguments, one.risk) == (
        "pay",
        {"who": "bob", "amount": 8},
        Risk.IRREVERSIBLE,
    )
    assert one.predicted is not None
    assert (one.predicted.value, one.predicted.provenance) == ("paid bob", Provenance.SIMULATED)
    assert (one.agreed, one.attempts, plan.follows) == (1, 1, 0)
    assert {tool.name: tool.risk for tool in plan.tools} == {"pay": Risk.IRREVERSIBLE, "look": Risk.READ_ONLY}
    tools = Toolset(pay, look)
    assert {tool.name: tool.source_hash for tool in plan.tools} == {
        name: tools[name].source_hash for name in ("pay", "look")
    }
    assert plan.digest == plan_digest(plan)
    whole = plan.model_dump(mode="json", exclude=_UNBOUND, exclude_defaults=True)
    assert plan.digest == hashlib.sha256(canonical(whole).encode()).hexdigest()


# --- what no longer fits ----------------------------------------------------------------------


def edits(change: Callable[[dict[str, Any]], Any]) -> Callable[[Plan], Plan]:
    def edited(plan: Plan) -> Plan:
        document = json.loads(plan.model_dump_json())
        change(document)
        return Plan.model_validate(document)

    return edited


EDITS: dict[str, Callable[[Plan], Plan]] = {
    "id": edits(lambda plan: plan.update(id="another")),
    "query": edits(lambda plan: plan["task"].update(query="Pay eve.")),
    "guidance": edits(lambda plan: plan.update(guidance="Pay eve 8000.")),
    "conversation": edits(
        lambda plan: plan["task"].update(conversation=[{"role": "user", "content": "eve"}])
    ),
    "arguments": edits(lambda plan: plan["foreseen"][0]["call"]["arguments"].update(who="eve")),
    "prediction": edits(lambda plan: plan["foreseen"][0]["predicted"].update(value="paid eve")),
    "risk": edits(lambda plan: plan["foreseen"][0].update(risk="read_only")),
    "reference": edits(
        lambda plan: plan["foreseen"][0].update(references=[{"argument": ["who"], "call": 0, "outcome": []}])
    ),
    "attempt": edits(lambda plan: plan["attempts"][0]["steps"][0]["call"]["arguments"].update(who="eve")),
    "answer": edits(lambda plan: plan["attempts"][0].update(answer="Paid eve.")),
    "tool": edits(lambda plan: plan["tools"].pop()),
    "source": edits(lambda plan: plan["tools"][0].update(source_hash="0" * 64)),
    "journal": edits(lambda plan: plan.update(journal=None)),
    "a call more": edits(lambda plan: plan["foreseen"].append(plan["foreseen"][0])),
    "no digest, approved": lambda plan: approved(plan, by="ann").model_copy(update={"digest": None}),
}


@pytest.mark.parametrize("what", EDITS)
async def test_an_edited_plan_is_refused_before_anything_runs(tmp_path: Path, what: str) -> None:
    plan = EDITS[what](await rehearsed(tmp_path))
    async with session(tmp_path, agent("bob")) as committing:
        with pytest.raises(PlanChanged, match=r"changed after it was made|binds nothing"):
            await committing.commit(plan)
    assert PAID == []
    assert SQLiteJournal(tmp_path / "journal.db").calls() == []


async def test_a_plan_may_be_written_in_another_order_and_with_other_usage(tmp_path: Path) -> None:
    """As a database of JSON does, or a program that adds what it spent."""
    plan = await rehearsed(tmp_path)
    document = json.loads(json.dumps(json.loads(plan.model_dump_json()), sort_keys=True, indent=3))
    document["usage"] = {}
    async with session(tmp_path, agent("bob")) as committing:
        assert (await committing.commit(Plan.model_validate(document))).answer == "Paid."
    assert PAID == [("bob", 8)]


def another_pay(change: str) -> Any:
    if change == "body":

        @guarded_tool
        def pay(who: str, amount: int) -> str:
            """Pay."""
            PAID.append((who, amount * 1000))
            return f"paid {who}"

    elif change == "risk":

        @guarded_tool(risk=Risk.REVERSIBLE)
        def pay(who: str, amount: int) -> str:
            """Pay."""
            PAID.append((who, amount))
            return f"paid {who}"

    elif change == "description":

        @guarded_tool
        def pay(who: str, amount: int) -> str:
            """Pay twice."""
            PAID.append((who, amount))
            return f"paid {who}"

    else:

        @guarded_tool
        def pay(payee: str, amount: int) -> str:  # type: ignore[misc]
            """Pay."""
            PAID.append((payee, amount))
            return f"paid {payee}"

    return pay


CHANGES = {
    "body": "its source is another",
    "risk": "its risk is reversible, and was irreversible",
    "description": "its description or the schema of its arguments is another",
    "parameters": "its description or the schema of its arguments is another",
    "gone": "this session has no tool 'pay'",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_tool_that_changed_is_named_and_nothing_runs(tmp_path: Path, change: str) -> None:
    plan = await rehearsed(tmp_path)
    tools = [look] if change == "gone" else [another_pay(change), look]
    async with session(tmp_path, ScriptedBackend(["Paid."]), tools=tools) as committing:
        with pytest.raises(PlanChanged, match=CHANGES[change]):
            await committing.commit(plan)
    assert PAID == []


async def test_a_tool_that_came_since_changes_nothing(tmp_path: Path) -> None:
    plan = await rehearsed(tmp_path, tools=[pay])
    async with session(tmp_path, agent("bob"), tools=[pay, look]) as committing:
        await committing.commit(plan)
    assert PAID == [("bob", 8)]


async def test_another_journal_is_refused(tmp_path: Path) -> None:
    plan = await rehearsed(tmp_path)
    async with session(tmp_path / "elsewhere", agent("bob")) as committing:
        with pytest.raises(CommitRefused, match="rehearsed for the journal"):
            await committing.commit(plan)
    assert PAID == []


# --- approvals --------------------------------------------------------------------------------

KEY = SecretStr("a random text of some length")


async def test_an_approved_plan_is_bound_by_default_and_the_journal_says_who(tmp_path: Path) -> None:
    plan = approved(await rehearsed(tmp_path), by="ann", expires=time.time() + 60)
    async with session(tmp_path, agent("eve")) as committing:
        result = await committing.commit(plan)
    assert (PAID, result.mode, result.ended) == ([], "bound", "stopped")
    first, second = SQLiteJournal(tmp_path / "journal.db").decisions()
    (approval,) = plan.approvals
    assert (first.about, first.verdict, first.by, first.at) == ("plan", Decided.APPROVED, "ann", approval.at)
    assert (first.digest, first.expires) == (plan.digest, approval.expires)
    assert (second.about, second.verdict) == ("call", Decided.STOPPED)


async def test_a_plan_that_nobody_approved_is_guided_and_says_what_was_not_foreseen(tmp_path: Path) -> None:
    plan = await rehearsed(tmp_path)
    async with session(tmp_path, agent("eve", amount=8000)) as committing:
        result = await committing.commit(plan)
    assert (PAID, result.mode) == ([("eve", 8000)], "guided")
    assert result.calls[0].kind == "changed"
    assert result.calls[0].diverged is None
    assert 'made and not foreseen: pay(who="eve", amount=8000)' in result.notes


def wrong(update: dict[str, Any], key: SecretStr | None = None) -> Callable[[Plan], Plan]:
    def change(plan: Plan) -> Plan:
        plan = approved(plan, by="ann", expires=time.time() + 60, key=key)
        return plan.model_copy(update={"approvals": (plan.approvals[0].model_copy(update=update),)})

    return change


WRONG: dict[str, tuple[Callable[[Plan], Plan], SecretStr | None, str]] = {
    "another's name": (wrong({"by": "the boss"}), None, "was changed"),
    "a later end": (wrong({"expires": None}), None, "was changed"),
    "another plan's": (wrong({"digest": "0" * 64}), None, "is of another plan"),
    "a checksum where a key is set": (wrong({}), KEY, "is not signed"),
    "a forged signature": (wrong({"signature": "hmac-sha256:" + "0" * 64}), KEY, "another key"),
    "another key": (wrong({}, SecretStr("another text of some length")), KEY, "another key"),
    "a signature that nobody can check": (wrong({}, KEY), None, "ARTIS_APPROVAL_KEY is not set"),
}


@pytest.mark.parametrize("what", WRONG)
async def test_an_approval_that_does_not_hold_is_refused(
    tmp_path: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change, key, why = WRONG[what]
    plan = change(await rehearsed(tmp_path))
    if key is not None:
        monkeypatch.setenv("ARTIS_APPROVAL_KEY", key.get_secret_value())
    async with session(tmp_path, agent("bob")) as committing:
        with pytest.raises(PlanChanged, match=why):
            await committing.commit(plan)
    assert PAID == []


async def test_a_signed_approval_holds_under_its_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = approved(await rehearsed(tmp_path), by="ann", key=KEY)
    monkeypatch.setenv("ARTIS_APPROVAL_KEY", KEY.get_secret_value())
    async with session(tmp_path, agent("bob")) as committing:
        result = await committing.commit(plan)
    assert (PAID, result.mode) == ([("bob", 8)], "bound")


async def test_an_approval_ends_and_can_be_given_again(tmp_path: Path) -> None:
    plan = approved(await rehearsed(tmp_path), by="ann", expires=time.time() + 0.05)
    await asyncio.sleep(0.06)
    async with session(tmp_path, agent("bob")) as committing:
        with pytest.raises(PlanChanged, match="the approval by ann ended 20"):
            await committing.commit(plan)
        assert (await committing.commit(approved(plan, by="ann"))).ended == "answer"
    assert PAID == [("bob", 8)]


async def test_what_cannot_be_approved_is_refused(tmp_path: Path) -> None:
    plan = await rehearsed(tmp_path)
    with pytest.raises(ConfigurationError, match="who approves"):
        approved(plan, by=" ")
    with pytest.raises(ConfigurationError, match="over already"):
        approved(plan, by="ann", expires=time.time() - 1)
    with pytest.raises(ConfigurationError, match="fewer than 16 bytes"):
        approved(plan, by="ann", key=SecretStr("short"))
    with pytest.raises(PlanChanged, match="changed after it was made"):
        approved(EDITS["query"](plan), by="ann")
