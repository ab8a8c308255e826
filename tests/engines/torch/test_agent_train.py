"""Whole runs: a model made on the spot, trained, resumed, measured, and asked as a backend."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1200)]  # where others take the processor
torch: Any = pytest.importorskip("torch")

from helpers.agent import PROMPT, Odd, taught  # noqa: E402
from helpers.tiny_model import Shape, hf_model  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from artis_sdk.cli.app import app  # noqa: E402
from artis_sdk.contracts import Simulator  # noqa: E402
from artis_sdk.errors import ConfigurationError, TrainingError  # noqa: E402
from artis_sdk.records import History, Message, Outcome, Provenance, Request, State, ToolCall  # noqa: E402
from artis_sdk.tools import Toolset  # noqa: E402
from artis_sdk.trainers.agent import AgentSettings, AgentTask, AgentTrainer, RolloutLimits  # noqa: E402
from artis_sdk.trainers.agent.backend import AgentBackend  # noqa: E402
from artis_sdk.trainers.agent.examples.lookup import lookup_tasks  # noqa: E402
from artis_sdk.trainers.agent.run_folder import AgentForm  # noqa: E402
from artis_sdk.trainers.agent.small import PROMPT as SMALL_PROMPT  # noqa: E402

torch.set_num_threads(1)
SMALL = Shape(hidden=32, intermediate=64, layers=1, heads=2, kv_heads=1, head_dim=16, std=0.05)
SHORT: dict[str, Any] = {
    "prompt": SMALL_PROMPT,
    "think": False,
    "group": 4,
    "tasks_per_step": 2,
    "learning_rate": 1e-3,
    "lora": False,
    "limits": RolloutLimits(turns=3, tokens=120),
    "measured": 8,
}


@pytest.fixture(scope="module")
def base() -> Path:
    return taught()


def trained(base: Path, out: Path, **more: Any) -> Any:
    given = {**SHORT, **{k: v for k, v in more.items() if k in AgentSettings.model_fields}}
    rest = {k: v for k, v in more.items() if k not in AgentSettings.model_fields}
    return AgentTrainer(
        base,
        out,
        lookup_tasks(16),
        held_out=lookup_tasks(8, held_out=True),
        settings=AgentSettings(**given),
        cpu=True,
        **rest,
    ).train()


def rewards(history: list[dict[str, Any]]) -> list[float]:
    return [entry["reward"] for entry in history if "reward" in entry]


def test_a_run_leaves_an_agent_its_measures_and_its_rollouts(tmp_path: Path, base: Path) -> None:
    told: list[int] = []
    done = trained(base, tmp_path / "out", steps=3, measure_every=2, on_step=lambda at: told.append(at.step))
    out = tmp_path / "out"
    lines = [json.loads(line) for line in (out / "rollouts.jsonl").read_text().splitlines()]
    assert len(lines) == 3 * 2 * 4
    for start in range(0, len(lines), 4):
        group = lines[start : start + 4]
        assert len({line["task"] for line in group}) == 1
        assert sum(line["advantage"] for line in group) == pytest.approx(0.0, abs=1e-6)
        assert set(group[0]["rewards"]) == {"answer", "format", "tool_execution"}
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    stepped = next(entry for entry in entries if "reward" in entry)
    assert {"tool_calls", "response_length", "rewards/answer/mean", "rewards/format/mean"} <= set(stepped)
    assert sum("held_out_success" in entry for entry in entries) == 1
    assert "<svg" in (out / "curve.svg").read_text()
    card = json.loads((out / "agent" / "card.json").read_bytes())
    assert card["held_out"]["after"].keys() >= {"success", "reward_answer"}
    assert card["held_out"]["gap"] is None
    assert AgentForm.read(done.folder).format == "tags"
    assert {1, 2, 3} <= set(told)


def test_a_run_cut_off_goes_on_to_the_same_rewards(tmp_path: Path, base: Path) -> None:
    whole = rewards(trained(base, tmp_path / "whole", steps=4, save_every=2).history)

    class Stop(Exception):
        pass

    def stop(at: Any) -> None:
        if at.step == 3:
            raise Stop

    with pytest.raises(Stop):
        trained(base, tmp_path / "cut", steps=4, save_every=2, on_step=stop)
    with pytest.raises(TrainingError, match="holds a run already"):
        trained(base, tmp_path / "cut", steps=4, save_every=2)
    with pytest.raises(TrainingError, match="another settings"):
        trained(base, tmp_path / "cut", steps=5, save_every=2, resume=True)
    again = trained(base, tmp_path / "cut", steps=4, save_every=2, resume=True)
    assert rewards(again.history) == pytest.approx(whole, abs=1e-5)
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "cut" / "rollouts.jsonl").read_text().splitlines()
    ]
    assert steps == sorted(steps)
    assert len(steps) == 4 * 8


def test_nothing_is_left_of_a_run_that_failed_before_its_first_step(tmp_path: Path, base: Path) -> None:
    hollow = shutil.copytree(base, tmp_path / "hollow")
    (hollow / "model.safetensors").unlink()
    with pytest.raises(TrainingError, match="cannot be loaded"):
        trained(hollow, tmp_path / "out", steps=1)
    assert list((tmp_path / "out").iterdir()) == []


class Foretells(Simulator):
    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return Outcome.success("11 ref 0000", Provenance.SIMULATED)


def test_trained_in_a_simulator_measured_in_the_sandbox_with_an_adapter_and_kl(
    tmp_path: Path, base: Path
) -> None:
    done = trained(
        base, tmp_path / "out", steps=2, lora=True, rank=4, kl=0.05,
        world="simulator", simulator=Foretells(), measure_in="sandbox",
    )  # fmt: skip
    held_out = done.card["held_out"]
    assert (held_out["world"], held_out["training_world"]) == ("sandbox", "simulator")
    assert isinstance(held_out["gap"], float)
    assert (done.folder / "adapter_model.safetensors").exists()
    assert any("kl" in entry for entry in done.history)


async def test_the_agent_is_a_backend(tmp_path: Path, base: Path) -> None:
    done = await asyncio.to_thread(trained, base, tmp_path / "out", steps=1, lora=True, rank=4)
    backend = AgentBackend(done.folder)
    task = lookup_tasks(1)[0]
    asked = Message(role="user", content=task.query)
    request = Request(messages=(asked,), tools=task.tools.specs, temperature=0.0, max_tokens=40)
    first = await backend.complete(request)
    assert first.usage.completion_tokens > 0
    assert (await backend.complete(request)).raw == first.raw
    called = Message(role="assistant", raw=first.raw, tool_calls=first.tool_calls)
    told = [Message(role="tool", content="42 ref 00", tool_call_id=call.id) for call in called.tool_calls]
    second = await backend.complete(
        Request(messages=(asked, called, *told), tools=task.tools.specs, temperature=0.0, max_tokens=40)
    )
    assert second.usage.prompt_tokens > first.usage.prompt_tokens + first.usage.completion_tokens
    await backend.aclose()


def test_native_calls_of_a_model_that_knows_them(tmp_path: Path) -> None:
    tools = Toolset.from_object(Odd(), include=["add"])
    tasks = [AgentTask(f"t{n}", "add", tools, answer="2") for n in range(4)]
    settings = AgentSettings(
        format="native", group=2, tasks_per_step=2, steps=1, lora=False,
        limits=RolloutLimits(turns=2, tokens=24),
    )  # fmt: skip
    done = AgentTrainer(hf_model(SMALL), tmp_path / "out", tasks, settings=settings, cpu=True).train()
    assert len(rewards(done.history)) == 1


def test_what_cannot_be_is_refused(tmp_path: Path, base: Path) -> None:
    tasks = lookup_tasks(4)
    with pytest.raises(TrainingError, match="unique"):
        AgentTrainer(base, tmp_path / "a", tasks, held_out=tasks)
    with pytest.raises(TrainingError, match="no tasks"):
        AgentTrainer(base, tmp_path / "b", [])
    with pytest.raises(ConfigurationError, match="needs a simulator"):
        AgentTrainer(base, tmp_path / "c", tasks, world="simulator")
    risky = [AgentTask("t", "add", Toolset.from_object(Odd(), include=["add"]), answer="2")]
    with pytest.raises(ConfigurationError, match="insist with --irreversible"):
        AgentTrainer(base, tmp_path / "d", risky, world="real")
    without = AgentTrainer(base, tmp_path / "e", tasks, settings=AgentSettings(), cpu=True)
    with pytest.raises(ConfigurationError, match="has no chat template: pass a prompt with"):
        without.train()
    assert not (tmp_path / "d").exists()


def test_the_command(tmp_path: Path, base: Path) -> None:
    prompt = tmp_path / "prompt.txt"
    prompt.write_text(PROMPT)
    ran = CliRunner().invoke(
        app,
        [
            "train", "agent", "--base", str(base), "--out", str(tmp_path / "out"), "--tasks", "lookup",
            "--prompt", str(prompt), "--no-think", "--steps", "1", "--group", "2", "--tasks-per-step", "2",
            "--measured", "4", "--tokens", "80", "--full", "--cpu", "--json",
            "--weight", "tool_match=0.5",
        ],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    document = json.loads(ran.stdout)
    assert document["training"]["rewards"]["tool_match"] == 0.5
    assert Path(document["agent"]).is_dir()
