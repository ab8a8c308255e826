"""OpenTelemetry GenAI spans become call records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from helpers.importers import DOCUMENT, export, records, rest, shown, write


def value(given: Any) -> dict[str, Any]:
    """OTLP's AnyValue."""
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, int):
        return {"intValue": str(given)}
    if isinstance(given, list):
        return {"arrayValue": {"values": [value(item) for item in given]}}
    if isinstance(given, dict):
        return {"kvlistValue": {"values": [{"key": k, "value": value(v)} for k, v in given.items()]}}
    return {"stringValue": given}


def span(
    tool: str, start: float, end: float, *, status: Any = None, events: Any = (), **more: Any
) -> dict[str, Any]:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": f"call-{start:g}",
        **{name.replace("__", "."): given for name, given in more.items()},
    }
    return {
        "traceId": "t1",
        "spanId": f"s{start:g}",
        "name": f"execute_tool {tool}",
        "startTimeUnixNano": str(int(start * 1e9)),
        "endTimeUnixNano": str(int(end * 1e9)),
        "attributes": [{"key": k, "value": value(v)} for k, v in attributes.items()],
        "status": status or {},
        "events": list(events),
    }


ARGUMENTS, RESULT = "gen_ai__tool__call__arguments", "gen_ai__tool__call__result"


def test_spans_of_opentelemetry(tmp_path: Path) -> None:
    failed = span(
        "pay",
        20,
        21,
        status={"code": 2, "message": "no"},
        events=[
            {
                "name": "exception",
                "attributes": [
                    {"key": "exception.type", "value": value("shop.errors.CardDeclined")},
                    {"key": "exception.message", "value": value("the issuer said no")},
                ],
            }
        ],
        **{ARGUMENTS: {"amount": 5, "cards": ["a"]}},
    )
    first = span("look", 10, 12.5, **{ARGUMENTS: '{"at": "a"}', RESULT: '{"n": 1}'})
    chat = {
        "name": "chat gpt",
        "traceId": "t1",
        "attributes": [{"key": "gen_ai.operation.name", "value": value("chat")}],
    }
    path = write(tmp_path / "spans.jsonl", export(failed, chat), export(first))  # as they come, not in order
    found = records(path, "otel")
    assert shown(found) == [
        ("look", {"at": "a"}, "success", {"n": 1}),
        ("pay", {"amount": 5, "cards": ["a"]}, "CardDeclined", {"error": "the issuer said no"}),
    ]
    assert [(r.at, r.outcome.duration, r.session) for r in found] == [(10.0, 2.5, "t1"), (20.0, 1.0, "t1")]
    assert found[0].call.id == "call-10"
    assert [len(r.history) for r in found] == [0, 1]


def test_calls_that_ran_beside_each_other_are_not_each_others_history(tmp_path: Path) -> None:
    more = {ARGUMENTS: {}, RESULT: "x"}
    path = write(
        tmp_path / "s.jsonl",
        export(span("a", 1, 4, **more), span("b", 2, 3, **more), span("c", 3.5, 5, **more)),
    )
    histories = {r.call.tool: [step.call.tool for step in r.history] for r in records(path, "otel")}
    assert histories == {"a": [], "b": [], "c": ["b"]}


def test_flat_spans_conversations_and_an_error_that_was_returned(tmp_path: Path) -> None:
    flat = {
        "name": "execute_tool look",
        "context": {"trace_id": "0x1", "span_id": "0x2"},
        "start_time": "2025-03-01T10:00:00.000000Z",
        "end_time": "2025-03-01T10:00:01.000000Z",
        "attributes": {
            "gen_ai.conversation.id": "talk",
            "gen_ai.tool.name": "look",
            "gen_ai.tool.description": "Look at it.",
            "gen_ai.tool.call.arguments": '{"at": "b"}',
            "gen_ai.tool.call.result": '{"message": "not here"}',
            "error.type": "NotHere",
        },
        "status": {"status_code": "ERROR"},
    }
    (found,) = records(write(tmp_path / "s.json", [flat]), "otel")
    assert shown([found]) == [("look", {"at": "b"}, "NotHere", {"message": "not here"})]
    assert (found.session, found.at, found.spec.description) == ("talk", 1740823200.0, "Look at it.")
    assert not found.outcome.raised


def test_content_that_was_not_captured_makes_no_record(tmp_path: Path) -> None:
    path = write(tmp_path / "s.jsonl", export(span("a", 1, 2), span("b", 3, 4, **{ARGUMENTS: {}})))
    assert rest(path, "otel") == [
        "t1: a: its arguments were not captured",
        "t1: b: its result was not captured",
    ]


def test_tool_documents_of_the_models_spans_are_used(tmp_path: Path) -> None:
    chat = {
        "traceId": "t1",
        "name": "chat",
        "attributes": [{"key": "gen_ai.tool.definitions", "value": value(json.dumps([DOCUMENT]))}],
    }
    path = write(tmp_path / "s.jsonl", export(span("look", 1, 2, **{ARGUMENTS: {}, RESULT: "x"}), chat))
    (found,) = records(path, "otel")
    assert found.spec.parameters["properties"] == {"at": {"type": "string"}}
