"""One call log, many processes: appending at once, killed in the middle, forked, ended without a close."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.logs import as_text, record, task_records

from artis_sdk.logs import CallLog

pytestmark = pytest.mark.slow


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A fresh Python that runs `code`, with the helpers of these tests importable."""
    command = [sys.executable, "-c", f"import sys\n{code}", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def end(*children: subprocess.Popen[str]) -> None:
    """Wait for the end of processes that end well."""
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0


def check_file(path: Path) -> None:
    """SQLite finds nothing wrong, and no call is without its task or its predecessor."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


def test_many_processes_append_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    code = """
from artis_sdk.logs import CallLog
from helpers.logs import task_records
with CallLog(sys.argv[1]) as log:
    for n in range(10):
        for made in task_records(20, session=f"{sys.argv[2]}-{n}", state={"shared": True}):
            log.append(made)
        if n % 3 == 0:
            log.flush()
"""
    children = [python(code, path, n) for n in range(5)]  # the file is made by whoever comes first
    end(*children)
    check_file(path)
    with CallLog(path, create=False) as log:
        seen: dict[str | None, list[int]] = {}
        for made in log.records():
            seen.setdefault(made.session, []).append(len(made.history))
        assert len(seen) == 50
        assert all(lengths == list(range(20)) for lengths in seen.values())


def test_two_processes_append_to_one_task(tmp_path: Path) -> None:
    """Each continues the history that it was given; both find the rows of the other."""
    path = tmp_path / "calls.db"
    records = task_records(6)
    code = """
from artis_sdk.logs import CallLog
from artis_sdk.records import CallRecord
with CallLog(sys.argv[1]) as log:
    log.append(CallRecord.model_validate_json(sys.argv[2]))
"""
    for made in records:
        end(python(code, path, as_text(made)))
    with CallLog(path) as log:
        assert [as_text(made) for made in log.records()] == [as_text(made) for made in records]
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT count(*), max(seq) FROM calls").fetchone() == (6, 5)
    connection.close()


def test_a_killed_process_leaves_whole_rows_and_all_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    code = """
from artis_sdk.logs import CallLog
from helpers.logs import task_records
log = CallLog(sys.argv[1])
n = 0
while True:
    for made in task_records(10, session=f"{sys.argv[2]}-{n}", size=500):
        log.append(made)
    n += 1
    if n % 5 == 0:
        log.flush()
        print(n, flush=True)
"""
    rng = random.Random(7)
    for attempt in range(4):
        child = python(code, path, attempt)
        assert child.stdout is not None
        flushed = int(child.stdout.readline())
        time.sleep(rng.uniform(0, 0.15))
        child.kill()
        flushed = int([str(flushed), *child.stdout.read().split()][-1])
        child.wait()
        child.stdout.close()
        check_file(path)
        with CallLog(path) as log:
            log.append(record(attempt, session="after"))
            lengths: dict[str | None, list[int]] = {}
            for made in log.records():
                lengths.setdefault(made.session, []).append(len(made.history))
        for n in range(flushed):
            assert lengths[f"{attempt}-{n}"] == list(range(10))
        assert all(seen == list(range(len(seen))) for name, seen in lengths.items() if name != "after")
        assert len(lengths["after"]) == attempt + 1


def test_a_process_that_ends_without_a_close_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    code = """
from artis_sdk.logs import CallLog
from helpers.logs import record
log = CallLog(sys.argv[1])
for n in range(200):
    log.append(record(n))
"""
    end(python(code, path))
    with CallLog(path) as log:
        assert sum(1 for _ in log.records()) == 200


def append_some(log: CallLog, session: str) -> None:
    for made in task_records(30, session=session):
        log.append(made)


def test_a_worker_of_multiprocessing_loses_nothing(tmp_path: Path) -> None:
    """Workers end without `atexit`."""
    path = tmp_path / "calls.db"
    log = CallLog(path)
    log.append(record(1, session="parent"))
    workers = [
        multiprocessing.get_context("fork").Process(target=append_some, args=(log, f"w{n}")) for n in range(3)
    ]
    for worker in workers:
        worker.start()
    log.append(record(2, session="parent"))
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    for n in range(3):
        assert [len(made.history) for made in log.records(session=f"w{n}")] == list(range(30))
    assert len(list(log.records(session="parent"))) == 2
    log.close()
    check_file(path)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_in_the_middle_of_writing(tmp_path: Path) -> None:
    """Parent and children write on, each through a connection of its own, and close in any order."""
    path = tmp_path / "calls.db"
    log = CallLog(path)
    children = []
    for n in range(8):
        append_some(log, f"parent-{n}")
        read = log.records()
        next(read)  # a reader in the middle of the file
        child = os.fork()
        if child == 0:
            status = 1
            try:
                append_some(log, f"child-{n}")
                log.close()
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    log.close()  # checkpoints, while children may still write
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check_file(path)
    with CallLog(path) as again:
        lengths: dict[str | None, int] = {}
        for made in again.records():
            lengths[made.session] = lengths.get(made.session, 0) + 1
    assert lengths == {f"{who}-{n}": 30 for who in ("parent", "child") for n in range(8)}


def test_waiting_records_are_written_by_the_parent_alone(tmp_path: Path) -> None:
    code = """
import json, os
from artis_sdk.logs import CallLog
from helpers.logs import record
log = CallLog(sys.argv[1])
for n in range(1000):
    log.append(record(n))
child = os.fork()
log.flush()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([made.call.arguments["amount"] for made in log.records()]))
log.close()
"""
    child = python(code, tmp_path / "calls.db")
    out, _ = child.communicate(timeout=60)
    assert json.loads(out) == list(range(1000))


def test_ending_by_a_signal_that_python_handles_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    code = """
import signal, time
from artis_sdk.logs import CallLog
from helpers.logs import record
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore it
log = CallLog(sys.argv[1])
for n in range(100):
    log.append(record(n))
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    pass
"""
    child = python(code, path)
    assert child.stdout is not None
    child.stdout.readline()
    child.send_signal(signal.SIGINT)
    end(child)
    with CallLog(path) as log:
        assert sum(1 for _ in log.records()) == 100
