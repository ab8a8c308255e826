"""Spans of traces, and times in every unit, as importers read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.importers import export, records, rest, shown, write
from helpers.trace_spans import otlp

from artis_sdk.logs import CallLog
from artis_sdk.logs.importers import import_file
from artis_sdk.logs.importers.times import seconds

# --- spans ----------------------------------------------------------------------------------------


def tool_span(trace: str, tool: str, n: int, **fields: Any) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": f"call_{n}",
        "gen_ai.tool.call.arguments": "{}",
        "gen_ai.tool.call.result": "1",
    }
    span = {"traceId": trace, "spanId": f"s{n}", "name": f"execute_tool {tool}", "attributes": attributes}
    return {**span, "startTimeUnixNano": str(n * 10**9), "endTimeUnixNano": str((n + 1) * 10**9), **fields}


def test_documents_belong_to_their_trace(tmp_path: Path) -> None:
    spans = []
    for n, trace in enumerate(["t1", "t2", "t3"]):
        spans.append(tool_span(trace, "look", n))
        if trace != "t3":
            document = {"type": "function", "name": "look", "description": f"In {trace}."}
            definitions = {"gen_ai.tool.definitions": json.dumps([document])}
            spans.append({"traceId": trace, "spanId": f"c{n}", "name": "chat", "attributes": definitions})
    found = records(write(tmp_path / "s.jsonl", *otlp(spans)), "otel")
    assert {r.session: r.spec.description for r in found} == {"t1": "In t1.", "t2": "In t2.", "t3": ""}


def test_a_call_that_several_spans_record_is_one(tmp_path: Path) -> None:
    """An agent, an MCP client and its server: one call."""
    outer = tool_span("t", "look", 1)
    inner = tool_span("t", "look", 2, parentSpanId="x")
    between = {"traceId": "t", "spanId": "x", "name": "POST", "parentSpanId": "s1", "attributes": {}}
    path = write(tmp_path / "s.jsonl", *otlp([inner, between, outer]))
    assert rest(path, "otel") == [f"{path}:1: look: the span around it is the same call"]
    with CallLog(tmp_path / "calls.db") as log:
        assert import_file(path, log, "otel").records == 1


def test_messages_fill_in_what_a_span_did_not_capture(tmp_path: Path) -> None:
    bare = tool_span("t", "look", 5)
    for name in ("arguments", "result"):
        del bare["attributes"][f"gen_ai.tool.call.{name}"]
    call = {"type": "tool_call", "id": "call_5", "name": "look", "arguments": {"at": "a"}}
    answer = {"type": "tool_call_response", "id": "call_5", "response": {"n": 1}}
    told = [{"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [answer]}]
    chat = {"traceId": "t", "spanId": "c", "name": "chat", "startTimeUnixNano": str(7 * 10**9)}
    chat["attributes"] = {"gen_ai.input.messages": json.dumps(told)}  # type: ignore[assignment]
    (found,) = records(write(tmp_path / "s.jsonl", *otlp([bare, chat])), "otel")
    assert shown([found]) == [("look", {"at": "a"}, "success", {"n": 1})]
    assert found.at == 5.0


def test_a_span_and_a_message_of_one_call_are_one(tmp_path: Path) -> None:
    call = {"type": "tool_call", "id": "call_5", "name": "look", "arguments": {}}
    answer = {"type": "tool_call_response", "id": "call_5", "response": 1}
    told = [{"role": "assistant", "parts": [call]}, {"role": "tool", "parts": [answer]}]
    chat = {"traceId": "t", "spanId": "c", "name": "chat", "attributes": {}}
    chat["attributes"] = {"gen_ai.input.messages": json.dumps(told)}
    assert len(records(write(tmp_path / "s.jsonl", *otlp([tool_span("t", "look", 5), chat])), "otel")) == 1


def test_log_records_hold_messages(tmp_path: Path) -> None:
    def value(given: Any) -> dict[str, Any]:
        if isinstance(given, dict):
            return {"kvlistValue": {"values": [{"key": k, "value": value(v)} for k, v in given.items()]}}
        if isinstance(given, list):
            return {"arrayValue": {"values": [value(item) for item in given]}}
        return {"stringValue": given}

    call = {"id": "1", "type": "function", "function": {"name": "look", "arguments": '{"at": "a"}'}}
    choice = {"index": "0", "message": {"role": "assistant", "tool_calls": [call]}}
    bodies = [("gen_ai.choice", choice), ("gen_ai.tool.message", {"id": "1", "content": "fine"})]
    logs = [
        {
            "traceId": "t",
            "timeUnixNano": str(n * 10**9),
            "eventName": name,
            "attributes": [],
            "body": value(body),
        }
        for n, (name, body) in enumerate(bodies, 1)
    ]
    path = write(tmp_path / "l.jsonl", {"resourceLogs": [{"scopeLogs": [{"logRecords": logs}]}]})
    assert shown(records(path, "otel")) == [("look", {"at": "a"}, "success", "fine")]


def test_attributes_of_events_as_strands_writes_them(tmp_path: Path) -> None:
    span = tool_span("t", "look", 1)
    for name in ("arguments", "result"):
        del span["attributes"][f"gen_ai.tool.call.{name}"]

    def event(name: str, **fields: str) -> dict[str, Any]:
        return {
            "name": name,
            "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in fields.items()],
        }

    events = [event("gen_ai.tool.message", role="tool", content='{"at": "a"}', id="call_1")]
    events.append(event("gen_ai.choice", message='[{"type": "text", "text": "fine"}]', id="call_1"))
    path = write(tmp_path / "s.jsonl", *otlp([{**span, "events": events}]))
    assert shown(records(path, "otel")) == [("look", {"at": "a"}, "success", "fine")]


def test_spans_of_jaeger_and_phoenix(tmp_path: Path) -> None:
    tags = [{"key": k, "type": "string", "value": v} for k, v in tool_span("t", "a", 1)["attributes"].items()]
    jaeger: dict[str, Any] = {"traceID": "t", "spanID": "s", "operationName": "execute_tool a", "tags": tags}
    jaeger |= {"startTime": 1_760_000_000_000_000, "duration": 5}
    phoenix = {"name": "b", "context.trace_id": "u", "start_time": "2025-03-01T10:00:00+00:00"}
    phoenix |= {
        "attributes.openinference.span.kind": "TOOL",
        "attributes.input.value": '{"at": "x"}',
        "attributes.output.value": "fine",
    }
    path = write(tmp_path / "s.jsonl", {"data": [{"traceID": "t", "spans": [jaeger]}]}, phoenix)
    found = records(path, "otel")
    assert shown(found) == [("a", {}, "success", 1), ("b", {"at": "x"}, "success", "fine")]
    assert [r.at for r in found] == [1_760_000_000.0, 1740823200.0]


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        1_760_000_000,
        1_760_000_000.0,
        "1760000000",
        1_760_000_000_000,
        "1760000000000",
        1_760_000_000_000_000,
        1_760_000_000_000_000_000,
        "2025-10-09T08:53:20Z",
        "2025-10-09T08:53:20",
        "2025-10-09T10:53:20+02:00",
        "2025-10-09 08:53:20.000 UTC",
        [1_760_000_000, 0],
    ],
)
def test_a_time_in_any_unit(given: Any, tmp_path: Path) -> None:
    assert seconds(given) == 1_760_000_000.0
    call = {"name": "look", "args": {}, "id": "1"}
    chat = [
        {"role": "assistant", "tool_calls": [call], "timestamp": given},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]
    (found,) = records(write(tmp_path / "c.jsonl", chat), "messages")
    assert found.at == 1_760_000_000.0


@pytest.mark.parametrize("given", [None, True, "soon", "", {}, [1], float("nan"), float("inf")])
def test_what_is_no_time(given: Any) -> None:
    assert seconds(given) is None


def test_a_flat_span_in_microseconds(tmp_path: Path) -> None:
    span = {**tool_span("t", "look", 1), "start_time": 1_760_000_000_000_000}
    del span["startTimeUnixNano"], span["endTimeUnixNano"]
    (found,) = records(write(tmp_path / "s.jsonl", span), "otel")
    assert found.at == 1_760_000_000.0
    assert export()["resourceSpans"]
