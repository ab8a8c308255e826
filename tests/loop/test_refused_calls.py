"""Calls that belong to no world: whose code makes them, and what a refusal does to attempt and commit."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.charges import REAL, Charged, charge, charge_without_context, session
from helpers.sessions import journaled

from artis_sdk import Direct, Sequential
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import CommitRefused, FirewallError, UnknownOutcome
from artis_sdk.records import Attempt, Evaluation, History, Outcome, State, Task, ToolCall


@pytest.fixture(autouse=True)
def nothing_charged() -> None:
    REAL.clear()


# --- refusals that somebody swallows -----------------------------------------------------------


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


# --- whose code runs ---------------------------------------------------------------------------


async def test_all_that_is_not_ours_is_the_applications_code(tmp_path: Path) -> None:
    said: list[str] = []

    class Judge:
        async def evaluate(self, task: Task, attempt: Attempt) -> Evaluation:
            said.append(charge_without_context())
            return Evaluation(correct=True)

    class Own(Charged):
        async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
            said.append(charge_without_context())
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
        return {"by": charge_without_context()}

    model = ScriptedBackend(replies)
    for given in (
        {"evaluator": Judge(), "evaluate": True},
        {"simulator": Own()},
        {"on_event": lambda event: said.append(charge_without_context())},
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
    model = ScriptedBackend(lambda request: charge_without_context())
    async with session(
        model, tmp_path / "j.db", simulator=ScriptedBackend(["x"]), strategy=Sequential(1)
    ) as s:
        plan = await s.rehearse("go")
    assert plan.attempts[0].answer == "made"


# --- a context that is lost in a commit --------------------------------------------------------


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
        return charge_without_context()

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
