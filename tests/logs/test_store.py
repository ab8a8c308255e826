"""A call log in a file: size, memory, threads, odd values, other files; laws of all: `test_places.py`."""

from __future__ import annotations

import sqlite3
import threading
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from helpers.logs import as_text, file_bytes, record, task_records

from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog
from artis_sdk.logs.reader import Filter
from artis_sdk.records import Outcome, Provenance, Step, ToolCall


def test_equal_values_of_different_json_stay_apart(tmp_path: Path) -> None:
    values = [1, 1.0, True, 0, 0.0, -0.0, False, None, "", "1"]
    with CallLog(tmp_path / "calls.db") as log:
        for value in values:
            log.append(record(task="t", state={"v": value}))
        assert [repr(made.state["v"]) for made in log.records()] == [repr(value) for value in values]  # type: ignore[index,call-overload]


def test_half_a_surrogate_pair_is_kept(tmp_path: Path) -> None:
    made = record(call=ToolCall(tool="pay", arguments={"to": "\ud83d"}, raw='{"to": "\ud83d"}'))
    with CallLog(tmp_path / "calls.db") as log:
        log.append(made)
        (read,) = log.records()
    assert read.call == made.call


@pytest.mark.parametrize("size", [0, 300])
def test_a_row_is_flat_in_its_history(tmp_path: Path, size: int) -> None:
    def bytes_per_row(length: int) -> float:
        path = tmp_path / f"{length}.db"
        with CallLog(path) as log:
            for n in range(1230 // length):
                for made in task_records(length, session=f"s{n}", size=size, state={"accounts": "a" * 100}):
                    log.append(made)
        return path.stat().st_size / (1230 // length * length)

    assert bytes_per_row(41) < 1.05 * bytes_per_row(6)


def test_calls_that_were_never_made_are_in_histories_only(tmp_path: Path) -> None:
    invalid = Step(
        call=ToolCall(tool="pay", arguments={"to": 1}),
        outcome=Outcome.failure("invalid_arguments", "to: a string, please", Provenance.FORCED, raised=True),
    )
    first = record(1, task="t")
    second = record(2, task="t", history=(Step(call=first.call, outcome=first.outcome), invalid))
    third = record(3, task="t", history=(*second.history, Step(call=second.call, outcome=second.outcome)))
    path = tmp_path / "calls.db"
    with CallLog(path) as log:
        for made in (first, second, third):
            log.append(made)
        assert [as_text(made) for made in log.records()] == [as_text(made) for made in (first, second, third)]
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM calls").fetchone() == (4,)  # the invalid one once
    connection.close()


@pytest.mark.slow
def test_reading_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artis_sdk.logs.reader._REMEMBERED", 1_000_000)
    monkeypatch.setattr("artis_sdk.logs.reader._PAGE_CHARACTERS", 1_000_000)
    with CallLog(tmp_path / "calls.db") as log:
        for n in range(40):
            for made in task_records(4, session=f"s{n}", size=100_000):
                log.append(made)
        log.flush()
        tracemalloc.start()
        try:
            assert sum(len(made.history) for made in log.records()) == 240
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 8_000_000 < log.path.stat().st_size


def test_threads_append_in_order(tmp_path: Path) -> None:
    with CallLog(tmp_path / "calls.db") as log:

        def write(name: str) -> None:
            for made in task_records(50, session=name):
                log.append(made)

        threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for n in range(8):
            assert [len(made.history) for made in log.records(session=f"t{n}")] == list(range(50))


def test_closing_leaves_one_file_and_no_thread(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    log = CallLog(tmp_path / "calls.db")
    assert set(threading.enumerate()) <= before  # reading alone needs none; others may end
    log.append(record(1))
    log.close()
    log.close()
    assert set(threading.enumerate()) <= before
    assert [file.name for file in tmp_path.iterdir()] == ["calls.db"]
    assert (tmp_path / "calls.db").stat().st_mode & 0o777 == 0o600
    with pytest.raises(LogError, match="closed"):
        log.append(record(2))
    assert len(list(log.records())) == 1


# --- other files ------------------------------------------------------------------------------


def test_a_log_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    CallLog(path).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(LogError, match=r"newer artis_sdk \(schema 99"):
        CallLog(path)


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database, but long enough to have a header of a hundred bytes " * 4)
    other = tmp_path / "other.db"
    connection = sqlite3.connect(other)
    connection.execute("CREATE TABLE mine (a)")
    connection.close()
    for path in (text, other):
        before = file_bytes(path)
        with pytest.raises(LogError, match="not a call log"):
            CallLog(path)
        assert file_bytes(path) == before


@pytest.mark.parametrize("name", ["missing/calls.db", "."])
def test_a_path_that_cannot_be_a_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(LogError, match="cannot be opened"):
        CallLog(tmp_path / name)


def test_a_missing_log_is_not_made_for_reading(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no such call log"):
        CallLog(tmp_path / "calls.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_row_is_named(tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    with CallLog(path) as log:
        for n in range(3):
            log.append(record(n))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE calls SET outcome = '{\"ok\": tr' WHERE id = 2")
    connection.commit()
    connection.close()
    with CallLog(path) as log:
        read = log.records()
        with pytest.raises(LogError, match="row 2 is damaged"):
            list(read)


# --- the newest calls of a tool -------------------------------------------------------------------


def without_index(path: Path) -> Path:
    """A log of an earlier artis_sdk: no index of tools. It has two calls of `rare` and fifty of `pay`."""
    with CallLog(path) as log:
        for n in range(52):
            log.append(record(call=ToolCall(tool="rare" if n in (3, 30) else "pay", arguments={"n": n})))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX calls_of_tool")
    return path


def steps(path: Path) -> list[str]:
    """How SQLite finds the newest calls of a tool."""
    where, values = Filter(tool="rare").where()
    query = f"EXPLAIN QUERY PLAN SELECT c.id FROM calls c WHERE {where} ORDER BY c.id DESC LIMIT 5"
    with closing(sqlite3.connect(path)) as connection:
        return [step[3] for step in connection.execute(query, values)]


def newest(path: Path) -> list[object]:
    with CallLog(path, create=False) as log:
        return [made.call.arguments["n"] for made in log.last(5, tool="rare")]


def test_the_newest_calls_of_a_tool_are_found_by_an_index(tmp_path: Path) -> None:
    """A file that has none gets it where it is opened."""
    path = without_index(tmp_path / "calls.db")
    assert not any("calls_of_tool" in step for step in steps(path))
    assert newest(path) == [3, 30]
    (step,) = steps(path)
    assert "USING INDEX calls_of_tool" in step or "USING COVERING INDEX calls_of_tool" in step


def test_a_log_that_another_one_writes_is_read_without_the_index(tmp_path: Path) -> None:
    path = without_index(tmp_path / "calls.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as writing:
        writing.execute("BEGIN IMMEDIATE")
        with CallLog(path, create=False, busy_timeout=0.01) as log:
            assert [made.call.arguments["n"] for made in log.last(1, tool="rare")] == [30]
    assert not any("calls_of_tool" in step for step in steps(path))
