"""The shipped pocket model: it is asked as it was trained, and plays tasks on a real engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.evals.bench.pocket import PocketWorld
from artis_sdk.evals.bench.runner import asked, play
from artis_sdk.loop.strategies import Direct, Parallel
from artis_sdk.pocket import weights
from artis_sdk.pocket.chat import FORM, TEMPLATES
from artis_sdk.pocket.play import agent, engine, simulator
from artis_sdk.records import Plan, Role
from artis_sdk.simulators.trained import Trained


@pytest.mark.parametrize("name", weights.ADAPTERS)
def test_adapters_are_asked_as_they_were_trained(name: str) -> None:
    found = Trained.read(weights.form(name))
    assert found.form.model_copy(update={"max_characters": None}) == FORM
    assert found.templates == {key: TEMPLATES[key] for key in ("simulator_system", "simulator_user")}
    assert weights.gguf_adapter(name).stat().st_size > 10_000


def test_no_file_names_the_machine_that_made_it() -> None:
    for path in weights.ROOT.rglob("*.json"):
        text = path.read_text(encoding="utf-8")
        assert "/tmp/" not in text
        assert str(Path.home()) not in text or str(Path.home()) == "/"


@pytest.mark.engine
async def test_it_plays_tasks_on_llama_cpp(tmp_path: Path) -> None:
    world = PocketWorld()
    backend = engine("llama.cpp", threads=1)
    try:
        for task in asked(world, 2, seed=1):
            direct = await play(world, task, backend, None, Direct(), journal=tmp_path / "j.db")
            assert direct.usage[Role.ACTION].requests >= len(task.queries)
            assert Role.SIMULATION not in direct.usage
            rehearsed = await play(
                world,
                task,
                backend,
                simulator("failure_driven", backend),
                Parallel(2),
                journal=tmp_path / "j.db",
            )
            assert all(len(result.plan.attempts) == 2 for result in rehearsed.results)
    finally:
        await backend.aclose()


@pytest.mark.engine
def test_the_demo_runs() -> None:
    done = CliRunner().invoke(app, ["demo", "--tasks", "1", "--attempts", "2", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert {"direct", "rehearsed", "recommendation"} <= row.keys()


@pytest.mark.engine
def test_the_demo_leaves_a_plan_and_a_picture(tmp_path: Path) -> None:
    plan, picture = tmp_path / "plan.json", tmp_path / "demo.svg"
    command = ["demo", "--tasks", "1", "--attempts", "2", "--save", str(plan), "--picture", str(picture)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert len(Plan.model_validate_json(plan.read_text()).attempts) == 4
    assert "<svg" in picture.read_text()
    assert "url(http" not in picture.read_text()


@pytest.mark.engine
def test_the_benchmark_runs_and_goes_on_where_it_was(tmp_path: Path) -> None:
    command = ["bench", "pocket", "--out", str(tmp_path), "--methods", "direct", "--n", "0", "--json"]
    command += ["--retries", "0"]
    runner = CliRunner()
    assert runner.invoke(app, [*command, "--tasks", "2"]).exit_code == 0
    before = (tmp_path / "rows.jsonl").read_text()
    done = runner.invoke(app, [*command, "--tasks", "3"])
    assert done.exit_code == 0, done.output
    after = (tmp_path / "rows.jsonl").read_text()
    assert after.startswith(before)
    assert len(after.splitlines()) == 3 * len(["idle", "truth", "direct"])
    assert (tmp_path / "accuracy.svg").read_text().startswith("<svg")


@pytest.mark.engine
async def test_the_persistent_agent_goes_on_after_a_refusal(tmp_path: Path) -> None:
    """On real inference: the plain agent ends with its refusal, the persistent one tries another plan."""
    backend = engine("llama.cpp", threads=1)
    ended: dict[str, int] = {}
    recovered: dict[str, int] = {}
    try:
        for name in ("plain", "persistent"):
            player = agent(name, backend)
            ended[name] = recovered[name] = 0
            for task in asked(PocketWorld(), 12, seed=2):
                played = await play(
                    PocketWorld(), task, player, None, Direct(), journal=tmp_path / f"{name}.db"
                )
                for result in played.results:
                    refused = [n for n, call in enumerate(result.calls) if not call.outcome.ok]
                    ended[name] += bool(refused) and refused[-1] == len(result.calls) - 1
                    recovered[name] += bool(refused) and refused[0] < len(result.calls) - 1
    finally:
        await backend.aclose()
    assert ended["plain"] >= 2
    assert recovered["plain"] == 0
    assert recovered["persistent"] >= 2
