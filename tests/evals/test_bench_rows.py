"""A benchmark's results in their file: every row that was written is read, whatever its texts hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from artis_sdk.errors import ConfigurationError
from artis_sdk.evals.bench.cells import BenchCell
from artis_sdk.evals.bench.links import LinkRow, read_rows
from artis_sdk.evals.bench.rows import TaskRow, added_to, read


def row(task: str, answer: str) -> TaskRow:
    return TaskRow(
        cell=BenchCell(method="direct", n=0), task=task, family="f", hidden=False, fulfilled=True,
        usage={}, calls=1, diverged=0, seconds=1.0, answer=answer,
    )  # fmt: skip


@pytest.mark.parametrize("end", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\r", "\n"])
def test_a_text_with_another_end_of_a_line_loses_no_row(tmp_path: Path, end: str) -> None:
    rows = [row("a", f"first{end}second"), row("b", "plain")]
    path = tmp_path / "rows.jsonl"
    with added_to(path) as file:
        for one in rows:
            file.write(one.model_dump_json() + "\n")
    assert list(read(path)) == rows


def test_only_what_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    whole = row("a", "ä").model_dump_json()
    path.write_bytes(whole.encode() + b"\n" + whole.encode()[: whole.encode().index("ä".encode()) + 1])
    with added_to(path) as file:
        file.write(row("b", "").model_dump_json() + "\n")
    assert [one.task for one in read(path)] == ["a", "b"]
    with added_to(path) as file:
        file.write('{"task": "c"}\n')
    with pytest.raises(ConfigurationError, match=rf"{path}:4 is no TaskRow of this version \(cell, family"):
        list(read(path))


def test_rows_of_links_are_read_alike(tmp_path: Path) -> None:
    made = [LinkRow(task=f"t{n}", link="direct", right=(True,), error=f"a\x85{n}") for n in range(3)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(one.model_dump_json() + "\n" for one in made))
    assert list(read_rows(path)) == made
