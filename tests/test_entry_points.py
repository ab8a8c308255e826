"""What an installed distribution registers is found by settings, sessions and the command line."""

from __future__ import annotations

import json
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from helpers.cli import artis
from typer.testing import CliRunner

from artis_sdk import ConfigurationError, Session, entry_points
from artis_sdk.backends import ScriptedBackend
from artis_sdk.cli.app import app
from artis_sdk.settings import load_settings

MODULE = '''
from dataclasses import dataclass

from artis_sdk import Outcome, Parallel, Provenance, Simulator, guarded_tool


@guarded_tool
def pay(amount: int) -> str:
    """Pay."""
    raise AssertionError("a real function ran")


class Sim(Simulator):
    def __init__(self, said):
        self.said = said

    async def predict(self, call, state, history):
        return Outcome.success(self.said, Provenance.SIMULATED)


class Twice(Parallel):
    name = "twice"


class Framework:
    """An agent of another framework, with its tools."""

    def __init__(self, *_):
        pass


THEIRS = Framework()


class Wrapped:
    def __init__(self, theirs):
        assert theirs is THEIRS

    async def session_tools(self):
        return [pay]

    async def __call__(self, task, *, tools, guidance):
        return tools["pay"](3)


def rehearsed(theirs):
    return Wrapped(theirs)
'''
POINTS = """
[artis_sdk.simulators]
acme = acme_artis:Sim
broken = acme_artis:absent
odd = acme_artis:Framework
openai = acme_artis:Sim

[artis_sdk.strategies]
acme_twice = acme_artis:Twice
sequential = acme_artis:Twice

[artis_sdk.integrations]
acme_agents = acme_artis:rehearsed
"""


def install(folder: Path, name: str, points: str, module: str = "") -> None:
    """A distribution, as an installer leaves it."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    if module:
        (folder / f"{name}.py").write_text(textwrap.dedent(module))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    install(tmp_path, "acme_artis", POINTS, MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(entry_points, "_found", {})
    return tmp_path


async def test_settings_find_all_three(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_SIMULATOR", "acme:it was paid")
    monkeypatch.setenv("ARTIS_STRATEGY", "acme_twice")
    monkeypatch.setenv("ARTIS_ATTEMPTS", "2")
    monkeypatch.setenv("ARTIS_AGENT", "acme_agents:acme_artis:THEIRS")
    async with Session(journal=folder / "j.db", evaluate=False, summarize=False) as session:
        plan = await session.rehearse("Pay 3.")
    assert plan.strategy == "twice"
    assert [attempt.answer for attempt in plan.attempts] == ["it was paid"] * 2
    assert [one.call.tool for one in plan.foreseen] == ["pay"]


def test_doctor_loads_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_SIMULATOR", "acme:it was paid")
    monkeypatch.setenv("ARTIS_AGENT", "acme_agents:acme_artis:THEIRS")
    monkeypatch.setenv("ARTIS_JOURNAL", "journal.db")
    run = CliRunner().invoke(app, ["doctor", "--json"])
    assert (run.exit_code, json.loads(run.output)["backends"]) == (0, [])
    assert [(part["setting"], part["ok"]) for part in json.loads(run.output)["parts"]] == [
        ("agent", True),
        ("simulator", True),
    ]


async def test_an_agent_that_brings_tools_is_found_by_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "shop.py").write_text("import acme_artis\nagent = acme_artis.Wrapped(acme_artis.THEIRS)\n")
    async with Session(
        agent="shop:agent", simulator="acme", journal=folder / "j.db", evaluate=False, summarize=False
    ) as session:
        plan = await session.rehearse("Pay 3.")
    assert [one.call.tool for one in plan.foreseen] == ["pay"]


async def test_our_own_names_are_not_taken(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_STRATEGY", "sequential")
    agent = ScriptedBackend(["done"] * 9, name="agent")
    acme_artis: Any = import_module("acme_artis")

    options: dict[str, Any] = {"tools": [acme_artis.pay], "evaluate": False, "summarize": False}
    async with Session(agent=agent, simulator="acme", journal=folder / "j.db", **options) as session:
        assert (await session.rehearse("x")).strategy == "sequential"
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        async with Session(agent=agent, simulator="openai:m", journal=folder / "j.db", **options):
            pass


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("broken:x", r"simulator 'broken' cannot be loaded from acme_artis:absent"),
        ("odd", r"simulator 'odd' is registered, and makes a Framework, which is no Simulator"),
        ("double", r"simulator 'double' is registered more than once: acme_artis:Sim, other:Sim"),
    ],
)
async def test_what_cannot_be_used_is_named(name: str, said: str, folder: Path) -> None:
    install(folder, "first", "[artis_sdk.simulators]\ndouble = acme_artis:Sim\n")
    install(folder, "second", "[artis_sdk.simulators]\ndouble = other:Sim\n")
    acme_artis: Any = import_module("acme_artis")

    with pytest.raises(ConfigurationError, match=said):
        async with Session(agent=ScriptedBackend([]), simulator=name, tools=[acme_artis.pay]):
            pass


def test_an_unknown_strategy_names_the_registered_ones(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_STRATEGY", "acme_thrice")
    with pytest.raises(ConfigurationError, match=r"must be one of sequential.*revision, acme_twice"):
        load_settings()


@pytest.mark.slow
async def test_the_command_line_finds_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    replies = ['{"correct": true}', '{"correct": true}', '{"attempt": 1, "note": ""}']
    settings = 'evaluator = "scripted:m"\nsummarizer = "scripted:m"\n[backends."scripted:m"]\n'
    (folder / "artis.toml").write_text(f"{settings}replies = {json.dumps(replies)}\n")
    options = ["--simulator", "acme:it was paid", "--strategy", "acme_twice", "-n", "2"]
    agent = ["--agent", "acme_agents:acme_artis:THEIRS"]
    code, out, error = await artis(folder, "rehearse", "Pay 3.", "--json", *options, *agent)
    assert (code, error) == (0, ""), (out, error)
    plan = json.loads(out)
    assert plan["strategy"] == "twice"
    assert [one["call"]["tool"] for one in plan["foreseen"]] == ["pay"]
