"""Files that change while they are imported: one that grows is imported, and one that lost lines, as a log
does that is rotated, is an error; another import completes it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers.dataset import record

from artis_sdk.errors import LogError
from artis_sdk.logs import CallLog, CallStore, export_jsonl, import_jsonl
from artis_sdk.logs.imported import Imported
from artis_sdk.logs.importers import import_file

CHAT = [
    {"role": "assistant", "tool_calls": [{"name": "look", "args": {}, "id": "1"}]},
    {"role": "tool", "tool_call_id": "1", "content": "fine"},
]


def own(path: Path) -> Callable[[CallStore], Imported]:
    export_jsonl([record(n) for n in range(40)], path)
    return lambda log: import_jsonl(path, log)


def foreign(path: Path) -> Callable[[CallStore], Imported]:
    path.write_text("".join(json.dumps({"id": str(n), "messages": CHAT}) + "\n" for n in range(40)))
    return lambda log: import_file(path, log, "messages")


class Rotating:
    """A file whose content is another from the second time on that it is opened."""

    def __init__(self, path: Path, later: bytes) -> None:
        self.path, self.later, self.opened = path, later, 0

    def __call__(self, path: Any) -> Any:
        self.opened += 1
        if self.opened == 2:
            self.path.write_bytes(self.later)
        return path.open("rb") if isinstance(path, Path) else open(path, "rb")


@pytest.mark.parametrize("kind", [own, foreign])
def test_a_file_that_is_rotated_away_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Path], Callable[[CallStore], Imported]]
) -> None:
    path = tmp_path / "calls.jsonl"
    run = kind(path)
    whole = path.read_bytes()
    shorter = b"".join(whole.splitlines(keepends=True)[:7])
    for module in ("artis_sdk.logs.jsonl", "artis_sdk.logs.importers.values"):
        monkeypatch.setattr(f"{module}.open_plain", Rotating(path, shorter))
    with CallLog(tmp_path / "calls.db") as log:
        with pytest.raises(LogError, match=f"{path} changed while it was imported: of 40 records 7 are in"):
            run(log)
        monkeypatch.undo()
        path.write_bytes(whole)
        done = run(log)
        assert (done.records, done.repeated) == (40, 7)
        assert len(list(log.records())) == 40


@pytest.mark.parametrize("kind", [own, foreign])
def test_a_file_that_grows_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Callable[[Path], Callable[[CallStore], Imported]]
) -> None:
    path = tmp_path / "calls.jsonl"
    run = kind(path)
    longer = path.read_bytes() + b'{"half a li'
    for module in ("artis_sdk.logs.jsonl", "artis_sdk.logs.importers.values"):
        monkeypatch.setattr(f"{module}.open_plain", Rotating(path, longer))
    with CallLog(tmp_path / "calls.db") as log:
        assert run(log).records == 40
