"""Records that the others refuse, kept in a file of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from artis_sdk.logs.jsonl import export_jsonl
from artis_sdk.records import CallRecord


class RefusedRecord(NamedTuple):
    """A record that is refused for itself, whatever is sent with it and however often."""

    record: CallRecord
    why: str


def keep_aside(refused: Sequence[RefusedRecord], address: str, path: Path) -> str:
    """Write refused records to a file that can be imported elsewhere; returns what to tell of it.

    Args:
        refused: the records, at least one.
        address: address of the log.
        path: path of the file; one that is there is replaced.

    Raises:
        OSError: it cannot be written.
    """
    export_jsonl((one.record for one in refused), path)
    first = refused[0]
    others = f" and {len(refused) - 1:,} others" if len(refused) > 1 else ""
    return (
        f"{address} refuses record {first.record.id[:100]} of {first.record.call.tool[:100]}{others}: "
        f"{first.why}; kept in {path}, which `artis logs import` reads"
    )
