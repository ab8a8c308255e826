"""What the importers make of logs that other libraries wrote: records found of calls present, and how right.

    python -m venv WRITERS
    WRITERS/bin/pip install inspect-ai langchain langfuse langsmith mcp openai-agents \\
        openinference-instrumentation-langchain openinference-instrumentation-openai-agents \\
        opentelemetry-instrumentation-langchain pydantic-ai-slim strands-agents
    npm install --prefix AGENTS @anthropic-ai/claude-code @openai/codex
    python -m venv SERVERS
    SERVERS/bin/pip install "mcp<2" mcp-server-fetch mcp-server-git mcp-server-sqlite mcp-server-time \\
        bridgemcp-server-filesystem
    export PATH=$PATH:$PWD/AGENTS/node_modules/.bin:$PWD/SERVERS/bin
    python benchmarks/written_logs.py WRITERS/bin/python

Each library's agent makes the five calls of `log_writers.py`, of which one fails, and writes its log. An
outcome is right if it is the returned value, or a failure with the tool's message. The coding agents of
`coding_agents.py` and the servers of `mcp_wires.py` are left out where they are not installed. Names of
writers, of agents' formats or `servers` behind the interpreter choose among them.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import coding_agents
import log_writers
import mcp_wires

from artis_sdk.logs import LeftOut
from artis_sdk.logs.importers import convert
from artis_sdk.logs.importers.read import parsed
from artis_sdk.records import CallRecord, Outcome

VALUES: tuple[Any, ...] = ({"open": True, "at": "a"}, 3, "noted: x", None, {"open": True, "at": "b"})
"""Returned values of the five calls; None where it fails."""


class Made(NamedTuple):
    """A call that was made, and what came of it."""

    call: tuple[str, dict[str, Any]]
    value: Any
    error: str | None
    """Words of the error; None where there was none."""

    def is_told_by(self, outcome: Outcome) -> bool:
        if self.error is not None:
            return not outcome.ok and self.error in (outcome.message or outcome.text())
        return outcome.ok and outcome.value == self.value


def calls_in(path: Path) -> list[Made]:
    """The calls of which a file was written."""
    format_ = path.parent.name
    if path.stem.startswith("server-"):
        told = json.loads((path.parent.parent / mcp_wires.RESULTS).read_text())[path.stem]
        return [Made((tool, given), *answered(result)) for tool, given, result in told]
    calls = coding_agents.made(format_, path.stem) if format_ in coding_agents.AGENTS else log_writers.CALLS
    error = "timed out" if path.stem == log_writers.LATE else log_writers.ERROR
    pairs = zip(calls, VALUES, strict=True)
    return [Made(call, value, error if value is None else None) for call, value in pairs]


def answered(result: dict[str, Any]) -> tuple[Any, str | None]:
    """Value and error of what an MCP client was told."""
    text = "".join(block["text"] for block in result["content"])
    if result["isError"]:
        return None, text
    structured = result.get("structuredContent")
    if structured is None:
        return parsed(text), None
    return parsed(structured["result"]) if structured.keys() == {"result"} else structured, None


def line(path: Path) -> str:
    """A row of the table: what stands in one file."""
    present, found = calls_in(path), list(convert(path, path.parent.name))
    records = [item for item in found if isinstance(item, CallRecord)]
    shown = [((record.call.tool, record.call.arguments), record.outcome) for record in records]
    same = [made for made in present if any(made.call == call for call, _ in shown)]
    right = [made for made in same if any(made.call == c and made.is_told_by(said) for c, said in shown)]
    told = sum(isinstance(item, LeftOut) for item in found)
    cells = (f"`{path.parent.name}`", path.stem, len(present), len(records), len(same), len(right), told)
    return f"| {' | '.join(map(str, cells))} |"


def write(python: str, folder: Path, wanted: list[str]) -> list[str]:
    """Have the writers write; the agents that are not installed, and so did not."""
    for writer in log_writers.WRITERS:
        if not wanted or writer in wanted:
            command = [python, "-W", "ignore", log_writers.__file__, writer, str(folder)]
            subprocess.run(command, check=True, capture_output=True)
    missing = []
    if not wanted or "servers" in wanted:
        command = [python, mcp_wires.__file__, str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        missing += done.stdout.splitlines()
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
