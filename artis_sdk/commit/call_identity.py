"""Which call is which: a real call's prediction, and its idempotency key."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from uuid import NAMESPACE_OID, uuid5

from pydantic import JsonValue

from artis_sdk.records import Outcome, Provenance, Step, ToolCall


class PredictionQueue:
    """What a rehearsal predicted; each prediction is taken once, by the first call that it fits.

    Args:
        steps: the rehearsed attempt that the commit is compared with.
    """

    def __init__(self, steps: Iterable[Step]) -> None:
        self._waiting: dict[tuple[str, str], deque[Outcome]] = {}
        for step in steps:
            if step.outcome.provenance is not Provenance.FORCED:  # never reached a world
                self._waiting.setdefault(_identity(step.call), deque()).append(step.outcome)

    def take(self, call: ToolCall) -> Outcome | None:
        """The prediction for the same tool and arguments, in rehearsed order; None if there is none left."""
        waiting = self._waiting.get(_identity(call))
        return waiting.popleft() if waiting else None


class IdempotencyKeys:
    """The keys of one plan's calls.

    The n-th call of a tool with the same arguments has the same key whenever and wherever the plan is
    committed, so that a retry gives it again and a second call that is wanted gives another one.
    """

    def __init__(self, plan: str) -> None:
        self._plan = plan
        self._given: dict[tuple[str, str], int] = {}
        # As first seen: what a session knows of secrets grows, and a retry has its call's key all the same.
        self._seen: dict[tuple[str, str], tuple[str, str]] = {}

    def next(self, call: ToolCall, redacted: JsonValue) -> str:
        """The key of the next call.

        Args:
            call: the call.
            redacted: its arguments without secrets. Secrets do not enter: the journal holds the key,
                and a short secret could be found by trying.
        """
        without = call.tool, canonical(_common(call.arguments, redacted))
        identity = self._seen.setdefault(_identity(call), without)
        count = self._given[identity] = self._given.get(identity, 0) + 1
        return str(uuid5(NAMESPACE_OID, "\n".join((self._plan, *identity, str(count)))))


def canonical(value: JsonValue) -> str:
    """JSON text that does not depend on the order of keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _identity(call: ToolCall) -> tuple[str, str]:
    return call.tool, canonical(call.arguments)


def _common(value: JsonValue, redacted: JsonValue) -> JsonValue:
    """The value with null wherever redaction has changed it."""
    if isinstance(value, dict) and isinstance(redacted, dict):
        return {key: _common(value[key], redacted[key]) for key in value.keys() & redacted.keys()}
    if isinstance(value, list) and isinstance(redacted, list):
        return [_common(*pair) for pair in zip(value, redacted, strict=False)]
    return value if value == redacted else None
