"""`artis doctor`: installed extras by the package's own metadata, and what the journal leaves open."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import tomllib
from contextlib import aclosing
from pathlib import Path

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
