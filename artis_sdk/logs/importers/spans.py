"""OpenTelemetry GenAI spans: `execute_tool`, as OTLP's JSON or as flat spans.

Arguments and results are present only if the instrumentation captured content.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.found import (
    TraceCall,
    TraceSession,
    Unusable,
    arguments,
    outcome_of,
    parsed,
    seconds,
    tool_documents,
)
from artis_sdk.records import Outcome, Provenance, ToolCall, ToolSpec
from artis_sdk.records.outcome_type import mask

_OPERATION: Final = "gen_ai.operation.name"
_TOOL: Final = "gen_ai.tool.name"
_ARGUMENTS: Final = "gen_ai.tool.call.arguments"
_RESULT: Final = "gen_ai.tool.call.result"
_DEFINITIONS: Final = "gen_ai.tool.definitions"
_CONVERSATION: Final = "gen_ai.conversation.id"
_ERRORS: Final = (2, "2", "ERROR", "STATUS_CODE_ERROR")


class Spans:
    """Spans of a file, grouped by conversation, or by trace if they name no conversation."""

    def __init__(self) -> None:
        self._calls: dict[str, list[tuple[float, TraceCall]]] = defaultdict(list)
        self._left_out: dict[str, list[str]] = defaultdict(list)
        self._tools: dict[str, ToolSpec] = {}

    def add(self, value: JsonValue) -> None:
        """Take in a JSON value: an OTLP export, a span, or a list of either.

        Raises:
            Unusable: the value is none of these.
        """
        for span in _flat(value):
            attributes = _attributes(span.get("attributes"))
            self._tools |= tool_documents(parsed(attributes.get(_DEFINITIONS)))
            name = str(span.get("name") or "")
            if attributes.get(_OPERATION) == "execute_tool" or name.startswith("execute_tool "):
                self._add(span, attributes, name.removeprefix("execute_tool "))

    def _add(self, span: dict[str, Any], attributes: dict[str, JsonValue], name: str) -> None:
        context = span.get("context") if isinstance(span.get("context"), dict) else {}
        trace = span.get("traceId") or span.get("trace_id") or (context or {}).get("trace_id")
        session = str(attributes.get(_CONVERSATION) or trace or "")
        if not session:
            raise Unusable("a span has neither a trace nor a conversation")
        tool = str(attributes.get(_TOOL) or name)
        start = _time(span, "startTimeUnixNano", "start_time")
        end = _time(span, "endTimeUnixNano", "end_time")
        if start is None:
            raise Unusable(f"the span of {tool} does not say when it began")
        try:
            call = ToolCall(
                id=str(attributes.get("gen_ai.tool.call.id") or span.get("spanId") or f"{trace}:{start}"),
                tool=tool,
                arguments=_arguments(attributes),
            )
            outcome = _outcome(span, attributes, call)
        except Unusable as error:
            self._left_out[session].append(f"{tool}: {error}")
            return
        if end is not None:
            outcome = outcome.model_copy(update={"duration": max(0.0, end - start)})
        if tool not in self._tools and attributes.get("gen_ai.tool.description"):
            description = str(attributes["gen_ai.tool.description"])
            spec = ToolSpec(name=tool, description=description, parameters={"type": "object"})
            self._tools[tool] = spec
        self._calls[session].append((start, TraceCall(call, outcome, start, end)))

    def sessions(self) -> Iterator[TraceSession]:
        """The conversations, each with its calls in the order in which they began."""
        for name in sorted({*self._calls, *self._left_out}):
            calls = sorted(self._calls[name], key=lambda found: found[0])
            yield TraceSession(name, [found for _, found in calls], self._tools, None, self._left_out[name])


def _flat(value: JsonValue) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
        return
    if not isinstance(value, dict):
        raise Unusable("not a span: it is not an object")
    groups = value.get("resourceSpans", value.get("resource_spans"))
    if isinstance(groups, list):
        for group in groups:
            scopes = group.get("scopeSpans", group.get("scope_spans")) if isinstance(group, dict) else None
            for scope in scopes if isinstance(scopes, list) else ():
                yield from _flat(scope.get("spans", []) if isinstance(scope, dict) else [])
    elif "attributes" in value or "traceId" in value:
        yield value
    else:
        raise Unusable("not a span: it has neither resourceSpans nor attributes")


def _attributes(given: Any) -> dict[str, JsonValue]:
    if isinstance(given, dict):
        return given
    found: dict[str, JsonValue] = {}
    for item in given if isinstance(given, list) else ():
        if isinstance(item, dict) and isinstance(item.get("key"), str):
            found[item["key"]] = _any_value(item.get("value"))
    return found


def _any_value(value: Any) -> JsonValue:
    """OTLP's AnyValue."""
    if not isinstance(value, dict):
        return None
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [_any_value(item) for item in (value["arrayValue"] or {}).get("values", ())]
    if "kvlistValue" in value:
        return dict(_attributes((value["kvlistValue"] or {}).get("values", [])))
    found: JsonValue = next(
        (value[key] for key in ("stringValue", "boolValue", "doubleValue") if key in value), None
    )
    return found


def _arguments(attributes: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if _ARGUMENTS not in attributes:
        raise Unusable("its arguments were not captured")
    return arguments(attributes[_ARGUMENTS])


def _outcome(span: dict[str, Any], attributes: dict[str, JsonValue], call: ToolCall) -> Outcome:
    status = span.get("status") if isinstance(span.get("status"), dict) else {}
    assert isinstance(status, dict)
    code = status.get("code", status.get("status_code"))
    type_ = attributes.get("error.type")
    failed = code in _ERRORS or type_ is not None
    name = str(type_).rpartition(".")[2] if isinstance(type_, str) and type_ != "_OTHER" else None
    if failed and _RESULT not in attributes:
        raised, said = _exception(span.get("events") or ())
        message = said or str(status.get("message") or status.get("description") or "")
        failure = name or raised or (mask(message, call) if message else "failure")
        return Outcome.failure(failure, message, Provenance.REAL, raised=True)
    if _RESULT not in attributes:
        raise Unusable("its result was not captured")
    return outcome_of(parsed(attributes[_RESULT]), failed=failed, failure_type=name, call=call)


def _exception(events: Iterable[Any]) -> tuple[str | None, str | None]:
    """Class and message of a recorded exception."""
    for event in events:
        if isinstance(event, dict) and event.get("name") == "exception":
            found = _attributes(event.get("attributes"))
            type_, message = found.get("exception.type"), found.get("exception.message")
            return (
                str(type_).rpartition(".")[2] if type_ else None,
                None if message is None else str(message),
            )
    return None, None


def _time(span: dict[str, Any], nanoseconds: str, other: str) -> float | None:
    value = span.get(nanoseconds)
    if isinstance(value, str | int) and not isinstance(value, bool):
        try:
            return int(value) / 1e9
        except ValueError:
            return None
    given = span.get(other)
    found = seconds(given)
    if found is not None and isinstance(given, int) and found > 1e12:  # nanoseconds, in spite of the name
        return found / 1e9
    return found
