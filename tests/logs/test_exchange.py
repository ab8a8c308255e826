"""JSON lines and Parquet: out and in again is the same log; what is corrupt is named."""

from __future__ import annotations

import json
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.log_strategies import record_lists
from helpers.logs import as_text, record, task_records
from hypothesis import HealthCheck, given, settings

from artis_sdk.errors import LogError, MissingExtraError
from artis_sdk.logs import (
    CallLog,
    Redactor,
    export_jsonl,
    export_parquet,
    import_jsonl,
    read_jsonl,
    read_parquet,
    row_schema,
)
from artis_sdk.logs.imported import Imported
from artis_sdk.records import CallRecord, ToolCall

pytestmark = pytest.mark.slow


@given(records=record_lists())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_out_and_in_again_is_the_same_log(
    tmp_path_factory: pytest.TempPathFactory, records: list[CallRecord]
) -> None:
    folder = tmp_path_factory.mktemp("exchange")
    texts = [as_text(made) for made in records]
    lines, columns = folder / "calls.jsonl", folder / "calls.parquet"
    assert export_jsonl(records, lines) == len(records)
    with CallLog(folder / "calls.db", redact=Redactor(names=())) as log:
        assert import_jsonl(lines, log) == Imported(len(records), ())
        assert [as_text(made) for made in log.records()] == texts
        assert import_jsonl(lines, log).records == len(records)  # again: nothing new
        assert export_parquet(log.records(), columns) == len(records)
        assert export_jsonl(log.records(), folder / "again.jsonl") == len(records)
    assert [as_text(made) for made in read_parquet(columns)] == texts
    assert lines.read_bytes() == (folder / "again.jsonl").read_bytes()


def test_a_line_fits_the_documented_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    export_jsonl(task_records(3, state={"a": [1, None]}), tmp_path / "calls.jsonl")
    validator = jsonschema.Draft202012Validator(row_schema())
    for line in (tmp_path / "calls.jsonl").read_text().splitlines():
        validator.validate(json.loads(line))
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({"at": 1.0})


def test_what_was_redacted_stays_as_it_is(tmp_path: Path) -> None:
    made = record(call=ToolCall(tool="login", arguments={"password": "hunter2"}, raw="password='hunter2'"))
    with CallLog(tmp_path / "a.db") as log:
        log.append(made)
        export_jsonl(log.records(), tmp_path / "a.jsonl")
    with CallLog(tmp_path / "b.db") as log:
        import_jsonl(tmp_path / "a.jsonl", log)
        export_jsonl(log.records(), tmp_path / "b.jsonl")
    assert (tmp_path / "a.jsonl").read_text() == (tmp_path / "b.jsonl").read_text()
    assert "hunter2" not in (tmp_path / "b.jsonl").read_text()


def test_secrets_of_foreign_lines_are_redacted(tmp_path: Path) -> None:
    made = record(call=ToolCall(tool="login", arguments={"password": "hunter2"}))
    export_jsonl([made], tmp_path / "foreign.jsonl")
    with CallLog(tmp_path / "calls.db") as log:
        import_jsonl(tmp_path / "foreign.jsonl", log)
        (seen,) = log.records()
    assert seen.call.arguments != made.call.arguments
    assert seen.id == made.id


