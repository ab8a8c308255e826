"""Generation as a whole: nothing real runs, every row is the sandbox's, and it ends when it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from helpers.failing_tools import Shop
from helpers.generation import Vault, made, vault

from artis_sdk.errors import ConfigurationError
from artis_sdk.logs import CallLog
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.trainers.generate import GenerationBudget, StartState, generate
from artis_sdk.trainers.generate.run import GenerationProgress


def rows(path: Path) -> list[CallRecord]:
    with CallLog(path, create=False) as log:
        return list(log.records())


def shops(count: int = 3) -> list[StartState]:
    """Shops with different stock, each a session."""
    worlds = []
    for n in range(count):
        shop = Shop()
        shop.stock["plum"] = n
        worlds.append(StartState(Toolset.from_object(shop), session=f"shop-{n}"))
    return worlds


# --- nothing real ---------------------------------------------------------------------------------


def test_the_canary_a_call_on_the_object_itself_is_noticed(tmp_path: Path) -> None:
    real = Vault(tmp_path)
    real.take(1)
    assert {path.name for path in tmp_path.iterdir()} == {"real", "here"}


@pytest.mark.slow
async def test_nothing_real_ever_runs_and_no_call_runs_in_this_process(tmp_path: Path) -> None:
    alarm = tmp_path / "alarm"
    alarm.mkdir()
    real = Vault(alarm)
    before = dict(vars(real))
    found = await made(Toolset.from_object(real), tmp_path / "made.db", log=calls_of(Vault(alarm)))
    assert found.rows > 100
    assert list(alarm.iterdir()) == []
    assert vars(real) == before
    assert {row.call.tool for row in rows(tmp_path / "made.db")} == {"take", "blow"}


def calls_of(vault: Vault) -> list[CallRecord]:
    """A logged session of a vault: real rows, made up."""
    tools = Toolset.from_object(vault)
    call = ToolCall(id="c", tool="take", arguments={"amount": 2})
    return [
        CallRecord(
            id="r", at=0.0, session="of-log", task="t", spec=tools["take"].spec, call=call,
            state=tools.state(), outcome=Outcome.success(3, Provenance.REAL),
        )
    ]  # fmt: skip


@pytest.mark.slow
async def test_a_function_that_nobody_called_pure_is_refused_and_said(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    @guarded_tool
    def launch(where: str) -> str:
        """Launch."""
        ran.touch()
        raise ValueError("no fuel")

    found = await made(Toolset(launch), tmp_path / "made.db", calls=40)
    assert found.rows == 0
    assert not ran.exists()
    assert sum(found.refused.values()) == 40
    assert all("launch" in reason for reason in found.refused)


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_every_row_is_the_sandboxs_with_its_history_state_and_session(tmp_path: Path) -> None:
    worlds = shops()
    found = await made(worlds, tmp_path / "made.db", calls=300)
    records = rows(tmp_path / "made.db")
    assert len(records) == found.rows > 200
    by_task: dict[str | None, list[CallRecord]] = {}
    for record in records:
        assert record.outcome.provenance is Provenance.SANDBOXED
        assert all(step.outcome.provenance is Provenance.SANDBOXED for step in record.history)
        assert record.session in {world.session for world in worlds}
        assert isinstance(record.state, dict)
        assert record.state.keys() == {"Shop"}
        by_task.setdefault(record.task, []).append(record)
    for task in by_task.values():
        task.sort(key=lambda record: len(record.history))
        for n, record in enumerate(task):
            assert record.state == task[0].state
            assert [step.call.tool for step in record.history] == [r.call.tool for r in task[:n]]
            assert [step.outcome for step in record.history] == [r.outcome for r in task[:n]]
    assert max(map(len, by_task.values())) > 1


async def test_rows_made_from_a_logged_session_carry_its_name(tmp_path: Path) -> None:
    alarm = Vault(tmp_path)
    await made(
        Toolset.from_object(alarm), tmp_path / "made.db", log=calls_of(alarm), sources=["mutation"], calls=60
    )
    assert {record.session for record in rows(tmp_path / "made.db")} == {"of-log"}


@pytest.mark.slow
async def test_the_same_seed_gives_the_same_rows_and_another_gives_others(tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        await made(shops(), tmp_path / f"{name}.db", calls=120, seed=seed)
    a, b, c = ({row.id for row in rows(tmp_path / f"{name}.db")} for name in "abc")
    assert a == b
    assert not a & c


@pytest.mark.slow
def test_rows_do_not_depend_on_the_hash_seed(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from test_generate_run import made, rows, shops;"
        "asyncio.run(made(shops(), Path(sys.argv[1]), calls=120)); "
        "print(sorted(r.id for r in rows(Path(sys.argv[1]))))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / f"{seed}.db")],
            check=True, capture_output=True, text=True, timeout=120, cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert len(said[0]) > 1000
    assert said[0] == said[1]


@pytest.mark.slow
async def test_a_run_that_is_repeated_adds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "made.db"
    await made(shops(), path, calls=100)
    first = {row.id for row in rows(path)}
    await made(shops(), path, calls=100)
    assert {row.id for row in rows(path)} == first


# --- what it reaches, and when it ends --------------------------------------------------------------


@pytest.mark.slow
async def test_it_reaches_every_mode_of_the_shop_and_then_ends(tmp_path: Path) -> None:
    told: list[GenerationProgress] = []
    found = await made(shops(), tmp_path / "made.db", calls=6000, on_progress=told.append)
    assert [mode.where for mode in found.coverage.unseen()] == []
    assert found.coverage.share == 1.0
    calls = sum(found.coverage.calls.values())
    assert calls < 6000
    assert [one.reached for one in told] == sorted(one.reached for one in told)
    assert [one.calls for one in told] == sorted(one.calls for one in told)
    assert told[-1].modes == 18


async def test_it_ends_at_a_coverage_that_is_enough(tmp_path: Path) -> None:
    found = await generate(
        shops(), budget=GenerationBudget(calls=6000, coverage=0.5), out=tmp_path / "made.db"
    )
    found.log.close()
    assert 9 <= found.coverage.reached <= 12
    assert sum(found.coverage.calls.values()) < 600


@pytest.mark.parametrize("calls", [1, 7, 50])
async def test_it_makes_no_more_calls_than_it_may(tmp_path: Path, calls: int) -> None:
    found = await made(shops(), tmp_path / "made.db", calls=calls)
    assert sum(found.coverage.calls.values()) + sum(found.refused.values()) == calls
    assert found.rows <= calls


async def test_it_ends_when_its_time_is_over(tmp_path: Path) -> None:
    rows = 0
    for seconds in (0.7, 4, 20):  # the first worker's start alone may take seconds on a busy machine
        began = time.monotonic()
        budget = GenerationBudget(calls=10**9, seconds=seconds)
        found = await generate(vault(tmp_path), budget=budget, out=tmp_path / f"made_{seconds}.db")
        found.log.close()
        assert seconds - 0.2 < time.monotonic() - began < seconds + 20
        if rows := found.rows:
            break
    assert rows > 0


# --- what cannot be -------------------------------------------------------------------------------


class Locked:
    """Cannot be copied."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Locked:
        raise TypeError("a lock cannot be copied")

    @guarded_tool
    def turn(self) -> None:
        """Turn."""
        raise ValueError("stuck")


