"""`artis doctor`: installed extras by the package's own metadata, the parts that the settings name, and what
the journal leaves open."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import sys
import tomllib
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, intent
from typer.testing import CliRunner

from artis_sdk.cli import extras
from artis_sdk.cli.app import app
from artis_sdk.commit.journal import SQLiteJournal

ROOT = Path(__file__).parents[2]


def test_every_extra_that_a_user_installs_has_a_purpose() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extras.PURPOSES.keys() == project["optional-dependencies"].keys() - {"dev", "docs"}


def test_an_extra_is_installed_if_all_it_needs_is_here_and_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.metadata.version
    old = {"aiohttp": "3.1.0"}
    monkeypatch.setattr(extras, "version", lambda name: old.get(name) or real(name))
    found = {extra.extra: extra for extra in extras.installed_extras()}
    assert not found["openai"].installed
    assert found["openai"].unfit == ["aiohttp 3.1.0, and >=3.11 is needed"]
    old.clear()
    found = {extra.extra: extra for extra in extras.installed_extras()}
    assert found["openai"].installed
    assert found["openai"].versions.keys() == {"openai", "aiohttp"}
    assert found["seal"].install == 'pip install "artis-sdk[seal]"'


async def killed(journal: Path) -> None:
    """A journal as a process leaves it that is killed in its second call."""
    async with aclosing(SQLiteJournal(journal)) as dead:
        await dead.begin_plan("p")
        await dead.begin(intent())
        await dead.finish(intent(), OK)
        await dead.begin(intent(1))


def test_a_call_whose_end_nobody_knows_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ARTIS_JOURNAL", "journal.db")
    run = CliRunner()
    before = run.invoke(app, ["doctor", "--json"])
    assert before.exit_code == 0
    assert json.loads(before.output)["journal"]["exists"] is False
    asyncio.run(killed(tmp_path / "journal.db"))
    after = run.invoke(app, ["doctor", "--json"])
    assert after.exit_code == 1
    assert json.loads(after.output)["journal"]["open"] == 1
    shown = run.invoke(app, ["doctor"])
    assert "calls without a known end: 1" in " ".join(shown.output.split())


PARTS = '''
from artis_sdk import Toolset, guarded_tool

@guarded_tool
def pay(target: str) -> str:
    """Send money."""
    raise AssertionError

tools = Toolset(pay)

async def agent(task, *, tools, guidance):
    raise AssertionError("doctor acts as nobody")

def no_agent(task):
    return task

class Judge:
    async def evaluate(self, task, attempt):
        raise AssertionError

judge = Judge()
'''


def examined(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> tuple[int, dict[str, Any]]:
    """Exit code, and for each part that the settings name why it does not load; None if it does."""
    (folder / "parts_of_doctor.py").write_text(PARTS)
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    (folder / "artis.toml").write_text("".join(lines))
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "parts_of_doctor", raising=False)
    monkeypatch.setenv("ARTIS_JOURNAL", "journal.db")
    run = CliRunner().invoke(app, ["doctor", "--json"])
    found = json.loads(run.output)
    assert found["backends"] == []
    return run.exit_code, {part["setting"]: part["error"] for part in found["parts"]}


def test_what_the_settings_name_is_loaded_as_a_session_loads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {
        "tools": "parts_of_doctor:tools",
        "agent": "parts_of_doctor:agent",
        "evaluator": "parts_of_doctor:judge",
        "summarizer": "parts_of_doctor:judge",
        "simulator": "checked",
    }
    assert examined(tmp_path, monkeypatch, **named) == (0, dict.fromkeys(named))
    shown = CliRunner().invoke(app, ["doctor"])
    assert "loads   agent parts_of_doctor:agent" in shown.output
    assert 'next: artis rehearse "a task"\n' in shown.output


@pytest.mark.parametrize(
    ("setting", "name", "why"),
    [
        ("agent", "parts_of_doctor:agnet", "has no attribute 'agnet'"),
        ("agent", "parts_of_doctor:no_agent", "the agent is not async"),
        ("agent", "opnai:gpt", "prefixes of backends: "),
        ("evaluator", "no_such_module:judge", "no module named 'no_such_module'"),
        ("simulator", "replay:calls.db", "there is no file calls.db"),
        ("simulator", "simulate", "is none of sandbox"),
        ("tools", "parts_of_doctor:judge", "tools must be a Toolset"),
    ],
)
def test_what_cannot_be_loaded_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, name: str, why: str
) -> None:
    code, parts = examined(tmp_path, monkeypatch, **{setting: name})
    assert code == 1
    assert why in parts[setting]
    shown = CliRunner().invoke(app, ["doctor"])
    assert f"correct the setting {setting}, {name}, then run artis doctor" in " ".join(shown.output.split())
