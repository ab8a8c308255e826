"""A plan of which no attempt came to its end is not carried out without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import artis, write_desk
from helpers.terminal import at_terminal

pytestmark = pytest.mark.slow

UNREHEARSABLE = ("--tools", "desk:functions", "--agent", "desk:sender")
REASON = "a function has no object that a sandbox could fork"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_desk(tmp_path)
    return tmp_path


async def _saved(folder: Path) -> None:
    code, out, err = await artis(folder, "rehearse", "Hi", *UNREHEARSABLE, "--save", "plan.json")
    assert code == 1
    assert REASON in out
    assert "nothing was rehearsed" in err
    assert "artis run" not in err


@pytest.mark.parametrize("saved", [True, False])
async def test_it_is_refused_with_yes_and_the_reasons_are_told(folder: Path, saved: bool) -> None:
    if saved:
        await _saved(folder)
    what = ("--plan", "plan.json") if saved else ("Hi",)
    code, out, err = await artis(folder, "run", *what, "--yes", *UNREHEARSABLE)
    assert code == 1
    assert f"note: attempt 1 ended early: send: {REASON}" in out
    assert "nothing was rehearsed" in err
    assert "--strategy direct" in err
    assert not (folder / "made.txt").exists()
    code, out, _ = await artis(folder, "run", *what, "--yes", "--json", *UNREHEARSABLE)
    refused = json.loads(out)
    assert (code, refused["error"]) == (1, "NothingRehearsed")
    assert REASON in refused["notes"][0]
    assert not (folder / "made.txt").exists()


async def test_without_a_rehearsal_on_purpose_it_is_carried_out(folder: Path) -> None:
    code, _, err = await artis(folder, "run", "Hi", "--yes", "--strategy", "direct", *UNREHEARSABLE)
    assert code == 0, err
    assert (folder / "made.txt").read_text() == "sent Hi\n"


async def test_a_saved_one_is_asked_about_with_the_reason(folder: Path) -> None:
    await _saved(folder)
    async with at_terminal(folder, "run", "--plan", "plan.json", *UNREHEARSABLE) as terminal:
        await terminal.until("Carry this out for real")
        assert f"every attempt ended early, the first with: send: {REASON}" in terminal.plain
        assert "Nothing was rehearsed. Carry this out for real" in terminal.plain
        terminal.press("n\n")
        assert await terminal.ended() == 1
    assert not (folder / "made.txt").exists()


async def test_one_that_was_rehearsed_now_is_not_even_asked_about(folder: Path) -> None:
    async with at_terminal(folder, "run", "Hi", *UNREHEARSABLE) as terminal:
        assert await terminal.ended() == 1
        assert REASON in terminal.plain
        assert "Carry this out" not in terminal.plain


async def test_a_function_named_as_pure_can_be_rehearsed(folder: Path) -> None:
    write_desk(folder, simulator="sandbox", pure=["send"])
    (folder / "desk.py").write_text(
        "from artis_sdk import Toolset, guarded_tool\n\n@guarded_tool\ndef send(text: str) -> str:\n"
        '    """Answer."""\n    return text\n\nfunctions = Toolset(send)\n\n'
        'async def sender(task, *, tools, guidance):\n    return tools["send"](task)\n'
    )
    code, out, err = await artis(folder, "rehearse", "Hi", *UNREHEARSABLE)
    assert code == 0, out + err
    assert '→ "Hi"' in out


async def test_notes_are_printed_before_the_first_real_call(folder: Path) -> None:
    """Of a rehearsal in which one of two attempts came to its end."""
    text = (
        (folder / "desk.py")
        .read_text()
        .replace(
            'tools["stock"]()',
            'tools["stock"]()\n    if not Path("once").exists():\n'
            '        Path("once").touch()\n        raise RuntimeError("odd luck")',
        )
    )
    (folder / "desk.py").write_text(text)
    code, out, err = await artis(folder, "run", "Buy", "--yes")
    assert code == 0, err
    assert out.index("odd luck") < out.index("for real, once")
    assert out.index("note: ") < out.index("for real, once")
