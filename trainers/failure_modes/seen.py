"""A call log against the failure modes of its tools: modes seen, their counts, and modes never seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from artis_sdk.logs.codec import dumps
from artis_sdk.records import CallRecord, Provenance
from artis_sdk.records.outcome_type import doubtful_rule
from artis_sdk.tools.source_checks.read import FailureMode
from artis_sdk.trainers.failure_modes.outcome_types import SUCCESS, classify
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy

_SAMPLE = 200  # characters
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
class SeenDoubt:
    """A doubtful rule that decided about a tool's values, until a person settles it."""

    rule: str
    why: str
    failure: bool
    """Whether these values count as failures now."""
    seen: int
    sample: str
    """The first of the values, shortened."""


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
    doubts: dict[str, SeenDoubt] = field(default_factory=dict)
    """Doubtful rules by name."""

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
            "doubts": [asdict(doubt) for doubt in self.doubts.values()],
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
    counts: Counter[tuple[str, str, int, str, str]] = Counter()
    shared: set[tuple[str, str, int, str, str]] = set()
    older: Counter[str] = Counter()
    for record in records:
        if record.outcome.provenance not in _OF_REAL_CODE or record.outcome.fault is not None:
            continue
        name = record.call.tool
        if name not in tools:
            tools[name] = SeenTool(name, notes=["not in the toolset: its source is not known"])
        tool, type_ = tools[name], classify(record)
        tool.calls += 1
        _doubt(tool, record)
        older[name] += name in taxonomy.hashes and _differs(record.source_hash, taxonomy.hashes[name])
        if type_ == SUCCESS:
            tool.successes += 1
            continue
        tool.types[type_] += 1
        modes = taxonomy.match(record.call, record.outcome)
        tool.unlisted[type_] += not modes
        for mode in modes:
            counts[_key(mode)] += 1
            if len(modes) > 1:
                shared.add(_key(mode))
    for name, tool in tools.items():
        found = taxonomy.tools.get(name)
        tool.modes = tuple(
            SeenMode(mode, counts[_key(mode)], _key(mode) in shared)
            for mode in ((*found.modes, *found.outside) if found else ())
        )
        tool.unlisted = +tool.unlisted
        if older[name]:
            tool.notes.append(
                f"{older[name]} of {tool.calls} calls ran another source than the present one: "
                "the lines of their failures may have changed"
            )
    return sorted(tools.values(), key=lambda tool: tool.tool)


def _key(mode: FailureMode) -> tuple[str, str, int, str, str]:
    """Equal for the same mode; one call may raise several exceptions."""
    return (*mode.key, mode.type)


def _doubt(tool: SeenTool, record: CallRecord) -> None:
    """Count the doubtful rule by which a returned value counts as it does."""
    outcome = record.outcome
    if outcome.declared or outcome.raised or (outcome.value is None):
        return
    doubt = doubtful_rule(outcome.value, record.call)
    if doubt is None:
        return
    known = tool.doubts.setdefault(
        doubt.rule, SeenDoubt(doubt.rule, doubt.why, doubt.failure, 0, dumps(outcome.value)[:_SAMPLE])
    )
    known.seen += 1


def _differs(logged: str | None, now: str | None) -> bool:
    return logged is not None and logged != now
