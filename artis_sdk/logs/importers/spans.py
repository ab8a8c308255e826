"""OpenTelemetry: spans of tools, and calls in the messages of model requests, as OTLP's JSON or flat.

Arguments and results are present only if the instrumentation captured content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.documents import tool_documents
from artis_sdk.logs.importers.format import TraceFormat
from artis_sdk.logs.importers.found import Place, TraceSession, Unusable
from artis_sdk.logs.importers.read import has, parsed, pick
from artis_sdk.logs.importers.results import answered, answered_call, only_block
from artis_sdk.logs.importers.span_messages import numbered, told_by_attributes, told_by_event
from artis_sdk.logs.importers.span_shapes import (
    CONVERSATION,
    DOCUMENTS,
    SPANS,
    SpanShape,
    shape_of,
    span_arguments,
    span_result,
)
from artis_sdk.logs.importers.span_values import attributes_of, exception_of, flat_spans, text_of
from artis_sdk.logs.importers.times import nanoseconds, seconds
from artis_sdk.logs.importers.trace import ToolSpan, TracedCalls
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.records.outcome_type import mask

_ERRORS: Final = (2, "2", "ERROR", "STATUS_CODE_ERROR", "Error")
_STRANDS: Final = "strands-agents"  # writes results as blocks of Bedrock
_DESCRIPTION: Final = "gen_ai.tool.description|tool.description"
_SCHEMA: Final = "gen_ai.tool.json_schema|tool.parameters|tool.json_schema"
_TRACE: Final = "traceId|trace_id|traceID|context.trace_id|context.traceId"
_SPAN: Final = "spanId|span_id|spanID|context.span_id|context.spanId|id"
_PARENT: Final = "parentSpanId|parent_span_id|parent_id|parentId|parentSpanContext.spanId"
_STARTS: Final = ("startTimeUnixNano|start_time_unix_nano|timeUnixNano", "start_time|startTime|timestamp")
_ENDS: Final = ("endTimeUnixNano|end_time_unix_nano", "end_time|endTime")


class Spans:
    """Spans of all files, grouped by trace, and traces by conversation if they name one."""

    def __init__(self) -> None:
        self._traces: dict[str, TracedCalls] = defaultdict(TracedCalls)
        self._talks: dict[str, set[str]] = defaultdict(set)
        """Conversations that a trace's spans name, by trace."""

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """Read an OTLP export, a span, or a list of either. No session is complete yet."""
        for span in list(flat_spans(value)):
            self._add(span, str(place))
        return ()

    def _add(self, span: dict[str, Any], place: str) -> None:
        attributes = attributes_of(span)
        name = text_of(span, "name|operationName|eventName")
        shape = shape_of(name, attributes)
        id_, talk = text_of(span, _TRACE), pick(attributes, CONVERSATION)
        if pick(attributes, "artis.world") == "simulated":
            if pick(attributes, SPANS[0].mark) == "simulate_tool" and (id_ or talk is not None):
                tool = text_of(attributes, SPANS[0].name)
                rehearsed = ToolSpan(tool, place, None, reason="a rehearsal of ours simulated it")
                self._traces[id_ or str(talk)].spans.append(rehearsed)
            return
        before, made = told_by_attributes(attributes, place)
        if not id_ and talk is None:
            if shape is None and not before and not made:
                return
            raise Unusable("a span has neither a trace nor a conversation")
        if talk is not None:
            self._talks[id_ or str(talk)].add(str(talk))
        trace = self._traces[id_ or str(talk)]
        start, end = _time(span, *_STARTS), _time(span, *_ENDS)
        if (parent := text_of(span, _PARENT)) and (number := text_of(span, _SPAN)):
            trace.parents[number] = parent
        for key in DOCUMENTS:
            given = pick(attributes, key)
            trace.tools |= tool_documents(numbered(attributes, key) if given is None else given)
        if shape is not None:
            made_span = _tool_span(span, shape, attributes, name, place, start, end)
            trace.spans.append(made_span)
            document = {"name": made_span.tool, "description": pick(attributes, _DESCRIPTION)}
            if made_span.tool not in trace.tools and has(attributes, f"{_DESCRIPTION}|{_SCHEMA}"):
                trace.tools |= tool_documents([{**document, "parameters": pick(attributes, _SCHEMA)}])
            return
        for event in _events(span):
            before += told_by_event(*event, place)
        if pick(span, "eventName|attributes") is not None and isinstance(span.get("body"), dict):
            body = attributes_of({"attributes": [{"key": "body", "value": span["body"]}]}).get("body")
            event_name = name or text_of(attributes, "event.name")
            before += told_by_event(event_name, body if isinstance(body, dict) else {}, place)
        trace.request(before, made, start, end)

    def rest(self) -> Iterator[TraceSession]:
        """The conversations, each with its calls in the order in which they began."""
        sessions: dict[str, TracedCalls] = {}
        for number, trace in self._traces.items():
            talks = self._talks.get(number, set())
            name = next(iter(talks)) if len(talks) == 1 else number
            known = sessions.setdefault(name, trace)
            if known is not trace:
                known.parents |= trace.parents
                known.spans += trace.spans
                known.requests += trace.requests
                known.tools |= trace.tools
        for name in sorted(sessions):
            yield sessions[name].session(name)


