"""Preparing training data from a large log: time and peak memory.

python benchmarks/dataset.py --rows 10000000 --kind parquet --folder /tmp/large
The log is synthetic and made here, once: sessions of 8 calls, 60 tools, failure types with a long tail.
"""

from __future__ import annotations

import argparse
import json
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from artis_sdk.logs.schema import open_log
from artis_sdk.records import ToolSpec
from artis_sdk.trainers.dataset.duck import quoted, scratch

CALLS = 8  # of one session
SPEC = ToolSpec(name="tool", description="d" * 200, parameters={"type": "object"}).model_dump_json()
STATE = json.dumps({"accounts": {f"A{n}": {"owner": "ann", "balance": n} for n in range(12)}, "session": 0})


def make_parquet(path: Path, rows: int) -> None:
    """Rows in the form of `export_parquet`, made by DuckDB."""
    call = (
        """'{"tool":"tool' || tool || '","id":"c' || n || '","arguments":{"account":"A' || n % 997 || '"}}'"""
    )
    step = (
        """'{"call":{"tool":"tool' || (n - k) % 60 || '","id":"c' || n - k || '","arguments":{"account":"A'"""
        """ || (n - k) % 997 || '"}},"outcome":{"ok":true,"value":{"free":' || (n - k) % 499 || """
        """'},"provenance":"real","duration":0.01}}'"""
    )
    select = f"""
        SELECT 'r' || n AS id, n::DOUBLE AS at, 's' || n // {CALLS} AS session, NULL::VARCHAR AS task,
          NULL::VARCHAR AS source_hash, 'tool' || tool AS tool, type, 'real' AS provenance,
          'irreversible' AS risk, 1::BIGINT AS process, 0.01::DOUBLE AS duration, {quoted(SPEC)} AS spec,
          {call} AS call, replace({quoted(STATE)}, '"session": 0', '"session": ' || n // {CALLS}) AS state,
          '[' || array_to_string([{step} FOR k IN range(n % {CALLS}, 0, -1)], ',') || ']' AS history,
          CASE WHEN type = 'success' THEN '{{"ok":true,"value":{{"free":' || n % 499
               || '}},"provenance":"real","duration":0.01}}'
               ELSE '{{"ok":false,"failure_type":"' || type
               || '","message":"no","raised":true,"provenance":"real"}}' END AS outcome,
          NULL::VARCHAR AS predicted
        FROM (SELECT n, n % 60 AS tool, CASE WHEN hash(n) % 100 < 85 THEN 'success'
              ELSE 'E' || floor(ln(1 + hash(n + 7) % 1000))::INTEGER END AS type FROM range({rows}) t(n))
    """
    with scratch(path.parent, memory_mb=1024) as connection:
        connection.execute(
            f"COPY ({select}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 5000,"
            " KV_METADATA {'artis_sdk.call_log': '1'})"
        )


def make_sqlite(path: Path, rows: int) -> None:
    """Rows in the tables of a call log, written directly."""
    connection = open_log(path, create=True, timeout=10.0)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO tools VALUES (1, x'00', ?, NULL)", [SPEC])
    connection.executemany("INSERT INTO tasks VALUES (?, ?, ?, NULL, ?)", _tasks(rows))
    connection.executemany(f"INSERT INTO calls VALUES ({', '.join('?' * 15)})", _calls(rows))
    connection.execute("COMMIT")
    connection.close()


def _tasks(rows: int) -> Iterator[tuple[Any, ...]]:
    for n in range(rows // CALLS + 1):
        yield n + 1, n.to_bytes(8, "big"), f"s{n}", STATE.replace('"session": 0', f'"session": {n}')


def _calls(rows: int) -> Iterator[tuple[Any, ...]]:
    for n in range(rows):
        seq = n % CALLS
        kind = "success" if n * 2654435761 % 100 < 85 else f"E{(n * 40503 % 1000).bit_length()}"
        ok = kind == "success"
        outcome = (
            f'{{"ok":true,"provenance":"real","value":{{"free":{n % 499}}}}}'
            if ok
            else f'{{"ok":false,"provenance":"real","raised":true,"failure_type":"{kind}","message":"no"}}'
        )
        call = f'{{"id":"c{n}","arguments":{{"account":"A{n % 997}"}}}}'
        yield (
            n + 1, f"r{n}", n // CALLS + 1, n if seq else None, seq, f"tool{n % 60}", kind, "real", call,
            outcome, None, 1, float(n), "irreversible", 1,
        )  # fmt: skip


def prepare_in_child(log: Path, folder: Path) -> dict[str, Any]:
    """Prepare in a process of its own, so that its peak memory is this job's alone."""
    began = time.perf_counter()
    child = subprocess.run(
        [sys.executable, __file__, "--child", str(log), str(folder)],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(child.stdout)
    return {"wall_s": round(time.perf_counter() - began, 1), **found}


def child(log: Path, folder: Path) -> None:
    from artis_sdk.trainers.dataset.prepare import prepare

    prepared = prepare(log, folder)
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = prepared.report
    json.dump(
        {
            "cpu_s": round(used.ru_utime + used.ru_stime, 1),
            "peak_rss_mib": used.ru_maxrss // 1024,
            "memory_mb": report["settings"]["memory_mb"],
            "splits": report["splits"],
            "effective_rows": report["rebalance"]["effective_rows"],
        },
        sys.stdout,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=("parquet", "sqlite"), default="parquet")
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    log = given.folder / f"log-{given.rows}.{'parquet' if given.kind == 'parquet' else 'db'}"
    if not log.exists():
        began = time.perf_counter()
        try:
            (make_parquet if given.kind == "parquet" else make_sqlite)(log, given.rows)
        except (sqlite3.Error, KeyboardInterrupt):
            log.unlink(missing_ok=True)
            raise
        print(f"made {log} ({log.stat().st_size / 2**20:,.0f} MiB) in {time.perf_counter() - began:.0f} s")
    print(json.dumps(prepare_in_child(log, given.folder / "data"), indent=2))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main()
