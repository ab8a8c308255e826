"""A benchmark's world: one that nobody knows here, BFCL, and how results are kept and gone on with."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from helpers.lamps import Lamps

from artis_sdk import SandboxSimulator, Toolset
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import BackendClosed, ConfigurationError, MissingExtraError, RequestRejected
from artis_sdk.evals.bench.cells import BenchCell, cells
from artis_sdk.evals.bench.pocket import PocketWorld
from artis_sdk.evals.bench.report import commits, lines
from artis_sdk.evals.bench.rows import TaskRow, read
from artis_sdk.evals.bench.runner import asked, measure, play
from artis_sdk.evals.bench.world import BenchmarkTask, Split
from artis_sdk.loop.strategies import Direct
from artis_sdk.prompts import Prompts
from artis_sdk.records import Request, Result, Role, State, ToolCall

# --- a world of somebody's own: it names none of ours as its base -----------------------------


class Room:
    """An instance: it counts its turns and wants one more lamp to be lit after each."""

    def __init__(self, broken: str) -> None:
        self.lamps = Lamps(broken)
        self.tools = Toolset.from_object(self.lamps)
        self.checked: list[int] = []

    def state(self) -> State:
        return {"lamps": ["red", "blue"], "lit": len(self.lamps.lit)}

    def check_turn(self, turn: int, result: Result) -> str | None:
        self.checked.append(turn)
        lit = len(self.lamps.lit)
        return None if lit == turn + 1 else f"{lit} lamps are lit after turn {turn}"


class LampWorld:
    """Tasks of one turn with a broken red lamp, and of two turns with none."""

    name = "lamps"
    prompts = Prompts(style="paper")
    max_steps = 3

    def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[Room]]:
        for n in range(4):
            broken = "red" if n % 2 else "none"
            queries = ("Make light.",) if n % 2 else ("Make light.", "Make more light.")
            start = partial(Room, broken)
            yield BenchmarkTask(f"{split}-{seed}-{n}", queries, start, family=broken, hidden=bool(n % 2))


def agent(request: Request) -> str | list[ToolCall]:
    """Lights the red lamp, or the blue one where it has read that the red one is broken."""
    messages = request.messages[1:]
    if messages[-1].role == "tool":
        return "done"
    warned = any("red is broken" in message.content or "blue" in message.content for message in messages)
    return [ToolCall(tool="light", arguments={"lamp": "blue" if warned else "red"})]


def advised(request: Request) -> str | list[ToolCall]:
    """The same agent, with a judge and an advisor who say what is broken."""
    system, user, *later = (message.content for message in request.messages)
    failed = "is broken" in user
    if system.startswith("You check whether"):
        if later:  # its verdict, and the request for a suggestion
            return "the red is broken"
        return json.dumps({"correct": not failed})
    if system.startswith("You supervise"):
        why = "the red is broken" if failed else "as asked"
        return f"<Result>{1 - failed}</Result><Suggestion>{why}</Suggestion>"
    if system.startswith("You advise"):
        return json.dumps({"recommendation": "the red is broken" if failed else "go on", "rationale": ""})
    return agent(request)


def perfect(name: str) -> SandboxSimulator:
    assert name == "perfect"
    return SandboxSimulator()


GRID = cells(["direct", "sequential"], ["perfect"], [0, 2], ["both"])


async def run(path: Path, backend: ScriptedBackend, **given: Any) -> list[TaskRow]:
    wanted = {"wanted": GRID, "count": 4, "seed": 7, **given}
    await measure(LampWorld(), backend, path=path, simulators=perfect, **wanted)
    return list(read(path))


def test_only_the_tasks_of_some_kinds_are_asked() -> None:
    """A benchmark of traps alone takes them from the same tasks as one of all kinds."""
    world = PocketWorld()
    every = list(asked(world, 60, seed=3))
    traps = list(asked(world, 60, seed=3, kinds=["trap"]))
    assert 0 < len(traps) < len(every)
    assert [task.id for task in traps] == [task.id for task in every if task.kind == "trap"]


async def test_a_world_of_somebodys_own_is_measured_as_ours_are(tmp_path: Path) -> None:
    def answers(request: Request) -> Any:
        system, user, *_ = (message.content for message in request.messages)
        failed = "is broken" in user
        if system.startswith("You supervise"):
            why = "red is broken" if failed else "as asked"
            return (
                f"<Evaluation>{why}</Evaluation><Result>{1 - failed}</Result><Suggestion>{why}</Suggestion>"
            )
        if system.startswith("You advise"):
            return json.dumps({"recommendation": "red is broken" if failed else "go on", "rationale": ""})
        return agent(request)

    rows = await run(tmp_path / "rows.jsonl", ScriptedBackend(answers))
    done = {(row.cell.method, row.cell.without, row.task): row for row in rows}
    assert len(done) == len(rows) == 3 * 4
    for (method, without, task), row in done.items():
        assert row.error is None
        assert task == f"held_out-7-{task[-1]}"
        hidden = int(task[-1]) % 2 == 1
        assert (row.family, row.hidden) == ("red" if hidden else "none", hidden)
        assert row.fulfilled == (method == "sequential" or not hidden), (method, without, task)
        assert row.calls == (1 if hidden else 2), "one real call a turn"
        assert (Role.EVALUATION in row.usage) == (method == "sequential" and without is None)


async def test_each_turn_is_checked_on_the_objects_that_it_was_played_on(tmp_path: Path) -> None:
    world = LampWorld()
    tasks = list(world.tasks("train"))
    for task in (*tasks, *tasks):  # a second time: every instance is a fresh one
        backend = ScriptedBackend(agent)
        played = await play(world, task, backend, None, Direct(), journal=tmp_path / "j.db")
        assert played.instance.checked == list(range(len(task.queries)))
        assert len(played.results) == len(played.problems) == len(task.queries)
        assert played.fulfilled != task.hidden
        assert played.problems[-1] == ("0 lamps are lit after turn 0" if task.hidden else None)
        assert played.usage[Role.ACTION].requests == 2 * len(task.queries)
        assert len(played.instance.lamps.lit) == (0 if task.hidden else 2)


async def test_an_early_turn_that_failed_is_not_made_good_by_a_late_one(tmp_path: Path) -> None:
    def lazy(request: Request) -> str | list[ToolCall]:
        messages = request.messages[1:]
        turns = sum(message.role == "user" for message in messages)
        if turns == 1 or messages[-1].role == "tool":
            return "done"
        return [ToolCall(tool="light", arguments={"lamp": lamp}) for lamp in ("red", "blue")]

    world = LampWorld()
    task = next(world.tasks("train"))
    played = await play(world, task, ScriptedBackend(lazy), None, Direct(), journal=tmp_path / "j.db")
    assert played.problems == ("0 lamps are lit after turn 0", None)
    assert not played.fulfilled


async def test_the_documents_own_world_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    scope: dict[str, Any] = {}
    exec(code, scope)
    monkeypatch.chdir(tmp_path)
    await scope["compare"](ScriptedBackend(advised))
    found = {(row.cell.method, row.task): row.fulfilled for row in read(tmp_path / "rows.jsonl")}
    assert found == {
        ("direct", "held_out-0-red"): False,
        ("direct", "held_out-0-blue"): True,
        ("sequential", "held_out-0-red"): True,
        ("sequential", "held_out-0-blue"): True,
    }


# --- results ----------------------------------------------------------------------------------


async def test_what_is_in_the_file_is_not_played_again(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    direct = [BenchCell(method="direct", n=0)]
    await run(path, ScriptedBackend(agent), wanted=direct, count=2)
    before = path.read_text()
    backend, told = ScriptedBackend(agent), list[TaskRow]()
    rows = await run(path, backend, wanted=direct, count=4, on_row=told.append)
    assert path.read_text().startswith(before)
    assert sorted(row.task for row in rows) == [f"held_out-7-{n}" for n in range(4)]
    assert told == rows, "also those of the run before"
    assert len(backend.requests) == 2 * 3
    await run(path, backend, wanted=direct, count=4)
    assert len(backend.requests) == 2 * 3


EARLIER = (
    '{"cell":{"method":"direct","simulator":null,"n":0,"without":null},"task":"held_out-7-0","family":"none",'
    '"hidden":false,"fulfilled":true,"usage":{"action":{"requests":2,"prompt_tokens":90,"cached_tokens":0,'
    '"completion_tokens":10}},"calls":1,"diverged":0,"seconds":0.301,'
    '"error":null}\n'
)
"""A line as runs before wrote it."""


async def test_rows_of_earlier_runs_are_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(EARLIER)
    backend = ScriptedBackend(agent)
    rows = await run(path, backend, wanted=[BenchCell(method="direct", n=0)], count=1)
    assert (len(rows), backend.requests) == (1, [])
    assert rows[0].model_dump(mode="json").keys() >= json.loads(EARLIER).keys()


async def test_an_error_is_a_row_and_a_dead_engine_ends_the_run(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    direct = [BenchCell(method="direct", n=0)]

    def rejecting(request: Request) -> Any:
        return RequestRejected("scripted", "no") if len(request.messages) != 2 else agent(request)

    rows = await run(path, ScriptedBackend(rejecting), wanted=direct, count=2)
    assert [row.fulfilled for row in rows] == [False] * 2
    assert all("scripted: no" in (row.error or "") for row in rows)

    def dying(request: Request) -> Any:
        return agent(request) if len(request.messages) == 2 else BackendClosed("scripted", "gone")

    with pytest.raises(BackendClosed):  # in the middle of a commit
        await run(path, ScriptedBackend(dying), wanted=direct)
    with pytest.raises(BackendClosed):
        await run(path, ScriptedBackend(lambda request: BackendClosed("scripted", "gone")), wanted=direct)
    assert len(list(read(path))) == 2


@pytest.mark.parametrize(
    ("ids", "why"), [([], "no held-out tasks"), (["a", "b", "a"], "several tasks with one id")]
)
async def test_a_world_whose_rows_could_not_be_told_apart_is_refused(
    tmp_path: Path, ids: list[str], why: str
) -> None:
    class Faulty(LampWorld):
        def tasks(self, split: Split, *, seed: int = 0) -> Iterator[BenchmarkTask[Room]]:
            return (BenchmarkTask(id, ("Make light.",), partial(Room, "none")) for id in ids)

    backend, path = ScriptedBackend(agent), tmp_path / "rows.jsonl"
    with pytest.raises(ConfigurationError, match=f"the world lamps .*{why}"):
        await measure(Faulty(), backend, GRID, path, simulators=perfect, count=4)
    assert (backend.requests, path.exists()) == ([], False)


async def test_ways_to_commit_are_measured_beside_each_other(tmp_path: Path) -> None:
    wanted = cells(["sequential"], ["perfect"], [2], modes=["guided", "bound", "replay"])
    rows = await run(tmp_path / "rows.jsonl", ScriptedBackend(advised), wanted=wanted)
    by_mode = {mode: [row for row in rows if row.cell.mode == mode] for mode in ("guided", "bound", "replay")}
    assert [len(found) for found in by_mode.values()] == [4, 4, 4]
    assert all(row.fulfilled and row.unforeseen == 0 and row.stopped == 0 for row in rows)
    assert all(row.commit_tokens == 0 for row in by_mode["replay"])
    assert all(row.commit_tokens > 0 for row in by_mode["guided"] + by_mode["bound"])
    shown = commits(lines(rows))
    assert shown.count("| sequential | perfect | 2 |") == 3
    assert commits(lines(row.model_copy(update={"cell": GRID[0]}) for row in rows)) == ""


async def test_a_backend_that_cannot_run_here_ends_the_run_without_rows(tmp_path: Path) -> None:
    backend = ScriptedBackend(lambda request: MissingExtraError("it", "llama"))
    path = tmp_path / "rows.jsonl"
    with pytest.raises(MissingExtraError, match="optional dependency"):
        await run(path, backend)
    assert list(read(path)) == []
