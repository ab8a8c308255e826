"""What a session with large objects and many tools does once, counted."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers.sessions import unjudged

from artis_sdk import Direct, LLMSimulator, Parallel, Session, Toolset, prompts
from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.loop import foresee
from artis_sdk.prompts import data
from artis_sdk.records import (
    Capabilities,
    Evaluation,
    Outcome,
    Plan,
    Provenance,
    Task,
    ToolCall,
)
from artis_sdk.records import jsonable as conversion
from artis_sdk.simulators.answers import typed_answer
from artis_sdk.tools import toolset

OK = typed_answer([Outcome.success(1, Provenance.SIMULATED)])


LOOK = ToolCall(tool="look_3", arguments={"place": "x"})


class Counts:
    """How often functions were called, by name."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self._monkeypatch = monkeypatch

    def of(self, where: object, name: str) -> None:
        """Count the calls of a function from now on."""
        function = getattr(where, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            return function(*args, **kwargs)

        self._monkeypatch.setattr(where, name, counted)


class Shop:
    def __init__(self) -> None:
        self.orders = {f"O{n}": {"total": n} for n in range(100)}

    def refund(self, order: str) -> str:
        """Pay an order back."""
        return order


async def planned(tmp_path: Path, **options: Any) -> Plan:
    given: dict[str, Any] = {"agent": ScriptedBackend(lambda _: "done"), "tools": Toolset.from_object(Shop())}
    given["journal"] = tmp_path / "journal.db"
    async with Session(**given | options) as session:
        return await session.rehearse("Refund O7.")


class Judge:
    """A judge of the application's, which may read the state."""

    async def evaluate(self, task: Task, attempt: Any) -> Evaluation:
        return Evaluation(correct=task.state is not None)


@pytest.mark.parametrize(
    ("read", "options"),
    [
        (0, {"strategy": Direct()}),
        (1, {"strategy": Direct(), "log": "log.db"}),
        (1, {"strategy": Direct(retries=1), "evaluator": Judge()}),
        (1, {"strategy": Parallel(2), "simulator": "sandbox", "evaluate": False, "summarize": False}),
    ],
    ids=["direct", "logged", "judged", "simulated"],
)
async def test_a_snapshot_is_taken_only_where_somebody_reads_it(
    read: int, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "log" in options:
        options = options | {"log": tmp_path / options["log"]}
    counts = Counts(monkeypatch)
    counts.of(toolset, "snapshot")
    plan = await planned(tmp_path, **options)
    assert counts.calls["snapshot"] == read
    assert (plan.task.state is not None) == bool(read)


async def test_a_state_becomes_json_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0
    convert = conversion._Conversion.of

    def counted(self: Any, value: Any, *more: Any) -> Any:
        nonlocal made
        made += isinstance(value, dict) and "orders" in str(value)[:100]
        return convert(self, value, *more)

    monkeypatch.setattr(conversion._Conversion, "of", counted)
    plan = await planned(
        tmp_path, strategy=Parallel(1), simulator=LLMSimulator(ScriptedBackend([OK])), evaluate=False
    )
    assert isinstance(plan.task.state, dict)
    assert made == 1


def many(count: int) -> Toolset:
    def named(n: int) -> Any:
        def look(place: str) -> str:
            """Look at a place."""
            return place

        look.__name__ = f"look_{n}"
        return look

    return Toolset.from_functions(*map(named, range(count)))


async def test_tools_are_documented_and_hashed_once_a_session(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = many(40)
    agent = ScriptedBackend(
        lambda request: "done" if request.messages[-1].role == "tool" else LOOK,
        capabilities=Capabilities(native_tools=True),
    )
    simulator = LLMSimulator(ScriptedBackend(lambda _: OK))
    counts = Counts(monkeypatch)
    counts.of(foresee, "spec_hash")
    escaped = 0

    def encode(value: Any) -> Any:
        nonlocal escaped
        escaped += isinstance(value, list) and len(value) == 40
        return data.encode(value)

    monkeypatch.setattr(prompts, "encode", encode)
    journal = tmp_path / "journal.db"
    async with unjudged(agent, tools, journal, simulator=simulator, strategy=Parallel(3)) as session:
        for _ in range(3):
            plan = await session.rehearse("Look.")
    assert [len(attempt.steps) for attempt in plan.attempts] == [1, 1, 1]
    assert counts.calls["spec_hash"] == 40
    assert escaped == 1


async def test_sync_tools_use_their_threads_again(tmp_path: Path) -> None:
    threads: list[int] = []

    def look(place: str) -> int:
        """Look at a place."""
        threads.append(threading.get_ident())
        return len(threads)

    there = {thread.ident for thread in threading.enumerate()}  # idle ones of other tests

    calls = [ToolCall(tool="look", arguments={"place": str(n)}) for n in range(20)]
    agent = ScriptedBackend([*calls, "done"])
    async with Session(
        agent=agent, tools=Toolset(look), strategy=Direct(), journal=tmp_path / "journal.db", max_steps=30
    ) as session:
        result = await session.run("Look around.")
    assert len(result.calls) == 20
    assert len(set(threads) - there) <= 2
