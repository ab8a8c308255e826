"""Replay of logged real calls: a hit is exact, a miss is loud."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path
from typing import Final

from pydantic import JsonValue

from artis_sdk.contracts import LogStore, Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, ReplayMiss
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, Step, ToolCall
from artis_sdk.simulators.past import HistoryCursor

_NO_HISTORY: Final = b""
_SIZE: Final = 16  # bytes of a digest


class ReplaySimulator(Simulator):
    """Answers with the real tool's outcome if a logged call is the same.

    The same means: the tool, the arguments and the initial state as canonical JSON, and the history,
    in which a step is its tool, its arguments, its outcome's type and its content. Only real outcomes
    count; among several with one key the latest counts. Steps of a logged history that the SDK itself
    refused (`FORCED`) are ignored.

    Args:
        log: an open log or any records. It is read here, once; later rows are not seen.
        match_state: whether the initial state must be the same.
        match_history: whether the history must be the same.

    Raises:
        ConfigurationError: `log` is a path.
    """

    def __init__(
        self, log: LogStore | Iterable[CallRecord], *, match_state: bool = True, match_history: bool = True
    ) -> None:
        if isinstance(log, str | Path):
            raise ConfigurationError(f"ReplaySimulator takes an open log, not the path {str(log)!r}")
        records: Iterable[CallRecord] = log if isinstance(log, Iterable) else log.records()
        self._index = _Index(match_state, match_history)
        for record in records:
            if record.outcome.provenance is Provenance.REAL:
                self._index.add(record)

    def __len__(self) -> int:
        """Number of different calls that it can answer."""
        return len(self._index.outcomes)

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`.

        Raises:
            ReplayMiss: naming the part of the key that no logged call has.
        """
        return await _Attempt(self._index).predict(call, state, history)

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        """See `Simulator.fork`; the attempts share the index."""
        return _Attempt(self._index)


class _Attempt(Simulator):
    """The lookups of one attempt; state and history are digested once."""

    def __init__(self, index: _Index) -> None:
        self._index = index
        self._state: tuple[State, bytes] | None = None
        self._past = HistoryCursor()
        self._history = _NO_HISTORY

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        if self._state is None or self._state[0] is not state:
            self._state = (state, digest(state))
        new = self._past.advance(history)
        if new is None:
            self._history, new = _NO_HISTORY, history
        self._history = history_digest(new, self._history)
        return self._index.find(call, self._state[1], self._history)


class _Index:
    def __init__(self, match_state: bool, match_history: bool) -> None:
        self.outcomes: dict[bytes, Outcome] = {}
        self._match_state = match_state
        self._match_history = match_history
        self._known: set[bytes] = set()
        """Digests of (tool), (tool, arguments) and (tool, arguments, state), to name a miss."""

    def add(self, record: CallRecord) -> None:
        *parts, key = self._keys(record.call, digest(record.state), history_digest(record.history))
        self._known.update(parts)
        self.outcomes[key] = record.outcome.model_copy(update={"provenance": Provenance.REPLAYED})

    def find(self, call: ToolCall, state: bytes, history: bytes) -> Outcome:
        tool, arguments, same_state, key = self._keys(call, state, history)
        outcome = self.outcomes.get(key)
        if outcome is not None:
            return outcome
        if tool not in self._known:
            raise ReplayMiss(call.tool, "no logged real call is of this tool")
        if arguments not in self._known:
            raise ReplayMiss(call.tool, f"no logged real call has these arguments: {_short(call.arguments)}")
        if same_state not in self._known:
            raise ReplayMiss(call.tool, "these arguments are logged, but with another initial state")
        raise ReplayMiss(call.tool, "these arguments and this state are logged, but after another history")

    def _keys(self, call: ToolCall, state: bytes, history: bytes) -> tuple[bytes, bytes, bytes, bytes]:
        tool = digest(call.tool)
        arguments = digest(call.arguments, tool)
        same_state = _mix(arguments, state) if self._match_state else arguments
        key = _mix(same_state, history) if self._match_history else same_state
        return tool, arguments, same_state, key


def digest(value: JsonValue, before: bytes = b"") -> bytes:
    """A digest of a JSON value in canonical form, following on `before`.

    Args:
        value: JSON value; the order of keys does not count; 1, 1.0 and true differ.
        before: digest to follow on.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return _mix(before, text.encode())


def history_digest(steps: Iterable[Step], before: bytes = _NO_HISTORY) -> bytes:
    """A digest of steps, following on the digest of those before them."""
    for step in steps:
        if step.outcome.provenance is not Provenance.FORCED:
            call, outcome = step.call, step.outcome
            before = digest([call.tool, call.arguments, outcome.type, outcome.content()], before)
    return before


def _mix(before: bytes, data: bytes) -> bytes:
    return blake2b(before + b"\0" + data, digest_size=_SIZE).digest()


def _short(value: JsonValue) -> str:
    text = json.dumps(value)
    return text if len(text) <= 200 else text[:200] + "..."
