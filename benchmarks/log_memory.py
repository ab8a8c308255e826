"""Memory of what reads a whole call log: peak RSS of export, failures and preparation, by number of rows.

    python benchmarks/log_memory.py [--rows 100000,1000000] [--only show,prepare] [--folder DIR] [--json]

Each operation runs in a process of its own on a log of that many rows, in tasks of six calls with a state of
about 600 characters; a tenth of the calls fail. What an operation writes is removed before the next one;
ten million rows need 25 GB of disk. The log is written straight into the tables, because a
million appended records take minutes. `show` is `logs show --last 5`, `show tool` the
same with a `--tool` that has no calls. Prepared data need
`pip install "artis-sdk[train]"`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from artis_sdk import Toolset, guarded_tool
from artis_sdk.logs import CallLog, export_jsonl, export_parquet
from artis_sdk.logs.codec import dumps
from artis_sdk.logs.schema import open_log
from artis_sdk.records import ToolSpec

TASK = 6  # calls
AT_ONCE = 500_000  # rows in a transaction
STATE = {"accounts": [{"id": f"acc-{n}", "owner": "ann", "balance": 1250.5} for n in range(12)]}
OPERATIONS = ("show", "show tool", "prepare", "failures", "export jsonl", "export parquet")


@guarded_tool
def transfer(source: str, target: str, amount: float) -> dict[str, Any]:
    """Move money."""
    if amount > 1000:
        return {"error": f"{source} has not enough"}
    return {"receipt": "r-1", "moved": amount}


def make(path: Path, rows: int) -> None:
    """A call log with this many rows."""
    spec = ToolSpec(name="transfer", description="Move money.", parameters={"type": "object"})
    with closing(open_log(path, create=True, timeout=10.0)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO tools VALUES (1, x'01', ?, NULL)", (dumps(spec.model_dump()),))
        state = dumps(STATE)
        connection.executemany(
            "INSERT INTO tasks VALUES (?, ?, ?, ?, ?)",
            (
                (n + 1, n.to_bytes(8), f"s{n}", f"s{n}", state.replace("ann", f"ann-{n}"))
                for n in range((rows + TASK - 1) // TASK)
            ),
        )
        connection.execute("COMMIT")
        for first in range(0, rows, AT_ONCE):  # so that the write-ahead log is used again
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO calls VALUES (?, ?, ?, ?, ?, 'transfer', 'success', 'real', ?, ?, NULL, 1, ?,"
                " 'irreversible', 1)",
                (row(n) for n in range(first, min(first + AT_ONCE, rows))),
            )
            connection.execute("COMMIT")


def row(n: int) -> tuple[Any, ...]:
    fails = n % 10 == 0
    arguments = {"source": f"acc-{n % 97}", "target": f"acc-{n % 89}", "amount": 2000.0 if fails else n % 500}
    value = {"error": f"acc-{n % 97} has not enough"} if fails else {"receipt": f"r-{n}", "moved": n % 500}
    return (
        n + 1,
        f"r{n}",
        n // TASK + 1,
        None if n % TASK == 0 else n,
        n % TASK,
        dumps({"id": f"c{n}", "arguments": arguments}),
        dumps({"ok": True, "value": value, "provenance": "real"}),
        1.7e9 + n,
    )


def run(operation: str, log: Path, folder: Path) -> None:
    if operation == "prepare":
        from artis_sdk.trainers.dataset.prepare import prepare

        prepare(log, folder / "prepared")
        return
    if operation == "failures":
        from artis_sdk.trainers.failure_modes.seen import seen_failures
        from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

        with CallLog(log, create=False) as store:
            (seen,) = seen_failures(store.records(), Taxonomy(Toolset(transfer)))
        assert seen.calls - seen.successes == sum(seen.types.values()) > 0
        return
    with CallLog(log, create=False) as store:
        if operation == "show":
            assert len(store.last(5)) == 5
        elif operation == "show tool":
            assert store.last(5, tool="refund") == []
        elif operation == "export jsonl":
            export_jsonl(store.records(), folder / "out.jsonl")
        else:
            export_parquet(store.records(), folder / "out.parquet")


def measured(operation: str, log: Path, folder: Path) -> tuple[float, float]:
    """Peak RSS in MiB and CPU seconds of an operation in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", operation, "--log", str(log), "--folder", str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    peak, seconds = json.loads(done.stdout.splitlines()[-1])
    return peak, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", default="100000,1000000")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--only", default=",".join(OPERATIONS))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--log", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        run(given.one, given.log, given.folder)
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps([used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
        return
    found = []
    for rows in map(int, given.rows.split(",")):
        with tempfile.TemporaryDirectory(dir=given.folder) as made:
            log = Path(made) / "calls.db"
            began = time.process_time()
            make(log, rows)
            print(f"{rows:,} rows made in {time.process_time() - began:.0f} CPU s", file=sys.stderr)
            for operation in given.only.split(","):
                with tempfile.TemporaryDirectory(dir=made) as written:
                    peak, seconds = measured(operation, log, Path(written))
                found.append({"rows": rows, "operation": operation, "peak_mib": peak, "cpu_s": seconds})
                print(f"{rows:>10,} rows  {operation:<15} {peak:6.0f} MiB  {seconds:8.1f} CPU s", flush=True)
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
