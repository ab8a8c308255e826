"""Pocket tasks through a Session: an agent that follows advice, and the bank's own code as simulator."""

from __future__ import annotations

import asyncio
from itertools import islice
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers.pocket import RuleBackend

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import STAGES, BenchCell, cells, strategy
from artis_sdk.evals.bench.pocket import PocketInstance, PocketWorld
from artis_sdk.evals.bench.report import costs, families, lines, plot, table
from artis_sdk.evals.bench.rows import TaskRow, read, write_settings
from artis_sdk.evals.bench.runner import PlayedTask, asked, measure, play
from artis_sdk.evals.bench.world import BenchmarkTask
from artis_sdk.loop.strategies import Direct, Sequential, Strategy
from artis_sdk.pocket.families import HIDDEN
from artis_sdk.pocket.play import SIMULATORS
from artis_sdk.records import Role, Usage
from artis_sdk.simulators import SandboxSimulator

WORLD = PocketWorld()
Task = BenchmarkTask[PocketInstance]


def hidden_tasks(count: int) -> list[Task]:
    found = (task for task in WORLD.tasks("held_out", seed=3) if task.family in HIDDEN and task.hidden)
    return list(islice(found, count))


def rules(task: Task) -> RuleBackend:
    return RuleBackend(task.start().task)


async def played(task: Task, strategy: Strategy, folder: Path) -> PlayedTask[PocketInstance]:
    journal = folder / "j.db"
    return await play(WORLD, task, rules(task), SandboxSimulator(), strategy, journal=journal)


@pytest.mark.slow
async def test_rehearsal_finds_the_plan_that_direct_execution_misses(tmp_path: Path) -> None:
    for task in hidden_tasks(12):
        direct = await played(task, Direct(), tmp_path)
        assert not direct.fulfilled, "the obvious plan is refused"
        rehearsed = await played(task, Sequential(4), tmp_path)
        assert rehearsed.fulfilled, (task.family, task.queries[0])
        assert rehearsed.usage[Role.EVALUATION].requests == 4
        assert all(not made.diverged for result in rehearsed.results for made in result.calls)


async def test_a_task_keeps_its_own_bank(tmp_path: Path) -> None:
    (task,) = hidden_tasks(1)
    before = repr(task.start().bank)
    done = await played(task, Sequential(2), tmp_path)
    assert done.fulfilled
    assert repr(done.instance.bank) != before
    assert repr(done.instance.task.bank) == repr(task.start().bank) == before


@pytest.mark.slow
async def test_tasks_are_checked_while_others_are_rehearsed(tmp_path: Path) -> None:
    """The check plays on books of its own, outside of the rehearsals that go on meanwhile."""
    some = list(asked(WORLD, 8, seed=2))
    ends = await asyncio.gather(*(played(task, Sequential(2), tmp_path) for task in some))
    assert [end.task for end in ends] == some
    assert {len(end.problems) for end in ends} == {len(task.queries) for task in some}


def test_the_grid_is_the_issues() -> None:
    found = cells(simulators=SIMULATORS)
    assert len(found) == len(set(found)) == 1 + 4 * (2 + 3 * len(SIMULATORS))
    assert cells(["direct"], [], [0]) == [BenchCell(method="direct", n=0)]
    ablated = cells(["sequential", "parallel"], ["normal"], [3], ["evaluation", "both"])
    assert [cell.curve for cell in ablated] == [
        "sequential, normal",
        "sequential, normal, without evaluation",
        "sequential, normal, without both",
        "parallel, normal",
    ]
    assert [strategy(cell).name for cell in found[:3]] == ["direct", "best_of_n", "revision"]


@pytest.mark.slow
async def test_a_stage_left_out_is_not_run(tmp_path: Path) -> None:
    wanted = cells(["sequential"], ["perfect"], [2], STAGES)
    path = tmp_path / "rows.jsonl"
    (task,) = asked(WORLD, 1, seed=2)
    simulators = {"perfect": SandboxSimulator()}.__getitem__
    await measure(WORLD, rules(task), wanted, path, simulators=simulators, count=1, seed=2)
    roles = {
        row.cell.without: {role for role, used in row.usage.items() if used.requests} for row in read(path)
    }
    assert roles == {
        None: {Role.ACTION, Role.EVALUATION, Role.SUMMARY},
        "evaluation": {Role.ACTION, Role.SUMMARY},
        "summary": {Role.ACTION, Role.EVALUATION},
        "both": {Role.ACTION},
    }


def row(cell: BenchCell, number: int, *, right: bool, hidden: bool = True, family: str = "pay") -> TaskRow:
    return TaskRow(
        cell=cell,
        task=f"t{number}",
        family=family,
        hidden=hidden,
        fulfilled=right,
        usage={Role.ACTION: Usage(requests=2, prompt_tokens=90, completion_tokens=10)},
        calls=1,
        diverged=0,
        seconds=0.1,
    )


def test_rows_are_read_back_and_a_torn_line_is_passed_over(tmp_path: Path) -> None:
    cell = BenchCell(method="direct", n=0)
    path = tmp_path / "rows.jsonl"
    whole = [row(cell, n, right=n % 2 == 0) for n in range(4)]
    path.write_text("".join(one.model_dump_json() + "\n" for one in whole) + '{"cell": {"met')
    assert list(read(path)) == whole


def test_tables_and_plot_say_what_the_rows_say() -> None:
    direct = BenchCell(method="direct", n=0)
    artis = BenchCell(method="sequential", simulator="failure_driven", n=5)
    bare = BenchCell(method="sequential", simulator="failure_driven", n=5, without="summary")
    rows = [row(direct, n, right=n < 1) for n in range(4)] + [row(artis, n, right=n < 3) for n in range(4)]
    rows += [row(bare, 0, right=True), row(bare, 1, right=False, family="turns")]
    found = lines(rows)
    assert [line.accuracy.value for line in found] == [0.25, 0.75, 0.5]
    assert found[1].tokens == 100
    assert "| sequential | failure_driven | 5 | 4 | 75.0 [" in table(found)
    assert "| sequential without summary | failure_driven | 5 | 2 | 50.0 [" in table(found)
    assert "| sequential without summary | failure_driven | 5 | 1 of 1 | 0 of 1 |" in families(found)
    assert "| direct | – | 0 | 1 of 4 | 0 of 0 |" in families(found)
    assert "| direct | – | 0 | 2.0: 10 + 90 | 2.0: 10 + 90 | – | – | – |" in costs(found)
    drawn = ElementTree.fromstring(plot(found, "the command"))
    space = "{http://www.w3.org/2000/svg}"
    ways = [
        [x_y.split(",") for x_y in one.attrib["points"].split()] for one in drawn.iter(f"{space}polyline")
    ]
    assert [len(way) for way in ways] == [2] * 4  # from direct execution to N = 5
    climbs = [float(way[0][1]) - float(way[1][1]) for way in ways[:2]]
    assert climbs[0] == pytest.approx(2 * climbs[1], abs=0.2)  # 50 percent against 25
    whiskers = [one.text or "" for one in drawn.iter(f"{space}title")]
    assert whiskers[1].startswith("sequential, failure_driven: 75 [")
    assert [one.text for one in drawn.iter(f"{space}text")][-1] == (
        "2 to 4 tasks a point, 95 percent intervals; the command"
    )


def test_another_run_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    write_settings(tmp_path, {"seed": 0})
    write_settings(tmp_path, {"seed": 0})
    with pytest.raises(ConfigurationError, match="another seed"):
        write_settings(tmp_path, {"seed": 1})
