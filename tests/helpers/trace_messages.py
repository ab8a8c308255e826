"""Transcripts of messages, as providers and frameworks write them."""

from __future__ import annotations

import json
from typing import Any

from helpers.importers import DOCUMENT
from helpers.trace_calls import Made, numbered, text, unmarked


def openai_chat(calls: list[Made]) -> list[Any]:
    messages: list[Any] = [{"role": "user", "content": "Go."}]
    for id_, made in numbered(calls):
        function = {"name": made.tool, "arguments": json.dumps(made.arguments)}
        messages.append(
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": id_, "type": "function", "function": function}],
            }
        )
        if made.answered:
            messages.append({"role": "tool", "tool_call_id": id_, "content": text(unmarked(made))})
    return [{"messages": messages, "tools": [DOCUMENT]}]


def openai_pairs(calls: list[Made]) -> list[Any]:
    """A proxy's log: the last request, which repeats all messages, and its response."""
    (chat,) = openai_chat(calls)
    response = {"choices": [{"message": {"role": "assistant", "content": "Done."}}]}
    return [{"request": chat, "response": response, "id": "r1"}]


def openai_responses(calls: list[Made]) -> list[Any]:
    items: list[Any] = [{"type": "message", "role": "user", "content": "Go."}]
    for id_, made in numbered(calls):
        arguments = json.dumps(made.arguments)
        items.append({"type": "function_call", "call_id": id_, "name": made.tool, "arguments": arguments})
        if made.answered:
            output = text(unmarked(made))
            items.append({"type": "function_call_output", "call_id": id_, "output": output})
    return [{"input": items, "output": [{"type": "message", "role": "assistant", "content": []}]}]


def openai_mcp(calls: list[Made]) -> list[Any]:
    items: list[Any] = [{"type": "mcp_list_tools", "server_label": "s", "tools": []}]
    for id_, made in numbered(calls):
        item: dict[str, Any] = {"type": "mcp_call", "id": id_, "server_label": "s", "name": made.tool}
        item |= {"arguments": json.dumps(made.arguments), "output": None, "error": None}
        if made.answered:
            item["error" if made.failed else "output"] = made.value if made.failed else text(made.value)
        items.append(item)
    return [{"object": "response", "id": "resp_1", "output": items}]


def anthropic(calls: list[Made], use: str = "tool_use", result: str = "tool_result") -> list[Any]:
    messages: list[Any] = []
    for id_, made in numbered(calls):
        block = {"type": use, "id": id_, "name": made.tool, "input": made.arguments}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": "I look."}, block]})
        if made.answered:
            answer: dict[str, Any] = {
                "type": result,
                "tool_use_id": id_,
                "content": [{"type": "text", "text": text(made.value)}],
            }
            if made.failed:
                answer["is_error"] = True
            messages.append({"role": "user", "content": [answer]})
    return [{"messages": messages}]


def anthropic_mcp(calls: list[Made]) -> list[Any]:
    return anthropic(calls, "mcp_tool_use", "mcp_tool_result")


def langchain(calls: list[Made]) -> list[Any]:
    messages: list[Any] = []
    for id_, made in numbered(calls):
        call = {"name": made.tool, "args": made.arguments, "id": id_, "type": "tool_call"}
        messages.append({"type": "ai", "content": "", "tool_calls": [call], "invalid_tool_calls": []})
        if made.answered:
            status = "error" if made.failed else "success"
            answer: dict[str, Any] = {
                "type": "tool",
                "tool_call_id": id_,
                "content": text(made.value),
                "status": status,
            }
            messages.append(answer)
    return [messages]


def langchain_dumped(calls: list[Made]) -> list[Any]:
    """As `langchain_core.load.dumps` writes it."""
    names = {"ai": "AIMessage", "tool": "ToolMessage"}
    made = []
    for message in langchain(calls)[0]:
        path = ["langchain", "schema", "messages", names[message.pop("type")]]
        made.append({"lc": 1, "type": "constructor", "id": path, "kwargs": message})
    return [{"messages": made}]


def ai_sdk(calls: list[Made]) -> list[Any]:
    messages: list[Any] = []
    for id_, made in numbered(calls):
        call = {"type": "tool-call", "toolCallId": id_, "toolName": made.tool, "input": made.arguments}
        messages.append({"role": "assistant", "content": [call]})
        if made.answered:
            kind = ("error-text" if made.failed else "text") if isinstance(made.value, str) else "json"
            output = {"type": kind, "value": made.value}
            part = {"type": "tool-result", "toolCallId": id_, "toolName": made.tool, "output": output}
            messages.append({"role": "tool", "content": [part]})
    return [{"messages": messages}]


def ai_sdk_ui(calls: list[Made]) -> list[Any]:
    """Messages of `useChat`, version 5."""
    parts: list[Any] = [{"type": "step-start"}]
    for id_, made in numbered(calls):
        part = {"type": f"tool-{made.tool}", "toolCallId": id_, "input": made.arguments}
        if not made.answered:
            part["state"] = "input-available"
        elif made.failed:
            part |= {"state": "output-error", "errorText": made.value}
        else:
            part |= {"state": "output-available", "output": made.value}
        parts.append(part)
    return [{"id": "chat", "messages": [{"id": "m", "role": "assistant", "parts": parts}]}]


def ai_sdk_old(calls: list[Made]) -> list[Any]:
    """Messages of `useChat`, version 4."""
    parts = []
    for id_, made in numbered(calls):
        inner = {"toolCallId": id_, "toolName": made.tool, "args": made.arguments, "state": "call"}
        if made.answered:
            inner |= {"state": "result", "result": unmarked(made)}
        parts.append({"type": "tool-invocation", "toolInvocation": inner})
    return [{"id": "chat", "messages": [{"role": "assistant", "content": "", "parts": parts}]}]


def bedrock(calls: list[Made]) -> list[Any]:
    messages: list[Any] = []
    for id_, made in numbered(calls):
        use = {"toolUseId": id_, "name": made.tool, "input": made.arguments}
        messages.append({"role": "assistant", "content": [{"text": "I look."}, {"toolUse": use}]})
        if made.answered:
            block = {"text": made.value} if isinstance(made.value, str) else {"json": made.value}
            status = "error" if made.failed else "success"
            answer: dict[str, Any] = {"toolUseId": id_, "content": [block], "status": status}
            messages.append({"role": "user", "content": [{"toolResult": answer}]})
    return [{"messages": messages, "toolConfig": {"tools": []}}]


def gemini(calls: list[Made]) -> list[Any]:
    contents: list[Any] = [{"role": "user", "parts": [{"text": "Go."}]}]
    for _, made in numbered(calls):
        call = {"name": made.tool, "args": made.arguments}
        contents.append({"role": "model", "parts": [{"functionCall": call}]})
        if made.answered:
            response = {"error" if made.failed else "output": made.value}
            part = {"functionResponse": {"name": made.tool, "response": response}}
            contents.append({"role": "user", "parts": [part]})
    return [{"contents": contents, "tools": [{"functionDeclarations": []}]}]
