"""The laws of every integration, on the real package with a model behind a real HTTP server.

A framework that this environment lacks is left out: `make frameworks` has two that have them all.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Seen, Server, serving
from helpers.framework_laws import CONTEXT, SECRET, Case, Ledger, Way, installed, played, session
from helpers.frameworks import LOOK, NO_FUNDS, PAY, calls_in

CASES = {
    "pydantic_ai": ("pydantic_ai", "PydanticAI"),
    "openai_agents": ("agents.tool", "OpenAIAgents"),
    "langchain": ("langchain.agents", "LangChain"),
    "strands": ("strands.agent._agent_as_tool", "Strands"),
    "google_adk": ("google.adk", "GoogleADK"),
    "autogen": ("autogen_agentchat", "AutoGen"),
    "smolagents": ("smolagents", "Smolagents"),
    "crewai": ("crewai", "CrewAI"),
    "mcp": ("mcp.server.mcpserver", "MCP"),
}
"""By module of `frameworks.cases`: the package that it needs, and its class."""
CALLED = ["balance", "pay"]

# google-adk's own, where an agent is a tool.
pytestmark = pytest.mark.filterwarnings("ignore:The `plugins` argument is deprecated:DeprecationWarning")


def cases() -> list[Any]:
    here = {module: made for module, made in CASES.items() if installed(made[0])}
    return [
        pytest.param(getattr(import_module(f"frameworks.cases.{module}"), name)(), id=module)
        for module, (_, name) in here.items()
    ]


every = pytest.mark.parametrize("case", cases())


def ways() -> list[Any]:
    return [
        pytest.param(param.values[0], way, id=f"{param.id}-{way}")
        for param in cases()
        for way in param.values[0].ways
    ]


@pytest.mark.parametrize(("case", "way"), ways())
async def test_nothing_real_in_rehearsals_and_every_call_of_the_commit_journaled(
    case: Case, way: Way, tmp_path: Path, record_property: Any
) -> None:
    run = await played(case, tmp_path / "j.db", LOOK, PAY, way=way)
    assert run.real_in_rehearsals == []
    assert run.plan.notes == ()
    assert [attempt.ended for attempt in run.plan.attempts] == ["answer"] * 3
    assert [[step.call.tool for step in attempt.steps] for attempt in run.plan.attempts] == [CALLED] * 3
    assert run.real == [("balance", "bob"), ("pay", "bob", 5)]
    assert run.journal == [("balance", "done"), ("pay", "done")]
    assert [call.call.arguments for call in run.result.calls] == [dict(LOOK[0][1]), dict(PAY[0][1])]
    assert run.result.answer == "done"
    assert [call.diverged for call in run.result.calls] == [True, False]  # 95 was predicted, 100 is real
    if way == case.ways[0]:
        numbers = (len(run.real_in_rehearsals), len(run.journal))
        context = f"{case.context}: in no prompt" if case.context else "none"
        record_property("law", (case.title, case.version, "3", *map(str, numbers), context, case.failure))


@every
async def test_several_calls_in_one_turn(case: Case, tmp_path: Path) -> None:
    run = await played(case, tmp_path / "j.db", [*PAY, *LOOK, *PAY], PAY)
    assert run.real_in_rehearsals == []
    assert sorted(run.real) == [("balance", "bob"), *[("pay", "bob", 5)] * 3]
    assert sorted(run.journal) == [("balance", "done"), *[("pay", "done")] * 3]


@every
async def test_the_context_is_in_no_prompt_and_no_record(case: Case, tmp_path: Path) -> None:
    log = tmp_path / "calls.db"
    run = await played(case, tmp_path / "j.db", LOOK, PAY, log=log)
    assert len(run.real) == 2, "the real tool got it"
    written = [request.body.decode() for request in run.server.requests]
    written += [run.plan.model_dump_json(), run.result.model_dump_json()]
    written += files_in(tmp_path)
    assert len(run.server.requests) >= 12
    for text in written:
        assert CONTEXT not in text
        assert SECRET not in text
    assert not any("artis_make" in request.body.decode() for request in run.server.requests)


@every
async def test_a_failure_is_told_the_same_in_a_rehearsal_as_for_real(case: Case, tmp_path: Path) -> None:
    """The framework's own exception passes through the commit, and its model reads what it read before."""
    ledger = Ledger(fails=case.raised(NO_FUNDS))
    script = case.model([("pay", {"target": "bob", "amount": 80})])
    async with (
        serving(script) as server,
        case.ready(server.base_url, ledger) as agent,
        session(agent, tmp_path / "j.db") as s,
    ):
        plan = await s.rehearse("Send Bob eighty euros.")
        assert ledger.real == []
        before = len(server.requests)
        result = await s.commit(plan)
    assert {attempt.ended for attempt in plan.attempts} == {"answer"}, plan.notes
    types = {step.outcome.failure_type for attempt in plan.attempts for step in attempt.steps}
    assert types == {"NoFunds"}
    assert ledger.real == [("pay", "bob", 80)]
    assert calls_in(tmp_path / "j.db") == [("pay", "done")]
    assert [call.outcome.ok for call in result.calls] == [False]
    assert NO_FUNDS in (result.calls[0].outcome.message or str(result.calls[0].outcome.value))
    told = [{text for request in part for text in case.results(request)} for part in halves(server, before)]
    assert len(told[0]) == 1
    assert NO_FUNDS in next(iter(told[0]))
    assert told[0] == told[1]


def files_in(folder: Path) -> list[str]:
    return [path.read_bytes().decode("latin-1") for path in folder.iterdir()]


def halves(server: Server, middle: int) -> tuple[list[Seen], list[Seen]]:
    return server.requests[:middle], server.requests[middle:]


@every
async def test_sessions_at_once_do_not_mix(case: Case, tmp_path: Path) -> None:
    async def one(n: int) -> None:
        ledger = Ledger()
        pay = [("pay", {"target": f"bob{n}", "amount": n})]
        async with (
            serving(case.model(LOOK, pay)) as server,
            case.ready(server.base_url, ledger) as agent,
            session(agent, tmp_path / f"{n}.db") as s,
            session(agent, tmp_path / f"{n}-twin.db") as twin,
        ):
            plans = await asyncio.gather(s.rehearse("Pay."), twin.rehearse("Pay."))
            assert ledger.real == []
            await asyncio.gather(s.commit(plans[0]), twin.commit(plans[1]))
        assert sorted(ledger.real) == [("balance", "bob")] * 2 + [("pay", f"bob{n}", n)] * 2
        assert calls_in(tmp_path / f"{n}.db") == [("balance", "done"), ("pay", "done")]
        assert calls_in(tmp_path / f"{n}-twin.db") == [("balance", "done"), ("pay", "done")]

    await asyncio.gather(*map(one, (1, 2, 3)))


@every
async def test_held_to_its_plan_and_replayed_without_a_model(case: Case, tmp_path: Path) -> None:
    """Bound: the foreseen call is made and an unforeseen one is not."""
    ledger = Ledger()
    async with (
        serving(case.model(PAY)) as server,
        case.ready(server.base_url, ledger) as agent,
        session(agent, tmp_path / "j.db", mode="bound") as s,
    ):
        result = await s.commit(await s.rehearse("Send Bob five euros."))
    assert result.ended == "answer"
    assert ledger.real == [("pay", "bob", 5)]
