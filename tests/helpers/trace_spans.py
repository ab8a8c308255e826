"""Spans of traces, as instrumentations write them."""

from __future__ import annotations

import json
from typing import Any

from helpers.trace_calls import START, Made, numbered, text, unmarked


def any_value(value: Any) -> dict[str, Any]:
    """OTLP's AnyValue."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": value}


def otlp(spans: list[dict[str, Any]]) -> list[Any]:
    made = []
    for span in spans:
        attributes = [{"key": key, "value": any_value(value)} for key, value in span["attributes"].items()]
        made.append({**span, "attributes": attributes})
    return [{"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": made}]}]}]


def spans_of(
    calls: list[Made], kind: dict[str, Any], keys: tuple[str, str, str, str], title: str = "{tool}"
) -> list[dict[str, Any]]:
    """A tool's span for each call, with these attributes of name, id, arguments and result."""
    name, id_key, arguments, result = keys
    spans = []
    for n, (id_, made) in enumerate(numbered(calls)):
        attributes: dict[str, Any] = {**kind, name: made.tool, arguments: json.dumps(made.arguments)}
        if id_key:
            attributes[id_key] = id_
        span: dict[str, Any] = {"traceId": "t1", "spanId": f"s{n}", "name": title.format(tool=made.tool)}
        span["startTimeUnixNano"] = str(int((START + n) * 1e9))
        span["endTimeUnixNano"] = str(int((START + n + 0.5) * 1e9))
        if made.failed:
            span["status"] = {"code": 2, "message": made.value}
        elif made.answered:
            attributes[result] = text(made.value)
        spans.append({**span, "attributes": attributes})
    return spans


_GENAI = ("gen_ai.tool.name", "gen_ai.tool.call.id", "gen_ai.tool.call.arguments", "gen_ai.tool.call.result")


def genai(calls: list[Made]) -> list[Any]:
    return otlp(spans_of(calls, {"gen_ai.operation.name": "execute_tool"}, _GENAI, "execute_tool {tool}"))


def pydantic_ai(calls: list[Made]) -> list[Any]:
    keys = ("gen_ai.tool.name", "gen_ai.tool.call.id", "tool_arguments", "tool_response")
    return otlp(spans_of(calls, {"logfire.msg": "running tool"}, keys, "running tool"))


def ai_sdk_spans(calls: list[Made]) -> list[Any]:
    keys = ("ai.toolCall.name", "ai.toolCall.id", "ai.toolCall.args", "ai.toolCall.result")
    return otlp(spans_of(calls, {"ai.operationId": "ai.toolCall"}, keys, "ai.toolCall"))


def openinference(calls: list[Made]) -> list[Any]:
    keys = ("tool.name", "", "input.value", "output.value")
    return otlp(spans_of(calls, {"openinference.span.kind": "TOOL"}, keys))


def traceloop(calls: list[Made]) -> list[Any]:
    keys = ("traceloop.entity.name", "", "traceloop.entity.input", "traceloop.entity.output")
    spans = spans_of(calls, {"traceloop.span.kind": "tool"}, keys, "{tool}.tool")
    for span in spans:
        given = json.loads(span["attributes"][keys[2]])
        span["attributes"][keys[2]] = json.dumps({"args": [], "kwargs": given})
    return otlp(spans)


def mlflow(calls: list[Made]) -> list[Any]:
    keys = ("mlflow.spanFunctionName", "", "mlflow.spanInputs", "mlflow.spanOutputs")
    return otlp(spans_of(calls, {"mlflow.spanType": '"TOOL"'}, keys))


def parts_of(calls: list[Made]) -> list[Any]:
    messages: list[Any] = [{"role": "user", "parts": [{"type": "text", "content": "Go."}]}]
    for id_, made in numbered(calls):
        call = {"type": "tool_call", "id": id_, "name": made.tool, "arguments": made.arguments}
        messages.append({"role": "assistant", "parts": [call]})
        if made.answered:
            part = {"type": "tool_call_response", "id": id_, "response": unmarked(made)}
            messages.append({"role": "tool", "parts": [part]})
    return messages


def chat_spans(calls: list[Made], key: str = "gen_ai.input.messages") -> list[Any]:
    """A request after each call, each with all messages before it."""
    spans: list[dict[str, Any]] = []
    for n in range(len(calls) + 1):
        told = json.dumps(parts_of(calls[:n]))
        attributes = {"gen_ai.operation.name": "chat", key: told}
        if n < len(calls):
            call = {"type": "tool_call", "id": f"call_{n}", "name": calls[n].tool}
            message = {"role": "assistant", "parts": [{**call, "arguments": calls[n].arguments}]}
            attributes["gen_ai.output.messages"] = json.dumps([message])
        at = str(int((START + n) * 1e9))
        spans.append({"traceId": "t1", "spanId": f"c{n}", "name": "chat", "startTimeUnixNano": at})
        spans[-1]["attributes"] = attributes
    return otlp(spans)


def message_event(name: str, content: dict[str, Any]) -> dict[str, Any]:
    given = [{"key": "gen_ai.event.content", "value": any_value(json.dumps(content))}]
    return {"name": name, "attributes": given}


def message_events(calls: list[Made]) -> list[Any]:
    """The names of before 2025: an event for each message, as span events."""
    events: list[Any] = []
    for id_, made in numbered(calls):
        function = {"name": made.tool, "arguments": json.dumps(made.arguments)}
        call = {"role": "assistant", "tool_calls": [{"id": id_, "type": "function", "function": function}]}
        events.append(message_event("gen_ai.assistant.message", call))
        if made.answered:
            answer = {"id": id_, "content": text(unmarked(made))}
            events.append(message_event("gen_ai.tool.message", answer))
    span = {"traceId": "t1", "spanId": "c", "name": "chat gpt", "startTimeUnixNano": str(int(START * 1e9))}
    return otlp([{**span, "attributes": {"gen_ai.operation.name": "chat"}, "events": events}])


def openinference_messages(calls: list[Made]) -> list[Any]:
    """Messages field by field, on the span of a model's request."""
    attributes: dict[str, Any] = {"openinference.span.kind": "LLM"}
    n = 0
    for id_, made in numbered(calls):
        prefix = f"llm.input_messages.{n}.message"
        attributes[f"{prefix}.role"] = "assistant"
        attributes[f"{prefix}.tool_calls.0.tool_call.id"] = id_
        attributes[f"{prefix}.tool_calls.0.tool_call.function.name"] = made.tool
        attributes[f"{prefix}.tool_calls.0.tool_call.function.arguments"] = json.dumps(made.arguments)
        n += 1
        if made.answered:
            prefix = f"llm.input_messages.{n}.message"
            attributes[f"{prefix}.role"] = "tool"
            attributes[f"{prefix}.tool_call_id"] = id_
            attributes[f"{prefix}.content"] = text(unmarked(made))
            n += 1
    span = {"traceId": "t1", "spanId": "c", "name": "LLM", "startTimeUnixNano": str(int(START * 1e9))}
    return otlp([{**span, "attributes": attributes}])
