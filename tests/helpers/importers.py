"""What the tests of importers share."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from artis_sdk.logs.importers import convert
from artis_sdk.records import CallRecord

DOCUMENT = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "Look at it.",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}


def write(path: Path, *values: Any) -> Path:
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    return path


def records(path: Path, format_: str) -> list[CallRecord]:
    found = list(convert(path, format_))
    assert all(isinstance(item, CallRecord) for item in found), found
    return [item for item in found if isinstance(item, CallRecord)]


def rest(path: Path, format_: str) -> list[str]:
    """What is no record."""
    return [str(item) for item in convert(path, format_) if not isinstance(item, CallRecord)]


def shown(found: list[CallRecord]) -> list[tuple[Any, ...]]:
    return [(r.call.tool, r.call.arguments, r.outcome.type, r.outcome.content()) for r in found]


def export(*spans: Any) -> dict[str, Any]:
    """Spans as OTLP writes them."""
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}
