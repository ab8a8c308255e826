"""CrewAI's agents and crews as they are: caches, calls in texts, delegation, what stays, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.fault_server import Seen, serving
from helpers.framework_laws import RISKS, Ledger, NoFunds, session
from helpers.frameworks import LOOK, NO_FUNDS, PAY, calls_in, model, tool_results

from artis_sdk.errors import ConfigurationError

pytest.importorskip("crewai", reason="`make frameworks` installs it and runs this")

from crewai import Agent, Crew, Process, Task
from crewai.flow import Flow
from crewai.tools import BaseTool, ToolFailure, tool
from crewai.tools.agent_tools.agent_tools import AgentTools
from frameworks.cases.crewai import agent_of, model_of, texts_of, tools_of

from artis_sdk.integrations.crewai import rehearsed

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


DELEGATE = [("delegate_work_to_coworker", {"task": "Pay.", "context": "none", "coworker": "clerk"})]


@pytest.mark.parametrize("who", ["sync tools", "async tools", "a co-worker"])
async def test_calls_in_a_text_are_rehearsed(who: str, tmp_path: Path) -> None:
    ledger = Ledger()
    async with serving(model_of(DELEGATE, LOOK, PAY, as_text=True)) as server:
        agent = agent_of(server.base_url, tools_of(ledger, is_async=who == "async tools"), as_text=True)
        if who == "a co-worker":
            agent = agent_of(server.base_url, AgentTools(agents=[agent]).tools(), "head", as_text=True)
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


# --- tools of other kinds -------------------------------------------------------------------------


class Pay(BaseTool):  # type: ignore[misc]  # its base has no types here
    name: str = "Send Money"
    description: str = "Send money."
    real: list[Any] = []  # noqa: RUF012  # pydantic copies it

    def _run(self, target: str, amount: int) -> int:
        self.real.append((target, amount))
        return amount


MONEY = [("send_money", {"target": "bob", "amount": 5})]


@both_forms
async def test_a_tool_that_is_a_class(as_text: bool, tmp_path: Path) -> None:
    pay = Pay(max_usage_count=1)
    async with serving(model_of(MONEY, as_text=as_text)) as server:
        agent = agent_of(server.base_url, [pay], as_text=as_text)
        async with session(rehearsed(agent), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert steps_of(plan) == [["send_money"]] * 3, plan.notes
            assert (pay.real, pay.current_usage_count) == ([], 0), "a rehearsal uses nothing up"
            await s.commit(plan)
    assert pay.real == [("bob", 5)]
    assert pay.current_usage_count >= 1
    assert calls_in(tmp_path / "j.db") == [("send_money", "done")]
    assert vars(pay).keys() == vars(Pay()).keys(), "nothing stays at the tool"


async def test_a_failure_that_a_tool_returns(tmp_path: Path) -> None:
    @tool
    def pay(target: str, amount: int) -> Any:
        """Send money."""
        return ToolFailure(message=NO_FUNDS, code="no_funds")

    async with serving(model(PAY)) as server:
        async with session(rehearsed(agent_of(server.base_url, [pay])), tmp_path / "j.db") as s:
            result = await s.commit(await s.rehearse("Pay."))
        assert tool_results(server.requests[-1]) == [f"{NO_FUNDS} (code: no_funds)"]
    assert [(call.outcome.ok, call.outcome.failure_type) for call in result.calls] == [(False, "no_funds")]


async def test_a_tool_of_which_no_session_knows_is_refused(tmp_path: Path) -> None:
    """The agent gets it while it runs, from a callback of the application's."""
    pay = Pay()
    async with serving(model(MONEY)) as server:
        agent = agent_of(server.base_url, tools_of(Ledger(), is_async=False))

        async def run(given: Agent, text: str) -> Any:
            other = agent_of(server.base_url, [pay])
            return await other.kickoff_async(text)

        async with session(rehearsed(agent, run=run), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
    assert pay.real == []
    assert {attempt.ended for attempt in plan.attempts} == {"refused"}


# --- planning, crews, delegation ------------------------------------------------------------------


def crew_of(url: str, ledger: Ledger, *, hierarchical: bool = False, **options: Any) -> Any:
    """A head who has no tool, and a clerk who has them all."""
    clerk = agent_of(url, tools_of(ledger, is_async=True))
    head = agent_of(url, [], "head", allow_delegation=True)
    task = Task(
        description="{task}", expected_output="A word.", agent=None if hierarchical else head, **options
    )
    if hierarchical:
        return Crew(agents=[clerk], tasks=[task], process=Process.hierarchical, manager_llm=head.llm)
    return Crew(agents=[head, clerk], tasks=[task])


@pytest.mark.parametrize("hierarchical", [False, True])
async def test_a_crew_whose_head_delegates(
    hierarchical: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path / "data"))
    ledger = Ledger()
    async with serving(model(DELEGATE, LOOK, PAY)) as server:
        crew = crew_of(server.base_url, ledger, hierarchical=hierarchical)
        async with session(rehearsed(crew, risks=RISKS), tmp_path / "j.db") as s:
            plan = await s.rehearse("Send Bob five euros.")
            assert ledger.real == []
            assert steps_of(plan) == [["balance", "pay"]] * 3, plan.notes
            assert [attempt.ended for attempt in plan.attempts] == ["answer"] * 3
            (task,) = crew.tasks
            assert (task.output, task.delegations, task.description) == (None, 0, "{task}")
            assert crew._task_output_handler.load() == []
            result = await s.commit(plan)
        async with session(rehearsed(crew), tmp_path / "k.db") as s:
            await s.rehearse("Send Bob six euros.")
    assert result.answer == "done"
    assert ledger.real == [("balance", "bob"), ("pay", "bob", 5)]
    assert calls_in(tmp_path / "j.db") == [("balance", "done"), ("pay", "done")]
    assert (task.output.raw, task.delegations) == ("done", 1)
    assert len(crew._task_output_handler.load()) == 1


