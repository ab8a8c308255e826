"""A call log in a database: a slow link makes progress, and what the server refuses holds nobody up."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.call_logs import DatabasePlace
from helpers.commit import until
from helpers.logs import record
from helpers.postgres import PostgresStore
from helpers.proxy import Proxy

from artis_sdk.errors import LogError
from artis_sdk.logs import open_call_log, read_jsonl
from artis_sdk.logs.shared import SharedCallLog

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytestmark = pytest.mark.slow

from artis_sdk.logs import database  # noqa: E402
from artis_sdk.logs.database import DatabaseRows  # noqa: E402


def numbers(log: Any) -> list[int]:
    return [int(made.at) - 1000 for made in log.records()]


class Slow(Proxy):
    """Passes so many bytes a second to the server, in all."""

    rate = 40_000

    async def _pass_on(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        inner = source

        class Waiting:
            async def read(self, _: int) -> bytes:
                given = await inner.read(4_000)
                await asyncio.sleep(len(given) / Slow.rate)
                return given

        await super()._pass_on(Waiting(), sink)  # type: ignore[arg-type]


async def test_a_backlog_over_a_slow_link_arrives_and_each_record_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times what it carries while an answer is waited for; a try that ends keeps what arrived."""
    place = DatabasePlace(tmp_path)
    place.open().close()
    monkeypatch.setattr(database, "_PART", 30_000)
    async with Slow(PostgresStore(tmp_path).socket) as proxy:
        log = SharedCallLog(DatabaseRows(f"{proxy.url}?sslmode=disable", timeout=0.5))
        made = [record(n, state={"blob": secrets.token_hex(5_000)}) for n in range(40)]
        for one in made[:20]:
            log.append(one)
        sending = asyncio.create_task(asyncio.to_thread(log.flush))
        await until(lambda: count(place) > 0)
        proxy.cut()
        with pytest.raises(LogError, match="what was not sent waits"):
            await sending
        assert 0 < count(place) < 20
        for one in made[20:]:
            log.append(one)
        async with asyncio.timeout(120):
            await asyncio.to_thread(log.close)
    with place.open() as again:
        assert sorted(numbers(again)) == list(range(40))


def count(place: DatabasePlace) -> int:
    with psycopg.connect(place.where) as connection:
        if connection.execute("SELECT to_regclass('artis_log.call')").fetchone() == (None,):
            return 0
        (found,) = connection.execute("SELECT count(*) FROM artis_log.call").fetchone()
        return int(found)


async def test_a_record_larger_than_a_part_over_a_slow_link_arrives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = DatabasePlace(tmp_path)
    async with Slow(PostgresStore(tmp_path).socket) as proxy:
        log = SharedCallLog(DatabaseRows(f"{proxy.url}?sslmode=disable", timeout=0.5))
        log.append(record(1, state={"blob": secrets.token_hex(50_000)}))
        began = time.monotonic()
        await asyncio.to_thread(log.close)
        assert time.monotonic() - began > 1.5, "the answer came before the limit: the test shows nothing"
    with place.open() as again:
        assert numbers(again) == [1]


LONG = secrets.token_hex(6_000)


@pytest.mark.parametrize("field", ["id", "session", "task", "tool"])
@pytest.mark.parametrize("text", [LONG, "a\0b", "ä" * 9_000], ids=["long", "nul", "wide"])
def test_a_text_of_any_length_is_taken_and_found(tmp_path: Path, field: str, text: str) -> None:
    place = DatabasePlace(tmp_path)
    other = f"{text}x"
    with place.open() as log:
        for n, given in enumerate((text, other, text)):
            log.append(named(n, field, given))
        log.flush()
        same = [0, 1] if field == "id" else [0, 1, 2]  # a record whose id is there changes nothing
        assert numbers(log) == same
        if field == "id":
            assert log.holding([text, other, "absent"]) == 2
        elif field in ("session", "tool"):
            wanted = log.records(tool=text) if field == "tool" else log.records(session=text)
            assert [int(made.at) - 1000 for made in wanted] == [0, 2]
        if field == "tool":
            assert [int(made.at) - 1000 for made in log.last(1, tool=text)] == [2]


def named(n: int, field: str, text: str) -> Any:
    made = record(n)
    if field == "tool":
        call = made.call.model_copy(update={"tool": text})
        return made.model_copy(update={"call": call})
    return made.model_copy(update={field: text})


@contextmanager
def refusing(place: DatabasePlace) -> Iterator[Any]:
    """The server takes no record of the task "bad"."""
    place.open().close()
    with place.open() as log:
        log.append(record(0))
    with psycopg.connect(place.where, autocommit=True) as connection:
        connection.execute("ALTER TABLE artis_log.call ADD CONSTRAINT good CHECK (task != 'bad')")
        yield connection


def test_a_record_that_is_refused_is_kept_aside_and_the_others_arrive(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = DatabasePlace(tmp_path)
    with refusing(place) as connection:
        log = place.open()
        for n in range(1, 20):
            log.append(record(n, task="bad" if n in (5, 13) else "good"))
        with caplog.at_level(logging.ERROR, "artis_sdk.logs"), pytest.raises(LogError) as refused:
            log.flush()
        assert numbers(log) == [n for n in range(20) if n not in (5, 13)]
        assert not list(place.data.glob("logs/*/*-*.db")), "something waits"
        (told,) = caplog.messages
        assert told == str(refused.value)
        assert "refuses record" in told
        assert " and 1 others: new row" in told
        path = told.partition("kept in ")[2].partition(", which")[0]
        kept = list(read_jsonl(path))
        assert [int(one.at) - 1000 for one in kept if not isinstance(one, LogError)] == [5, 13]
        log.close()  # it was told
        with place.open() as later:
            later.append(record(30))
        connection.execute("ALTER TABLE artis_log.call DROP CONSTRAINT good")
    with open_call_log(place.where) as again:
        assert numbers(again)[-1] == 30


def test_what_was_refused_beside_the_caller_is_told_at_the_end(tmp_path: Path) -> None:
    place = DatabasePlace(tmp_path)
    with refusing(place):
        log = place.open()
        log.append(record(1, task="bad"))
        log.counts()  # sends, and tells nothing
        with pytest.raises(LogError, match="refuses record"):
            log.close()
