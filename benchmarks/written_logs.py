"""What the importers make of logs that other libraries wrote: records found of calls present, and how right.

    python -m venv WRITERS
    WRITERS/bin/pip install inspect-ai langchain langfuse langsmith mcp openai-agents \\
        openinference-instrumentation-langchain openinference-instrumentation-openai-agents \\
        opentelemetry-instrumentation-langchain pydantic-ai-slim strands-agents
    python benchmarks/written_logs.py WRITERS/bin/python

Each library's agent makes the five calls of `log_writers.py`, of which one fails, and writes its log. An
outcome is right if it is the returned value, or a failure with the tool's message. Session files of coding
agents are not among them: their writers are programs that need their makers' models.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import log_writers

from artis_sdk.logs import LeftOut
from artis_sdk.logs.importers import convert
from artis_sdk.records import CallRecord

EXPECTED: dict[str, Any] = {"add": 3, "note": "noted: x"}


def right(record: CallRecord) -> bool:
    """Whether the outcome is what the tool returned or raised."""
    call, outcome = record.call, record.outcome
    if call.tool == "pay":
        return not outcome.ok and log_writers.ERROR in outcome.text()
    wanted = EXPECTED.get(call.tool, {"open": True, "at": call.arguments.get("at")})
    return outcome.ok and outcome.value == wanted


def line(path: Path) -> str:
    """A row of the table: what stands in one file."""
    found = list(convert(path, path.parent.name))
    records = [item for item in found if isinstance(item, CallRecord)]
    left = [(call.tool, call.arguments) for call in (record.call for record in records)]
    made = [call for call in log_writers.CALLS if call in left]
    outcomes = sum(map(right, records))
    told = sum(isinstance(item, LeftOut) for item in found)
    name = path.stem if path.parent.name != "inspect" else path.suffix.removeprefix(".")
    cells = (f"`{path.parent.name}`", name, len(log_writers.CALLS), len(records), len(made), outcomes, told)
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as made:
        for writer in log_writers.WRITERS:
            subprocess.run(
                [sys.argv[1], "-W", "ignore", log_writers.__file__, writer, made],
                check=True,
                capture_output=True,
            )
        print(
            "| format | file | calls present | records found | arguments right | outcomes right | left out |"
        )
        print("|---|---|---|---|---|---|---|")
        for path in sorted(Path(made).glob("*/*")):
            print(line(path))


if __name__ == "__main__":
    main()
