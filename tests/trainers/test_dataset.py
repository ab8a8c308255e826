"""From a log to training data: what may train, splits by session, duplicates, draws; bad logs."""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from helpers.dataset import ALL, FILES, record, write
from helpers.train import bank_log
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.errors import LogError, TrainingError
from artis_sdk.logs.codec import dumps
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Step, ToolCall
from artis_sdk.records.outcome_type import SUCCESS, outcome_type
from artis_sdk.trainers.dataset import types as dataset_types
from artis_sdk.trainers.dataset.duck import scratch
from artis_sdk.trainers.dataset.prepare import DataSettings, Prepared, prepare
from artis_sdk.trainers.dataset.rebalance import NORMAL, Rebalance
from artis_sdk.trainers.dataset.split import SPLITS, Bounds, by_rank, position

pytestmark = pytest.mark.slow

KINDS = (*FILES, "log.folder", "log.postgresql")


@pytest.fixture(scope="module")
def bank() -> list[CallRecord]:
    return list(bank_log(200, failures=0.2))


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_log_gives_the_same_data(tmp_path: Path, bank: list[CallRecord], name: str) -> None:
    prepared = prepare(write(bank, tmp_path / name), tmp_path / "data", ALL)
    found = {split: list(prepared.records(split)) for split in SPLITS}
    by_id = {item.id: item for item in bank}
    assert sorted(item.id for split in SPLITS for item in found[split]) == sorted(by_id)
    for split in SPLITS:
        for item in found[split]:
            assert item.model_copy(update={"at": 0.0}) == by_id[item.id].model_copy(update={"at": 0.0})
            assert prepared.bounds.split(item.session or "") == split
    assert all(found.values())
    assert len(prepared.draws()) == len(found["train"])
    assert set(map(tuple, prepared.draws())) == {(1, 1, 1)}
    assert prepared.report["splits"]["train"]["rows"] == len(found["train"])
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "distribution.svg",
        "draws.parquet",
        "report.json",
        "test.parquet",
        "train.parquet",
        "validation.parquet",
    ]


@pytest.mark.parametrize("name", KINDS)
def test_what_two_splits_both_ask_is_held_out_of_none_but_training(tmp_path: Path, name: str) -> None:
    """Every session makes a call of its own, one that all make, and one that a few make; ids, durations
    and refused steps make no difference, another history does."""
    records: list[CallRecord] = []
    for session in range(60):
        refused = Step(
            call=ToolCall(tool="g", arguments={"n": session}),
            outcome=Outcome.failure("invalid_arguments", "n", Provenance.FORCED, raised=True),
        )
        common = ToolCall(tool="f", arguments={"all": 1})
        history = (refused,) if session % 2 else ()
        own = ToolCall(tool="f", arguments={"own": session})
        first = Step(call=own, outcome=Outcome.success(session, Provenance.REAL))
        place = {"session": f"s{session}"}
        records += [
            record(len(records), call=common, history=history, **place),
            record(len(records) + 1, call=own, outcome=first.outcome, **place),
            record(len(records) + 2, call=common, history=(first,), **place),
        ]
    prepared = prepare(write(records, tmp_path / name), tmp_path / "data", ALL)
    for split in ("validation", "test"):
        held = list(prepared.records(split))
        assert held
        assert all("own" in item.call.arguments or item.history[-1:] != () for item in held)
        dropped = prepared.report["duplicates"][split]
        assert dropped == len(held) // 2 > 0
    train = list(prepared.records("train"))
    assert prepared.report["duplicates"]["within_train"] == len(train) // 3 - 1


@pytest.mark.parametrize("name", KINDS)
def test_only_outcomes_of_real_code_train(tmp_path: Path, name: str) -> None:
    made = ToolCall(tool="f", arguments={"a": 1})

    def after(provenance: Provenance) -> History:
        return (Step(call=made, outcome=Outcome.success(1, provenance)),)

    records = [record(n) for n in range(100)]
    records += [
        record(100 + n, outcome=Outcome.success(1, provenance), session="odd")
        for n, provenance in enumerate(Provenance)
    ]
    records += [
        record(200 + n, history=after(provenance), session="odd", task=provenance.value)
        for n, provenance in enumerate(Provenance)
    ]
    path = write(records, tmp_path / name)
    settings = DataSettings(rebalance=NORMAL, validation=0.0, test=0.0)
    prepared = prepare(path, tmp_path / "data", settings)
    odd = {item.id for item in prepared.records("train") if item.session == "odd"}
    assert odd == {"r100", "r102", "r200", "r202", "r205"}  # real, sandboxed; after real, sandboxed, forced
    assert prepared.report["left_out"] == {
        "after simulated calls": 3, "checked": 1, "forced": 1, "replayed": 1, "simulated": 1,
    }  # fmt: skip
    without = prepare(path, tmp_path / "data", settings.model_copy(update={"sandboxed": False}))
    assert without.report["left_out"]["sandboxed"] == 1


