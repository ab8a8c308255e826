"""Addresses of journals and call logs: no piece of a password is ever shown, however it was written."""

from __future__ import annotations

import asyncio
import logging
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from helpers.logs import record
from helpers.postgres import postgresql_url
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from artis_sdk import Direct, Session, Toolset, guarded_tool
from artis_sdk.backends import ScriptedBackend
from artis_sdk.cli.app import app
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.errors import ArtisError, ConfigurationError, JournalError, LogError
from artis_sdk.logs import CallLog
from artis_sdk.logs.opening import address_of, open_call_log
from artis_sdk.store_address import journal_address, log_address, shown_address

pytest.importorskip("psycopg", reason="psycopg is not installed")

from artis_sdk.commit.journal.postgres import PostgresJournal

LETTERS = "QXZ279"  # which are in no message of ours, of libpq or of the command line
URLS = [
    "postgresql://postgres:{}@localhost:1/main",
    "postgres://postgres:{}@127.0.0.1:1/main?sslmode=disable",
    "postgresql://postgres:{}@/main?host=/nowhere",
    "postgresql://postgres:{}@",
    "postgresql://:{}@localhost:1",
    "postgresql://postgres@localhost:1/main?password={}",
    "postgresql://localhost:1/main?user=postgres&password={}&sslmode=disable",
]
OTHERS = [
    "host=localhost port=1 user=postgres password={}",
    "user=postgres password='{}' host=localhost",
    "sslmode = disable password={}",
    "postgresql:postgres:{}@localhost:1/main",
    "postgresql:/postgres:{}@localhost:1/main",
    " postgresql://postgres:{}@localhost:1/main",
    '"postgresql://postgres:{}@localhost:1/main"',
    "postgresql+psycopg://postgres:{}@localhost:1/main",
    "jdbc:postgresql://localhost:1/main?user=postgres&password={}",
    "POSTGRESQL://postgres:{}@localhost:1/main",
]
passwords = st.text(LETTERS + string.punctuation, min_size=4, max_size=16).filter(
    lambda text: any(letter in text for letter in LETTERS)
)
encoded = st.sampled_from([str, lambda text: quote(text, safe=""), quote])
FOUND = [("QX/279ZQ", str), ("QXZ@279X", str), ("QXZ2?79X", str), ("27/Q?XZ9@X", str)]


def pieces(password: str) -> Iterator[str]:
    """Its parts of four characters, as they are and encoded, that no other text has."""
    for text in {password, quote(password), quote(password, safe="")}:
        for n in range(len(text) - 3):
            if any(letter in text[n : n + 4] for letter in "QXZ"):
                yield text[n : n + 4]


def tellers(url: str) -> Iterator[Callable[[], object]]:
    """All that may show an address."""
    yield lambda: shown_address(url)
    yield lambda: journal_address(url)
    yield lambda: journal_address(Path(url))
    yield lambda: log_address(url)
    yield lambda: log_address(Path(url))
    yield lambda: address_of(log_address(url))
    yield lambda: asking(url)


def asking(url: str) -> object:
    journal = PostgresJournal(url, timeout=2)
    try:
        return [repr(journal), journal.name, journal.calls()]
    finally:
        journal.close()


def said(teller: Callable[[], object], url: str) -> Iterator[str]:
    """What it tells, and what it raises with all causes."""
    try:
        told = teller()
    except ArtisError as error:
        cause: BaseException | None = error
        while cause is not None:
            yield f"{cause} {cause!r} {getattr(cause, '__notes__', '')}"
            cause = cause.__cause__
    else:
        if told != url:  # else the address itself, for the store
            yield str(told)


@pytest.mark.slow
@pytest.mark.parametrize("form", [*URLS, *OTHERS])
@settings(max_examples=40)
@given(password=passwords, written=encoded)
@example(*FOUND[0])
@example(*FOUND[1])
@example(*FOUND[2])
@example(*FOUND[3])
def test_no_piece_of_a_password_is_shown(form: str, password: str, written: Callable[[str], str]) -> None:
    url = form.format(written(password))
    for teller in tellers(url):
        for text in said(teller, url):
            assert not [piece for piece in pieces(password) if piece in text], text


@pytest.mark.parametrize("form", URLS[:5])
@given(password=passwords)
def test_an_encoded_password_is_taken_and_the_address_is_what_it_would_be_without(
    form: str, password: str
) -> None:
    url = form.format(quote(password, safe=""))
    assert journal_address(url) == log_address(url) == url
    assert shown_address(url) == address_of(url) == address_of(form.format(""))


@pytest.mark.parametrize("given", OTHERS)
def test_a_database_that_is_not_named_by_a_url_is_no_file(given: str) -> None:
    for text in (given.format("QXZ"), Path(given.format("QXZ"))):
        for address in (journal_address, log_address):
            with pytest.raises(ConfigurationError, match=r"text:? postgresql://user@host:port/database"):
                address(text)


