"""A call log against the failure modes of its tools: modes seen, their counts, and modes never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from artis_sdk.records import CallRecord, Provenance
from artis_sdk.trainers.failure_modes.outcome_types import SUCCESS, classify
from artis_sdk.trainers.failure_modes.read import FailureMode
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

_OF_REAL_CODE = frozenset({Provenance.REAL, Provenance.SANDBOXED, Provenance.FORCED})


@dataclass(frozen=True, slots=True)
class SeenMode:
    """A failure mode and its count in a log."""

    mode: FailureMode
    seen: int
    shared: bool = False
    """Whether another mode of the tool has the same text, so that each of these calls counts for both."""

    def as_json(self) -> dict[str, Any]:
        site = self.mode.site
        return {
            "type": site.type,
            "kind": site.kind,
            "file": site.file,
            "line": site.line,
            "function": site.function,
            "path": list(self.mode.path),
            "condition": site.condition,
            "message": site.template,
            "seen": self.seen,
            "shared": self.shared,
        }


@dataclass(slots=True)
class SeenTool:
    """One tool of a log, or of the toolset."""

    tool: str
    calls: int = 0
    successes: int = 0
    types: Counter[str] = field(default_factory=Counter)
    """Counts of failure types in the log."""
    unlisted: Counter[str] = field(default_factory=Counter)
    """Counts of failure types that no statement of the source explains."""
    modes: tuple[SeenMode, ...] = ()
    notes: list[str] = field(default_factory=list)

    @property
    def unseen(self) -> int:
        return sum(mode.seen == 0 for mode in self.modes)

    def as_json(self) -> dict[str, Any]:
        return {
            "tool": self.tool,
            "calls": self.calls,
            "successes": self.successes,
            "types": dict(sorted(self.types.items())),
            "unlisted": dict(sorted(self.unlisted.items())),
            "modes": [mode.as_json() for mode in self.modes],
            "unseen": self.unseen,
            "notes": self.notes,
        }


def seen_failures(records: Iterable[CallRecord], taxonomy: Taxonomy) -> list[SeenTool]:
    """Count a log's outcomes by failure mode; one pass, in memory that does not grow with the log.

    Simulated and replayed outcomes are left out. A tool whose source is gone, or differs from that of
    the logged calls, has a note.

    Args:
        records: records such as `CallLog.records()`.
        taxonomy: taxonomy of the present tools.

    Returns:
        Counts by tool name; tools of the log that the toolset lacks are included, without modes.
    """
    tools = {name: SeenTool(name, notes=list(found.notes)) for name, found in taxonomy.tools.items()}
    counts: Counter[tuple[str, str, int, str]] = Counter()
    shared: set[tuple[str, str, int, str]] = set()
    older: Counter[str] = Counter()
    for record in records:
        if record.outcome.provenance not in _OF_REAL_CODE:
            continue
        name = record.call.tool
        if name not in tools:
            tools[name] = SeenTool(name, notes=["not in the toolset: its source is not known"])
        tool, type_ = tools[name], classify(record)
        tool.calls += 1
        older[name] += name in taxonomy.hashes and _differs(record.source_hash, taxonomy.hashes[name])
        if type_ == SUCCESS:
            tool.successes += 1
            continue
        tool.types[type_] += 1
        modes = taxonomy.match(record.call, record.outcome)
        tool.unlisted[type_] += not modes
        for mode in modes:
            counts[mode.key] += 1
            if len(modes) > 1:
                shared.add(mode.key)
    for name, tool in tools.items():
        found = taxonomy.tools.get(name)
        tool.modes = tuple(
            SeenMode(mode, counts[mode.key], mode.key in shared) for mode in (found.modes if found else ())
        )
        tool.unlisted = +tool.unlisted
        if older[name]:
            tool.notes.append(
                f"{older[name]} of {tool.calls} calls ran another source than the present one: "
                "the lines of their failures may have changed"
            )
    return sorted(tools.values(), key=lambda tool: tool.tool)


def _differs(logged: str | None, now: str | None) -> bool:
    return logged is not None and logged != now
