"""The spans of whole sessions: each operation has one, in the one that it is part of."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
from helpers.loop import Ledger, call
from helpers.traced import Tracer, attempt_of, attributes, judge
from opentelemetry import trace

from artis_sdk import Direct, Parallel, Risk, Sequential, Session, Toolset, Traces, guarded_tool
from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.commit import Approve, Reject
from artis_sdk.records import Request


@guarded_tool
async def pay(account: str, amount: int) -> dict[str, Any]:
    """Pay."""
    return {"balance": 10 - amount}


@guarded_tool(risk=Risk.READ_ONLY)
def look(account: str) -> dict[str, Any]:
    """Look."""
    with trace.get_tracer("application").start_as_current_span("SELECT"):
        return {"balance": 10}


TOOLS = Toolset(pay, look)
ATTEMPT = [
    "chat big",
    "simulate_turn",
    ["simulate_tool look", "simulate_tool pay"],
    "chat big",
    "evaluate",
    ["chat small"],
]


def agent() -> ScriptedBackend:
    def reply(request: Request) -> Any:
        if request.messages[-1].role == "tool":
            return "done"
        return [call("look", account="a"), call("pay", account="a", amount=4)]

    return ScriptedBackend(reply, name="agent:big")


def session(tracer: Tracer, tmp_path: Path, **more: Any) -> Session:
    options: dict[str, Any] = {
        "agent": agent(),
        "evaluator": judge(),
        "summarizer": judge(),
        "tools": TOOLS,
        "simulator": Ledger(),
        "journal": tmp_path / "journal.db",
        "traces": Traces(tracer_provider=tracer.provider),
    }
    return Session(**options | more)


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Tracer:
    tracer = Tracer()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", tracer.provider)  # the application's global one
    return tracer


async def test_a_whole_run(tracer: Tracer, tmp_path: Path) -> None:
    with trace.get_tracer("application").start_as_current_span("GET /pay"):
        async with session(tracer, tmp_path, strategy=Sequential(2)) as opened:
            result = await opened.run("Pay 4.")
    attempts = ["invoke_agent attempt", ATTEMPT] * 2
    commit = ["chat big", "execute_tool look", ["SELECT"], "execute_tool pay", "chat big"]
    run = [
        "invoke_workflow rehearse",
        [*attempts, "summarize", ["chat small"]],
        "invoke_agent commit",
        commit,
    ]
    assert tracer.tree() == ["GET /pay", ["invoke_workflow run", run]]
    (first, second) = tracer.named("execute_tool look") + tracer.named("execute_tool pay")
    assert attributes(first)["artis.tool.risk"] == "read_only"
    made = result.calls[1]
    assert attributes(second) == {
        "gen_ai.conversation.id": opened.id,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "pay",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": made.call.id,
        "artis.tool.risk": "irreversible",
        "artis.journal.id": made.journal_id,
        "artis.world": "real",
        "artis.outcome.type": "success",
        "artis.outcome.provenance": "real",
    }
    rehearsed = attributes(tracer.one("invoke_workflow rehearse"))
    committed = attributes(tracer.one("invoke_agent commit"))
    assert rehearsed["artis.plan.id"] == committed["artis.plan.id"] == result.plan.id
    assert (rehearsed["artis.world"], committed["artis.world"]) == ("simulated", "real")


async def test_a_model_call_has_its_usage(tracer: Tracer, tmp_path: Path) -> None:
    async with session(tracer, tmp_path, strategy=Direct(), sampling=None) as opened:
        result = await opened.run("Pay 4.")
    spans = tracer.named("chat big")
    assert [span.kind.name for span in spans] == ["CLIENT", "CLIENT"]
    usage = result.usage[next(iter(result.usage))]
    found = [attributes(span) for span in spans]
    assert sum(one["gen_ai.usage.input_tokens"] for one in found) == usage.prompt_tokens
    assert sum(one["gen_ai.usage.output_tokens"] for one in found) == usage.completion_tokens
    assert found[0]["gen_ai.response.finish_reasons"] == ("tool_calls",)
    assert found[0]["gen_ai.provider.name"] == "agent"
    assert found[0]["gen_ai.request.model"] == "big"
    assert found[0]["artis.role"] == "action"


async def test_parallel_attempts_keep_their_spans(tracer: Tracer, tmp_path: Path) -> None:
    async with session(tracer, tmp_path, strategy=Parallel(4)) as opened:
        plan = await opened.rehearse("Pay 4.")
    tree = tracer.tree()
    assert tree[1][:8] == ["invoke_agent attempt", ATTEMPT] * 4
    for attempt in plan.attempts:
        ids = {step.call.id for step in attempt.steps}
        spans = [one for one in tracer.spans if attributes(one).get("gen_ai.tool.call.id") in ids]
        assert len(spans) == 2
        assert {attempt_of(tracer, span) for span in spans} == {attempt.index}


def plain(function: Callable[[], Any]) -> None:
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize("way", ["to_thread", "shared pool", "own pool", "thread", "on the loop"])
async def test_calls_from_threads_belong_to_their_attempt(way: str, tracer: Tracer, tmp_path: Path) -> None:
    numbers = itertools.count()
    shared = ThreadPoolExecutor(2)
    Context().run(lambda: list(shared.map(lambda _: None, range(2))))  # its threads are there already

    async def own_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        number = next(numbers)
        with trace.get_tracer("application").start_as_current_span(f"agent {number}"):
            loop = asyncio.get_running_loop()
            for _ in range(2):
                await asyncio.sleep(0)
                if way == "to_thread":
                    await asyncio.to_thread(tools["look"], f"a{number}")
                elif way == "shared pool":
                    await loop.run_in_executor(shared, tools["look"], f"a{number}")
                elif way == "own pool":
                    with ThreadPoolExecutor(1) as pool:
                        await loop.run_in_executor(pool, tools["look"], f"a{number}")
                elif way == "thread":
                    await asyncio.to_thread(plain, lambda: tools["look"](f"a{number}"))
                else:
                    tools["look"](f"a{number}")
        return "done"

    options: dict[str, Any] = {"evaluate": False, "summarize": False}
    traces = Traces(content=True, tracer_provider=tracer.provider)
    try:
        async with session(
            tracer, tmp_path, agent=own_agent, strategy=Parallel(3), traces=traces, **options
        ) as opened:
            await opened.run("Look.")
    finally:
        shared.shutdown()
    by_number = {attributes(one)["artis.attempt.index"]: one for one in tracer.named("invoke_agent attempt")}
    assert sorted(by_number) == [0, 1, 2]
    told = {}
    for number in range(3):
        (agent_span,) = tracer.named(f"agent {number}")
        told[number] = attempt_of(tracer, agent_span)
    calls = tracer.named("simulate_tool look")
    assert len(calls) == 6
    for span in calls:
        number = int(attributes(span)["gen_ai.tool.call.arguments"].partition(':"a')[2][0])
        assert attempt_of(tracer, span) == told[number]
    for span in tracer.named("execute_tool look"):
        assert "invoke_agent commit" in [one.name for one in tracer.around(span)]
    assert len(tracer.named("execute_tool look")) == 2
    assert {next(itertools.islice(tracer.around(one), 1, 2)).name for one in tracer.named("SELECT")} == {
        "execute_tool look"
    }


async def test_approvals_are_spans_of_the_commit(tracer: Tracer, tmp_path: Path) -> None:
    async def approve(request: Any) -> Any:
        return Approve(by="ann") if type(request).__name__ == "PlanRequest" else Reject(reason="no")

    numbers = itertools.count()

    def changing(request: Request) -> Any:
        if request.messages[-1].role == "tool":
            return "done"
        return call("pay", account="a", amount=next(numbers))

    backend = ScriptedBackend(changing, name="agent:big")
    async with session(tracer, tmp_path, agent=backend, approve=approve, strategy=Sequential(1)) as opened:
        result = await opened.run("Pay.")
    assert result.not_made
    approvals = tracer.named("approve")
    told = [(one["artis.approval.about"], one["artis.approval.answer"]) for one in map(attributes, approvals)]
    assert told == [("PlanRequest", "Approve"), ("CallRequest", "Reject")]
    assert attributes(approvals[1])["gen_ai.tool.name"] == "pay"
    for span in approvals:
        assert [one.name for one in tracer.around(span)][1] == "invoke_agent commit"
    assert "ann" not in tracer.text()


async def test_a_sub_agent_is_traced_with_the_session_around_it(tracer: Tracer, tmp_path: Path) -> None:
    """In a rehearsal its commit is simulated, and without tracing of its own it has no content."""

    async def own_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        inner = Session(agent=agent(), tools=TOOLS, strategy=Direct(), journal=tmp_path / "inner.db")
        async with inner:
            return str((await inner.run("inner query")).answer)

    traces = Traces(content=True, tracer_provider=tracer.provider)
    async with session(
        tracer,
        tmp_path,
        agent=own_agent,
        strategy=Sequential(1),
        traces=traces,
        evaluate=False,
        summarize=False,
    ) as opened:
        await opened.run("Pay 4.")
    rehearsed, committed = tracer.named("invoke_agent commit")[0], tracer.named("invoke_agent commit")[-1]
    assert attempt_of(tracer, rehearsed) == 0
    assert attributes(rehearsed)["artis.world"] == "simulated"
    assert attributes(committed)["artis.world"] == "real"
    assert {attributes(one)["artis.world"] for one in tracer.named("simulate_tool pay")} == {"simulated"}
    assert len(tracer.named("execute_tool pay")) == 1
    assert "inner query" not in tracer.text()
    assert "Pay 4." in tracer.text()


async def test_a_session_in_an_untraced_attempt_says_that_it_is_simulated(
    tracer: Tracer, tmp_path: Path
) -> None:
    async def own_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with session(tracer, tmp_path, strategy=Direct()) as inner:
            return str((await inner.run("inner")).answer)

    outer = Session(
        agent=own_agent, tools=TOOLS, simulator=Ledger(), strategy=Parallel(1), journal=tmp_path / "o.db",
        evaluate=False, summarize=False,
    )  # fmt: skip
    async with outer:
        await outer.rehearse("x")
    assert {attributes(one)["artis.world"] for one in tracer.spans} == {"simulated"}


async def test_retries_of_a_direct_agent_are_judged_in_the_commit(tracer: Tracer, tmp_path: Path) -> None:
    @guarded_tool
    async def pay(account: str, amount: int) -> str:
        """Pay."""
        raise ValueError("no cover")

    wrong = ScriptedBackend(
        lambda request: '{"suggestion": "wait"}' if "sugg" in str(request.schema) else '{"correct": false}',
        name="judge:small",
    )
    backend = ScriptedBackend(
        lambda request: "no" if request.messages[-1].role == "tool" else call("pay", account="a", amount=1),
        name="agent:big",
    )
    async with session(
        tracer, tmp_path, agent=backend, evaluator=wrong, tools=Toolset(pay), strategy=Direct(retries=1)
    ) as opened:
        await opened.run("Pay.")
    commit = ["chat big", "execute_tool pay", "chat big"]
    judged = ["evaluate", ["chat small"], "suggest", ["chat small"]]
    assert tracer.tree()[1] == [
        "invoke_workflow rehearse",
        "invoke_agent commit",
        [*commit, *judged, *commit],
    ]
