"""Logs for tests of training data: rows of one tool, in every kind of log."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers.call_logs import SHARED

from artis_sdk.logs import CallLog, export_jsonl, export_parquet
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall, ToolSpec
from artis_sdk.trainers.dataset.prepare import DataSettings
from artis_sdk.trainers.dataset.rebalance import NORMAL

ALL = DataSettings(rebalance=NORMAL)
SPEC = ToolSpec(name="f", parameters={"type": "object", "properties": {}})


def record(number: int, **changes: Any) -> CallRecord:
    fields: dict[str, Any] = {
        "id": f"r{number}",
        "at": float(number),
        "session": f"s{number % 40}",
        "spec": SPEC,
        "call": ToolCall(id=f"c{number}", tool="f", arguments={"n": number}),
        "state": {"x": 1},
        "outcome": Outcome.success(number, Provenance.REAL, duration=number / 7),
    }
    return CallRecord(**{**fields, **changes})


def write(records: Iterable[CallRecord], path: Path) -> Path | str:
    if path.suffix in (".folder", ".postgresql"):
        place = SHARED[path.suffix[1:]](path.parent / path.stem)
        with place.open() as shared:
            for n, item in enumerate(records):
                shared.append(item)
                if n % 90 == 50:
                    shared.flush()  # one more batch
        return place.where
    match path.suffix:
        case ".parquet":
            export_parquet(records, path)
        case ".jsonl":
            export_jsonl(records, path)
        case _:
            with CallLog(path) as log:
                for item in records:
                    log.append(item)
    return path


FILES = ("log.db", "log.parquet", "log.jsonl")
