"""The simplest baseline: a tool's most frequent outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from artis_sdk.contracts import LogStore, Simulator
from artis_sdk.errors import SimulationError
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, ToolCall
from artis_sdk.simulators.logged import ground_truth


class MajoritySimulator(Simulator):
    """Answers each call with the most frequent outcome of its tool's most frequent outcome type.

    A baseline to compare others with: it never predicts a rare failure.

    Args:
        log: an open log or any records; only outcomes of real code count. It is read here, once.

    Raises:
        ConfigurationError: `log` is a path.
    """

    def __init__(self, log: LogStore | Iterable[CallRecord]) -> None:
        types: dict[str, Counter[str]] = {}
        texts: dict[tuple[str, str], Counter[str]] = {}
        outcomes: dict[tuple[str, str, str], Outcome] = {}
        for record, type_ in ground_truth("MajoritySimulator", log):
            tool, text = record.call.tool, record.outcome.text()
            types.setdefault(tool, Counter())[type_] += 1
            texts.setdefault((tool, type_), Counter())[text] += 1
            outcomes.setdefault((tool, type_, text), record.outcome)
        self._outcomes: dict[str, Outcome] = {}
        for tool, counted in types.items():
            ((type_, _),) = counted.most_common(1)
            ((text, _),) = texts[tool, type_].most_common(1)
            self._outcomes[tool] = outcomes[tool, type_, text].model_copy(
                update={"provenance": Provenance.SIMULATED, "duration": None}
            )

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`.

        Raises:
            SimulationError: the log has no call of this tool.
        """
        found = self._outcomes.get(call.tool)
        if found is None:
            raise SimulationError(call.tool, "no logged call is of this tool")
        return found