OTEL: Final = TraceFormat(
    "otel", "spans of OpenTelemetry GenAI, OpenInference, OpenLLMetry, AI SDK, pydantic-ai, MLflow", Spans
)


def _tool_span(
    span: dict[str, Any],
    shape: SpanShape,
    attributes: dict[str, JsonValue],
    title: str,
    place: str,
    start: float | None,
    end: float | None,
) -> ToolSpan:
    """The call of a tool's span; without a `call` or an `outcome` if the span does not hold it."""
    for prefix in shape.titles:
        title = title.removeprefix(prefix)
    tool = text_of(attributes, shape.name) or title
    number = text_of(span, _SPAN)
    told = dict(_events(span))
    id_ = text_of(attributes, shape.id) or answered_call(pick(attributes, shape.result))
    found = ToolSpan(tool, place, start, id_ or None, span=number or None, ended=end)
    found.reason = "its result was not captured"
    call = ToolCall(id=id_ or number or f"{tool}:{start}", tool=tool, arguments={})
    found.outcome = _outcome(span, shape, attributes, call, told)
    given = pick(attributes, shape.arguments)
    if given is None:
        given = parsed(told.get("gen_ai.tool.message", {}).get("content"))
    try:
        found.call = call.model_copy(update={"arguments": span_arguments(given)})
        found.outcome = _outcome(span, shape, attributes, found.call, told)
    except Unusable as error:
        found.reason = str(error)  # a message may show them
    if found.outcome is not None and start is not None and end is not None:
        found.outcome = found.outcome.model_copy(update={"duration": max(0.0, end - start)})
    return found


def _outcome(
    span: dict[str, Any],
    shape: SpanShape,
    attributes: dict[str, JsonValue],
    call: ToolCall,
    told: dict[str, dict[str, JsonValue]],
) -> Outcome | None:
    code = pick(span, "status.code|status.status_code|status_code|status")
    type_ = pick(attributes, "error.type")
    failed = code in _ERRORS or type_ is not None
    name = str(type_).rpartition(".")[2] if isinstance(type_, str) and type_ != "_OTHER" else None
    value = pick(attributes, shape.result)
    if value is None:
        value = told.get("gen_ai.choice", {}).get("message")
    if pick(attributes, "gen_ai.system|gen_ai.provider.name") == _STRANDS:
        value = only_block(value)
    if value is None and failed:
        raised, said = exception_of(told.get("exception"))
        message = said or text_of(span, "status.message|status.description|status_message")
        failure = name or raised or (mask(message, call) if message else "failure")
        return Outcome.failure(failure, message, Provenance.REAL, raised=True)
    if value is None and not has(attributes, shape.result):
        return None
    result = answered({"is_error": failed}, span_result(value))
    return result._replace(failure_type=name).outcome(call)


def _events(span: dict[str, Any]) -> Iterator[tuple[str, dict[str, JsonValue]]]:
    events = span.get("events")
    for event in events if isinstance(events, list) else ():
        if isinstance(event, dict):
            yield text_of(event, "name"), attributes_of(event)


def _time(span: dict[str, Any], nano: str, other: str) -> float | None:
    found = nanoseconds(pick(span, nano))
    return found if found is not None else seconds(pick(span, other))
