"""A commit of the command line that is interrupted: what was made is told, and the next command goes on."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path

import pytest
from helpers.cli import artis, started, write_desk
from helpers.terminal import CTRL_C, Terminal, at_terminal

pytestmark = pytest.mark.slow

RESERVED = 'made for real: reserve(item="lamp") → {"reserved":"lamp","price":5}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_desk(tmp_path)
    return tmp_path


def _next(terminal: Terminal) -> list[list[str]]:
    """The commands after `next:`, without the name of the program."""
    lines = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", terminal.printed)
    return [shlex.split(line)[1:] for line in re.findall(r"next: (artis [^\r\n]*)", lines)]


def _kept(folder: Path) -> list[str]:
    """Names of the plans in a folder."""
    return [file.name for file in folder.glob("*.json")]


async def _interrupted(folder: Path, *arguments: str) -> list[list[str]]:
    (folder / "hang").touch()
    async with at_terminal(folder, "run", *arguments, "--yes", columns=200) as terminal:
        while not (folder / "made.txt").exists() or "paid" not in (folder / "made.txt").read_text():
            await terminal.pause()
        terminal.press(CTRL_C)
        await terminal.until("interrupted: no further call is made; one that runs is waited for")
        terminal.press(CTRL_C)
        assert await terminal.ended() == 130
    assert "interrupted" in terminal.plain
    assert RESERVED in terminal.plain
    assert "UNKNOWN whether it was made: pay(amount=5)" in terminal.plain
    return _next(terminal)


@pytest.mark.parametrize("saved", [True, False])
async def test_the_printed_commands_recover_and_resume_it(folder: Path, saved: bool) -> None:
    if saved:
        assert (await artis(folder, "rehearse", "Buy", "--save", "my plan.json"))[0] == 0
    given = ("--plan", "my plan.json") if saved else ("Buy",)
    recover, resume = await _interrupted(folder, *given, "--mode", "bound")
    (folder / "hang").unlink()
    assert recover == ["recover"]
    assert resume[:2] == ["run", "--plan"]
    assert resume[3:] == ["--resume", "--mode", "bound"]
    assert [resume[2]] == _kept(folder)
    code, out, _ = await artis(folder, *recover)
    (call,) = re.findall(r"id (\S+)", out)
    by = ("--by", "ann", "--why", "seen", "--value", '{"paid": 5}')
    assert (code, (await artis(folder, "recover", "--settle", call, "done", *by))[0]) == (1, 0)
    async with at_terminal(folder, *resume) as terminal:
        await terminal.until("Carry this out for real")
        assert "made already: 3 calls; the plan foresees 3" in terminal.plain
        terminal.press("y\n")
        assert await terminal.ended() == 0
    assert (folder / "made.txt").read_text() == "reserved lamp\npaid 5\n"


async def test_a_commit_that_ends_well_leaves_no_plan_behind(folder: Path) -> None:
    code, _, err = await artis(folder, "run", "Buy", "--yes")
    assert code == 0, err
    assert _kept(folder) == []


async def test_an_error_in_the_commit_names_the_plan_and_what_was_made(folder: Path) -> None:
    text = (folder / "desk.py").read_text()
    (folder / "desk.py").write_text(text.replace("(risk=Risk.IRREVERSIBLE", "(timeout=0.2"))
    (folder / "hang").touch()
    code, _, err = await artis(folder, "run", "Buy", "--yes")
    assert code == 2
    assert "made for real: reserve" in err
    assert "next: artis recover" in err
    assert f"next: artis run --plan {_kept(folder)[0]} --resume" in err


async def test_a_plan_that_was_committed_is_refused_before_the_question(folder: Path) -> None:
    assert (await artis(folder, "rehearse", "Buy", "--save", "plan.json"))[0] == 0
    assert (await artis(folder, "run", "--plan", "plan.json", "--yes"))[0] == 0
    for more in ((), ("--resume",)):
        async with at_terminal(folder, "run", "--plan", "plan.json", *more) as terminal:
            assert await terminal.ended() == 2
        assert "already made 2 real calls and finished" in terminal.plain
        assert "Carry this out" not in terminal.plain


@pytest.mark.parametrize("exists", [True, False])
async def test_a_plan_of_another_journal_is_refused_before_the_question(folder: Path, exists: bool) -> None:
    assert (await artis(folder, "rehearse", "Buy", "--save", "plan.json"))[0] == 0
    settings = folder / "artis.toml"
    settings.write_text(re.sub(r'journal = ".*"', 'journal = "other.db"', settings.read_text()))
    if exists:
        assert (await artis(folder, "run", "Buy", "--yes"))[0] == 0
    async with at_terminal(folder, "run", "--plan", "plan.json") as terminal:
        assert await terminal.ended() == 2
    assert "it was rehearsed for the journal" in terminal.plain
    assert "Carry this out" not in terminal.plain
    assert (folder / "other.db").exists() is exists


@pytest.mark.parametrize("where", ["nowhere/plan.json", "."])
@pytest.mark.parametrize("command", [("rehearse",), ("run", "--yes")])
async def test_a_place_that_cannot_be_written_is_said_before_anything_runs(
    folder: Path, where: str, command: tuple[str, ...]
) -> None:
    code, out, err = await artis(folder, *command, "Buy", "--save", where)
    assert (code, out) == (2, "")
    assert f"{where} cannot be written" in err
    assert not (folder / "made.txt").exists()


async def test_a_call_is_printed_before_it_returns(folder: Path) -> None:
    """Who kills a hanging commit has seen what was under way."""
    (folder / "hang").touch()
    process = await started(folder, "run", "Buy", "--yes")
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(60):
        while not lines or not lines[-1].startswith("pay(amount=5)   (irreversible)"):
            lines.append((await process.stdout.readline()).decode())
            assert lines[-1], "the commit ended"
    process.kill()
    await process.wait()


async def test_a_stopped_commit_is_called_stopped(folder: Path) -> None:
    text = (folder / "desk.py").read_text().replace('"PRICE", "5"', '"PRICE", "6"')
    (folder / "desk.py").write_text(text)
    async with at_terminal(folder, "run", "Buy") as terminal:
        await terminal.until("Carry this out for real")
        terminal.press("y\n")
        await terminal.until("Go on?")
        terminal.press("n\n")
        assert await terminal.ended() == 1
    assert "stopped, 0:0" in terminal.plain
    assert "committed, 0:0" not in terminal.plain
    assert "╭─ answer" not in terminal.plain
    (resume,) = _next(terminal)
    assert resume == ["run", "--plan", *_kept(folder), "--resume", "--mode", "guided"]


async def test_a_program_is_told_where_the_plan_of_a_stopped_commit_is(folder: Path) -> None:
    text = (folder / "desk.py").read_text().replace('"PRICE", "5"', '"PRICE", "6"')
    (folder / "desk.py").write_text(text)
    code, out, err = await artis(folder, "run", "Buy", "--yes", "--json", "--mode", "bound")
    assert (code, json.loads(out)["ended"]) == (1, "stopped")
    (kept,) = _kept(folder)
    assert f"the plan is in {kept}" in err
    assert f"artis run --plan {kept} --resume --mode guided" in err


async def test_a_journal_that_is_lost_hides_no_error_of_the_commit(folder: Path) -> None:
    text = (folder / "desk.py").read_text()
    lost = (
        'for file in Path().glob("journal.db*"):\n                file.write_bytes(b"?" * 9000)\n            '
    )
    (folder / "desk.py").write_text(text.replace('self._write(f"paid', lost + 'self._write(f"paid'))
    code, out, err = await artis(folder, "run", "Buy", "--yes")
    assert code == 2, out + err
    assert "Traceback" not in err
    assert err.index("error: ") < err.index("what was made is not known now")
    assert f"the plan is in {_kept(folder)[0]}" in err