@pytest.mark.parametrize(
    "name",
    [
        *(":memory:", Path(":memory:"), " :memory:", "file::memory:", "file::memory:?cache=shared"),
        *("file:calls.db?mode=memory", "sqlite://", "sqlite:///:memory:", "sqlite+aiosqlite:///x.db"),
        *("sqlite:x.db", "sqlite3:x.db", "file:x.db", Path("sqlite:///x.db")),
    ],
)
def test_sqlites_own_names_are_no_files(
    name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for address in (journal_address, log_address, SQLiteJournal, SQLiteJournal.shared, CallLog):
        with pytest.raises(ConfigurationError, match=r"(journal|log)=.*pass the path of a file") as raised:
            address(name)
        assert ("lost with the process" in str(raised.value)) == ("memory" in str(name))
    monkeypatch.setenv("ARTIS_JOURNAL", str(name))
    with pytest.raises(ConfigurationError, match="pass the path of a file"):
        Session().run_sync("Pay.")
    assert list(tmp_path.iterdir()) == []
    folder = "file:///mnt/calls"
    assert log_address(folder) == folder
    assert journal_address(tmp_path / ":memory:") == tmp_path / ":memory:"


@pytest.mark.parametrize("name", ["", Path()])
def test_an_empty_address_is_refused(name: str | Path) -> None:
    """SQLite would open a file that is lost with the connection, or fail at the folder."""
    for address in (journal_address, log_address, SQLiteJournal, SQLiteJournal.shared, CallLog):
        with pytest.raises(ConfigurationError, match=r"(journal|log) is empty: pass the path of"):
            address(name)


@pytest.mark.parametrize("password", [password for password, _ in FOUND])
def test_a_password_that_was_not_encoded_is_told_how(password: str) -> None:
    if "@" in password or "/" in password:
        with pytest.raises(ConfigurationError, match=r"percent-encode .*@ is %40, / is %2F"):
            journal_address(f"postgresql://postgres:{password}@localhost/main")
    else:
        assert journal_address(f"postgresql://postgres:{password}@localhost/main")


@pytest.mark.parametrize(
    "url", ["s3://key:QX/Z7@bucket/calls", "s3://key:QX@Z7@bucket/calls", "s3://key:QX?Z7@bucket/calls"]
)
def test_a_folder_whose_key_was_not_encoded_is_refused(url: str) -> None:
    for address in (shown_address, log_address, open_call_log):
        with pytest.raises(ConfigurationError, match="percent-encode") as refused:
            address(url)
        assert not re.search("QX|Z7", str(refused.value))


@pytest.mark.slow
@pytest.mark.parametrize(
    "password", ["QXZ2?79X", "27/Q?XZ9@X", "QX/279ZQ", "%51XZ2%2F79X%40", "QXZ9@27XQ", "QXZ%9"]
)
def test_the_command_line_shows_no_piece_of_it(
    password: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    here = postgresql_url("other")
    for url in (
        f"postgresql://postgres:{password}@localhost:1/main",
        here.replace("postgres@", f"postgres:{password}@"),
        f"host=localhost user=postgres password={password}",
    ):
        monkeypatch.setenv("ARTIS_JOURNAL", url)
        monkeypatch.setenv("ARTIS_LOG", url)
        for command in (
            ("recover",),
            ("recover", "--settle", "p:1", "not-executed", "--by", "ann", "--why", "seen"),
            ("recover", "--help"),
            ("journal", "show"),
            ("journal", "decisions"),
            ("journal", "prune", "--before", "90d"),
            ("doctor",),
            ("doctor", "--json"),
            ("logs", "counts"),
            ("logs", "counts", "--help"),
        ):
            done = CliRunner().invoke(app, [*command])
            assert done.exception is None or isinstance(done.exception, ArtisError | SystemExit)
            text = f"{done.output} {done.stderr} {done.exception}"
            assert not [piece for piece in pieces(password) if piece in text], (command, text)
    assert not [path.name for path in tmp_path.rglob("*") if "postgres" in path.name or "host" in path.name]


@pytest.mark.slow
async def test_neither_plans_nor_log_records_have_it(caplog: pytest.LogCaptureFixture) -> None:
    here = postgresql_url("other")
    url = here.replace("postgres@", "postgres:QXZ2?79X@")
    options: dict[str, Any] = {"agent": ScriptedBackend(("Done.",) * 3), "strategy": Direct()}
    options |= {"tools": Toolset(guarded_tool(len)), "evaluate": False, "summarize": False}
    with caplog.at_level(logging.DEBUG):
        async with Session(**options, journal=url) as session:
            plan = await session.rehearse("a task")
            texts = [repr(session), plan.model_dump_json(), str((await session.commit(plan)).plan)]
        unreachable = "postgresql://postgres:QXZ2?79X@localhost:1/main"
        with pytest.raises(JournalError) as refused:
            async with Session(**options, journal=unreachable) as session:
                await session.rehearse("a task")
        log = open_call_log(unreachable)
        log.append(record(1))
        with pytest.raises(LogError) as unsent:
            await asyncio.to_thread(log.close)
    texts += [str(refused.value), str(unsent.value), *caplog.messages]
    assert not [piece for piece in pieces("QXZ2?79X") if piece in str(texts)]
