"""The nearest logged call as the prediction: a baseline that needs no model and no training."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Final

from artis_sdk.contracts import LogStore, Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, ToolCall
from artis_sdk.simulators.features import Features, Token
from artis_sdk.simulators.logged import ground_truth

_WEIGHTS: Final = {"arguments": 1.0, "state": 1.0, "history": 0.5}
"""Weight of each part in the similarity of two calls, the weighted sum of the parts' cosines."""


class RetrievalSimulator(Simulator):
    """Answers with the outcome of the most similar logged call of the same tool.

    Two calls are similar by their arguments, by the state entries that these name, and by the calls
    before them: tokens (see `features`) weighted by how rare they are among the tool's calls, compared
    by cosine. Among equally near calls the latest counts. The outcome is a guess, marked as simulated.

    Args:
        log: an open log or any records; only outcomes of real code count. It is read here, once, and
            held in memory: some kilobytes per call.
        neighbours: number of nearest calls that vote, by their similarity, on the outcome's type; the
            nearest of that type is the answer.

    Raises:
        ConfigurationError: `log` is a path, or `neighbours` is less than 1.
    """

    def __init__(self, log: LogStore | Iterable[CallRecord], *, neighbours: int = 1) -> None:
        if neighbours < 1:
            raise ConfigurationError(f"neighbours must be at least 1, not {neighbours}")
        self._neighbours = neighbours
        features = Features()
        rows: dict[str, list[_Row]] = defaultdict(list)
        for record, type_ in ground_truth("RetrievalSimulator", log):
            found = features.of(record.call, record.state, record.history)
            outcome = record.outcome.model_copy(update={"provenance": Provenance.SIMULATED, "duration": None})
            rows[record.call.tool].append(_Row(found, type_, outcome))
        self._tools = {tool: _Nearest(found) for tool, found in rows.items()}

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`.

        Raises:
            SimulationError: the log has no call of this tool.
        """
        return self._find(call, Features().of(call, state, history))

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        """See `Simulator.fork`; the attempts share the index."""
        return _Attempt(self)

    def _find(self, call: ToolCall, tokens: Counter[Token]) -> Outcome:
        nearest = self._tools.get(call.tool)
        if nearest is None:
            raise SimulationError(call.tool, "no logged call is of this tool")
        return nearest.find(tokens, self._neighbours)


class _Attempt(Simulator):
    """The look-ups of one attempt; parts common to all its steps are computed once."""

    def __init__(self, index: RetrievalSimulator) -> None:
        self._index = index
        self._features = Features()

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return self._index._find(call, self._features.of(call, state, history))


class _Row:
    __slots__ = ("outcome", "tokens", "type")

    def __init__(self, tokens: Counter[Token], type_: str, outcome: Outcome) -> None:
        self.tokens = tokens
        self.type = type_
        self.outcome = outcome


class _Nearest:
    """The calls of one tool, as an inverted index of weighted tokens."""

    def __init__(self, rows: list[_Row]) -> None:
        self._outcomes = [(row.type, row.outcome) for row in rows]
        self._rows = len(rows)
        self._holding = Counter(token for row in rows for token in row.tokens)
        self._index: dict[Token, list[tuple[int, float]]] = defaultdict(list)
        for place, row in enumerate(rows):
            for token, weight in self._vector(row.tokens).items():
                self._index[token].append((place, weight))

    def find(self, tokens: Counter[Token], neighbours: int) -> Outcome:
        likeness = [0.0] * self._rows
        for token, weight in self._vector(tokens).items():
            for place, theirs in self._index.get(token, ()):
                likeness[place] += weight * theirs
        # Rounded, so that the order of summation decides nothing.
        near = heapq.nsmallest(
            neighbours, range(self._rows), key=lambda place: (-round(likeness[place], 9), -place)
        )
        votes: dict[str, float] = {}
        for place in near:
            type_ = self._outcomes[place][0]
            votes[type_] = votes.get(type_, 0.0) + likeness[place]
        best = max(votes, key=votes.__getitem__)  # on a tie the nearest neighbour's
        return next(outcome for type_, outcome in map(self._outcomes.__getitem__, near) if type_ == best)

    def _vector(self, tokens: Counter[Token]) -> dict[Token, float]:
        """Weights by rarity; each part has its share of the length. Tokens of all calls are left out."""
        parts: dict[str, list[tuple[Token, float]]] = defaultdict(list)
        for token, count in tokens.items():
            rarity = math.log((1 + self._rows) / (1 + self._holding[token]))
            if rarity > 0:
                parts[token[0]].append((token, (1 + math.log(count)) * rarity))
        vector: dict[Token, float] = {}
        for part, weighted in parts.items():
            length = math.sqrt(sum(weight * weight for _, weight in weighted) / _WEIGHTS[part])
            vector.update((token, weight / length) for token, weight in weighted)
        return vector
