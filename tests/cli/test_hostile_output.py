"""What commands print of hostile data, in files that a model, a tool or a user wrote: all of it, as text."""

from __future__ import annotations

import asyncio
import io
import os
import re
import tempfile
import time
from collections.abc import Sequence
from contextlib import aclosing, chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from helpers.hostile import SAMPLES, short_texts
from helpers.plans import a_plan, a_result, approved
from hypothesis import given, settings

from artis_sdk.cli.app import run_app
from artis_sdk.commit.journal import Intent, SQLiteJournal
from artis_sdk.errors import MissingExtraError
from artis_sdk.logs import CallLog
from artis_sdk.records import CallRecord, Outcome, Provenance, Risk, ToolCall, ToolSpec
from artis_sdk.visible import visible

OURS = re.compile(r"\x1b\[[0-9;]*m")
pytestmark = pytest.mark.slow

EXAMPLES = settings(max_examples=12)


def artis(folder: Path, *arguments: str, colours: bool = False) -> tuple[int, str]:
    """Exit code, and both outputs together. In this process: what differs is the terminal alone."""
    output = io.StringIO()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARTIS_")}
    environment |= {"COLUMNS": "6000"} | ({"FORCE_COLOR": "1", "TERM": "xterm"} if colours else {})
    with (
        chdir(folder),
        patch("sys.argv", ["artis", *arguments]),
        patch.dict(os.environ, environment, clear=True),
        redirect_stdout(output),
        redirect_stderr(output),
        pytest.raises(SystemExit) as ended,
    ):
        run_app()
    assert isinstance(ended.value.code, int)
    return ended.value.code, output.getvalue()


def check(folder: Path, commands: Sequence[tuple[str, ...]], *texts: str) -> None:
    """Nothing that these commands print acts on the terminal; each text is there, whole."""
    for command in commands:
        for colours in (False, True):
            _, printed = artis(folder, *command, colours=colours)
            shown = OURS.sub("", printed) if colours else printed
            acting = {char for char in shown if not char.isprintable() and char != "\n"}
            assert not acting, (command, acting)
            assert "Traceback" not in shown, (command, shown)
            for text in texts if "--json" not in command else ():
                assert _ink(visible(text, lines=True)) in _ink(shown), (command, text, shown)


def _ink(text: str) -> str:
    """The text without blanks and lines of tables, which depend on the terminal's width."""
    return re.sub(r"[\s─-╿]", "", text.replace("\\n", "\n").replace("\\t", "\t"))


def utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


async def _journal(path: Path, text: str) -> None:
    async with aclosing(SQLiteJournal(path)) as journal:
        await journal.begin_plan("p")
        for n in range(2):
            intent = Intent("p", n, text, {text: text}, Risk.IRREVERSIBLE, "key", time.time())
            await journal.begin(intent)
            if n:
                await journal.finish(intent, Outcome.failure(text, text, Provenance.REAL))


def _log(path: Path, text: str) -> None:
    spec = ToolSpec(name=text or "pay", parameters={})
    with CallLog(path) as log:
        for outcome in (Outcome.success(text, Provenance.REAL), Outcome.failure(text, text, Provenance.REAL)):
            call = ToolCall(tool=spec.name, arguments={text: [text]})
            predicted = Outcome.success({text: text}, Provenance.SIMULATED)
            log.append(CallRecord(at=0.0, spec=spec, call=call, outcome=outcome, predicted=predicted))


@EXAMPLES
@given(short_texts().map(utf8))
def test_saved_plans_and_results(text: str) -> None:
    plan = approved(a_plan((text, {text: text}), query=text, advice=text, text=text, value=text), by=text)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plan.json").write_text(plan.model_dump_json())
        (folder / "result.json").write_text(a_result(plan, text).model_dump_json())
        commands = [
            ("plan", "show", file, *more)
            for file in ("plan.json", "result.json")
            for more in ((), ("--json",))
        ]
        check(folder, commands, text)


@EXAMPLES
@given(short_texts().map(utf8))
def test_journals_and_logs(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        asyncio.run(_journal(folder / "journal.db", text))
        _log(folder / "calls.db", text)
        journal = ("--journal", "journal.db")
        check(folder, [("journal", "show", *journal), ("recover", *journal)])
        check(folder, [("logs", "show", "--log", "calls.db"), ("logs", "counts", "--log", "calls.db")])
        check(
            folder, [("journal", "show", *journal, "--json"), ("logs", "show", "--log", "calls.db", "--json")]
        )


@EXAMPLES
@given(short_texts().map(lambda text: utf8(text).replace("\x00", "")))
def test_errors_and_command_lines(text: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bad.json").write_text(f'{{"id": {text}')
        (folder / "artis.toml").write_text(f"strategy = '''{text.replace(chr(39), '')}'''", newline="")
        check(folder, [("plan", "show", "bad.json"), ("run", "--plan", "bad.json", "--yes")])
        check(folder, [(text,), ("run", f"--{text}"), ("plan", "show", text), ("rehearse", text, text)])
        check(folder, [("logs", "show", "--log", f"x{text}"), ("rehearse", "x", "--tools", text)])


@pytest.mark.parametrize("text", ["[/bold]", "[/INV-7]", "[urgent]", "[boss@corp.com]", "\x1b[2J"])
def test_a_journaled_argument_is_shown_by_recover(tmp_path: Path, text: str) -> None:
    asyncio.run(_journal(tmp_path / "journal.db", text))
    code, printed = artis(tmp_path, "recover", "--journal", "journal.db")
    assert code == 1
    assert visible(text) in printed


def test_an_error_names_an_extra_whole(tmp_path: Path) -> None:
    def fails(**_: Any) -> None:
        raise MissingExtraError("it", "generate")

    with patch("artis_sdk.cli.app.app", fails):
        code, printed = artis(tmp_path)
    assert (code, 'pip install "artis-sdk[generate]"' in printed) == (2, True)


def test_a_defect_is_printed_as_text_too(tmp_path: Path) -> None:
    def breaks(**_: Any) -> None:
        raise RuntimeError("\x1b[2J[/red]")

    with patch("artis_sdk.cli.app.app", breaks):
        code, printed = artis(tmp_path)
    assert (code, r"RuntimeError: \x1b[2J[/red]" in printed) == (1, True)
    assert "\x1b" not in printed


def test_what_is_logged_without_a_handler_is_printed_as_text(tmp_path: Path) -> None:
    import logging

    def logs(**_: Any) -> None:
        logging.getLogger("another.library").warning("%s", "\x1b[2J[/red]")

    with patch("artis_sdk.cli.app.app", logs), patch("logging.root.handlers", []):
        code, printed = artis(tmp_path)
    assert (code, r"warning: \x1b[2J[/red]" in printed) == (0, True)


@pytest.mark.parametrize("text", SAMPLES)
def test_each_sample_is_shown_of_a_plan(tmp_path: Path, text: str) -> None:
    plan = a_plan(("send", {"to": utf8(text)}), query=utf8(text), advice=utf8(text))
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    check(tmp_path, [("plan", "show", "plan.json")], utf8(text))
