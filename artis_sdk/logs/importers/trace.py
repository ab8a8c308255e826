"""Calls of one trace, from the spans of its tools and from the messages of its model requests."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from artis_sdk.logs.codec import dumps
from artis_sdk.logs.imported import LeftOut
from artis_sdk.logs.importers.collect import Calls, FoundCall
from artis_sdk.logs.importers.found import TraceCall, TraceSession
from artis_sdk.records import State, ToolSpec

_SAME_CALL: Final = "the span around it is the same call"


@dataclass
class ToolSpan(FoundCall):
    """A span, or a run, of a tool."""

    span: str | None = None
    ended: float | None = None


class _Told(NamedTuple):
    """Messages that stand before a request, or that it made."""

    at: float | None
    request: Counter[tuple[str, str]]
    """What `Calls.request` takes: one for both parts of a request."""
    messages: Sequence[tuple[dict[str, Any], str]]
    """Each with its place."""


@dataclass
class TracedCalls:
    """Everything of one conversation or trace that concerns tools."""

    parents: dict[str, str] = field(default_factory=dict)
    """Span around each span, by id."""
    spans: list[ToolSpan] = field(default_factory=list)
    requests: list[_Told] = field(default_factory=list)
    """Messages of model requests."""
    tools: dict[str, ToolSpec] = field(default_factory=dict)

    def request(
        self,
        before: Sequence[tuple[dict[str, Any], str]],
        made: Sequence[tuple[dict[str, Any], str]] = (),
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        """Take in a model request.

        Args:
            before: messages before it, with their places.
            made: messages that it made.
            start, end: its times, in seconds since the epoch.
        """
        seen: Counter[tuple[str, str]] = Counter()
        self.requests += (
            _Told(start, seen, before),
            _Told(end if end is not None else start, seen, made),
        )

    def session(self, name: str, state: State = None) -> TraceSession:
        """The calls: one of each tool span, and those that only messages show."""
        spans, left_out = self._outermost()
        told = Calls(once=True)
        for at, request, messages in sorted(self.requests, key=lambda part: _late(part.at)):
            told.request(request)
            for message, place in messages:
                told.message(message, place, at)
        found = self._only_told(told.each(), spans)
        left_out += [LeftOut(f.tool, f.reason, f.place) for f in found if not f.call or not f.outcome]
        calls = [
            TraceCall(f.call, f.outcome, f.at, f.ended if isinstance(f, ToolSpan) else None, f.place)
            for f in sorted(found, key=lambda f: _late(f.at))
            if f.call and f.outcome
        ]
        lost = [item for item in told.lost if not self.spans]
        return TraceSession(name, calls, self.tools, state, [*left_out, *lost])

    def _outermost(self) -> tuple[list[ToolSpan], list[LeftOut]]:
        """The tool spans, each call once: an agent, an MCP client and its server may all record it."""
        by_id: dict[str | None, ToolSpan] = {span.span: span for span in self.spans}
        gone: set[int] = set()
        left_out: list[LeftOut] = []
        for span in self.spans:
            outer = self._around(span, by_id)
            if outer is None or id(outer) in gone:
                continue
            worse = outer if not _whole(outer) and _whole(span) else span
            gone.add(id(worse))
            left_out.append(LeftOut(worse.tool, _SAME_CALL, worse.place))
        return [span for span in self.spans if id(span) not in gone], left_out

    def _around(self, span: ToolSpan, by_id: dict[str | None, ToolSpan]) -> ToolSpan | None:
        """The span of the same call that holds this one."""
        number, seen = self.parents.get(span.span or ""), set[str]()
        while number is not None and number not in seen:
            seen.add(number)
            outer = by_id.get(number)
            if outer is not None and outer.tool == span.tool:
                same = not (outer.call and span.call) or outer.call.arguments == span.call.arguments
                return outer if same else None
            number = self.parents.get(number)
        return None

    def _only_told(self, told: Iterable[FoundCall], spans: list[ToolSpan]) -> list[FoundCall]:
        """The spans' calls, and the messages' calls that no span is of."""
        by_call: dict[str | None, int] = {s.id: n for n, s in enumerate(spans) if s.id is not None}
        equal = Counter(_key(span) for span in spans if span.call)
        found: list[FoundCall] = list(spans)
        for item in told:
            number = by_call.get(item.id)
            if number is None and item.call and equal[_key(item)]:
                equal[_key(item)] -= 1
            elif number is None:
                found.append(item)
            elif not _whole(found[number]) and item.call and (item.outcome or spans[number].outcome):
                item.at = spans[number].at if spans[number].at is not None else item.at
                item.outcome = item.outcome or spans[number].outcome
                found[number] = item
        return found


def _whole(found: FoundCall) -> bool:
    return found.call is not None and found.outcome is not None


def _key(found: FoundCall) -> tuple[str, str]:
    return found.tool, dumps(found.call.arguments) if found.call else ""


def _late(at: float | None) -> float:
    """For sorting: what has no time comes last, in the order of the file."""
    return math.inf if at is None else at
