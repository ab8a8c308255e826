"""Editing at a real terminal: a plan and a call, in an editor or as lines, until they fit."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from helpers.payer import write_payer
from helpers.terminal import CTRL_D, Terminal, at_terminal

from artis_sdk.records import Plan

pytestmark = pytest.mark.slow

SETTINGS = """
tools = "edited_desk:tools"
agent = "edited_desk:agent"
journal = "journal.db"
"""
QUESTION = "[y/e(dit)/N]:"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with tools, an agent that pays somebody else, and a plan to pay bob and cy."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)
    (tmp_path / "artis.toml").write_text(SETTINGS)
    write_payer(tmp_path, "edited_desk", "Pay bob and cy.", [("bob", 8), ("cy", 1)], "Paid.")
    return tmp_path


def sent(folder: Path) -> list[str]:
    file = folder / "sent.txt"
    return file.read_text().splitlines() if file.exists() else []


def saved(folder: Path) -> Plan:
    return Plan.model_validate_json((folder / "plan.json").read_text())


def line(number: int, who: str, amount: Any) -> str:
    return json.dumps({"call": number, "tool": "pay", "arguments": {"who": who, "amount": amount}})


async def until_asked(terminal: Terminal, times: int) -> None:
    """Wait for this question of its kind: only what is typed then is an answer."""
    while terminal.plain.count(QUESTION) < times:
        terminal._changed.clear()
        await terminal._changed.wait()


def editor(folder: Path, monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """An editor that leaves one text after the other."""
    for number, text in enumerate(texts):
        (folder / f"text-{number}").write_text(text)
    script = folder / "editor.sh"
    script.write_text(
        '#!/bin/sh\ncd "$(dirname "$0")"\nn=$(cat count 2>/dev/null || echo 0)\n'
        'cat "$1" > "seen-$n"\ncat "text-$n" > "$1"\necho $((n + 1)) > count\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("EDITOR", str(script))


async def test_a_plan_is_edited_in_an_editor_shown_again_and_replayed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = saved(folder)
    editor(folder, monkeypatch, f"# a remark\n{line(1, 'bob', 7)}\n")
    async with at_terminal(folder, "run", "--plan", "plan.json", "--mode", "replay") as terminal:
        await terminal.until(QUESTION)
        terminal.press("e\n")
        await until_asked(terminal, 2)
        shown = terminal.plain.split(QUESTION)[1]
        assert 'pay(who="bob", amount=7)' in shown
        assert 'edited, it was pay(who="bob", amount=8)' in shown
        assert 'edited 1 call and removed pay(who="cy", amount=1)' in shown
        assert sent(folder) == []
        terminal.press("y\n")
        assert await terminal.ended() == 0, terminal.printed
    assert sent(folder) == ["bob 7"]
    seen = [json.loads(one) for one in (folder / "seen-0").read_text().splitlines() if one[0] != "#"]
    assert seen == [json.loads(line(1, "bob", 8)), json.loads(line(2, "cy", 1))]
    after = saved(folder)  # so that a killed commit is gone on with as it was edited
    assert (after.id, len(after.foreseen), len(after.edits)) == (before.id, 1, 1)
    assert after.digest != before.digest


async def test_what_does_not_fit_is_said_and_asked_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor(
        folder,
        monkeypatch,
        "{not JSON\n",
        line(1, "bob", "much"),
        f"{line(2, 'cy', 1)}\n{line(1, 'bob', 8)}\n",
        line(3, "dee", 1),
        f"{line(1, 'bob', 8)}\n{line(2, 'cy', 2)}\n",
    )
    async with at_terminal(folder, "run", "--plan", "plan.json", "--mode", "replay") as terminal:
        await terminal.until(QUESTION)
        terminal.press("edit\n")
        for number, why in enumerate(
            ("line 1 is not JSON", "call 1 (pay) cannot have these", "out of order", "must be one of 1 to 2"),
            1,
        ):
            await terminal.until(why)
            while terminal.plain.count("Edit it again? [y/N]:") < number:
                terminal._changed.clear()
                await terminal._changed.wait()
            terminal.press("y\n")
        await until_asked(terminal, 2)
        terminal.press("y\n")
        assert await terminal.ended() == 0, terminal.printed
    assert sent(folder) == ["bob 8", "cy 2"]
    # What did not fit is there to be mended.
    assert (folder / "seen-1").read_text() == "{not JSON\n"


async def test_without_an_editor_lines_are_typed_in(folder: Path) -> None:
    async with at_terminal(folder, "run", "--plan", "plan.json", "--mode", "replay") as terminal:
        await terminal.until(QUESTION)
        terminal.press("e\n")
        await terminal.until(
            "New lines, and an empty one at the end: >"
        )  # typed earlier, it is echoed before `>`
        assert line(2, "cy", 1) in terminal.plain
        terminal.press(f"{line(2, 'cy', 3)}\n")
        await terminal.until(f"> {line(2, 'cy', 3)} >")
        terminal.press("\n")
        await until_asked(terminal, 2)
        terminal.press("y\n")
        assert await terminal.ended() == 0, terminal.printed
    assert sent(folder) == ["cy 3"]


@pytest.mark.parametrize("keys", ["n\n", CTRL_D], ids=repr)
async def test_an_edited_plan_needs_its_own_yes(
    folder: Path, monkeypatch: pytest.MonkeyPatch, keys: str
) -> None:
    editor(folder, monkeypatch, line(1, "bob", 7))
    async with at_terminal(folder, "run", "--plan", "plan.json", "--mode", "replay") as terminal:
        await terminal.until(QUESTION)
        terminal.press("e\n")
        await until_asked(terminal, 2)
        terminal.press(keys)
        assert await terminal.ended() == 1, terminal.printed
        assert "not committed" in terminal.plain
    assert sent(folder) == []


async def test_leaving_the_edit_leads_back_to_the_question(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDITOR", "false")
    async with at_terminal(folder, "run", "--plan", "plan.json", "--mode", "replay") as terminal:
        await terminal.until(QUESTION)
        terminal.press("e\n")
        await terminal.until("$EDITOR (false) ended with 1; nothing was changed")
        await terminal.until("Edit it again? [y/N]:")
        terminal.press("n\n")
        await until_asked(terminal, 2)
        terminal.press("y\n")
        assert await terminal.ended() == 0, terminal.printed
    assert sent(folder) == ["bob 8", "cy 1"]


async def test_a_call_is_edited_before_it_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The agent asks to pay eve 8000; the person lets it pay bob 80."""
    arguments = {"arguments": {"who": "bob", "amount": 80}}
    editor(
        folder,
        monkeypatch,
        json.dumps({"tool": "mail", **arguments}),
        json.dumps({"tool": "pay", **arguments}),
    )
    async with at_terminal(folder, "run", "--plan", "plan.json") as terminal:
        await terminal.until(QUESTION)
        terminal.press("y\n")
        await terminal.until("Make it? [y/e(dit)/N]:")
        terminal.press("e\n")
        await terminal.until("the tool is pay, and stays so")
        await terminal.until("Edit it again? [y/N]:")
        terminal.press("y\n")
        assert await terminal.ended() == 0, terminal.printed
        assert "edited by" in terminal.plain
    assert sent(folder) == ["bob 80"]
