"""The table of `docs/frameworks.md` is what these tests have seen; it is printed when they have run."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
from helpers.frameworks import Played

# CrewAI reads them as it is imported: no telemetry, no question about traces, its storage not at home.
os.environ |= {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "OTEL_SDK_DISABLED": "true",
    "CREWAI_TESTING": "true",
    "CREWAI_STORAGE_DIR": str(Path(gettempdir(), "artis-crewai")),
}

HEAD = (
    "framework",
    "version",
    "how it runs sync tools",
    "registered as",
    "real calls in 3 rehearsals",
    "rehearsed calls",
    "real calls in the commit",
    "journaled",
)

Row = Callable[[str, str, str, Played], None]


@pytest.fixture
def row(record_property: Callable[[str, object], None]) -> Row:
    """Adds a row: distribution, how it runs tools, what was registered, what was played."""

    def add(distribution: str, runs: str, kind: str, played: Played) -> None:
        rehearsed = sum(len(attempt.steps) for attempt in played.plan.attempts)
        numbers = (played.real_in_rehearsals, rehearsed, played.real_in_commit, len(played.journal))
        record_property("row", (distribution, version(distribution), runs, kind, *map(str, numbers)))

    return add


LAWS = (
    "framework",
    "version",
    "lines to add",
    "real calls in 3 rehearsals",
    "journaled calls of 2",
    "context parameter",
    "a simulated failure arrives as",
)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    reports = terminalreporter.stats.get("passed", ())
    for kind, head in (("law", LAWS), ("row", HEAD)):
        rows = sorted(value for report in reports for name, value in report.user_properties if name == kind)
        if rows:
            terminalreporter.section("docs/frameworks.md")
            for cells in (head, ["---"] * len(head), *rows):
                terminalreporter.write_line(f"| {' | '.join(cells)} |")
