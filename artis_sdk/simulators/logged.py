"""The records that simulators which answer from a log take from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from artis_sdk.contracts import LogStore
from artis_sdk.errors import ConfigurationError
from artis_sdk.records import CallRecord, Provenance
from artis_sdk.records.outcome_type import outcome_type


def ground_truth(simulator: str, log: LogStore | Iterable[CallRecord]) -> Iterator[tuple[CallRecord, str]]:
    """The records whose outcome comes from real code, each with its outcome type.

    Args:
        simulator: name of the simulator, for the error.
        log: an open log or any records.

    Raises:
        ConfigurationError: `log` is a path.
    """
    if isinstance(log, str | Path):
        raise ConfigurationError(f"{simulator} takes an open log or records, not the path {str(log)!r}")
    for record in log if isinstance(log, Iterable) else log.records():
        if record.outcome.provenance in (Provenance.REAL, Provenance.SANDBOXED):
            yield record, outcome_type(record.outcome, record.call)
