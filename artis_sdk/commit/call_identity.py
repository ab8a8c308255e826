"""Identity of a real call: its prediction and its idempotency key."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from uuid import NAMESPACE_OID, uuid5

from pydantic import JsonValue

from artis_sdk.commit.journal import JournaledCall
from artis_sdk.records import Outcome, Provenance, Step, ToolCall, ToolSpec
from artis_sdk.records.redacted import without_redacted

_Identity = tuple[str, str]
"""A tool, and its arguments as canonical JSON without secrets."""


class PredictionQueue:
    """Predictions of a rehearsal; each is taken once, by the first call that it fits.

    Args:
        steps: steps of the rehearsed attempt that the commit is compared with.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._waiting: dict[_Identity, deque[Outcome]] = {}
        for step in steps:
            if step.outcome.provenance is not Provenance.FORCED:  # never reached a world
                self._waiting.setdefault(_identity(step.call), deque()).append(step.outcome)

    def take(self, call: ToolCall) -> Outcome | None:
        """The next prediction for this tool and arguments, in rehearsed order; None if all are taken."""
        waiting = self._waiting.get(_identity(call))
        return waiting.popleft() if waiting else None


class IdempotencyKeys:
    """The keys of one plan's calls.

    A call that failed but may have had an effect passes its key on to the next call of the same tool with
    the same arguments: that is a retry. Every other call gets the next new key, and the n-th key of a tool
    with the same arguments is the same whenever and wherever the plan is committed.
    """

    def __init__(self, plan: str) -> None:
        self._plan = plan
        self._given: dict[_Identity, int] = {}
        # As first seen: a session learns more secrets over time, and a retry must still get its call's key.
        self._seen: dict[_Identity, _Identity] = {}
        self._to_retry: defaultdict[_Identity, deque[str]] = defaultdict(deque)
        self._out: dict[str, _Identity] = {}
        """The keys of calls under way, with the calls' secrets; in memory only."""

    def next(self, call: ToolCall, redacted: JsonValue) -> str:
        """The key of the next call.

        Args:
            call: the call.
            redacted: its arguments without secrets. Secrets do not enter: the journal holds the key, and a
                short secret could be found by trying.
        """
        exact = _identity(call)
        if self._to_retry[exact]:
            key = self._to_retry[exact].popleft()
        else:
            without = call.tool, canonical(_common(call.arguments, redacted))
            identity = self._seen.setdefault(exact, without)
            count = self._given[identity] = self._given.get(identity, 0) + 1
            key = self._key(identity, count)
        self._out[key] = exact
        return key

    def ended(self, key: str, *, settled: bool) -> None:
        """Record that a call has ended.

        Args:
            key: key from `next`; any other has no effect.
            settled: whether the effect is certain: the call succeeded, or nothing happened. Its key is then
                not used again.
        """
        identity = self._out.pop(key, None)
        if identity is not None and not settled:
            self._to_retry[identity].append(key)

    def restore(self, calls: Iterable[JournaledCall]) -> None:
        """Go on after the calls that the plan's commit made before it broke off.

        Args:
            calls: calls of the plan, all with a settled state (neither open nor unknown).
        """
        by_identity: defaultdict[_Identity, dict[str, JournaledCall]] = defaultdict(dict)
        for call in calls:
            if call.idempotency_key is not None:
                identity = call.tool, canonical(without_redacted(call.arguments))
                by_identity[identity][call.idempotency_key] = call  # the last that had the key
                self._seen[call.tool, canonical(call.arguments)] = identity
        for identity, last in by_identity.items():
            while (key := self._key(identity, self._given.get(identity, 0) + 1)) in last:
                self._given[identity] = self._given.get(identity, 0) + 1
                made = last[key]
                if made.outcome is None or not made.outcome.ok:
                    self._to_retry[made.tool, canonical(made.arguments)].append(key)

    def _key(self, identity: _Identity, count: int) -> str:
        return str(uuid5(NAMESPACE_OID, "\n".join((self._plan, *identity, str(count)))))


def with_defaults(spec: ToolSpec | None, arguments: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The arguments with the defaults of omitted ones: `pay("ann")` is `pay("ann", note="")`.

    Args:
        spec: spec of the tool, whose schema has the defaults; None for an unknown tool.
        arguments: arguments of a call, by name.
    """
    properties = {} if spec is None else spec.parameters.get("properties", {})
    defaults = {name: schema["default"] for name, schema in properties.items() if "default" in schema}
    return {**defaults, **arguments}


def canonical(value: JsonValue) -> str:
    """JSON text that does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _identity(call: ToolCall) -> _Identity:
    return call.tool, canonical(call.arguments)


def _common(value: JsonValue, redacted: JsonValue) -> JsonValue:
    """The value with null wherever redaction changed it."""
    if isinstance(value, dict) and isinstance(redacted, dict):
        return {key: _common(value[key], redacted[key]) for key in value.keys() & redacted.keys()}
    if isinstance(value, list) and isinstance(redacted, list):
        return [_common(*pair) for pair in zip(value, redacted, strict=False)]
    return value if value == redacted else None
