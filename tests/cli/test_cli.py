"""The `artis` command, as a process, against a scripted server."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.cli import BANK, artis, paying, write_settings
from helpers.fault_server import agent, serving
from helpers.wire_answers import called, chat, in_order

import artis_sdk

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cli_bank.py").write_text(BANK)
    return tmp_path


async def test_the_version_is_printed(folder: Path) -> None:
    assert await artis(folder, "--version") == (0, f"artis_sdk {artis_sdk.__version__}\n", "")


async def test_rehearse_then_run_the_saved_plan_once(folder: Path) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server)
        code, out, err = await artis(folder, "rehearse", "Send Bob 5.", "--save", "plan.json")
        assert code == 0, err
        assert not (folder / "sent.txt").exists(), "a rehearsal paid"
        assert "pay(" in out
        assert "artis run --plan plan.json" in err
        code, out, err = await artis(folder, "run", "--plan", "plan.json", "--yes", "--json")
        assert code == 0, err
        result = json.loads(out)
        assert [call["outcome"]["provenance"] for call in result["calls"]] == ["real"]
        assert (folder / "sent.txt").read_text() == "Bob 5\n"
        code, out, err = await artis(folder, "run", "--plan", "plan.json", "--yes", "--json")
        assert (code, json.loads(out)["error"]) == (2, "CommitRefused")
        assert (folder / "sent.txt").read_text() == "Bob 5\n"
        assert "sk-secret" not in out + err


@pytest.mark.parametrize("as_json", [True, False])
async def test_a_commit_without_a_final_answer_is_no_success(folder: Path, as_json: bool) -> None:
    """It paid, and its last words were cut: the calls are told, and the exit code is 1."""
    replies = [
        chat(called(("c1", "pay", '{"target": "Bob", "amount": 5}'))),
        chat({"content": "I"}, "length"),
    ]
    async with serving(in_order(replies)) as server:
        write_settings(folder, server, strategy="direct")
        code, out, err = await artis(folder, "run", "Send Bob 5.", "--yes", *["--json"] * as_json)
    assert code == 1, err
    assert "cut at the limit of tokens" in out
    if as_json:
        result = json.loads(out)
        assert (result["ended"], result["answer"], len(result["calls"])) == ("cut", None, 1)
    assert (folder / "sent.txt").read_text() == "Bob 5\n"


async def test_a_commit_is_not_made_when_nobody_can_be_asked(folder: Path) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server)
        code, _, err = await artis(folder, "run", "Send Bob 5.")
    assert code == 2
    assert "--yes" in err
    assert not (folder / "sent.txt").exists()


async def test_logs_show_counts_export_and_import(folder: Path) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server, strategy="direct")
        code, _, err = await artis(folder, "run", "Send Bob 5.", "--yes")
        assert code == 0, err
    code, out, _ = await artis(folder, "logs", "show", "--json")
    (record,) = json.loads(out)
    assert record["call"]["arguments"] == {"target": "Bob", "amount": 5}
    code, out, _ = await artis(folder, "logs", "counts")
    assert code == 0
    assert "success" in out
    assert (await artis(folder, "logs", "export", "calls.jsonl"))[0] == 0
    code, out, err = await artis(folder, "logs", "import", "calls.jsonl", "--log", "other.db", "--json")
    imported = json.loads(out)
    assert (imported["records"], imported["skipped"]) == (1, []), err
    code, out, _ = await artis(folder, "logs", "show", "--log", "other.db", "--json")
    assert json.loads(out) == [record]


async def test_recover_finds_nothing_after_a_clean_run(folder: Path) -> None:
    async with serving(paying()) as server:
        write_settings(folder, server, strategy="direct")
        assert (await artis(folder, "run", "Send Bob 5.", "--yes"))[0] == 0
        code, out, _ = await artis(folder, "recover", "--json")
    assert (code, json.loads(out)) == (0, [])


KILLED = """
import os, signal
from pathlib import Path
from artis_sdk import Toolset, guarded_tool

@guarded_tool
def pay(target: str, amount: int) -> dict:
    \"\"\"Send money.\"\"\"
    with Path("sent.txt").open("a") as file:
        file.write(f"{target} {amount}\\n")
    if Path("kill").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return {"sent": amount}

tools = Toolset(pay)
"""


async def test_after_a_kill_nothing_is_paid_twice_and_the_commit_goes_on(folder: Path) -> None:
    (folder / "cli_bank.py").write_text(KILLED)
    (folder / "kill").touch()
    async with serving(paying()) as server:
        write_settings(folder, server, strategy="direct")
        assert (await artis(folder, "rehearse", "Send Bob 5.", "--save", "plan.json"))[0] == 0
        committing = ("run", "--plan", "plan.json", "--yes", "--json")
        assert (await artis(folder, *committing))[0] == -9
        for again in (committing, (*committing, "--resume"), ("run", "Send Bob 5.", "--yes", "--json")):
            code, out, _ = await artis(folder, *again)
            assert (code, json.loads(out)["error"]) == (2, "CommitRefused")
            assert "artis recover" in json.loads(out)["message"]
        code, out, err = await artis(folder, "recover")
        assert code == 1
        assert "--settle" in err
        code, out, _ = await artis(folder, "recover", "--json")
        (call,) = json.loads(out)
        name = f"{call['plan']}:{call['seq']}"
        by = ("--by", "ann", "--why", "seen", "--value", '{"sent": 5}')
        assert (await artis(folder, "recover", "--settle", name, "done", *by))[0] == 0
        code, out, err = await artis(folder, *committing, "--resume")
        assert code == 0, out + err
        (made,) = json.loads(out)["calls"]
        assert made["outcome"]["value"] == {"sent": 5}
    assert (folder / "sent.txt").read_text() == "Bob 5\n"


async def test_doctor_asks_the_configured_backend(folder: Path) -> None:
    async with serving(agent(0, "pay", {})) as server:
        write_settings(folder, server)
        code, out, err = await artis(folder, "doctor", "--json")
        assert code == 0, err
        found = json.loads(out)
        assert found["backends"][0]["backend"] == "openai:scripted"
        assert found["ok"]
    code, out, _ = await artis(folder, "doctor", "--json")  # the server is gone
    assert code == 1
    assert not json.loads(out)["backends"][0]["ok"]
    assert "sk-secret" not in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rehearse", "x"), "ARTIS_TOOLS"),
        (("run",), "--plan"),
        (("logs", "show"), "ARTIS_LOG"),
        (("rehearse", "x", "--tools", "no_such_module"), "no_such_module"),
    ],
)
async def test_what_is_missing_is_said_in_one_line(
    folder: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = await artis(folder, *arguments)
    assert code == 2
    assert said in err
    assert "Traceback" not in out + err
