"""A plan of which no attempt came to its end is not carried out without a word."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import artis, write_desk, write_settings
from helpers.fault_server import Handler, Reply, Seen, answer, serving
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


def _ending(calls: int, finish: str) -> Handler:
    """A model that ends early after so many calls, and a judge that finds everything right."""

    def handle(seen: Seen) -> Reply:
        if b"json_schema" in seen.body:
            return answer(seen, json.dumps({"reasoning": "Fine.", "correct": True}))
        if seen.body.count(b'"role":"tool"') < calls:
            return answer(seen, None, [("call_1", "pay", {"amount": 5})])
        return answer(seen, "I cannot", finish=finish)

    return handle


@pytest.mark.parametrize("finish", ["refusal", "length", "content_filter"])
@pytest.mark.parametrize("calls", [0, 1])
async def test_attempts_that_said_and_called_nothing_are_none_whatever_the_judge_says(
    tmp_path: Path, calls: int, finish: str
) -> None:
    write_desk(tmp_path)
    async with serving(_ending(calls, finish)) as server:
        write_settings(tmp_path, server, simulator="sandbox", tools="desk:tools", summarize=False)
        code, out, err = await artis(tmp_path, "rehearse", "Send Bob 5.")
    assert "attempt 1 ended early" in out, err
    assert (code, "nothing was rehearsed" in err, "next: artis run" in err) == (
        (0, False, True) if calls else (1, True, False)
    )
