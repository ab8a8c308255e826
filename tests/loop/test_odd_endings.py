"""What an odd answer ends: a commit that keeps its calls, or one attempt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Reply, error, serving
from helpers.odd_answers import ODD, PAY, QUICK, Paid, committed
from helpers.sessions import journaled, unjudged
from helpers.wire_answers import chat, in_order

from artis_sdk import Direct, Sequential, errors
from artis_sdk.backends.openai import OpenAIBackend
from artis_sdk.contracts import Simulator
from artis_sdk.records import (
    Ending,
    History,
    Outcome,
    Provenance,
    State,
    ToolCall,
)


class Agreeing(Simulator):
    """Every call succeeds."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("paid", Provenance.SIMULATED)


# --- commits keep their calls -----------------------------------------------------------------

BROKEN: dict[str, tuple[Reply, Ending]] = {
    "an HTML page": (Reply(body=b"<html>"), "model_error"),
    "an empty 200": (Reply(), "model_error"),
    "finish error": (chat({"content": ""}, "error"), "model_error"),
    "choices: null": (chat({}, choices=None), "model_error"),  # 9router 2727
    "a cut connection": (Reply(cut=0), "model_error"),
    "a 400": (error(False, 400, "no"), "model_error"),
    "a 401": (error(False, 401, "the key has expired"), "model_error"),
    "overflow": (error(False, 400, "no", code="context_length_exceeded"), "context"),
}


@pytest.mark.parametrize("case", BROKEN)
async def test_a_commit_never_raises_its_calls_away(case: str, tmp_path: Path) -> None:
    reply, ended = BROKEN[case]
    result, paid, _ = await committed(OpenAIBackend, [chat(PAY, "tool_calls"), reply], tmp_path)
    assert (result.ended, result.answer) == (ended, None)
    assert [(made.call.arguments, made.outcome.ok) for made in result.calls] == [
        ({"owner": "bob", "amount": 5}, True)
    ]
    assert any("without a final answer" in note for note in result.notes)
    assert paid.payments == [("bob", 5)]
    assert journaled(tmp_path / "j.db") == [("pay", "done")]


@pytest.mark.parametrize("case", [case for case in BROKEN if case != "overflow"])
async def test_before_its_first_call_a_commit_raises(case: str, tmp_path: Path) -> None:
    with pytest.raises(errors.BackendError):
        await committed(OpenAIBackend, [BROKEN[case][0]], tmp_path)


async def test_a_commit_that_broke_off_goes_on(tmp_path: Path) -> None:
    paid = Paid()
    replies = [chat(PAY, "tool_calls"), chat({"content": "I have"}, "length"), chat({"content": "Paid."})]
    async with serving(in_order(replies)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url)
        async with unjudged(backend, [paid.tool], tmp_path / "j.db", strategy=Direct()) as session:
            plan = await session.rehearse("Pay Bob 5.")
            assert (await session.commit(plan)).ended == "cut"
            again = await session.commit(plan, resume=True)
        await backend.aclose()
    assert (again.ended, again.answer) == ("answer", "Paid.")
    assert paid.payments == [("bob", 5)], "once"


# --- attempts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", ["an HTML page", "an empty 200", "finish error", "choices: null", "overflow"]
)
@pytest.mark.parametrize("first", [True, False], ids=["at once", "after a call"])
async def test_one_odd_answer_ends_one_attempt(case: str, first: bool, tmp_path: Path) -> None:
    """It comes twice in a row in the second of five attempts; the four others are whole."""
    reply, ended = BROKEN[case]
    paid = Paid()
    turns = [chat(PAY, "tool_calls"), chat({"content": "Paid."})]
    odd = [reply] * (1 if case == "overflow" else 2)
    second = odd if first else [turns[0], *odd]
    async with serving(in_order([*turns, *second, *turns * 3])) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, retry=QUICK)
        options: dict[str, Any] = {"strategy": Sequential(n=5), "simulator": Agreeing()}
        async with unjudged(backend, [paid.tool], tmp_path / "j.db", **options) as session:
            plan = await session.rehearse("Pay Bob 5.")
        await backend.aclose()
    assert [attempt.ended for attempt in plan.attempts] == ["answer", ended, "answer", "answer", "answer"]
    assert sum("attempt 2 ended early" in note for note in plan.notes) == 1
    assert len(plan.attempts[1].steps) == (0 if first else 1)


async def test_the_endings_of_attempts(tmp_path: Path) -> None:
    paid = Paid()
    names = ("thoughts alone", "cut", "filtered", "refused", "tool_calls without calls")
    replies = [reply for name in names for reply in [ODD[name][1]] * ODD[name][3]]
    async with serving(in_order(replies)) as server:
        backend = OpenAIBackend("m", base_url=server.base_url, retry=QUICK)
        options: dict[str, Any] = {"strategy": Sequential(n=5), "simulator": Agreeing()}
        async with unjudged(backend, [paid.tool], tmp_path / "j.db", **options) as session:
            plan = await session.rehearse("Pay Bob 5.")
        await backend.aclose()
    endings: list[Ending] = ["empty", "cut", "filtered", "declined", "unread_call"]
    assert [attempt.ended for attempt in plan.attempts] == endings
    assert all(attempt.answer is None and attempt.error for attempt in plan.attempts)
    assert all(any(f"attempt {index} ended early" in note for note in plan.notes) for index in range(1, 6))
