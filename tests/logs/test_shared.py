"""Call logs that hosts share: what is cut off waits and arrives once; versions; addresses; who reads them."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers.call_logs import SHARED, DatabasePlace, FolderPlace
from helpers.logs import as_text, record, task_records
from helpers.postgres import PostgresStore, crash_server, postgresql
from helpers.proxy import Proxy
from typer.testing import CliRunner

from artis_sdk.cli.app import app
from artis_sdk.cli.eval_data import Part, held_out
from artis_sdk.errors import ConfigurationError, LogError
from artis_sdk.logs import read_parquet
from artis_sdk.logs.opening import address_of, open_call_log, shared_rows
from artis_sdk.logs.refused import RefusedRecord
from artis_sdk.logs.shared import SharedCallLog, SharedRows
from artis_sdk.records import CallRecord
from artis_sdk.store_address import log_address, shown_address

psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytestmark = pytest.mark.slow

from artis_sdk.logs.database import TABLES, DatabaseRows  # noqa: E402
from artis_sdk.postgresql import Tables, make_tables, tables_version  # noqa: E402

Place = FolderPlace | DatabasePlace


@pytest.fixture(params=SHARED)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return SHARED[request.param](tmp_path)


class Failing:
    """Rows whose answer gets lost: a batch arrives, and its sender is told that it did not."""

    def __init__(self, rows: SharedRows) -> None:
        self._rows = rows
        self.fails = True
        self.sent: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rows, name)

    def send(self, batch: str, records: Iterable[CallRecord]) -> list[RefusedRecord]:
        self.sent.append(batch)
        refused = self._rows.send(batch, records)
        if self.fails:
            raise LogError("the answer was lost")
        return refused


def numbers(log: Any) -> list[int]:
    return [int(made.at) - 1000 for made in log.records()]


def test_a_batch_whose_answer_was_lost_arrives_once(place: Place) -> None:
    rows = Failing(shared_rows(place.where))
    log = SharedCallLog(rows)
    log.append(record(1))
    with pytest.raises(LogError, match=r"the answer was lost; what was not sent waits in .*/logs/"):
        log.flush()
    log.append(record(2))
    with pytest.raises(LogError, match="the answer was lost"):
        log.close()
    assert len(set(rows.sent)) == 1  # the first one goes before others
    with place.open() as again:
        again.append(record(3))
    with place.open() as again:
        assert sorted(numbers(again)) == [1, 2, 3]
    assert place.waiting() == b""


def test_what_waits_is_sent_by_itself(place: Place) -> None:
    rows = shared_rows(place.where)
    rows.linger = 0.01
    log = SharedCallLog(rows)
    log.append(record(1))
    while not rows.exist():
        time.sleep(0.01)
    assert numbers(log) == [1]
    log.close()


def test_closing_while_the_other_thread_has_its_turn_tells_of_nothing(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path)
    log = SharedCallLog(shared_rows(place.where))
    begun, goes_on = threading.Event(), threading.Event()

    def make() -> tuple[CallRecord, tuple[str, ...]]:
        begun.set()
        goes_on.wait(60)
        return record(1), ()

    log.append_late(make)
    begun.wait(60)
    with ThreadPoolExecutor(2) as threads:
        closing = threads.submit(log.close)
        while not log._writer._queue:  # until it waits for the writer's end
            time.sleep(0.001)
        turn = threads.submit(log._send)
        time.sleep(0.05)
        goes_on.set()
        turn.result()
        closing.result()
    with place.open() as again:
        assert numbers(again) == [1]


@pytest.mark.parametrize("nth", [1, 4, 7, 10, 13])
async def test_a_connection_cut_amid_a_batch_loses_and_repeats_nothing(tmp_path: Path, nth: int) -> None:
    place = DatabasePlace(tmp_path)
    place.open().close()
    async with Proxy(PostgresStore(tmp_path).socket) as proxy:
        log = await asyncio.to_thread(open_call_log, proxy.url)
        for made in task_records(3, size=30_000):
            log.append(made)
        proxy.cut_after = nth
        try:
            await asyncio.to_thread(log.flush)
        except LogError:
            proxy.cut_after = None
        await asyncio.to_thread(log.close)
    with place.open() as again:
        assert [len(made.history) for made in again.records()] == [0, 1, 2]


async def test_a_network_that_drops_everything_holds_nobody(tmp_path: Path) -> None:
    place = DatabasePlace(tmp_path)
    async with Proxy(PostgresStore(tmp_path).socket) as proxy:
        log = SharedCallLog(DatabaseRows(proxy.url, timeout=0.3))
        log.append(record(1))
        await asyncio.to_thread(log.flush)
        proxy.drops = True
        log.append(record(2))  # returns at once
        for ask in (log.flush, log.counts, lambda: list(log.records()), lambda: log.last(1)):
            with pytest.raises(LogError):
                await asyncio.to_thread(ask)
        proxy.cut()
        proxy.drops = False
        await asyncio.to_thread(log.close)
    with place.open() as again:
        assert numbers(again) == [1, 2]


def test_a_server_that_crashes_and_restarts_has_each_record_once() -> None:
    with postgresql() as folder:  # its own: other tests go on with theirs
        url = f"postgresql://postgres@/postgres?host={folder}"
        with open_call_log(url) as log:
            log.append(record(1))
            log.flush()
            log.append(record(2))
            crash_server(url)
            log.append(record(3))
            log.flush()
            assert numbers(log) == [1, 2, 3]


def test_a_folder_that_cannot_be_reached_is_told_once_and_loses_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = FolderPlace(tmp_path)
    place.path.parent.parent.joinpath("shared").write_text("in its way")
    rows = shared_rows(place.where)
    rows.linger = 0.01
    log = SharedCallLog(rows)
    with caplog.at_level(logging.WARNING, "artis_sdk.logs"):
        log.append(record(1))
        with pytest.raises(LogError, match="file://"):
            log.flush()
        log.append(record(2))
        with pytest.raises(LogError, match="file://"):
            log.flush()
    os.unlink(tmp_path / "shared")
    log.close()
    assert len([line for line in caplog.messages if "tried again" in line]) <= 1
    with place.open() as again:
        assert sorted(numbers(again)) == [1, 2]


def test_a_file_that_is_being_written_is_not_read(tmp_path: Path) -> None:
    place = FolderPlace(tmp_path)
    with place.open() as log:
        log.append(record(1))
        log.flush()
        (batch,) = place.path.iterdir()
        shutil.copy(batch, f"{batch}.part")
        (place.path / "20991231T000000.000Z-x.parquet.part").write_bytes(b"PAR1 and half")
        assert numbers(log) == [1]


def test_any_file_system_of_fsspec_will_do(tmp_path: Path) -> None:
    url = f"memory://{tmp_path.name}/calls"
    with open_call_log(url) as log:
        log.append(record(1))
        log.flush()
        log.append(record(2))
    with open_call_log(url, create=False) as log:
        assert numbers(log) == [1, 2]


# --- versions ---------------------------------------------------------------------------------


def test_tables_of_a_later_version_are_left_alone_and_records_wait(tmp_path: Path) -> None:
    place = DatabasePlace(tmp_path)
    with place.open() as log:
        log.append(record(1))
    with psycopg.connect(place.where, autocommit=True) as connection:
        connection.execute("UPDATE artis_log.log SET version = version + 1")
        log = place.open()
        log.append(record(2))
        with pytest.raises(LogError, match=r"version 3, .* up to 2; update artis_sdk"):
            log.close()
        with pytest.raises(LogError, match="version 3"):
            place.open(create=False)
        connection.execute("UPDATE artis_log.log SET version = version - 1")
    with place.open() as log:
        log.append(record(3))
        assert numbers(log) == [1, 3, 2]


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    from pyarrow import parquet

    place = FolderPlace(tmp_path)
    with place.open() as log:
        log.append(record(1))
    (path,) = place.path.iterdir()
    table = parquet.read_table(path).replace_schema_metadata({b"artis_sdk.call_log": b"2"})
    parquet.write_table(table, path)
    for records in (place.open().records(), read_parquet(path)):
        with pytest.raises(LogError, match=r"written by a newer artis_sdk \(schema 2, this one knows 1\)"):
            list(records)


FIRST = """
DROP SCHEMA IF EXISTS artis_log CASCADE;
CREATE SCHEMA artis_log;
CREATE TABLE artis_log.log (version integer NOT NULL);
INSERT INTO artis_log.log VALUES (1);
CREATE TABLE artis_log.call (
    n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL UNIQUE, at double precision NOT NULL,
    session text, task text, source_hash text, tool text NOT NULL, type text NOT NULL,
    provenance text NOT NULL, risk text NOT NULL, process bigint, duration double precision,
    spec text NOT NULL, call text NOT NULL, state text NOT NULL, history text NOT NULL, outcome text NOT NULL,
    predicted text
);
CREATE INDEX call_tool ON artis_log.call (tool, n);
CREATE INDEX call_session ON artis_log.call (session);
"""
"""The tables as their first version was."""


def test_tables_of_the_first_version_become_as_new_ones_with_the_next_batch(tmp_path: Path) -> None:
    place = DatabasePlace(tmp_path)
    definition = (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'artis_log' UNION ALL"
        " SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'artis_log'::regnamespace ORDER BY 1"
    )
    with psycopg.connect(place.where, autocommit=True) as connection:
        with place.open() as log:
            log.append(record(1))
        new = connection.execute(definition).fetchall()
        (kept,) = connection.execute("SELECT to_jsonb(one) - 'n' FROM artis_log.call AS one").fetchone()
        connection.execute(FIRST)
        columns = ", ".join(kept)
        values = psycopg.types.json.Jsonb(kept)
        connection.execute(
            f"INSERT INTO artis_log.call ({columns})"
            f" SELECT {columns} FROM jsonb_populate_record(NULL::artis_log.call, %s)",
            (values,),
        )
        with place.open(create=False) as log:
            assert numbers(log) == [1]  # reading changes nothing
            log.append(record(1, id=kept["id"]))
            log.append(record(2))
            log.flush()
            assert numbers(log) == [1, 2]
        assert connection.execute(definition).fetchall() == new


def test_tables_of_an_earlier_version_are_brought_to_this_one_once(tmp_path: Path) -> None:
    """As further versions will be."""
    place = DatabasePlace(tmp_path)
    with place.open() as log:
        log.append(record(1))
    steps = {2: "ALTER TABLE artis_log.call ADD host text", 3: "UPDATE artis_log.call SET host = 'a'"}
    later = Tables(**{**vars(TABLES), "version": 4, "migrations": steps})
    with psycopg.connect(place.where, autocommit=True) as connection:
        assert make_tables(connection, later) == 4
        assert make_tables(connection, later) == 4
        assert connection.execute("SELECT id IS NOT NULL, host FROM artis_log.call").fetchall() == [
            (True, "a")
        ]
        failing = Tables(**{**vars(later), "version": 6, "migrations": {4: "SELECT 1", 5: "SELECT 1 / 0"}})
        with pytest.raises(psycopg.errors.DivisionByZero):
            make_tables(connection, failing)
        assert tables_version(connection, TABLES) == 4  # all of it or nothing


# --- addresses --------------------------------------------------------------------------------


def test_an_address_has_no_password_and_names_one_log() -> None:
    url = "postgresql://ann:hunter2@db:5432/calls"
    assert shown_address(url) == address_of(url) == "postgresql://db:5432/calls"
    assert address_of("postgresql://bob@db:5432/calls") == address_of(url)
    assert address_of("postgresql:///calls?host=/run/a") != address_of("postgresql:///calls?host=/run/b")
    assert shown_address("s3://key:hunter2@bucket/a?x=1") == "s3://bucket/a"
    assert shown_address("s3://bucket/a@b?x=1") == "s3://bucket/a@b"
    assert address_of("file:///mnt/calls/") == address_of("file:///mnt/calls")


@pytest.mark.parametrize("given", [Path("s3://bucket/calls"), Path("postgresql://db/x")])
def test_a_url_made_into_a_path_is_refused(given: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="or a text: postgresql://user@host:port/database, or the URL"
    ):
        log_address(given)


def test_an_unknown_kind_of_folder_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"log=nosuch://bucket/calls: .*nosuch"):
        open_call_log("nosuch://bucket/calls")


# --- who reads them ---------------------------------------------------------------------------


def test_the_command_line_reads_every_place(place: Place, tmp_path: Path) -> None:
    records = [made for n in range(40) for made in task_records(2, session=f"s{n}")]
    with place.open() as log:
        for n, made in enumerate(records):
            log.append(made)
            if n == 30:
                log.flush()
    run = CliRunner().invoke
    shown = run(app, ["logs", "show", "--log", place.where, "--last", "3", "--json"])
    assert shown.exit_code == 0, shown.output
    assert shown.output.count('"pay"') >= 3
    assert "80" in run(app, ["logs", "counts", "--log", place.where]).output
    target = tmp_path / "out.parquet"
    done = run(app, ["logs", "export", str(target), "--log", place.where])
    assert done.exit_code == 0, done.output
    assert [as_text(made) for made in read_parquet(target)] == [as_text(made) for made in records]
    parts: tuple[Part, ...] = ("train", "all")
    for part in parts:
        found = held_out(place.where, part, limit=1000, seed=0)
        assert 0 < len(found.records) <= 80
    absent = run(app, ["logs", "show", "--log", f"{place.where}x".replace("postgres?", "nobody?")])
    assert absent.exit_code != 0
