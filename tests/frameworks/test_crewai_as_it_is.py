"""CrewAI's agents and crews as they are: caches, calls in texts, delegation, what stays, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Seen, serving
from helpers.framework_laws import RISKS, Ledger, NoFunds, session
from helpers.frameworks import LOOK, NO_FUNDS, PAY, calls_in

pytest.importorskip("crewai", reason="`make frameworks` installs it and runs this")

from frameworks.cases.crewai import agent_of, model_of, texts_of, tools_of

from artis_sdk.integrations.crewai import rehearsed

LATER = "Observation: "
both_forms = pytest.mark.parametrize("as_text", [False, True], ids=["native", "text"])


def steps_of(plan: Any) -> list[list[str]]:
    return [[step.call.tool for step in attempt.steps] for attempt in plan.attempts]


# --- caches ---------------------------------------------------------------------------------------


@both_forms
async def test_no_cached_result_crosses_from_one_run_to_another(as_text: bool, tmp_path: Path) -> None:
    """Neither a rehearsal's result the commit, nor one attempt's another, nor a real one a rehearsal."""
    ledger = Ledger()
    async with serving(model_of(LOOK, PAY, as_text=as_text)) as server:
        tools = tools_of(ledger, is_async=False)
        agent = agent_of(server.base_url, tools, as_text=as_text, cache=True)
        cache = agent.tools_handler.cache
        await agent.kickoff_async("Pay.")
        held = dict(cache._cache)
        assert len(held) == 2
        async with session(rehearsed(agent, risks=RISKS), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert steps_of(plan) == [["balance", "pay"]] * 3, plan.notes
            assert len(ledger.real) == 2
            assert dict(cache._cache) == held
            result = await s.commit(plan)
    assert ledger.real == [("balance", "bob"), ("pay", "bob", 5)] * 2
    assert calls_in(tmp_path / "j.db") == [("balance", "done"), ("pay", "done")]
    assert result.calls[0].outcome.value == 100
    assert agent.tools_handler.cache is cache
    assert dict(cache._cache) == held


async def test_the_cache_answers_a_second_call_of_the_same_run_in_both_worlds(tmp_path: Path) -> None:
    ledger = Ledger()
    async with serving(model_of(LOOK, LOOK, PAY, as_text=False)) as server:
        agent = agent_of(server.base_url, tools_of(ledger, is_async=False), cache=True)
        async with session(rehearsed(agent, risks=RISKS), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert steps_of(plan) == [["balance", "pay"]] * 3, plan.notes
            await s.commit(plan)
    assert ledger.real == [("balance", "bob"), ("pay", "bob", 5)]


# --- calls in the model's text --------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
async def test_calls_in_a_text_are_rehearsed(is_async: bool, tmp_path: Path) -> None:
    ledger = Ledger()
    async with serving(model_of(LOOK, PAY, as_text=True)) as server:
        agent = agent_of(server.base_url, tools_of(ledger, is_async=is_async), as_text=True)
        async with session(rehearsed(agent, risks=RISKS), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert ledger.real == []
            assert steps_of(plan) == [["balance", "pay"]] * 3, plan.notes
            result = await s.commit(plan)
    assert result.answer == "done"
    assert ledger.real == [("balance", "bob"), ("pay", "bob", 5)]
    assert calls_in(tmp_path / "j.db") == [("balance", "done"), ("pay", "done")]


async def test_a_failure_in_a_text_is_tried_again_in_both_worlds(tmp_path: Path) -> None:
    """CrewAI calls a tool that raises several times; each is a call, and the model reads the same."""
    ledger = Ledger(fails=NoFunds(NO_FUNDS))
    async with serving(model_of([("pay", {"target": "bob", "amount": 80})], as_text=True)) as server:
        agent = agent_of(server.base_url, tools_of(ledger, is_async=False), as_text=True)
        async with session(rehearsed(agent), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert ledger.real == []
            middle = len(server.requests)
            await s.commit(plan)
    tried = [len(steps) for steps in steps_of(plan)]
    assert tried == [len(ledger.real)] * 3
    assert calls_in(tmp_path / "j.db") == [("pay", "done")] * len(ledger.real)
    told = [
        {seen_last(seen) for seen in part} for part in (server.requests[:middle], server.requests[middle:])
    ]
    assert told[0] == told[1]
    assert any(NO_FUNDS in text for text in told[0])


def seen_last(seen: Seen) -> str:
    return "".join(texts_of(seen, "assistant")[-1:])
