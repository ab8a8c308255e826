"""`artis plan approve`, and commits that keep to the plan: processes, as a person starts them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.payer import write_payer

from artis_sdk.records import Plan

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with tools, an agent that pays somebody else, and a plan to pay bob."""
    write_payer(tmp_path, "approved_desk", "Pay bob.", [("bob", 8)], "Paid bob 8.")
    return tmp_path


def environment(folder: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARTIS_")}
    ours = {"ARTIS_JOURNAL": str(folder / "journal.db"), "ARTIS_TOOLS": "approved_desk:tools"}
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **ours, **more}


def artis(folder: Path, *arguments: str, **more: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "artis_sdk.cli", *arguments],
        cwd=folder,
        env=environment(folder, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def sent(folder: Path) -> list[str]:
    file = folder / "sent.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_an_approved_plan_is_replayed_in_another_process_without_agent_and_simulator(folder: Path) -> None:
    code, out, err = artis(folder, "plan", "approve", "plan.json", "--by", "ann", "--expires", "2h")
    assert code == 0, err
    assert "by ann" in out
    assert "not signed" in err
    code, out, err = artis(folder, "run", "--plan", "plan.json", "--mode", "replay", "--yes", "--json")
    assert code == 0, err
    result = json.loads(out)
    assert (result["mode"], result["usage"], result["answer"]) == ("replay", {}, "Paid bob 8.")
    assert sent(folder) == ["bob 8"]
    code, out, _ = artis(folder, "journal", "decisions", "--json")
    (decision,) = json.loads(out)
    assert (code, decision["by"], decision["verdict"]) == (0, "ann", "approved")
    assert 3600 < decision["expires"] - time.time() < 7200
    code, out, _ = artis(folder, "journal", "decisions")
    assert "approved" in out
    # Once is once.
    assert artis(folder, "run", "--plan", "plan.json", "--mode", "replay", "--yes")[0] == 2
    assert sent(folder) == ["bob 8"]


def test_an_agent_that_pays_somebody_else_is_stopped(folder: Path) -> None:
    assert artis(folder, "plan", "approve", "plan.json", "--by", "ann")[0] == 0
    run = ("run", "--plan", "plan.json", "--agent", "approved_desk:agent", "--yes", "--json")
    code, out, err = artis(folder, *run)
    result = json.loads(out)
    assert (code, result["ended"], result["mode"]) == (1, "stopped", "bound"), err
    assert result["not_made"][0]["call"]["arguments"] == {"who": "eve", "amount": 8000}
    assert sent(folder) == []


def test_a_guided_commit_says_what_was_not_foreseen(folder: Path) -> None:
    run = ("run", "--plan", "plan.json", "--agent", "approved_desk:agent", "--yes")
    code, out, err = artis(folder, *run)
    assert code == 0, err
    assert 'made and not foreseen: pay(who="eve", amount=8000)' in out
    assert sent(folder) == ["eve 8000"]


def test_an_edited_plan_is_neither_approved_nor_committed(folder: Path) -> None:
    file = folder / "plan.json"
    file.write_text(file.read_text().replace("bob", "eve"))
    for command in (
        ("plan", "approve", "plan.json", "--by", "ann"),
        ("run", "--plan", "plan.json", "--mode", "replay", "--yes"),
    ):
        code, _, err = artis(folder, *command)
        assert code == 2
        assert "changed after it was made" in err
    assert sent(folder) == []
    assert Plan.model_validate_json(file.read_text()).approvals == ()


def test_a_signature_is_checked_where_the_key_is_set(folder: Path) -> None:
    key = {"ARTIS_APPROVAL_KEY": "a random text of some length"}
    run = ("run", "--plan", "plan.json", "--mode", "replay", "--yes")
    assert artis(folder, "plan", "approve", "plan.json", "--by", "ann")[0] == 0
    code, _, err = artis(folder, *run, **key)
    assert (code, "is not signed" in err) == (2, True)
    code, _, err = artis(folder, "plan", "approve", "plan.json", "--by", "ann", **key)
    assert (code, "not signed" in err) == (0, False)
    assert artis(folder, *run, **key)[0] == 0
    assert sent(folder) == ["bob 8"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--by", ""), "takes the name of who approves"),
        (("--by", "ann", "--expires", "soon"), "--expires 'soon' is neither a date"),
        (("--by", "ann", "--expires", "2020-01-01"), "over already"),
    ],
)
def test_what_cannot_be_approved_is_said(folder: Path, arguments: tuple[str, ...], why: str) -> None:
    before = (folder / "plan.json").read_bytes()
    code, _, err = artis(folder, "plan", "approve", "plan.json", *arguments)
    assert (code, why in err) == (2, True)
    assert (folder / "plan.json").read_bytes() == before


@pytest.mark.parametrize(
    ("answers", "paid", "code"),
    [
        (["y", "y"], ["eve 8000"], 0),
        (["y", "n"], [], 2),  # the agent does not catch the refusal
        (["n"], [], 1),
    ],
)
def test_a_person_is_asked_about_the_plan_and_then_about_what_it_does_not_foresee(
    folder: Path, answers: list[str], paid: list[str], code: int
) -> None:
    def see(shown: str) -> str | None:
        if not answers or shown.count("/N]:") <= asked[0]:
            return None
        asked[0] += 1
        return answers.pop(0)

    asked = [0]
    ended, shown = at_a_terminal(
        folder, ["run", "--plan", "plan.json", "--agent", "approved_desk:agent"], see
    )
    assert (sent(folder), ended) == (paid, code), shown
    if len(shown.split("/N]:")) > 2:
        assert "held to these calls?" in shown
        words = " ".join(shown.split())
        assert 'pay(who="eve", amount=8000) (irreversible)' in words
        assert 'it foresees pay(who="bob", amount=8)' in words


def at_a_terminal(folder: Path, arguments: list[str], answer: Callable[[str], str | None]) -> tuple[int, str]:
    """Exit code and everything on the screen of a command at a terminal.

    Args:
        answer: what is typed, given all that is on the screen; None to wait.
    """
    ours, theirs = pty.openpty()
    more: dict[str, Any] = {"env": environment(folder, TERM="dumb"), "cwd": folder, "start_new_session": True}
    child = subprocess.Popen(
        [sys.executable, "-m", "artis_sdk.cli", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        **more,
    )
    os.close(theirs)
    shown = b""
    try:
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            shown += piece
            typed = answer(shown.decode(errors="replace"))
            if typed is not None:
                os.write(ours, f"{typed}\n".encode())
        return child.wait(60), shown.decode(errors="replace")
    finally:
        child.kill()
        os.close(ours)