async def test_what_cannot_be_done_is_said(tmp_path: Path) -> None:
    shop = Toolset.from_object(Shop())
    for sources, says in (
        (["magic"], "magic: choose from agents, mutation, property, targeted"),
        ([], "(none)"),
        (["agents"], "pass writer="),
        (["mutation", "targeted"], "targeted need a model"),
    ):
        with pytest.raises(ConfigurationError) as told:
            await made(shop, tmp_path / "made.db", sources=sources)
        assert says in str(told.value)
    with pytest.raises(ConfigurationError, match="cannot be copied"):
        await made(Toolset.from_object(Locked()), tmp_path / "made.db")


async def test_a_log_of_tools_that_are_gone_gives_nothing_and_is_no_error(tmp_path: Path) -> None:
    record = calls_of(Vault(tmp_path))[0]
    other = record.model_copy(update={"call": ToolCall(tool="fly", arguments={})})
    found = await made(Toolset.from_object(Shop()), tmp_path / "made.db", log=[other], calls=50)
    assert found.rows > 0
    assert json.loads(json.dumps(found.as_json()))["coverage"]["sources"]["log"]["calls"] == 1


async def test_simulated_rows_are_nothing_to_begin_from(tmp_path: Path) -> None:
    record = calls_of(Vault(tmp_path))[0]
    said = record.model_copy(update={"outcome": Outcome.success(3, Provenance.SIMULATED)})
    found = await made(vault(tmp_path), tmp_path / "made.db", log=[said], sources=["mutation"], calls=50)
    assert found.rows == 0
    assert "log" not in found.coverage.calls
