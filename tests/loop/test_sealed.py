"""Real calls where there should be none: sessions inside sessions, plain functions, code that is not ours."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import journaled, unjudged

from artis_sdk import Direct, Parallel, Risk, SandboxSimulator, Sequential, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.contracts import Simulator
from artis_sdk.errors import CommitRefused, FirewallError, UnknownOutcome
from artis_sdk.loop.nested import NOTE
from artis_sdk.records import Attempt, Evaluation, History, Outcome, Provenance, State, Task, ToolCall

REAL: list[int] = []
"""What the real bodies charged."""
NOTED = f"{__name__}.REAL"
"""Sandboxed bodies note it, too: this global is meant to change."""


@pytest.fixture(autouse=True)
def _nothing_charged() -> None:
    REAL.clear()


@guarded_tool
def charge(amount: int) -> dict[str, int]:
    REAL.append(amount)
    return {"charged": amount}


@guarded_tool
async def refund(amount: int) -> dict[str, int]:
    REAL.append(-amount)
    return {"refunded": amount}


def plain(amount: int) -> dict[str, int]:
    REAL.append(amount)
    return {"charged": amount}


class Till:
    def __init__(self) -> None:
        self.sum = 0

    def take(self, amount: int) -> int:
        REAL.append(amount)
        self.sum += amount
        return self.sum


class Says(Simulator):
    """Answers every call alike."""

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success({"charged": call.arguments["amount"]}, Provenance.SIMULATED)


def session(agent: Any, journal: Path, *tools: Any, **more: Any) -> Session:
    settings: dict[str, Any] = {"simulator": Says(), "strategy": Sequential(2)}
    return unjudged(agent, tools or [charge], journal, **settings | more)


# --- a session inside a session -----------------------------------------------------------------


def with_sub_agent(journal: Path, calls: Sequence[int] = (1,), *, plans: list[str] | None = None) -> Any:
    async def sub_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        for amount in calls:
            charge(amount)
            await refund(amount)
        return "sub done"

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        async with session(sub_agent, journal, charge, refund) as inner:
            result = await inner.run("do it")
        if plans is not None:
            plans.append(result.plan.id)
        return result.answer or ""

    return agent


async def test_a_sub_agent_is_rehearsed_in_the_attempt_around_it(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.db", tmp_path / "inner.db"
    async with session(with_sub_agent(inner), outer, charge, refund, strategy=Parallel(5)) as s:
        plan = await s.rehearse("go")
    assert REAL == []
    assert journaled(inner) == journaled(outer) == []
    assert [[step.call.tool for step in attempt.steps] for attempt in plan.attempts] == [
        ["charge", "refund"]
    ] * 5
    assert {attempt.ended for attempt in plan.attempts} == {"answer"}


async def test_its_calls_of_tools_that_the_attempt_does_not_know_end_the_attempt(tmp_path: Path) -> None:
    agent = with_sub_agent(tmp_path / "inner.db")
    async with session(
        agent, tmp_path / "outer.db", charge, simulator=SandboxSimulator(pure=["charge"])
    ) as s:
        plan = await s.rehearse("go")
    assert {attempt.ended for attempt in plan.attempts} == {"simulation_error"}
    assert -1 not in REAL


async def test_inside_a_commit_it_commits_for_real_under_a_plan_that_names_its_parent(tmp_path: Path) -> None:
    outer, inner = tmp_path / "outer.db", tmp_path / "inner.db"
    plans: list[str] = []
    async with session(with_sub_agent(inner, plans=plans), outer, charge, refund, strategy=Direct()) as s:
        plan = await s.rehearse("go")
        await s.commit(plan)
        with pytest.raises(CommitRefused):
            await s.commit(plan)
    assert REAL == [1, -1]
    assert journaled(outer) == [("charge", "done"), ("refund", "done")]
    assert journaled(inner) == []
    with contextlib.closing(sqlite3.connect(outer)) as file:
        parents = dict(file.execute("SELECT id, parent FROM plan").fetchall())
    assert parents == {plan.id: None, plans[0]: plan.id}


@guarded_tool(risk=Risk.REVERSIBLE)
async def delegate(amount: int) -> str:
    """A tool whose body runs a sub-agent."""

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        charge(amount)
        return "done"

    async with session(agent, Path("unused.db")) as inner:
        result = await inner.run("charge")
    assert result.calls[0].outcome.ok
    return ",".join(result.notes)


async def test_a_session_in_a_sandboxed_body_acts_in_the_sandbox(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(await delegate(3))

    sandbox = SandboxSimulator(pure=["delegate"])
    async with session(agent, tmp_path / "j.db", delegate, charge, simulator=sandbox) as s:
        refused = await s.rehearse("go")
    assert {attempt.ended for attempt in refused.attempts} == {"simulation_error"}, (
        "charge is not the sandbox's"
    )
    assert REAL == []
    sandbox = SandboxSimulator(pure=["delegate", "charge"], share=[NOTED])
    async with session(agent, tmp_path / "j.db", delegate, charge, simulator=sandbox) as s:
        plan = await s.rehearse("go")
    assert [attempt.answer for attempt in plan.attempts] == [NOTE, NOTE]
    assert journaled(tmp_path / "j.db") == []


async def test_a_commit_within_the_same_sessions_commit_is_an_error_and_no_wait(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        inner = await s.rehearse("again")
        await s.commit(inner)
        return "never"

    async with session(agent, tmp_path / "j.db", strategy=Direct()) as s:
        async with asyncio.timeout(10):
            with pytest.raises(CommitRefused, match="committing already"):
                await s.run("go")


async def test_a_session_left_behind_by_an_attempt_commits_nothing(tmp_path: Path) -> None:
    left: list[asyncio.Task[Any]] = []
    over = asyncio.Event()

    async def sub_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(charge(1))

    async def late() -> None:
        async with session(sub_agent, tmp_path / "inner.db", strategy=Direct()) as inner:
            plan = await inner.rehearse("later")
            await over.wait()
            await inner.commit(plan)

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        left.append(asyncio.create_task(late()))
        return "started"

    async with session(agent, tmp_path / "outer.db", strategy=Sequential(1)) as s:
        await s.rehearse("go")
    over.set()
    with pytest.raises(FirewallError, match="over"):
        await left[0]
    assert REAL == []


async def test_a_nested_rehearsal_knows_the_calls_of_the_attempt_around_it(tmp_path: Path) -> None:
    till = Till()
    tools = Toolset.from_object(till)
    seen: list[int] = []

    async def sub_agent(task: str, *, tools: Any, guidance: str | None) -> str:
        seen.append(await asyncio.to_thread(tools["take"], 5))
        return "sub"

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await asyncio.to_thread(tools["take"], 10)
        inner = session(
            sub_agent,
            tmp_path / "i.db",
            *tools,
            simulator=SandboxSimulator(share=[NOTED]),
            strategy=Sequential(1),
        )
        async with inner:
            await inner.run("take 5")
        return str(await asyncio.to_thread(tools["take"], 1))

    outer = session(
        agent, tmp_path / "o.db", *tools, simulator=SandboxSimulator(share=[NOTED]), strategy=Sequential(1)
    )
    async with outer as s:
        plan = await s.rehearse("go")
    assert seen == [15, 15], "once in the nested rehearsal, once in the attempt itself"
    assert plan.attempts[0].answer == "16"
    assert till.sum == 0


# --- the function by its own name ---------------------------------------------------------------

HELD: list[Callable[..., Any]] = [plain]


async def calls_plain(task: str, *, tools: Any, guidance: str | None) -> str:
    HELD[0](7)
    return str(await asyncio.to_thread(plain, 8))


@pytest.mark.parametrize("tools", [[plain], [Toolset(plain)], [*Toolset.from_functions(plain)]])
async def test_the_plain_function_is_the_tool_while_a_session_has_it(tools: Any, tmp_path: Path) -> None:
    given = tools[0] if isinstance(tools[0], Toolset) else Toolset(*tools)
    async with session(calls_plain, tmp_path / "j.db", *given) as s:
        plan = await s.rehearse("go")
        assert REAL == []
        assert [len(attempt.steps) for attempt in plan.attempts] == [2, 2]
        result = await s.commit(plan)
    assert REAL == [7, 8]
    assert [call.call.arguments["amount"] for call in result.calls] == [7, 8]
    assert journaled(tmp_path / "j.db") == [("plain", "done")] * 2
    assert plain(1) == {"charged": 1}


async def test_a_method_by_its_own_name_is_the_tool(tmp_path: Path) -> None:
    till = Till()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return str(till.take(5) + Till.take(till, 6))

    tools = Toolset.from_object(till)
    async with session(agent, tmp_path / "j.db", *tools, simulator=SandboxSimulator(share=[NOTED])) as s:
        plan = await s.rehearse("go")
        assert till.sum == 0
        assert [attempt.answer for attempt in plan.attempts] == ["16", "16"]
        result = await s.commit(plan)
    assert till.sum == 11
    assert len(result.calls) == len(journaled(tmp_path / "j.db")) == 2
    assert not any(call.diverged for call in result.calls)


async def test_an_agent_that_makes_no_guarded_call_is_noted(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return "nothing to do"

    async with session(agent, tmp_path / "j.db") as s:
        plan = await s.rehearse("go")
        result = await s.commit(plan)
    assert [note.partition(":")[0] for note in plan.notes] == [
        "attempt 0 made no guarded call", "attempt 1 made no guarded call",
    ]  # fmt: skip
    assert [note.partition(":")[0] for note in result.notes] == ["the agent made no guarded call"]


async def test_a_model_that_makes_no_call_is_not(tmp_path: Path) -> None:
    async with session(ScriptedBackend(lambda _: "hello"), tmp_path / "j.db") as s:
        result = await s.run("say hello")
    assert result.notes == result.plan.notes == ()


# --- refusals that somebody swallows ------------------------------------------------------------


async def swallows(task: str, *, tools: Any, guidance: str | None) -> str:
    over = asyncio.Event()

    def on_the_loop() -> None:
        with contextlib.suppress(Exception):
            charge(80)  # a sync call in a callback, which cannot wait for its outcome
        over.set()

    asyncio.get_running_loop().call_soon(on_the_loop)
    await over.wait()
    return "paid"


async def test_an_attempt_ends_with_a_refusal_that_its_agent_swallows(tmp_path: Path) -> None:
    async with session(swallows, tmp_path / "j.db") as s:
        plan = await s.rehearse("go")
    assert [attempt.ended for attempt in plan.attempts] == ["refused", "refused"]
    assert all("charge" in note and "to_thread" in note for note in plan.notes)
    assert len(plan.notes) == 2
    assert REAL == []


async def test_a_commit_ends_as_for_an_unknown_outcome_and_its_plan_is_closed(tmp_path: Path) -> None:
    async with session(swallows, tmp_path / "j.db", strategy=Direct()) as s:
        plan = await s.rehearse("go")
        with pytest.raises(UnknownOutcome, match=r"charge.*refused and not made"):
            await s.commit(plan)
        with pytest.raises(CommitRefused, match="refused call"):
            await s.commit(plan)
    assert REAL == []
    assert journaled(tmp_path / "j.db") == []


# --- whose code runs ----------------------------------------------------------------------------


def by_a_lost_context() -> str:
    """A call that no context variable reaches, as from a C callback."""
    import contextvars

    try:
        contextvars.Context().run(charge, 1)
    except FirewallError:
        return "refused"
    return "made"


async def test_all_that_is_not_ours_is_the_applications_code(tmp_path: Path) -> None:
    said: list[str] = []

    class Judge:
        async def evaluate(self, task: Task, attempt: Attempt) -> Evaluation:
            said.append(by_a_lost_context())
            return Evaluation(correct=True)

    class Own(Says):
        async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
            said.append(by_a_lost_context())
            return await super().predict(call, state, history)

    class Log:
        def append(self, record: Any) -> None: ...
        def records(self) -> Any: ...
        def flush(self) -> None: ...
        def close(self) -> None: ...

    def replies(request: Any) -> Any:
        return (
            "done"
            if request.messages[-1].role == "tool"
            else ToolCall(tool="charge", arguments={"amount": 2})
        )

    def state() -> dict[str, str]:
        return {"by": by_a_lost_context()}

    model = ScriptedBackend(replies)
    for given in (
        {"evaluator": Judge(), "evaluate": True},
        {"simulator": Own()},
        {"on_event": lambda event: said.append(by_a_lost_context())},
        {"state": state},
    ):
        said.clear()
        async with session(model, tmp_path / "j.db", strategy=Sequential(1), **given) as s:
            plan = await s.rehearse("go")
        if "state" in given:
            assert plan.task.state == {"by": "refused"}
        else:
            assert set(said) == {"refused"}, given
    assert REAL == []


async def test_with_nothing_but_ours_calls_elsewhere_go_on(tmp_path: Path) -> None:
    model = ScriptedBackend(lambda request: by_a_lost_context())
    async with session(
        model, tmp_path / "j.db", simulator=ScriptedBackend(["x"]), strategy=Sequential(1)
    ) as s:
        plan = await s.rehearse("go")
    assert plan.attempts[0].answer == "made"


# --- a context that is lost in a commit ---------------------------------------------------------

WARM = ThreadPoolExecutor(2)


def charge_or_refusal(amount: int) -> str:
    try:
        return str(charge(amount))
    except FirewallError:
        return "refused"


async def by_executor() -> None:
    await asyncio.get_running_loop().run_in_executor(None, charge, 80)


async def by_warm_pool() -> None:
    await asyncio.wrap_future(WARM.submit(charge, 80))


async def by_thread() -> None:
    thread = threading.Thread(target=charge, args=(80,))
    thread.start()
    await asyncio.to_thread(thread.join)


async def by_timer() -> None:
    timer = threading.Timer(0.01, charge, (80,))
    timer.start()
    await asyncio.to_thread(timer.join)


@pytest.mark.parametrize("way", [by_executor, by_warm_pool, by_thread, by_timer])
async def test_threads_and_executors_carry_the_context_into_both_worlds(way: Any, tmp_path: Path) -> None:
    WARM.submit(len, "").result()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        await way()
        return "done"

    async with session(agent, tmp_path / "j.db") as s:
        plan = await s.rehearse("go")
        assert REAL == []
        assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1]
        result = await s.commit(plan)
        with pytest.raises(CommitRefused):
            await s.commit(plan)
    assert REAL == [80]
    assert [call.call.arguments for call in result.calls] == [{"amount": 80}]
    assert journaled(tmp_path / "j.db") == [("charge", "done")]


async def test_a_call_without_any_context_is_refused_in_a_commit_and_closes_the_plan(tmp_path: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return by_a_lost_context()

    async with session(agent, tmp_path / "j.db", strategy=Direct()) as s:
        plan = await s.rehearse("go")
        with pytest.raises(UnknownOutcome, match="charge"):
            await s.commit(plan)
        with pytest.raises(CommitRefused, match="refused call"):
            await s.commit(plan)
    assert REAL == []


async def test_work_put_off_is_refused_and_innocent_work_in_the_same_threads_is_not(tmp_path: Path) -> None:
    late: list[Future[Any]] = []
    said: list[str] = []
    release = threading.Event()

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        WARM.submit(release.wait), WARM.submit(release.wait)
        late.extend(WARM.submit(charge, i) for i in range(20))
        threading.Timer(0.05, lambda: said.append(charge_or_refusal(80))).start()
        return "done"

    async with session(agent, tmp_path / "j.db", strategy=Sequential(1)) as s:
        await s.rehearse("go")
    release.set()
    errors = [await asyncio.to_thread(future.exception, 10) for future in late]
    assert {type(error) for error in errors} == {FirewallError}
    await asyncio.sleep(0.1)
    assert REAL == []
    assert said == ["refused"]
    assert await asyncio.wrap_future(WARM.submit(charge, 1)) == {"charged": 1}
