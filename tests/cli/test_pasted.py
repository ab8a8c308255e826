"""What a command prints for the next one can be pasted, and what it prints for a program is one document."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from helpers.cli import artis, write_desk
from helpers.terminal import at_terminal

pytestmark = pytest.mark.slow

GIVEN = ("--tools", "desk:tools", "--agent", "desk:agent")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_desk(tmp_path)
    return tmp_path


def _next(err: str) -> list[str]:
    (line,) = re.findall(r"^next: artis (.*)$", err, re.M)
    return shlex.split(line)


async def test_the_next_command_has_the_options_of_this_one(folder: Path) -> None:
    write_desk(folder, tools=None, agent=None)
    given = GIVEN
    code, _, err = await artis(folder, "rehearse", "Buy Ann's lamp", *given, "--save", "a plan.json")
    assert code == 0, err
    assert _next(err) == ["run", "--plan", "a plan.json", *given]
    code, _, err = await artis(folder, *_next(err), "--yes")
    assert code == 0, err
    assert (folder / "made.txt").read_text() == "reserved lamp\npaid 5\n"


async def test_without_a_saved_plan_it_has_the_task(folder: Path) -> None:
    write_desk(folder, tools=None, agent=None)
    given = (*GIVEN, "--attempts", "1")
    code, _, err = await artis(folder, "rehearse", "Buy Ann's lamp", *given)
    assert code == 0, err
    assert _next(err) == ["run", "Buy Ann's lamp", *given]
    async with at_terminal(folder, *_next(err)) as terminal:
        await terminal.until("Carry this out for real")


PRINTING = """
import os
import sys

print("on import")
os.write(1, b"past Python\\n")
os.system("echo from a child")
"""


async def test_json_is_one_document_whatever_a_module_prints(folder: Path) -> None:
    (folder / "desk.py").write_text(PRINTING + (folder / "desk.py").read_text())
    code, out, err = await artis(folder, "run", "Buy", "--yes", "--json")
    assert code == 0, err
    assert json.loads(out)["answer"] == "Paid."
    for said in ("on import", "past Python", "from a child"):
        assert said in err


BROKEN = {
    "syntax": ("x = 1\ndef f(:\n", "line 2: SyntaxError: invalid syntax: def f(:"),
    "error": ("x = 1\n\ny = x / 0\n", "line 3: ZeroDivisionError: division by zero: y = x / 0"),
    "import": ("import nothere\n", "line 1: ModuleNotFoundError: No module named 'nothere': import nothere"),
    "library": ('import json\njson.loads("{")\n', "line 2: JSONDecodeError: "),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_a_mistake_in_a_module_is_told_with_its_line(folder: Path, kind: str) -> None:
    text, said = BROKEN[kind]
    (folder / "broken.py").write_text(text)
    code, out, err = await artis(folder, "rehearse", "x", "--tools", "broken:tools")
    assert (code, out) == (2, "")
    assert f"error: tools 'broken:tools': broken.py, {said}" in err
    assert "Traceback" not in err
    code, out, _ = await artis(folder, "rehearse", "x", "--tools", "broken:tools", "--json")
    assert code == 2
    assert said in json.loads(out)["message"]