def test_draws_are_spread_over_epochs_and_rare_rows_are_all_there(
    tmp_path: Path, bank: list[CallRecord]
) -> None:
    settings = DataSettings(rebalance=Rebalance(target=300, cap=4.0), epochs=4)
    prepared = prepare(write(bank, tmp_path / "log.parquet"), tmp_path / "data", settings)
    draws = prepared.draws()
    train = list(prepared.records("train"))
    assert [sum(row[epoch] for row in draws) for epoch in range(4)] == [300] * 4
    assert max(map(max, draws)) <= 4
    cells = {(cell["tool"], cell["type"]): cell for cell in prepared.report["rebalance"]["cells"]}
    rows = Counter((item.call.tool, item.outcome.type) for item in train)
    for item, drawn in zip(train, draws, strict=True):
        repeats = cells[item.call.tool, item.outcome.type]["repeats"]
        assert all(n in (int(repeats), int(repeats) + 1) for n in drawn)
        assert max(drawn) > 0
    for cell, found in cells.items():
        if found["repeats"] >= 1:
            assert rows[cell] == found["rows"]
    assert len(train) > sum(1 for drawn in draws if drawn[0])
    assert prepared.distribution.draws == 300
    assert prepared.distribution.effective_rows == pytest.approx(
        prepared.report["rebalance"]["effective_rows"], rel=1e-3
    )
    again = prepare(tmp_path / "log.parquet", tmp_path / "again", settings)
    assert (again.draws(), [r.id for r in again.records("train")]) == (draws, [r.id for r in train])


RETURNED: list[tuple[Any, str]] = [
    ({"error": "no such account 7"}, "no such account <*>"),
    ({"status": False, "message": "denied"}, "denied"),
    ([{"error": "x y"}], "x y"),
    ("Error: out of stock", "out of stock"),
    ({"status": "active"}, "success"),
    ({"free": 5}, "success"),
    ("KeyError: 'a'", "KeyError"),
    ({"httpStatus": 404}, "404"),
]


