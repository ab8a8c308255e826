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
from artis_sdk.records import new_id

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
    code, out, errors = await spoken(folder, *arguments, "--json", **environment)
    return code, json.loads(out) if out else None, errors


async def spoken(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "artis_sdk.cli", *arguments,
        cwd=folder, env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await child.communicate()
    assert child.returncode is not None
    return child.returncode, out.decode(), errors.decode()


SETTLED = ("--by", "ann", "--why", "the statement lists it")


async def test_a_journal_that_is_not_there_is_an_error_and_no_clean_bill(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    for where, arguments in (
        (folder, ("recover",)),
        (folder / "elsewhere", ("recover", "--journal", "journal.db")),
        (folder, ("recover", "--settle", "p:1", "not-executed", *SETTLED)),
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
    assert [(call["id"], call["seq"], call["state"]) for call in found] == [("p:1", 1, "unknown")]
    for wrong in (
        ("--settle", "p:1", "perhaps", *SETTLED),
        ("--settle", "p:1", "done", "--value", "1", "--by", "ann"),
        ("--settle", "p:1", "done", "--value", "1", "--by", " ", "--why", "seen"),
        ("--settle", "p:1", "done", *SETTLED),
        ("--settle", "p:1", "done", "--value", "1", "--no-value", *SETTLED),
        ("--settle", "p:1", "not-executed", "--no-value", *SETTLED),
        ("--settle", "p:1", "done", "--value", "{", *SETTLED),
        ("--settle", "p:9", "done", "--no-value", *SETTLED),
        ("--settle", "p:0", "done", "--no-value", *SETTLED),
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


@pytest.mark.parametrize(
    ("answer", "then"),
    [
        (("done", "--value", "7"), "next: artis run --plan kept.json --resume"),
        (("not-executed",), "next: artis run --plan kept.json --resume"),
        (("done", "--no-value"), "the commit cannot be resumed without the value"),
    ],
)
async def test_each_hint_can_be_followed_up_to_the_resumed_commit(
    folder: Path, answer: tuple[str, ...], then: str
) -> None:
    (folder / "other.json").write_text('{"id": "q"}')
    (folder / "kept.json").write_text('{\n  "id": "p",')
    journal = ("--journal", "journal.db")
    _, _, hints = await spoken(folder, "recover", *journal)
    for hint in ("done --value JSON", "not-executed"):
        assert f"  artis recover --settle p:1 {hint} --by NAME --why TEXT\n" in hints
    code, out, hints = await spoken(folder, "recover", *journal, "--settle", "p:1", *answer, *SETTLED)
    assert code == 0, out + hints
    assert then in " ".join(hints.split())


async def test_who_and_why_are_asked_for_by_the_names_of_the_options(folder: Path) -> None:
    code, found, _ = await artis(folder, "recover", "--settle", "p:1", "not-executed")
    assert (code, found["message"]) == (
        2,
        "--settle needs --by NAME (who says so) and --why TEXT (how they know)",
    )


async def test_a_call_is_settled_without_its_value_only_on_purpose(folder: Path) -> None:
    settling = ("recover", "--journal", "journal.db", "--settle", "p:1", "done", *SETTLED)
    code, found, _ = await artis(folder, *settling)
    assert code == 2
    assert "--value JSON" in found["message"]
    assert "--no-value where nobody knows: its commit can then not be resumed" in found["message"]
    code, found, _ = await artis(folder, *settling, "--no-value")
    assert (code, found["id"], found["state"]) == (0, "p:1", "reconciled")


async def test_the_journal_is_shown_with_ids_that_can_be_copied(tmp_path: Path) -> None:
    plan = new_id()
    async with aclosing(SQLiteJournal(tmp_path / "journal.db")) as journal:
        await journal.begin_plan(plan)
        await journal.begin(intent(plan=plan))
        await journal.finish(intent(plan=plan), OK)
    code, out, _ = await spoken(tmp_path, "journal", "show", "--journal", "journal.db", COLUMNS="80")
    assert code == 0
    assert f"{plan}:0\n" in out


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
