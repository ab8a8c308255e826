"""One law over all formats: what a file shows is imported or left out, with the reason; nothing else is."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from helpers.importers import write
from helpers.trace_calls import Made, Variant, unmarked
from helpers.trace_files import VARIANTS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from artis_sdk.logs import CallLog, LeftOut
from artis_sdk.logs.importers import FORMATS, convert, import_file
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall
from artis_sdk.records.outcome_type import outcome_type

EXAMPLE = [
    Made("look", {"at": "a", "deep": True}, {"found": 3}),
    Made("look", {"at": "b"}, "nothing there"),
    Made("pay", {"amount": 5}, "the card was declined by the issuer", failed=True),
    Made("send", {}, {"sent": True, "ids": [1, 2]}),
    Made("pay", {"amount": 7}, answered=False),
]


def calls_of(variant: Variant, calls: list[Made]) -> list[Made]:
    return [made for made in calls if made.answered or not variant.result_only]


def expected(variant: Variant, made: Made) -> tuple[str, dict[str, Any], str]:
    """Tool, arguments and outcome type."""
    call = ToolCall(tool=made.tool, arguments=made.arguments)
    if made.failed and variant.marks:
        outcome = Outcome.failure("failure", made.value, Provenance.REAL, raised=True)
    else:
        outcome = Outcome.success(unmarked(made), Provenance.REAL)
    return made.tool, made.arguments, outcome_type(outcome, call)


def check(variant: Variant, path: Path, calls: list[Made], log: CallLog) -> None:
    done = import_file(path, log, variant.format)
    (report,) = [file for file in done.files if file.found or len(done.files) == 1]
    shown = [r for r in convert(path, variant.format) if isinstance(r, CallRecord)]
    answered = [made for made in calls if made.answered]
    assert [(r.call.tool, r.call.arguments, r.outcome.type) for r in shown] == [
        expected(variant, made) for made in answered
    ]
    for record, made in zip(shown, answered, strict=True):
        if not made.failed:
            assert record.outcome.value == made.value
        else:
            assert made.value in json.dumps(record.outcome.content(), ensure_ascii=False)
    assert report.found == len(calls)
    assert (report.imported, len(report.left_out)) == (len(answered), len(calls) - len(answered))
    assert report.found == report.imported + len(report.left_out)
    for item in report.left_out:
        assert item.reason
        assert item.place.startswith(f"{path}:")
    assert [item.tool for item in report.left_out] == [made.tool for made in calls if not made.answered]


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.format}, {v.name}")
def test_each_format_shows_every_call_it_holds(tmp_path: Path, variant: Variant) -> None:
    calls = calls_of(variant, EXAMPLE)
    with CallLog(tmp_path / "calls.db") as log:
        check(variant, write(tmp_path / "file.jsonl", *variant.write(calls)), calls, log)
        again = import_file(tmp_path / "file.jsonl", log, variant.format)
        assert again.repeated == again.records
        assert len(list(log.records())) == again.records


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.sampled_from(["fine", "a b", "7"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["n", "at", "open", "note"]), inner, max_size=3)
    ),
    max_leaves=6,
).filter(lambda value: not isinstance(value, str) or not value.isdigit())
objects = st.dictionaries(st.sampled_from(["n", "at", "open", "note"]), values, max_size=3)
succeeded = st.builds(lambda *parts: Made(*parts), st.sampled_from(["look", "pay"]), objects, objects)
failed = st.builds(lambda given: Made("pay", given, "no such account", failed=True), objects)
open_ = st.builds(lambda given: Made("send", given, answered=False), objects)
drawn = st.lists(succeeded | failed | open_, max_size=6)


@pytest.mark.slow
@given(calls=drawn, variant=st.sampled_from(VARIANTS))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_found_is_imported_or_left_out(
    tmp_path_factory: pytest.TempPathFactory, calls: list[Made], variant: Variant
) -> None:
    folder = tmp_path_factory.mktemp("law")
    calls = calls_of(variant, calls)
    with CallLog(folder / "calls.db") as log:
        check(variant, write(folder / "file.jsonl", *variant.write(calls)), calls, log)


def test_every_format_has_three_kinds_of_files() -> None:
    kinds: dict[str, int] = dict.fromkeys(FORMATS, 0)
    for variant in VARIANTS:
        kinds[variant.format] += 1
    assert min(kinds.values()) >= 3, kinds


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda v: f"{v.format}, {v.name}")
def test_a_compressed_file_is_the_same(tmp_path: Path, variant: Variant) -> None:
    calls = calls_of(variant, EXAMPLE)
    plain = write(tmp_path / "file.jsonl", *variant.write(calls))
    packed = tmp_path / "file.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert ids(plain, variant.format) == ids(packed, variant.format)


def ids(path: Path, format_: str) -> list[Any]:
    """What identifies the records, and the reasons of the calls left out."""
    found = convert(path, format_)
    return [
        (item.call.tool, item.call.arguments, item.outcome.content())
        if isinstance(item, CallRecord)
        else (item.tool, item.reason if isinstance(item, LeftOut) else str(item))
        for item in found
        if isinstance(item, CallRecord | LeftOut)
    ]


@pytest.mark.parametrize("columns", ["texts", "structs"])
def test_rows_of_parquet_are_values(tmp_path: Path, columns: str) -> None:
    variant = next(v for v in VARIANTS if v.name == "LangChain")
    chats = [{"id": str(n), "messages": variant.write(EXAMPLE)[0]} for n in range(3)]
    if columns == "texts":
        table = pyarrow.table(
            {"id": [c["id"] for c in chats], "messages": [json.dumps(c["messages"]) for c in chats]}
        )
    else:
        table = pyarrow.Table.from_pylist(chats)
    pyarrow.parquet.write_table(table, tmp_path / "chats.parquet")
    plain = write(tmp_path / "chats.jsonl", *chats)
    assert ids(tmp_path / "chats.parquet", "messages") == ids(plain, "messages")


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    (folder / "old").mkdir(parents=True)
    chat = next(v for v in VARIANTS if v.name == "Anthropic").write(EXAMPLE)
    first = write(folder / "a.jsonl", *chat)
    second = write(folder / "old" / "b.jsonl", *chat)
    (folder / "picture.png").write_bytes(b"\x89PNG")
    with CallLog(tmp_path / "calls.db") as log:
        done = import_file(folder, log, "messages")
        assert [(f.file, f.found, f.imported) for f in done.files if f.found] == [
            (str(first), 5, 4),
            (str(second), 5, 4),
        ]
        assert [str(line) for line in done.skipped] == [
            f"{folder / 'picture.png'} was not read: its name does not end like a log's"
        ]
        assert len(list(log.records())) == 8  # equal transcripts without a name are two sessions
