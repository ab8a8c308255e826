"""Identity of a real call: its idempotency key."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import replace
from uuid import NAMESPACE_OID, uuid5

from pydantic import JsonValue

from artis_sdk.commit.journal import JournaledCall
from artis_sdk.records import ToolCall
from artis_sdk.records.redacted import without_redacted
from artis_sdk.records.same_call import canonical
from artis_sdk.tools.guarded import Invocation

_Identity = tuple[str, str]
"""A tool, and its arguments as canonical JSON without secrets."""


class IdempotencyKeys:
    """The keys of one plan's calls.

    A call that failed but may have had an effect passes its key on to the next call of the same tool with
    the same arguments: that is a retry. Every other call gets the next new key, and the n-th key of a tool
    with the same arguments is the same whenever and wherever the plan is committed.
    """

    def __init__(self, plan: str) -> None:
        self._plan = plan
        self._given: dict[_Identity, int] = {}
        # The identity as first redacted: a session learns more secrets over time, and a retry must still find
        # the key of its call.
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

    def filled_in(self, invocation: Invocation, redacted: JsonValue) -> tuple[Invocation, str | None]:
        """A call with its idempotency key, and the key; the caller's own key if it passed one, and None if
        the tool takes none.

        Args:
            invocation: the call.
            redacted: its arguments without secrets, see `next`.
        """
        name = invocation.tool.idempotency_key
        if name is None:
            return invocation, None
        key = invocation.kwargs.get(name)
        if key is None:
            key = self.next(invocation.call, redacted)
            invocation = replace(invocation, kwargs={**invocation.kwargs, name: key})
        return invocation, str(key)

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
        """Continue after the calls that the plan's commit made before it was interrupted.

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


def _identity(call: ToolCall) -> _Identity:
    return call.tool, canonical(call.arguments)


def _common(value: JsonValue, redacted: JsonValue) -> JsonValue:
    """The value with null wherever redaction changed it."""
    if isinstance(value, dict) and isinstance(redacted, dict):
        return {key: _common(value[key], redacted[key]) for key in value.keys() & redacted.keys()}
    if isinstance(value, list) and isinstance(redacted, list):
        return [_common(*pair) for pair in zip(value, redacted, strict=False)]
    return value if value == redacted else None
