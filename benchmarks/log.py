"""What a call log costs: a captured call on its caller's side, a row in the writer, a row on the disk.

    python benchmarks/log.py [--json] [--folder DIR]

"Caller" is CPU time of the calling thread beyond the same decorated call without a capture; in bursts,
as real calls come, and in a loop that never pauses. "Writer" is CPU time of all threads while records,
as a session appends them, are redacted and written. Of several rounds the best counts. Rows have state
and outcome of the sizes that tools have (622 and about 300 characters); bytes are those of the closed
file, for tasks of 6 and of 41 calls.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from artis_sdk import Outcome, guarded_tool
from artis_sdk.logs import CallLog, export_jsonl, export_parquet
from artis_sdk.logs.capture import capture
from artis_sdk.records import CallRecord, History, Provenance, Step, ToolCall, ToolSpec, new_id

ROUNDS = 15
BURST = 100
LOOP = 5_000
ROWS = 2_460  # divisible by both lengths
STATE = {"accounts": [{"id": f"acc-{n}", "owner": "ann", "balance": 1250.5} for n in range(12)]}
SPEC = ToolSpec(name="transfer", description="Move money.", parameters={"type": "object", "properties": {}})


@guarded_tool
def transfer(source: str, target: str, amount: float, memo: str = "") -> dict[str, Any]:
    """Move money."""
    return {"ok": True, "receipt": "r-184467", "source": source, "target": target, "moved": amount}


@guarded_tool
def refuse(source: str) -> dict[str, Any]:
    """Refuse to move money."""
    raise ValueError("account is frozen")


def call() -> None:
    transfer("ann", "bob", 1250.0, memo="rent, with thanks")


def fail() -> None:
    try:
        refuse("ann")
    except ValueError:
        return


def per_call(function: Callable[[], None], count: int) -> float:
    """Microseconds of this thread's CPU for each call."""
    began = time.thread_time()
    for _ in range(count):
        function()
    return 1e6 * (time.thread_time() - began) / count


def caller(folder: Path) -> dict[str, float]:
    """Microseconds that a capture adds to a call."""
    plain = {function: min(per_call(function, LOOP) for _ in range(ROUNDS)) for function in (call, fail)}
    found: dict[str, float] = {"a decorated call, us": plain[call]}
    with capture(folder / "caller.db") as captured:

        def burst(function: Callable[[], None]) -> float:
            captured.flush()
            return per_call(function, BURST)

        found["captured, in bursts, us more"] = min(burst(call) for _ in range(10 * ROUNDS)) - plain[call]
        found["captured, raising, us more"] = min(burst(fail) for _ in range(10 * ROUNDS)) - plain[fail]
        captured.flush()
        found["captured, without a pause, us more"] = (
            min(per_call(call, LOOP) for _ in range(3)) - plain[call]
        )
        with captured.task(state=STATE):
            found["captured in a task, us more"] = min(burst(call) for _ in range(10 * ROUNDS)) - plain[call]
    return found


def session_records(length: int) -> list[CallRecord]:
    """Records of tasks of so many calls, as a session appends them."""
    records = []
    for _ in range(ROWS // length):
        task, history = new_id(), History()
        for n in range(length):
            made = ToolCall(
                tool="transfer",
                arguments={"source": "ann", "target": f"acc-{n}", "amount": 12.5 * n},
                raw=f'[transfer(source="ann", target="acc-{n}", amount={12.5 * n})]',
            )
            outcome = Outcome.success(
                {"receipt": f"r-{n}", "text": "x" * 250}, Provenance.REAL, duration=0.01
            )
            records.append(
                CallRecord.model_construct(
                    id=new_id(),
                    at=1.7e9 + n,
                    session=task,
                    task=task,
                    spec=SPEC,
                    source_hash="0" * 64,
                    call=made,
                    state=STATE,
                    history=history,
                    outcome=outcome,
                    predicted=outcome,
                    risk=SPEC.risk,
                    process=1,
                )
            )
            history = (*history, Step(call=made, outcome=outcome))
    return records


def writer(folder: Path, length: int) -> dict[str, float]:
    """Appending, writing, reading and exporting rows of tasks of this length."""
    records = session_records(length)
    append, cpu, wall, size = [], [], [], 0
    for n in range(5):
        path = folder / f"{length}-{n}.db"
        log = CallLog(path)
        began, started = time.process_time(), time.perf_counter()
        thread = time.thread_time()
        for made in records:
            log.append(made)
        append.append(time.thread_time() - thread)
        log.flush()
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - started)
        log.close()
        size = path.stat().st_size
    rows = len(records)
    with CallLog(path) as log:
        began = time.process_time()
        read = sum(1 for _ in log.records())
        reading = time.process_time() - began
        began = time.process_time()
        export_jsonl(log.records(), folder / "out.jsonl")
        lines = time.process_time() - began
        began = time.process_time()
        export_parquet(log.records(), folder / "out.parquet")
        columns = time.process_time() - began
    assert read == rows
    name = f"history up to {length - 1}"
    return {
        f"{name}: append, us": 1e6 * min(append) / rows,
        f"{name}: writer, us CPU a row": 1e6 * (min(cpu) - min(append)) / rows,
        f"{name}: rows a second": rows / min(wall),
        f"{name}: bytes a row": size / rows,
        f"{name}: read, us a row": 1e6 * reading / rows,
        f"{name}: export JSON lines, us a row": 1e6 * lines / rows,
        f"{name}: export Parquet, us a row": 1e6 * columns / rows,
    }


def machine() -> float:
    """Nanoseconds of one step of an empty loop: figures of a slow or busy machine are as much higher."""

    def empty() -> float:
        began = time.thread_time()
        for _ in range(1_000_000):
            pass
        return 1e3 * (time.thread_time() - began)

    return min(empty() for _ in range(5))


def measure(folder: Path) -> dict[str, float]:
    found = {"an empty loop's step, ns": machine(), **caller(folder)}
    short, long = writer(folder, 6), writer(folder, 41)
    found |= short | long
    for what in ("bytes a row", "writer, us CPU a row"):
        ratio = long[f"history up to 40: {what}"] / short[f"history up to 5: {what}"]
        found[f"41 calls over 6: {what}"] = ratio
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON document")
    parser.add_argument("--folder", type=Path, help="where the files go; a temporary folder by default")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        found = measure(Path(folder))
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:48} {value:10.2f}")


if __name__ == "__main__":
    main()