@pytest.mark.parametrize("way", ["plain", "streamed", "in a thread"])
async def test_a_task_with_tools_and_files(way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In rehearsals CrewAI writes none of its files."""
    monkeypatch.setenv("CREWAI_STORAGE_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    ledger = Ledger()
    async with serving(model([*LOOK, *PAY])) as server:
        clerk = agent_of(server.base_url, [])
        tools = tools_of(ledger, is_async=False)
        task = Task(
            description="{task}", expected_output="A word.", agent=clerk, tools=tools, output_file="out.md",
            async_execution=way == "in a thread",
        )  # fmt: skip
        crew = Crew(agents=[clerk], tasks=[task], stream=way == "streamed", output_log_file="log.txt")
        async with session(rehearsed(crew, risks=RISKS), tmp_path / "j.db") as s:
            plan = await s.rehearse("Send Bob five euros.")
            assert [sorted(steps) for steps in steps_of(plan)] == [["balance", "pay"]] * 3, plan.notes
            assert (ledger.real, task.used_tools, task.output_file) == ([], 0, "out.md")
            assert not (tmp_path / "out.md").exists()
            assert not (tmp_path / "log.txt").exists()
            result = await s.commit(plan)
    assert result.answer == "done"
    assert sorted(ledger.real) == [("balance", "bob"), ("pay", "bob", 5)]
    assert (tmp_path / "out.md").read_text() == "done"
    assert (tmp_path / "log.txt").exists()


async def test_the_steps_of_an_agent_that_plans(tmp_path: Path) -> None:
    """CrewAI runs the steps of such a plan by other code than an agent's own calls."""
    ledger = Ledger()
    steps = [{"step_number": 1, "description": "Pay Bob.", "tool_to_use": "pay", "depends_on": []}]
    planned = [("create_reasoning_plan", {"plan": "Pay.", "steps": steps, "ready": True})]
    async with serving(model(planned, PAY)) as server:
        agent = agent_of(server.base_url, tools_of(ledger, is_async=False), planning=True)
        async with session(rehearsed(agent, risks=RISKS), tmp_path / "j.db") as s:
            plan = await s.rehearse("Pay.")
            assert ledger.real == []
            assert steps_of(plan) == [["pay"]] * 3, plan.notes
            await s.commit(plan)
    assert ledger.real == [("pay", "bob", 5)]
    assert calls_in(tmp_path / "j.db") == [("pay", "done")]


# --- what is refused ------------------------------------------------------------------------------

URL = "http://127.0.0.1:9/v1"


class RunsItself(Pay):
    def run(self, *args: Any, **kwargs: Any) -> Any:
        return self._run(**kwargs)


def crew_with(**options: Any) -> Any:
    clerk = agent_of(URL, [])
    task: dict[str, Any] = {"description": "{task}", "expected_output": "A word.", "agent": clerk}
    given = {name: options.pop(name) for name in ("description", "human_input") if name in options}
    return Crew(agents=[clerk], tasks=[Task(**task | given)], **options)


REFUSED: dict[str, Callable[[], Any]] = {
    "Flow is no Agent or Crew of CrewAI's own": lambda: Flow(),
    "'clerk' has mcps": lambda: agent_of(URL, [], mcps=["https://example.com/mcp"]),
    "'clerk' has apps": lambda: agent_of(URL, [], apps=["gmail"]),
    "'clerk' has checkpoints": lambda: agent_of(URL, [], checkpoint=True),
    "'Send Money' is called by methods of its own": lambda: agent_of(URL, [RunsItself()]),
    "has no such tool": lambda: agent_of(URL, [Pay()]),
    "where the session's task goes": lambda: crew_with(description="Pay Bob."),
    "a task has human_input": lambda: crew_with(human_input=True),
    "the crew has checkpoint=": lambda: crew_with(checkpoint=True),
}


@pytest.mark.parametrize("told", REFUSED)
async def test_what_a_rehearsal_could_not_hold_is_refused(told: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=told):
        async with session(rehearsed(REFUSED[told](), risks={"other": RISKS["pay"]}), tmp_path / "j.db"):
            pass


async def test_a_memory_is_refused(tmp_path: Path) -> None:
    agent = agent_of(URL, [])
    agent.__dict__["memory"] = object()  # a real one loads a model of embeddings
    with pytest.raises(ConfigurationError, match="would keep what happens in rehearsals"):
        async with session(rehearsed(agent), tmp_path / "j.db"):
            pass


async def test_tools_at_the_models_provider_are_refused(tmp_path: Path) -> None:
    agent = agent_of(URL, [])
    agent.llm.builtin_tools = ["web_search"]
    with pytest.raises(ConfigurationError, match="model's provider \\(web_search\\)"):
        async with session(rehearsed(agent), tmp_path / "j.db"):
            pass