CORRUPT = {
    "not JSON": b"{oops",
    "cut off": as_text(record(7)).encode()[:-20],
    "not UTF-8": b'{"at": "\xff\xfe"}',
    "another object": b'{"prompt": "hello", "completion": "x"}',
    "a wrong type": as_text(record(7)).replace('"at":1007.0', '"at":"noon"').encode(),
    "no object": b"[1, 2]",
    "too deep": b"[" * 100_000,
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_corrupt_line_is_named_and_nothing_imported(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "calls.jsonl"
    good = [as_text(record(n)).encode() for n in range(3)]
    path.write_bytes(b"\n".join([good[0], b"", good[1], CORRUPT[kind], good[2]]))
    with CallLog(tmp_path / "calls.db") as log:
        with pytest.raises(LogError, match=r"calls\.jsonl:4: "):
            import_jsonl(path, log)
        assert list(log.records()) == []
        done = import_jsonl(path, log, skip_corrupt=True)
        assert done.records == 3
        assert ["calls.jsonl:4:" in str(error) for error in done.skipped] == [True]
        assert [made.at for made in log.records()] == [1000.0, 1001.0, 1002.0]


def test_defaults_may_be_left_out(tmp_path: Path) -> None:
    line = {
        "at": 5,
        "spec": {"name": "pay", "parameters": {}},
        "call": {"tool": "pay"},
        "outcome": {"ok": True, "provenance": "real"},
    }
    (tmp_path / "calls.jsonl").write_text(json.dumps(line))
    (made,) = read_jsonl(tmp_path / "calls.jsonl")
    assert isinstance(made, CallRecord)
    assert made.call.arguments == {}


def test_missing_and_other_files(tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    with CallLog(tmp_path / "calls.db") as log:
        with pytest.raises(LogError, match=r"missing\.jsonl cannot be read"):
            import_jsonl(tmp_path / "missing.jsonl", log)
        with pytest.raises(LogError, match="cannot be written"):
            export_jsonl(log.records(), tmp_path / "no" / "folder.jsonl")
    for content in (b"PAR1 but no more", b""):
        other.write_bytes(content)
        with pytest.raises(LogError, match="cannot be read"):
            list(read_parquet(other))
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"a": [1]}), other)
    with pytest.raises(LogError, match="not a call log"):
        list(read_parquet(other))


def test_an_export_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text("old")

    def records() -> list[CallRecord]:
        return [record(1), record(2).model_copy(update={"state": {1, 2}})]

    for export in (export_jsonl, export_parquet):
        with pytest.raises((TypeError, ValueError)):
            export((made.model_copy(update={"state": object()}) for made in records()), path)
        assert path.read_text() == "old"
        assert os.listdir(tmp_path) == ["calls.jsonl"]


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r'pip install "artis-sdk\[parquet\]"'):
        export_parquet([], tmp_path / "calls.parquet")


def test_parquet_has_columns_to_count_by_and_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("artis_sdk.logs.parquet._GROUP_ROWS", 10)
    parquet = pytest.importorskip("pyarrow.parquet")
    export_parquet(task_records(25), tmp_path / "calls.parquet")
    file = parquet.ParquetFile(tmp_path / "calls.parquet")
    assert file.num_row_groups == 3
    rows = file.read().to_pylist()
    file.close()
    assert {(row["tool"], row["type"], row["provenance"], row["risk"]) for row in rows} == {
        ("pay", "success", "real", "irreversible")
    }
    assert [len(json.loads(row["history"])) for row in rows] == list(range(25))
    assert rows[0]["duration"] == 0.25


def test_memory_does_not_grow_with_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artis_sdk.logs.parquet._GROUP_CHARACTERS", 500_000)
    monkeypatch.setattr("artis_sdk.logs.parquet._READ_ROWS", 10)
    monkeypatch.setattr("artis_sdk.logs.jsonl._REMEMBERED", 500_000)
    monkeypatch.setattr("artis_sdk.logs.jsonl._AT_ONCE", 500_000)
    monkeypatch.setattr("artis_sdk.logs.rows._REMEMBERED", 1_000_000)
    pytest.importorskip("pyarrow.parquet")

    def records() -> Iterator[CallRecord]:
        return (record(n, size=50_000) for n in range(240))  # 12 MB

    with CallLog(tmp_path / "calls.db") as log:
        tracemalloc.start()
        try:
            export_jsonl(records(), tmp_path / "calls.jsonl")
            export_parquet(records(), tmp_path / "calls.parquet")
            assert sum(1 for _ in read_parquet(tmp_path / "calls.parquet")) == 240
            with CallLog(tmp_path / "calls.db") as into:
                import_jsonl(tmp_path / "calls.jsonl", into)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sum(1 for _ in log.records()) == 240
    assert peak < 6_000_000
