"""`artis init`: what it writes is what a session then runs on."""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

import pytest
from helpers.cli import artis
from helpers.fault_server import agent, serving
from helpers.terminal import CTRL_C, at_terminal

from artis_sdk.cli.init import STARTER

pytestmark = pytest.mark.slow

PAY = {"source": "ann", "target": "bob", "amount": 80}


async def test_a_task_is_rehearsed_and_carried_out_with_what_it_wrote(tmp_path: Path) -> None:
    given = ("--agent", "openai:scripted", "--module", "desk", "--json")
    code, out, err = await artis(tmp_path, "init", *given)
    assert (code, err) == (0, "")
    assert json.loads(out)["written"] == ["artis.toml", "desk.py"]
    async with serving(agent(1, "pay", PAY)) as server:
        with (tmp_path / "artis.toml").open("a") as file:
            file.write(f'[backends."openai:scripted"]\nbase_url = "{server.base_url}"\napi_key = "none"\n')
        code, out, err = await artis(tmp_path, "run", "Send Bob 80 euros of Ann's money.", "--yes", "--json")
    assert code == 0, err
    (call,) = json.loads(out)["calls"]
    assert call["outcome"]["value"] == {"sent": 80}
    assert (tmp_path / "calls.db").exists()


async def test_nothing_that_is_there_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "bank.py").write_text("tools = 1\n")
    code, out, _ = await artis(tmp_path, "init")
    assert code == 0
    assert "bank.py was there" in out
    assert (tmp_path / "bank.py").read_text() == "tools = 1\n"
    settings = (tmp_path / "artis.toml").read_text()
    code, _, err = await artis(tmp_path, "init", "--module", "other")
    assert code == 2
    assert "artis.toml" in err
    assert sorted(os.listdir(tmp_path)) == ["artis.toml", "bank.py"]
    assert (tmp_path / "artis.toml").read_text() == settings


async def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "bank.py").symlink_to(tmp_path / "nowhere" / "bank.py")
    code, out, err = await artis(tmp_path, "init")
    assert (code, out) == (2, "")
    assert "bank.py cannot be written: No such file or directory" in err
    assert not (tmp_path / "artis.toml").exists()


async def test_a_name_that_is_no_module_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    code, _, err = await artis(tmp_path, "init", "--module", "../bank")
    assert code == 2
    assert "no name of a module" in err
    assert os.listdir(tmp_path) == []


async def test_three_questions_at_a_terminal(tmp_path: Path) -> None:
    async with at_terminal(tmp_path, "init") as terminal:
        await terminal.until("[openai:gpt-5-mini]:")
        terminal.press("anthropic:claude-opus-4-5\n")
        await terminal.until("[sandbox]:")
        terminal.press("\n")
        await terminal.until("[bank]:")
        terminal.press("my_tools\n")
        assert await terminal.ended() == 0
        assert "artis doctor" in terminal.plain
    written = tomllib.loads((tmp_path / "artis.toml").read_text())
    assert written["agent"] == "anthropic:claude-opus-4-5"
    assert (written["simulator"], written["tools"]) == ("sandbox", "my_tools:tools")
    assert (tmp_path / "my_tools.py").read_text() == STARTER


async def test_ctrl_c_at_a_question_leaves_nothing(tmp_path: Path) -> None:
    async with at_terminal(tmp_path, "init") as terminal:
        await terminal.until("[openai:gpt-5-mini]:")
        terminal.press(CTRL_C)
        assert await terminal.ended() == 130
    assert os.listdir(tmp_path) == []
