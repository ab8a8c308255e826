"""Coverage: failure modes reached by each source, and those never reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from artis_sdk.records import CallRecord, Provenance
from artis_sdk.records.outcome_type import SUCCESS
from artis_sdk.tools.source_checks.read import FailureMode
from artis_sdk.trainers.failure_modes.taxonomy import Taxonomy
from artis_sdk.trainers.generate.tasks import CallResult, TaskRun

LOG = "log"
"""The source of earlier calls."""

Key = tuple[str, str, int, str]


@dataclass(slots=True)
class Coverage:
    """Counts by source; `hits[source][mode.key]` is how many calls reached a mode."""

    modes: tuple[FailureMode, ...]
    hits: dict[str, Counter[Key]] = field(default_factory=dict)
    types: dict[str, Counter[tuple[str, str]]] = field(default_factory=dict)
    """Outcomes by source, tool and type."""
    calls: Counter[str] = field(default_factory=Counter)
    """By source."""
    first: dict[Key, str] = field(default_factory=dict)
    """The source that reached a mode first."""

    @classmethod
    def of(cls, taxonomy: Taxonomy) -> Coverage:
        """A coverage of these failure modes, none of them reached."""
        return cls(tuple(taxonomy))

    def add_log(self, records: Iterable[CallRecord], taxonomy: Taxonomy) -> None:
        """Count the calls of a log, without simulated and replayed ones."""
        for record in records:
            if record.outcome.provenance in (Provenance.REAL, Provenance.SANDBOXED):
                self.calls[LOG] += 1
                for mode in taxonomy.match(record.call, record.outcome):
                    self._hit(LOG, mode.key)

    def add(self, ran: TaskRun) -> list[CallResult]:
        """Count a task, and return its calls that reached a mode or an outcome type for the first time."""
        return [reached for reached in ran.reached if self.add_call(ran.draft.source, reached)]

    def add_call(self, source: str, reached: CallResult) -> bool:
        """Count one call, and return whether it reached a mode or an outcome type for the first time."""
        self.calls[source] += 1
        new = False
        for mode in reached.modes:
            new |= mode.key not in self.first
            self._hit(source, mode.key)
        cell = (reached.step.call.tool, reached.type)
        new |= not any(cell in counts for counts in self.types.values())
        self.types.setdefault(source, Counter())[cell] += 1
        return new

    def _hit(self, source: str, key: Key) -> None:
        self.first.setdefault(key, source)
        self.hits.setdefault(source, Counter())[key] += 1

    def merge(self, other: Coverage) -> None:
        """Add what another run over the same tools and the same log has reached; the log counts once."""
        counts_log = LOG not in self.calls
        for source, calls in other.calls.items():
            if source == LOG and not counts_log:
                continue
            self.calls[source] += calls
            if source in other.types:
                self.types.setdefault(source, Counter()).update(other.types[source])
            if source in other.hits:
                self.hits.setdefault(source, Counter()).update(other.hits[source])
        for key, source in other.first.items():
            self.first.setdefault(key, source)

    # --- reading ----------------------------------------------------------------------------------

    @property
    def reached(self) -> int:
        """Modes that something has reached."""
        return len(self.first)

    @property
    def share(self) -> float:
        """Share of the known modes that were reached; 1.0 if no mode is known."""
        return self.reached / len(self.modes) if self.modes else 1.0

    def unseen(self) -> list[FailureMode]:
        """The modes that nothing has reached."""
        return [mode for mode in self.modes if mode.key not in self.first]

    def sites(self, *sources: str) -> set[tuple[str, int]]:
        """The statements that some sources reached; all sources where none is named."""
        wanted = sources or tuple(self.hits)
        keys = {key for source in wanted for key in self.hits.get(source, ())}
        return {
            (m.site.file, m.site.line) for m in self.modes if m.key in keys and m.site.kind != "validator"
        }

    def count(self, key: Key) -> int:
        """Calls that reached a mode, over all sources."""
        return sum(counts[key] for counts in self.hits.values())

    def as_json(self) -> dict[str, Any]:
        """For programs: totals by source, and each mode with its counts."""
        return {
            "modes": len(self.modes),
            "reached": self.reached,
            "sites": len({(m.site.file, m.site.line) for m in self.modes if m.in_source}),
            "sites_reached": len(self.sites()),
            "sources": {source: self._of_source(source) for source in self.calls},
            "by_mode": [
                {
                    "tool": mode.tool,
                    "type": mode.type,
                    "where": mode.where,
                    "condition": mode.site.condition,
                    "reached": {s: counts[mode.key] for s, counts in self.hits.items() if counts[mode.key]},
                }
                for mode in self.modes
            ],
        }

    def _of_source(self, source: str) -> dict[str, int]:
        types = self.types.get(source, Counter())
        return {
            "calls": self.calls[source],
            "failed": sum(n for (_, type_), n in types.items() if type_ != SUCCESS),
            "types": len(types),
            "modes": len(self.hits.get(source, ())),
            "first": sum(found == source for found in self.first.values()),
        }
