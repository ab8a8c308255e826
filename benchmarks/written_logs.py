"""What the importers make of logs that other libraries wrote: records found of calls present, and how right.

    python -m venv WRITERS
    WRITERS/bin/pip install inspect-ai langchain langfuse langsmith mcp openai-agents \\
        openinference-instrumentation-langchain openinference-instrumentation-openai-agents \\
        opentelemetry-instrumentation-langchain pydantic-ai-slim strands-agents
    npm install --prefix AGENTS @anthropic-ai/claude-code @openai/codex
    PATH=$PWD/AGENTS/node_modules/.bin:$PATH python benchmarks/written_logs.py WRITERS/bin/python

Each library's agent makes the five calls of `log_writers.py`, of which one fails, and writes its log. An
outcome is right if it is the returned value, or a failure with the tool's message. The coding agents of
`coding_agents.py` are left out where they are not installed. Names of formats or writers behind the
interpreter choose among them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import coding_agents
import log_writers

from artis_sdk.logs import LeftOut
from artis_sdk.logs.importers import convert
from artis_sdk.records import CallRecord, Outcome

VALUES: tuple[Any, ...] = ({"open": True, "at": "a"}, 3, "noted: x", None, {"open": True, "at": "b"})
"""Returned values of the five calls; None where it fails."""


def right(outcome: Outcome, value: Any, error: str) -> bool:
    """Whether the outcome is what the tool returned or raised."""
    if value is None:
        return not outcome.ok and error in outcome.text()
    return outcome.ok and outcome.value == value


def line(path: Path) -> str:
    """A row of the table: what stands in one file."""
    format_ = path.parent.name
    calls = coding_agents.made(format_, path.stem) if format_ in coding_agents.AGENTS else log_writers.CALLS
    found = list(convert(path, format_))
    records = [item for item in found if isinstance(item, CallRecord)]
    known = [record for record in records if (record.call.tool, record.call.arguments) in calls]
    made = [(record.call.tool, record.call.arguments) for record in known]
    error = "timed out" if path.stem == log_writers.LATE else log_writers.ERROR
    values = [VALUES[calls.index(call)] for call in made]
    outcomes = sum(right(r.outcome, value, error) for r, value in zip(known, values, strict=True))
    told = sum(isinstance(item, LeftOut) for item in found)
    same = sum(call in made for call in calls)
    cells = (f"`{format_}`", path.stem, len(calls), len(records), same, outcomes, told)
    return f"| {' | '.join(map(str, cells))} |"


def write(python: str, folder: Path, wanted: list[str]) -> list[str]:
    """Have the writers write; the agents that are not installed, and so did not."""
    for writer in log_writers.WRITERS:
        if not wanted or writer in wanted:
            command = [python, "-W", "ignore", log_writers.__file__, writer, str(folder)]
            subprocess.run(command, check=True, capture_output=True)
    missing = []
    for format_, (program, agent) in coding_agents.AGENTS.items():
        if wanted and format_ not in wanted:
            continue
        if shutil.which(program) is None:
            missing.append(f"`{format_}`: left out, `{program}` is not installed")
            continue
        (folder / format_).mkdir()
        agent(python, folder / format_)
    return missing


def main() -> None:
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as made:
        missing = write(sys.argv[1], Path(made), sys.argv[2:])
        print(
            "| format | file | calls present | records found | arguments right | outcomes right | left out |"
        )
        print("|---|---|---|---|---|---|---|")
        for path in sorted(Path(made).glob("*/*")):
            print(line(path))
        print("\n".join(missing))


if __name__ == "__main__":
    main()
