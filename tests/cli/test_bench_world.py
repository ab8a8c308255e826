"""`artis bench world` on a world of somebody's own, with a scripted server as the model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import artis
from helpers.fault_server import agent, serving

WORLD = """
from functools import partial

from helpers.lamps import Lamps

from artis_sdk import Toolset
from artis_sdk.evals.bench.world import BenchmarkTask


class Room:
    def __init__(self, broken):
        self.lamps = Lamps(broken)
        self.tools = Toolset.from_object(self.lamps)

    def state(self):
        return self.tools.state()

    def check_turn(self, turn, result):
        return None if self.lamps.lit else "it is dark"


class LampWorld:
    name, prompts, max_steps = "lamps", None, None

    def tasks(self, split, *, seed=0):
        for broken in ("red", "blue", "green"):
            yield BenchmarkTask(id=f"{split}-{broken}", queries=("Make light.",), start=partial(Room, broken))
"""


@pytest.mark.slow
async def test_methods_are_compared_and_a_run_continues(tmp_path: Path) -> None:
    (tmp_path / "lamp_world.py").write_text(WORLD)
    verdict = json.dumps({"correct": True, "explanation": "", "suggestion": ""})
    async with serving(agent(1, "light", {"lamp": "red"}, schema_reply=verdict)) as server:
        lines = ['agent = "openai:scripted"', '[backends."openai:scripted"]']
        lines += [f'base_url = "{server.base_url}"', 'api_key = "none"']
        (tmp_path / "artis.toml").write_text("\n".join(lines) + "\n")
        command = ["bench", "world", "lamp_world:LampWorld", "--out", "run", "--tasks", "3", "--n", "1"]
        code, out, err = await artis(tmp_path, *command, "--retries", "0", "--json")
        assert code == 0, err
        asked = len(server.requests)
        again, _, err = await artis(tmp_path, *command, "--retries", "0", "--json")
        assert again == 0, err
        assert len(server.requests) == asked, "rows that are there are not played again"
        code, _, err = await artis(tmp_path, *command, "--seed", "1")
        assert code != 0
        assert "holds a run with another seed" in err
    cells = {(line["cell"]["method"], line["cell"]["n"]): line["accuracy"] for line in json.loads(out)}
    assert {name: found["n"] for name, found in cells.items()} == {
        ("idle", 0): 3,
        ("direct", 0): 3,
        ("sequential", 1): 3,
    }
    assert cells["idle", 0]["value"] == 0
    assert cells["direct", 0]["value"] == pytest.approx(2 / 3)
    rows = [json.loads(line) for line in (tmp_path / "run" / "rows.jsonl").read_text().splitlines()]
    dark = next(row for row in rows if row["task"] == "held_out-red" and row["cell"]["method"] == "direct")
    assert dark["problem"] == "it is dark"
    assert "red is broken" in dark["made"][0]
    assert "<svg" in (tmp_path / "run" / "page.html").read_text()
    assert "| both |" in (tmp_path / "run" / "tables.md").read_text()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["moon", "--agent", "openai:x"], "unknown world 'moon'; choose from pocket, bfcl-base"),
        (["json:loads", "--agent", "openai:x"], "json:loads is no world"),
        (["pocket", "--agent", "openai:x", "--simulators", "crystal"], "unknown simulator 'crystal'"),
        (["pocket"], "name the agent's backend"),
    ],
)
async def test_what_does_not_fit_is_told_before_anything_runs(
    given: list[str], words: str, tmp_path: Path
) -> None:
    code, _, err = await artis(tmp_path, "bench", "world", *given, "--out", "run")
    assert code != 0
    assert words in " ".join(err.split())
