"""`artis logs`: the next command is about the same log, and errors about a file say what reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.fidelity import record
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog, export_jsonl


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["logs", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_the_next_command_names_the_log_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it reads the log of the settings, or none."""
    monkeypatch.chdir(tmp_path)
    with CallLog("mine.db") as log:
        log.append(record(0))
    export_jsonl([record(1)], Path("more.jsonl"))
    assert run("show", "--log", "mine.db").endswith("next: artis logs counts --log mine.db")
    assert run("import", "more.jsonl", "--log", "mine.db").endswith("next: artis logs counts --log mine.db")
    assert "next: artis logs failures mine.db, which" in run("counts", "--log", "mine.db")
    monkeypatch.setenv("ARTIS_LOG", "mine.db")
    assert run("show").endswith("next: artis logs counts")
    assert "next: artis logs failures, which" in run("counts")


def test_a_file_that_is_no_call_log_and_a_row_that_is_none_say_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "spans.jsonl"
    file.write_text('{"name": "execute_tool pay"}\n')
    for arguments, said in (
        (["show", "--log", str(file)], "artis logs import FILE --log calls.db"),
        (["import", str(file), "--log", str(tmp_path / "calls.db")], "--skip-corrupt"),
        (["import", str(file), "--log", str(tmp_path / "calls.db")], "another tool's log needs its --format"),
    ):
        with pytest.raises(LogError) as raised:
            CliRunner().invoke(app, ["logs", *arguments], catch_exceptions=False)
        assert said in str(raised.value)
