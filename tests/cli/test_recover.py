"""`artis recover` and `artis journal`, as processes, on journals that a killed process left."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import OK, intent

from artis_sdk.commit.journal import SQLiteJournal

pytestmark = pytest.mark.slow


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    """A folder with a journal in which `p:0` is done and `p:1` was begun."""
    async with aclosing(SQLiteJournal(tmp_path / "journal.db")) as dead:
        await dead.begin_plan("p")
        await dead.begin(intent())
        await dead.finish(intent(), OK)
        await dead.begin(intent(1))
        await dead.begin_plan("over")
        await dead.begin(intent(plan="over"))
        await dead.finish(intent(plan="over"), OK)
        await dead.end_plan("over", "finished")
    return tmp_path


async def artis(folder: Path, *arguments: str, **environment: str) -> tuple[int, Any, str]:
    """Exit code, the JSON that was printed, and standard error."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "artis_sdk.cli", *arguments, "--json",
        cwd=folder, env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await child.communicate()
    assert child.returncode is not None
    return child.returncode, json.loads(out) if out else None, errors.decode()


SETTLED = ("--by", "ann", "--why", "the statement lists it")


async def test_a_journal_that_is_not_there_is_an_error_and_no_clean_bill(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    for where, arguments in (
        (folder, ("recover",)),
        (folder / "elsewhere", ("recover", "--journal", "journal.db")),
        (folder, ("recover", "--settle", "p:1", "done", *SETTLED)),
        (folder, ("journal", "prune", "--before", "1d")),
        (folder, ("journal", "show")),
    ):
        code, found, _ = await artis(where, *arguments)
        assert (code, found["error"]) == (2, "ConfigurationError")
        assert "there is no journal /" in found["message"]
    assert sorted(os.listdir(folder)) == ["elsewhere", "journal.db"]


async def test_a_call_is_settled_by_hand_with_who_and_why(folder: Path) -> None:
    journal = ("--journal", "journal.db")
    code, found, _ = await artis(folder, "recover", *journal)
    assert code == 1
    assert [(call["plan"], call["seq"], call["state"]) for call in found] == [("p", 1, "unknown")]
    for wrong in (
        ("--settle", "p:1", "perhaps", *SETTLED),
        ("--settle", "p:1", "done", "--by", "ann"),
        ("--settle", "p:1", "done", "--value", "{", *SETTLED),
        ("--settle", "p:9", "done", *SETTLED),
        ("--settle", "p:0", "done", *SETTLED),
        ("--settle", "p:1", "not-executed", "--value", "1", *SETTLED),
        SETTLED,
    ):
        code, found, _ = await artis(folder, "recover", *journal, *wrong)
        assert (code, found["error"]) == (2, "ConfigurationError"), wrong
    code, found, _ = await artis(
        folder, "recover", *journal, "--settle", "p:1", "done", "--value", '{"paid": 5}', *SETTLED
    )
    assert (code, found["state"], found["outcome"]["value"]) == (0, "reconciled", {"paid": 5})
    code, found, _ = await artis(folder, "recover", ARTIS_JOURNAL="journal.db")
    assert (code, found) == (0, [])
    code, found, _ = await artis(folder, "journal", "show", "--plan", "p", *journal)
    assert [(call["state"], call["settled_by"], call["settled_why"]) for call in found] == [
        ("done", None, None),
        ("reconciled", "ann", "the statement lists it"),
    ]


async def test_the_journal_is_pruned_but_for_what_is_open(folder: Path) -> None:
    journal = ("--journal", "journal.db")
    for before, removed in (("1d", 0), ("2020-01-01", 0), ("2100-01-01", 1), ("2100-01-01T10:00", 0)):
        code, found, _ = await artis(folder, "journal", "prune", "--before", before, *journal)
        assert (code, found) == (0, {"removed": removed})
    code, found, _ = await artis(folder, "journal", "prune", "--before", "yesterday", *journal)
    assert (code, found["error"]) == (2, "ConfigurationError")
    code, found, _ = await artis(folder, "journal", "show", *journal)
    assert [call["plan"] for call in found] == ["p", "p"]


async def test_showing_the_journal_hides_what_any_of_its_calls_names(tmp_path: Path) -> None:
    """Rows of an older version, or of a session with weaker rules."""
    rows: list[dict[str, Any]] = [{"text": "it is hunter2-x9"}, {"password": "hunter2-x9"}, {"text": "plain"}]
    async with aclosing(SQLiteJournal(tmp_path / "journal.db")) as journal:
        await journal.begin_plan("p")
        for number, arguments in enumerate(rows):
            await journal.begin(replace(intent(number), arguments=arguments))
    code, found, _ = await artis(tmp_path, "journal", "show", "--journal", "journal.db")
    assert code == 0
    assert "hunter2" not in json.dumps(found)
    assert [call["arguments"] for call in found][2] == {"text": "plain"}
    assert [call["seq"] for call in found] == [0, 1, 2]
