"""The controls of a benchmark: an idle agent, and the calls that fulfil each task."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.controls import agent_of, control_cells
from artis_sdk.evals.bench.pocket import PocketWorld
from artis_sdk.evals.bench.report import lines, plot, table
from artis_sdk.evals.bench.rows import read
from artis_sdk.evals.bench.runner import asked, measure
from artis_sdk.simulators import SandboxSimulator

IDLE, TRUTH = BenchCell(method="idle", n=0), BenchCell(method="truth", n=0)


async def test_the_right_calls_fulfil_every_task_and_no_calls_those_that_change_nothing(
    tmp_path: Path,
) -> None:
    world, path = PocketWorld(), tmp_path / "rows.jsonl"
    tasks = list(asked(world, 15))
    backend = ScriptedBackend([])
    wanted = control_cells(tasks)
    assert wanted == [IDLE, TRUTH]
    await measure(world, backend, wanted, path, simulators=lambda name: SandboxSimulator(), count=15)
    rows = list(read(path))
    right = Counter(row.cell.method for row in rows if row.fulfilled)
    assert right["truth"] == 15
    assert 0 < right["idle"] < 15
    assert all(row.calls == 0 for row in rows if row.cell == IDLE)
    assert backend.requests == [], "no model is asked"
    found = lines(rows)
    assert "| truth | – | 0 | 15 | 100.0 " in table(found)
    rehearsed = [row.model_copy(update={"cell": BenchCell(method="sequential", n=3)}) for row in rows[:15]]
    assert plot(lines(rows + rehearsed)) == plot(lines(rehearsed)), "a control begins no curve"


def test_a_world_that_knows_no_right_calls_has_an_idle_agent_alone() -> None:
    known = next(asked(PocketWorld(), 1))
    unknown = replace(known, truth=None)
    assert control_cells([known, unknown]) == [IDLE]
    backend = ScriptedBackend([])
    assert agent_of(BenchCell(method="direct", n=0), unknown, backend) is backend
    with pytest.raises(ConfigurationError, match="names no calls that fulfil it"):
        agent_of(TRUTH, unknown, backend)
