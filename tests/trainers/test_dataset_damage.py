"""Rows that are no records, and records that stand in a log twice: named, or left out and counted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from helpers.dataset import ALL, FILES, record, write

from artis_sdk.errors import LogError, TrainingError
from artis_sdk.logs import export_jsonl
from artis_sdk.records import CallRecord, Outcome, Provenance, Step
from artis_sdk.trainers.dataset.prepare import DataSettings, prepare
from artis_sdk.trainers.dataset.split import SPLITS

pytestmark = pytest.mark.slow
SKIPPING = ALL.model_copy(update={"skip_corrupt": True})

# Each is JSON, but for half of them; none is what its column holds.
BAD = [
    ("call", '{"arguments": [1]}'),
    ("outcome", '{"okay": true}'),
    ("outcome", "[]"),
    ("state", '{"x'),
    ("spec", '{"name": 3, "parameters": {}}'),
    ("spec", '{"name'),
    ("predicted", '{"ok": tru'),
]


def spoil(path: Path, column: str, text: str) -> None:
    """Write a text into a column of the eighth row; in a database into what the row refers to."""
    if path.suffix == ".db":
        table, key = {"state": ("tasks", "task"), "spec": ("tools", "described")}.get(column, ("calls", "id"))
        with sqlite3.connect(path) as connection:
            connection.execute(
                f"UPDATE {table} SET {column} = ? WHERE id = (SELECT {key} FROM calls WHERE record = 'r7')",
                (text,),
            )
        connection.close()
        return
    from pyarrow import array, parquet, string

    with parquet.ParquetFile(path) as file:
        table_ = file.read()
    values = table_[column].to_pylist()
    values[7] = text
    place = table_.schema.get_field_index(column)
    changed = table_.set_column(place, table_.schema.field(place), array(values, string()))
    parquet.write_table(changed, path)


@pytest.mark.parametrize("name", ["log.db", "log.parquet"])
@pytest.mark.parametrize(("column", "text"), BAD)
def test_a_row_that_is_no_record_is_named_or_left_out(
    tmp_path: Path, name: str, column: str, text: str
) -> None:
    """Each row has a task and a tool of its own."""
    rows = [record(n, task=f"t{n}", source_hash=str(n), state={"n": n}) for n in range(60)]
    path = write(rows, tmp_path / name)
    assert isinstance(path, Path)
    spoil(path, column, text)
    with pytest.raises(LogError, match=rf"{name}: row 8\b.* is damaged"):
        prepare(path, tmp_path / "data", ALL)
    prepared = prepare(path, tmp_path / "data", SKIPPING)
    assert prepared.report["corrupt"]["rows"] == 1
    assert {item.id for split in SPLITS for item in prepared.records(split)} == {
        row.id for row in rows if row.id != "r7"
    }


def chained(sessions: int) -> list[CallRecord]:
    """Sessions of three calls, each with those before it in its history."""
    rows: list[CallRecord] = []
    for session in range(sessions):
        history: tuple[Step, ...] = ()
        for _ in range(3):
            rows.append(record(len(rows), session=f"s{session}", task=f"t{session}", history=history))
            history = (*history, Step(call=rows[-1].call, outcome=rows[-1].outcome))
    return rows


def test_rows_behind_a_damaged_one_are_counted_too(tmp_path: Path) -> None:
    """A database keeps each step once: without it, no later call of its task has a history."""
    path = write(chained(20), tmp_path / "log.db")
    assert isinstance(path, Path)
    spoil(path, "outcome", "{")
    prepared = prepare(path, tmp_path / "data", SKIPPING)
    assert prepared.report["corrupt"] == {
        "rows": 2,
        "named": [f"{path}: row 8 is damaged", f"{path}: row 9 has a damaged one in its history"],
    }
    assert sum(1 for split in SPLITS for _ in prepared.records(split)) == 58


def test_a_log_of_damaged_rows_alone_says_so(tmp_path: Path) -> None:
    path = write([record(n) for n in range(10)], tmp_path / "log.db")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE tools SET spec = '{'")
    connection.close()
    with pytest.raises(TrainingError, match="holds no call of real code, only 10 damaged"):
        prepare(path, tmp_path / "data", SKIPPING)


@pytest.mark.parametrize("name", FILES)
def test_a_record_counts_once_however_often_it_is_there(tmp_path: Path, name: str) -> None:
    """Two exports of one log, put together: a failure that is there twice would weigh half as much."""
    failed = Outcome.failure("E", "no", Provenance.REAL)
    rows = [record(n, **({"outcome": failed} if n % 5 == 0 else {})) for n in range(60)]
    prepared = prepare(write([*rows, *rows[:30]], tmp_path / name), tmp_path / "data", DataSettings())
    assert sum(1 for split in SPLITS for _ in prepared.records(split)) == 60
    told = {} if name == "log.db" else {"with the id of an earlier row": 30}
    assert prepared.report["left_out"] == told  # a database takes no record twice
    assert prepared.report["splits"]["train"]["rows"] == prepared.report["rebalance"]["rows"]


def test_two_files_of_lines_put_together(tmp_path: Path) -> None:
    export_jsonl([record(n) for n in range(60)], tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_bytes((tmp_path / "a.jsonl").read_bytes() * 2)
    once, twice = (prepare(tmp_path / f"{name}.jsonl", tmp_path / name, ALL) for name in "ab")
    assert twice.report["splits"] == once.report["splits"]
    assert twice.draws() == once.draws()
