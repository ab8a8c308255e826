"""When a call log cannot be written: whoever appends hears of it, and what was taken is not lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from helpers.logs import file_bytes, record
from pydantic import JsonValue

from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog, Redactor
from artis_sdk.records import CallRecord, ToolCall


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another connection holds the file's write lock."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


TESTS = Path(__file__).parent.parent


def amounts(log: CallLog) -> list[JsonValue]:
    return [made.call.arguments["amount"] for made in log.records()]


def test_a_locked_file_is_an_error_until_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    log = CallLog(path, busy_timeout=0.2)
    log.append(record(0))
    log.flush()
    with locked(path):
        for n in (1, 2):
            log.append(record(n))
        with pytest.raises(LogError, match=r"2 records could not be written yet.*lock for more than 0\.2 s"):
            log.flush()
        with pytest.raises(LogError, match="this record was not logged"):
            log.append(record(3))
    log.flush()  # what was taken has waited
    log.append(record(4))
    assert amounts(log) == [0, 1, 2, 4]
    log.close()


def test_a_failing_log_heals_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with CallLog(path, busy_timeout=0.1) as log:
        with locked(path):
            log.append(record(1))
            with pytest.raises(LogError):
                log.flush()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                log.append(record(2))
                break
            except LogError:
                time.sleep(0.05)
        assert amounts(log) == [1, 2]


def test_closing_a_log_that_cannot_be_written_says_what_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    log = CallLog(path, busy_timeout=0.1)
    with locked(path):
        for n in range(3):
            log.append(record(n))
        with pytest.raises(LogError, match="closed with 3 records not written"):
            log.close()
    assert not any(thread.name == "artis-log" for thread in threading.enumerate())
    assert amounts(log) == []


def test_a_short_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with CallLog(path) as log:
        with locked(path):
            log.append(record(1))
            time.sleep(0.5)
        log.flush()
        assert amounts(log) == [1]


def test_what_is_secret_stays_known_after_a_rollback(tmp_path: Path) -> None:
    def made(n: int, **arguments: str) -> CallRecord:
        return record(n, task="t", call=ToolCall(tool="enter", arguments=dict(arguments)))

    path = tmp_path / "calls.db"
    with CallLog(path, busy_timeout=0.1) as log:
        log.append(made(0, password="hunter2-x"))
        log.flush()
        with locked(path):
            log.append(made(1, note="it is hunter2-x"))
            with pytest.raises(LogError):
                log.flush()
        log.flush()
        assert len(list(log.records())) == 2
    assert b"hunter2" not in file_bytes(path)


@pytest.mark.slow
def test_a_full_disk(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk's end: the write itself fails."""
    code = """
import resource, signal, sys
from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog
from helpers.logs import as_text, task_records

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = sys.argv[1]
records = task_records(40, size=50_000)
log = CallLog(path)
for made in records[:3]:
    log.append(made)
log.flush()
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
for made in records[3:39]:
    log.append(made)
try:
    log.flush()
except LogError as error:
    print("flush:", error)
try:
    log.append(records[39])
except LogError as error:
    print("append:", error)
print("rows:", len(list(CallLog(path).records())))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
log.flush()
log.append(records[39])
print("all:", [*map(as_text, log.records())] == [*map(as_text, records)])
log.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "calls.db")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    flush, append, rows, everything = done.stdout.splitlines()
    assert "36 records could not be written yet" in flush
    assert "this record was not logged" in append
    assert (rows, everything) == ("rows: 3", "all: True")


def test_a_file_that_was_deleted_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    log = CallLog(path)
    log.append(record(1))
    log.flush()
    for file in tmp_path.iterdir():
        file.unlink()
    log.append(record(2))
    with pytest.raises(LogError, match="moved or deleted"):
        log.flush()
    with pytest.raises(LogError, match="closed with 1 records not written"):
        log.close()


def test_too_many_waiting_records_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    log = CallLog(path, max_pending=10)
    with locked(path):
        taken: list[CallRecord] = []

        def append_many() -> None:
            while len(taken) < 10_000:  # some are with the writer already
                made = record(len(taken))
                log.append(made)
                taken.append(made)

        with pytest.raises(LogError, match="10 records are waiting to be written"):
            append_many()
    log.flush()
    assert amounts(log) == list(range(len(taken)))
    log.close()


def test_a_record_that_a_rule_breaks_on_is_refused_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def rule(path: str, value: JsonValue) -> bool:
        if value == "hunter2":
            raise KeyError("hunter2")
        return False

    log = CallLog(tmp_path / "calls.db", redact=Redactor(rule))
    log.append(record(0))
    log.append(record(1, state={"note": "hunter2"}))
    log.append(record(2))
    with pytest.raises(LogError, match=r"1 records could not be written \(KeyError\); the others were"):
        log.flush()
    log.flush()  # said once
    assert amounts(log) == [0, 2]
    log.close()
    assert "KeyError" in caplog.text
    assert "hunter2" not in caplog.text
    assert b"hunter2" not in file_bytes(log.path)


@pytest.mark.parametrize("wrong", [{"at": float("nan")}, {"process": 2**70}])
def test_a_record_that_no_file_can_hold_is_refused_alone(tmp_path: Path, wrong: dict[str, Any]) -> None:
    log = CallLog(tmp_path / "calls.db")
    for made in (record(0), record(1, **wrong), record(2)):
        log.append(made)
    with pytest.raises(LogError, match="1 records could not be written"):
        log.close()
    assert amounts(log) == [0, 2]


# In a process of its own: in this one, files that other tests left to linger are closed meanwhile.
_AT_THE_LIMIT = """
import os, resource, sys
from helpers.logs import record
from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog

log = CallLog(sys.argv[1])
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
lowest = os.dup(0)  # a new file gets the lowest free number, which the limit leaves out
os.close(lowest)
resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
log.append(record(1))
try:
    log.flush()
except LogError:
    print("refused")
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
log.flush()
print(*[made.call.arguments["amount"] for made in log.records()])
log.close()
"""


def test_the_limit_on_open_files_is_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _AT_THE_LIMIT, str(tmp_path / "calls.db")]
    ended = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, timeout=60)
    assert ended.stdout.split() == ["refused", "1"], ended.stderr
