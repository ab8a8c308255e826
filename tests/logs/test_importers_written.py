"""What logs that libraries wrote themselves have shown, rebuilt small (`benchmarks/written_logs.py`)."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from helpers.importers import records, rest, shown, write
from helpers.trace_calls import Made
from helpers.trace_runs import inspect_one

from artis_sdk.logs.importers import convert
from artis_sdk.records.outcome_type import doubtful_rule


def tool_span(**more: Any) -> dict[str, Any]:
    """A span of a tool as OpenTelemetry's console writes it."""
    context = {"trace_id": "0xt", "span_id": "0xs"}
    return {"name": "pay", "context": context, "start_time": "2026-11-29T12:00:00Z", "events": [], **more}


def test_a_message_of_langchain_as_a_tools_output(tmp_path: Path) -> None:
    """OpenInference: the span says OK, the message in it that the tool failed; one argument has no name."""
    message = {"content": "no such account", "type": "tool", "tool_call_id": "c1", "status": "error"}
    call = {"role": "assistant", "tool_calls": [{"tool_call": {"id": "c1", "function": {"name": "pay"}}}]}
    call["tool_calls"][0]["tool_call"]["function"]["arguments"] = '{"to": "a"}'  # type: ignore[index]
    path = write(
        tmp_path / "s.jsonl",
        tool_span(
            status={"status_code": "OK"},
            attributes={
                "openinference.span.kind": "TOOL",
                "tool.name": "pay",
                "tool.parameters": '{"type": "object", "title": "Pay"}',
                "input.value": "a",
                "output.value": json.dumps({"type": "tool", "data": message}),
            },
        ),
        tool_span(
            name="model",
            context={"trace_id": "0xt", "span_id": "0xm"},
            attributes={"llm.output_messages": [{"message": call}]},
        ),
    )
    (found,) = records(path, "otel")
    assert shown([found]) == [("pay", {"to": "a"}, "no such account", {"error": "no such account"})]
    assert found.spec.parameters == {"type": "object", "title": "Pay"}


def test_blocks_of_strands(tmp_path: Path) -> None:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.provider.name": "strands-agents",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.call.arguments": '{"a": 1}',
        "gen_ai.tool.call.result": '[{"text": "3"}]',
    }
    assert shown(records(write(tmp_path / "s.jsonl", tool_span(attributes=attributes)), "otel")) == [
        ("add", {"a": 1}, "success", 3)
    ]
    attributes["gen_ai.provider.name"] = "another"
    assert records(write(tmp_path / "s.jsonl", tool_span(attributes=attributes)), "otel")[
        0
    ].outcome.value == [{"text": "3"}]


def test_the_only_run_of_a_trace_that_was_exported(tmp_path: Path) -> None:
    """LangSmith's root runs hold the messages of the whole run."""
    messages = [
        {"type": "human", "content": "Go."},
        {"type": "ai", "content": "", "tool_calls": [{"name": "pay", "args": {"amount": 7}, "id": "1"}]},
        {"type": "tool", "content": "no such account", "tool_call_id": "1", "status": "error"},
    ]
    run = {"id": "r", "run_type": "chain", "inputs": {"messages": [["user", "Go."]]}}
    path = write(tmp_path / "r.jsonl", {**run, "outputs": {"messages": messages}})
    assert shown(records(path, "langsmith")) == [
        ("pay", {"amount": 7}, "no such account", {"error": "no such account"})
    ]
    observation = {"id": "o", "traceId": "t", "type": "AGENT", "output": {"messages": messages[:2]}}
    path = write(tmp_path / "o.jsonl", observation)
    assert rest(path, "langfuse") == [f"{path}:1 output[1].tool_calls[0]: pay: it has no result"]


def test_a_result_of_mcp_that_is_no_object(tmp_path: Path) -> None:
    """As it is where the tool is called by a session."""
    result = {
        "content": [{"type": "text", "text": "3"}],
        "structuredContent": {"result": 3},
        "isError": False,
    }
    path = write(
        tmp_path / "w.jsonl",
        {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "add"}},
        {"jsonrpc": "2.0", "id": 1, "result": result},
    )
    assert shown(records(path, "mcp")) == [("add", {}, "success", 3)]


@pytest.mark.parametrize("alone", [True, False])
def test_a_response_of_anthropic_is_a_message(tmp_path: Path, alone: bool) -> None:
    """What its servers' tools did stands in the response."""
    use = {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {"query": "q"}}
    result = {"type": "web_search_tool_result", "tool_use_id": "1", "content": []}
    more = {"type": "tool_use", "id": "2", "name": "look", "input": {}}
    response = {"type": "message", "role": "assistant", "content": [use, result, more]}
    request = {"messages": [{"role": "user", "content": "Go."}]}
    value = response if alone else {"request": request, "response": response}
    found = list(convert(write(tmp_path / "c.jsonl", value), "messages"))
    assert shown(found[:1]) == [("web_search", {"query": "q"}, "success", [])]  # type: ignore[arg-type]
    assert [str(item).partition(": ")[2] for item in found[1:]] == ["look: it has no result"]


def test_a_search_for_tools_on_openais_server(tmp_path: Path) -> None:
    """Neither the call nor its result has a call's id."""
    items = [
        {"type": "tool_search_call", "id": "tsc", "call_id": None, "arguments": {"paths": ["a"]}},
        {"type": "tool_search_output", "id": "tso", "call_id": None, "tools": [{"name": "look"}]},
    ]
    path = write(tmp_path / "r.jsonl", {"output": items})
    assert shown(records(path, "messages")) == [
        ("tool_search", {"paths": ["a"]}, "success", [{"name": "look"}])
    ]


def test_an_eval_file_of_today_is_compressed_with_zstd(tmp_path: Path) -> None:
    (sample,) = inspect_one([Made("look", {"at": "a"}, "fine")])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(
            "samples/s_epoch_1.json", pyarrow.compress(json.dumps(sample).encode(), "zstd", asbytes=True)
        )
    content = bytearray(archive.getvalue())
    for header, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        struct.pack_into("<H", content, content.index(header) + method, 93)
    path = tmp_path / "log.eval"
    path.write_bytes(content)
    assert shown(records(path, "inspect")) == [("look", {"at": "a"}, "success", "fine")]


@pytest.mark.parametrize("said", ["An error occurred while running the tool.", "an internal error occurred"])
def test_what_openai_agents_tells_of_a_failure_is_doubtful(said: str) -> None:
    found = doubtful_rule(said)
    assert found is not None
    assert (found.rule, found.failure) == ("text", False)
