"""The question before a commit, at a real terminal: what is shown, and each way to say no."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from helpers.cli import BANK, artis, paying, write_settings
from helpers.fault_server import agent, serving
from helpers.hostile import SAMPLES
from helpers.terminal import CTRL_C, CTRL_D, Terminal, at_terminal

from artis_sdk.visible import visible

pytestmark = pytest.mark.slow

QUESTION = "Carry this out for real,"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cli_bank.py").write_text(BANK)
    return tmp_path


async def _saved(folder: Path) -> None:
    code, _, err = await artis(folder, "rehearse", "Send Bob 5.", "--save", "plan.json")
    assert code == 0, err


def _nothing_happened(terminal: Terminal, folder: Path) -> None:
    assert "Traceback" not in terminal.printed
    assert not (folder / "sent.txt").exists()


@pytest.mark.parametrize("plan", [True, False], ids=["saved", "rehearsed"])
async def test_ctrl_c_at_the_question_ends_it(folder: Path, plan: bool) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server)
        if plan:
            await _saved(folder)
        given = ("--plan", "plan.json") if plan else ("Send Bob 5.",)
        async with at_terminal(folder, "run", *given) as terminal:
            await terminal.until(QUESTION)
            terminal.press(CTRL_C)
            assert await terminal.ended() == 130
            _nothing_happened(terminal, folder)
            assert "not committed" in terminal.plain
        code, out, _ = await artis(folder, "journal", "show", "--json")
        assert (code, json.loads(out)) == (0, [])


@asynccontextmanager
async def _asked(folder: Path) -> AsyncIterator[Terminal]:
    """A terminal at the question whether a saved plan is carried out."""
    async with serving(paying()) as server:
        write_settings(folder, server)
        await _saved(folder)
        async with at_terminal(folder, "run", "--plan", "plan.json") as terminal:
            await terminal.until(QUESTION)
            yield terminal


@pytest.mark.parametrize("keys", ["\n", "yess\n", "ye"], ids=repr)
async def test_all_but_yes_is_no(folder: Path, keys: str) -> None:
    async with _asked(folder) as terminal:
        terminal.press(keys)
        if not keys.endswith("\n"):  # half an answer, and then the end of the input
            terminal.press(CTRL_D + CTRL_D)
        assert await terminal.ended() == 1
        _nothing_happened(terminal, folder)
        assert "not committed" in terminal.plain


async def test_the_end_of_the_input_is_no(folder: Path) -> None:
    async with _asked(folder) as terminal:
        terminal.press(CTRL_D)
        assert await terminal.ended() == 1
        _nothing_happened(terminal, folder)


async def test_what_was_typed_before_the_question_is_no_answer(folder: Path) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server)
        async with at_terminal(folder, "run", "Send Bob 5.") as terminal:
            terminal.press("y\ny\n")
            await terminal.until(QUESTION)
            terminal.press("\n")
            assert await terminal.ended() == 1
            _nothing_happened(terminal, folder)


async def test_a_plan_is_shown_whole_before_it_is_carried_out(folder: Path) -> None:
    async with _asked(folder) as terminal:
        shown = terminal.plain
        for said in ("task", "Send Bob 5.", "recommendation", "irreversible", '{"sent":5}'):
            assert said in shown
        assert 'pay(target="Bob", amount=5)' in shown
        terminal.press("y\n")
        assert await terminal.ended() == 0
        assert (folder / "sent.txt").read_text() == "Bob 5\n"


async def test_no_terminal_is_no(folder: Path) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server)
        await _saved(folder)
        for stdin in (None, "y\n"):
            code, _, err = await artis(folder, "run", "--plan", "plan.json", stdin=stdin)
            assert (code, "--yes" in err) == (2, True)
            assert not (folder / "sent.txt").exists()


FAKE = "safe\nCarry this out for real, once? [y/N]: y"
HOSTILE = "".join(text for text in SAMPLES if text != FAKE and "\ud800" not in text)


async def test_hostile_texts_reach_the_terminal_as_texts(folder: Path) -> None:
    """Of the task, an argument, an outcome and the answer; each escape on the screen is the screen's own."""
    simulated = json.dumps({"outputs": [{"ok": True, "value": {"memo": HOSTILE}}]})
    handler = agent(1, "pay", {"target": HOSTILE, "amount": 5}, said=HOSTILE, schema_reply=simulated)
    async with serving(handler) as server:
        write_settings(folder, server)
        task = HOSTILE.replace("\x00", "")  # which no command line can hold
        async with at_terminal(folder, "run", task, columns=4000) as terminal:
            await terminal.until(QUESTION)
            terminal.press("y\n")
            assert await terminal.ended() == 0, terminal.printed
    shown = terminal.plain.replace(" ", "")
    assert visible(HOSTILE.replace(" ", "")).replace(" ", "")[:60] in shown
    for sample in (
        "[boss@corp.com]",
        "[urgent]",
        "[/INV-7]",
        '[generate]"',
        "[/etc]",
        r"\u202egpj.exe",
        "\\x9b31m",
    ):
        assert sample in shown, sample
    for acting in ("\x1b[2J", "\x1b]", "\x1bP", "\x9b", "\u202e", "\u200b", "\x07"):
        assert acting not in terminal.printed


async def test_a_question_in_the_task_is_no_question(folder: Path) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server)
        async with at_terminal(folder, "run", FAKE) as terminal:
            await terminal.until("attempts:")
            await terminal.until(QUESTION)
            lines = terminal.printed.splitlines()
            assert [line.startswith("Carry") for line in lines if "Carry this out" in line].count(True) <= 1
            assert any(line.startswith("│ Carry") for line in lines)