@pytest.mark.parametrize("name", KINDS)
def test_failures_that_a_tool_returns_count_as_what_they_are(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has them as successes, since the tool declares none; plain values are not looked into."""
    looked: list[str] = []
    read = dataset_types._read

    def counted(tool: str, call: str, outcome: str) -> str:
        looked.append(outcome)
        return read(tool, call, outcome)

    monkeypatch.setattr(dataset_types, "_read", counted)
    records = [
        record(n, outcome=Outcome.success(value, Provenance.REAL))
        for n, (value, _) in enumerate(RETURNED * 10)
    ]
    prepared = prepare(write(records, tmp_path / name), tmp_path / "data", ALL)
    cells = {cell["type"]: cell["rows"] for cell in prepared.report["rebalance"]["cells"]}
    train = list(prepared.records("train"))
    kinds = {str(value): kind for value, kind in RETURNED}
    assert cells == Counter(kinds[str(item.outcome.value)] for item in train)
    assert prepared.report["splits"]["test"]["failures"] > 0
    assert not any("free" in text for text in looked)
    assert prepared.report["rebalance"]["failures_before"] == pytest.approx(0.75, abs=0.1)


WORDS = st.sampled_from(
    ["error", "errorMessage", "err", "is_error", "success", "ok", "status", "httpStatus", "code", "failed",
     "fatal:", "Exception: x", "ValueError: y", "denied", "message", "a", "Failure"]
)  # fmt: skip


@given(
    st.recursive(
        WORDS | st.booleans() | st.integers(395, 405) | st.none(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
        max_leaves=6,
    )
)
def test_no_returned_failure_is_passed_over(value: Any) -> None:
    outcome = Outcome.success(value, Provenance.REAL)
    if outcome_type(outcome) != SUCCESS:
        assert re.search(dataset_types._SUSPECT, dumps(value))


# --- splits -----------------------------------------------------------------------------------


@given(st.text(), st.integers(0, 9))
def test_a_session_falls_on_one_place(session: str, seed: int) -> None:
    try:
        session.encode()
    except UnicodeEncodeError:
        return
    place = position(session, seed)
    assert 0 <= place < 1
    assert Bounds(seed=seed, validation=0.0, test=0.0).split(session) == "train"
    assert Bounds(seed=seed, validation=1.0, test=1.0).split(session) == "validation"


@given(st.lists(st.floats(0, 0.999), min_size=3, unique=True), st.floats(0.01, 0.4), st.floats(0.01, 0.4))
def test_few_sessions_are_shared_out_so_that_no_split_is_empty(
    places: list[float], validation: float, test: float
) -> None:
    found = by_rank(sorted(places), validation, test, 0)
    counts = [
        sum(place < found.validation for place in places),
        sum(found.validation <= place < found.test for place in places),
        sum(place >= found.test for place in places),
    ]
    assert all(counts)


def test_a_log_of_three_sessions_is_split_and_one_of_two_is_not(tmp_path: Path) -> None:
    few = [record(n, session=f"s{n % 3}") for n in range(30)]
    prepared = prepare(write(few, tmp_path / "few.jsonl"), tmp_path / "data", ALL)
    assert [prepared.report["splits"][split]["sessions"] for split in SPLITS] == [1, 1, 1]
    fewer = [record(n, session=f"s{n % 2}") for n in range(30)]
    with pytest.raises(TrainingError, match="2 sessions cannot be split into 3 parts"):
        prepare(write(fewer, tmp_path / "fewer.jsonl"), tmp_path / "data", ALL)


def test_without_sessions_tasks_stay_together(tmp_path: Path) -> None:
    tasks = [record(n, session=None, task=f"t{n // 4}") for n in range(200)]
    prepared = prepare(write(tasks, tmp_path / "log.db"), tmp_path / "data", ALL)
    sides = [{item.task for item in prepared.records(split)} for split in SPLITS]
    assert all(sides)
    assert sum(map(len, sides)) == len(set.union(*sides))


def test_no_more_threads_than_their_memory_suffices_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight threads in 160 MiB were out of memory with 300,000 rows."""
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    for memory, threads in ((64, 1), (160, 1), (512, 4), (4096, 8)):
        with scratch(tmp_path, memory_mb=memory) as connection:
            assert connection.execute("SELECT current_setting('threads')").fetchone() == (threads,)


def test_a_value_too_large_for_the_memory_names_the_option(tmp_path: Path) -> None:
    large = record(0, outcome=Outcome.success("z" * 10_000_000, Provenance.REAL))
    log = write([large, *(record(n) for n in range(1, 60))], tmp_path / "calls.db")
    with pytest.raises(TrainingError, match=r"^64 MiB do not suffice .* raise --memory-mb"):
        prepare(log, tmp_path / "data", DataSettings(memory_mb=64))
    assert prepare(log, tmp_path / "data", DataSettings(memory_mb=512)).report["corrupt"]["rows"] == 0


# --- bad logs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_an_empty_log_and_one_of_simulated_calls_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(TrainingError, match="is empty: a simulator learns from real outcomes"):
        prepare(write([], tmp_path / name), tmp_path / "data")
    simulated = [record(n, outcome=Outcome.success(n, Provenance.SIMULATED)) for n in range(50)]
    with pytest.raises(TrainingError, match="holds no call of real code, only 50 simulated"):
        prepare(write(simulated, tmp_path / f"simulated-{name}"), tmp_path / "data")


def test_a_file_that_is_no_log_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no such log"):
        prepare(tmp_path / "absent.db", tmp_path / "data")
    for name in ("log.db", "log.parquet"):
        (tmp_path / name).write_bytes(b"something else" * 100)
        with pytest.raises(LogError, match="log"):
            prepare(tmp_path / name, tmp_path / "data")
    from pyarrow import parquet, table

    parquet.write_table(table({"id": ["x"]}), tmp_path / "other.parquet")
    with pytest.raises(LogError, match="not a call log"):
        prepare(tmp_path / "other.parquet", tmp_path / "data")


@pytest.mark.parametrize("name", KINDS)
def test_whatever_a_log_can_hold_is_not_corrupt(tmp_path: Path, name: str) -> None:
    odd: list[Any] = ["\ud800", "\\ud800", float("nan"), float("-inf"), 10**30, "'", "\0", "\u2028", None]
    records = [
        record(n, state=value, call=ToolCall(tool="f", arguments={"v": value, "n": n}),
               outcome=Outcome.success([value], Provenance.REAL))
        for n, value in enumerate(odd * 20)
    ]  # fmt: skip
    prepared = prepare(write(records, tmp_path / name), tmp_path / "data", ALL)
    assert prepared.report["corrupt"]["rows"] == 0
    assert sum(1 for split in SPLITS for _ in prepared.records(split)) == len(records)


@pytest.mark.parametrize("name", FILES)
def test_a_corrupt_row_is_named_or_left_out_and_counted(tmp_path: Path, name: str) -> None:
    path = write([record(n) for n in range(200)], tmp_path / name)
    assert isinstance(path, Path)
    _damage(path)
    with pytest.raises(LogError, match=r"log\.\w+:?.*\b(row )?(8|7)\b"):
        prepare(path, tmp_path / "data", ALL)
    prepared = prepare(path, tmp_path / "data", ALL.model_copy(update={"skip_corrupt": True}))
    assert prepared.report["corrupt"]["rows"] == 1
    ids = {item.id for split in SPLITS for item in prepared.records(split)}
    assert ids == {f"r{n}" for n in range(200)} - {"r7"}


def _damage(path: Path) -> None:
    """Break the eighth row."""
    if path.suffix == ".jsonl":
        lines = path.read_text().splitlines()
        lines[7] = lines[7][:40]
        path.write_text("\n".join(lines) + "\n")
    elif path.suffix == ".parquet":
        from pyarrow import array, parquet

        with parquet.ParquetFile(path) as file:
            table = file.read()
        outcomes = table["outcome"].to_pylist()
        outcomes[7] = outcomes[7][:10]
        place = table.schema.get_field_index("outcome")
        parquet.write_table(table.set_column(place, table.schema.field(place), array(outcomes)), path)
    else:
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE calls SET outcome = substr(outcome, 1, 10) WHERE record = 'r7'")
        connection.close()


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no prepared data"):
        Prepared(tmp_path)
