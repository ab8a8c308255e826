"""A call that is written otherwise is the same call: it is edited out, unknown or done all the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from helpers.approved_payments import PAID, rehearsed, session
from helpers.loop import call
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from artis_sdk import Direct, Session, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.commit import EditPlan, approved
from artis_sdk.commit.alike import may_be_one
from artis_sdk.errors import CommitRefused, UnknownOutcome
from artis_sdk.tools import Toolset

EIGHT = [8, 8.0, "8", " 8 ", "8.0", "+8", "08"]
"""What pydantic takes for the integer 8."""


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    PAID.clear()


@pytest.mark.parametrize("amount", EIGHT)
async def test_a_call_that_was_edited_out_is_not_made_in_other_words(tmp_path: Path, amount: Any) -> None:
    calls = [call("pay", who="bob", amount=8), call("pay", who="ann", amount=3)]
    async with session(tmp_path, ScriptedBackend([calls, "Paid."])) as rehearsing:
        plan = await rehearsing.edit(await rehearsing.rehearse("Pay."), EditPlan(removed=(0,), by="ann"))
    model = ScriptedBackend([[call("pay", who="bob", amount=amount)], "Paid."])
    async with session(tmp_path, model) as committing:
        result = await committing.commit(approved(plan, by="ann"), mode="guided")
    assert (PAID, len(result.not_made)) == ([], 1)


@pytest.mark.parametrize("amount", EIGHT)
async def test_a_call_whose_twin_is_unknown_is_not_made_in_other_words(tmp_path: Path, amount: Any) -> None:
    @guarded_tool(timeout=0.02)
    async def pay(who: str, amount: int) -> str:
        """Pay."""
        PAID.append((who, amount))
        await asyncio.sleep(60)
        return "paid"

    async def pays(with_amount: Any) -> None:
        model = ScriptedBackend([[call("pay", who="bob", amount=with_amount)], "Paid."])
        options: dict[str, Any] = {"strategy": Direct(), "journal": tmp_path / "journal.db"}
        async with Session(agent=model, tools=[pay], **options) as running:
            await running.run("Pay bob.")

    with pytest.raises(UnknownOutcome):
        await pays(8)
    with pytest.raises(CommitRefused, match="the journal has the same call"):
        await pays(amount)
    assert PAID == [("bob", 8)]


@pytest.mark.parametrize("amount", EIGHT)
async def test_an_agent_that_asks_again_in_other_words_gets_the_answer(tmp_path: Path, amount: Any) -> None:
    plan = await rehearsed(tmp_path)
    asked: list[Any] = [8, amount]

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        said: str = tools["pay"](who="bob", amount=asked.pop(0))
        if asked:
            raise RuntimeError("no connection")
        return said

    async with session(tmp_path, agent) as committing:
        with pytest.raises(Exception, match="no connection"):
            await committing.commit(plan, mode="guided")
        assert (await committing.commit(plan, mode="guided", resume=True)).answer == "paid bob"
    assert PAID == [("bob", 8)]


class Note(BaseModel):
    text: str
    copies: int = 1


NO_CODE = SecretStr("0")


@guarded_tool
def send(
    to: str, note: Note, urgent: bool = False, code: SecretStr = NO_CODE, tags: tuple[str, ...] = ()
) -> None:
    """Send."""


SEND = Toolset(send)["send"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"note": {"text": "a"}}, {"note": {"text": "a", "copies": "1"}}, True),
        ({"note": {"text": "a"}}, {"note": {"text": "a", "copies": 2}}, False),
        ({"note": {"text": "a"}, "urgent": "no"}, {"note": {"text": "a"}}, True),
        ({"note": {"text": "a"}, "urgent": "yes"}, {"note": {"text": "a"}}, False),
        ({"note": {"text": "a"}, "code": "1"}, {"note": {"text": "a"}, "code": "2"}, False),
        ({"note": {"text": "a"}, "code": "1"}, {"note": {"text": "a"}, "code": "[redacted:0123abcd]"}, True),
        ({"note": {"text": "a"}, "tags": ["x"]}, {"note": {"text": "a"}, "tags": ["x"]}, True),
        ({"note": {"text": "a"}, "tags": ["x"]}, {"note": {"text": "a"}, "tags": ["y"]}, False),
        ({"note": "no note"}, {"note": {"text": "a"}}, False),
    ],
)
def test_calls_are_alike_by_what_the_body_gets(one: Any, other: Any, same: bool) -> None:
    first, second = {"to": "ann", **one}, {"to": "ann", **other}
    assert may_be_one(SEND, first, second) is same
    assert may_be_one(SEND, second, first) is same


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


@given(st.fixed_dictionaries({"to": JSON, "note": JSON}), st.fixed_dictionaries({"to": JSON, "note": JSON}))
def test_any_arguments_are_compared_and_each_call_is_like_itself(one: Any, other: Any) -> None:
    assert may_be_one(SEND, one, one)
    assert may_be_one(SEND, one, other) is may_be_one(SEND, other, one)
