"""Runs and session files of tools that keep whole runs."""

from __future__ import annotations

import json
from typing import Any

from helpers.trace_calls import START, Made, iso, numbered, text
from helpers.trace_messages import (
    anthropic,
    langchain_dumped,
    openai_chat,
    openai_responses,
)


def langsmith(calls: list[Made]) -> list[Any]:
    """Runs of LangChain's tools, whose input is the text of a dict."""
    rows: list[Any] = [{"id": "r", "run_type": "chain", "name": "agent", "trace_id": "r", "inputs": {}}]
    for n, (id_, made) in enumerate(numbered(calls)):
        row: dict[str, Any] = {"id": f"r{n}", "run_type": "tool", "name": made.tool, "trace_id": "r"}
        row |= {
            "parent_run_id": "r",
            "inputs": {"input": str(made.arguments)},
            "error": None,
            "outputs": None,
        }
        row["start_time"] = iso(START + n).removesuffix("Z")
        if made.answered:
            row["end_time"] = iso(START + n + 0.5).removesuffix("Z")
        if made.failed:
            row["error"] = f"{made.value}Traceback (most recent call last):\n ..."
        elif made.answered:
            content = {"content": text(made.value), "type": "tool", "tool_call_id": id_, "status": "success"}
            row["outputs"] = {"output": content}
        rows.append(row)
    return rows


def langsmith_traceable(calls: list[Made]) -> list[Any]:
    """Runs of `@traceable(run_type="tool")` functions, inside their parent."""
    rows = langsmith(calls)
    for row, made in zip(rows[1:], calls, strict=True):
        row["inputs"] = made.arguments
        if row["outputs"] is not None:
            row["outputs"] = {"output": made.value}
    return [{**rows[0], "child_runs": rows[1:]}]


def langsmith_models(calls: list[Made]) -> list[Any]:
    """A run of a model, whose messages show the calls."""
    messages = langchain_dumped(calls)[0]["messages"]
    generation = {"generations": [[{"text": "Done.", "message": {"type": "ai", "content": "Done."}}]]}
    row: dict[str, Any] = {
        "id": "m",
        "run_type": "llm",
        "name": "ChatOpenAI",
        "trace_id": "r",
        "start_time": iso(START),
    }
    return [{**row, "inputs": {"messages": [messages]}, "outputs": generation}]


def langfuse(calls: list[Made]) -> list[Any]:
    rows = []
    for n, (_, made) in enumerate(numbered(calls)):
        row: dict[str, Any] = {
            "id": f"o{n}",
            "traceId": "t",
            "type": "TOOL",
            "name": made.tool,
            "input": made.arguments,
        }
        row |= {"startTime": iso(START + n), "output": None, "level": "DEFAULT", "statusMessage": None}
        if made.answered:
            row["endTime"] = iso(START + n + 0.5)
        if made.failed:
            row |= {"level": "ERROR", "statusMessage": made.value}
        elif made.answered:
            row["output"] = made.value
        rows.append(row)
    return rows


def langfuse_trace(calls: list[Made]) -> list[Any]:
    return [{"id": "t", "sessionId": "s", "name": "run", "observations": langfuse(calls)}]


def langfuse_generation(calls: list[Made]) -> list[Any]:
    row: dict[str, Any] = {
        "id": "g",
        "trace_id": "t",
        "type": "GENERATION",
        "name": "chat",
        "start_time": iso(START),
    }
    row |= {"input": json.dumps(openai_chat(calls)[0]), "output": json.dumps({"role": "assistant"})}
    return [row]


# --- other files ----------------------------------------------------------------------------------


def inspect_sample(calls: list[Made], *, events: bool) -> dict[str, Any]:
    messages: list[Any] = [{"role": "user", "content": "Go."}]
    told = []
    for n, (id_, made) in enumerate(numbered(calls)):
        call = {"id": id_, "function": made.tool, "arguments": made.arguments, "type": "function"}
        messages.append({"role": "assistant", "content": "", "tool_calls": [call]})
        event: dict[str, Any] = {
            "event": "tool",
            **call,
            "timestamp": iso(START + n),
            "result": "",
            "error": None,
        }
        error = {"type": "unknown", "message": made.value} if made.failed else None
        if made.answered:
            content = made.value if made.failed else text(made.value)
            answer: dict[str, Any] = {
                "role": "tool",
                "tool_call_id": id_,
                "function": made.tool,
                "content": content,
            }
            messages.append(answer | ({"error": error} if error else {}))
            event |= {"result": "" if made.failed else text(made.value), "error": error}
            event["completed"] = iso(START + n + 0.5)
        else:
            event["pending"] = True
        told.append(event)
    sample = {"id": "s", "epoch": 1, "messages": messages}
    return {**sample, "events": told} if events else sample


def inspect_log(calls: list[Made]) -> list[Any]:
    samples = [inspect_sample(calls, events=False)]
    return [{"version": 2, "status": "success", "eval": {"run_id": "r"}, "samples": samples}]


def inspect_events(calls: list[Made]) -> list[Any]:
    samples = [inspect_sample(calls, events=True)]
    return [{"version": 2, "status": "success", "eval": {"run_id": "r"}, "samples": samples}]


def inspect_one(calls: list[Made]) -> list[Any]:
    return [inspect_sample(calls, events=True)]


def tau2_simulation(calls: list[Made]) -> dict[str, Any]:
    messages: list[Any] = [{"role": "assistant", "content": "Hi!"}]
    for n, (id_, made) in enumerate(numbered(calls)):
        call = {"id": id_, "name": made.tool, "arguments": made.arguments, "requestor": "assistant"}
        messages.append({"role": "assistant", "tool_calls": [call], "timestamp": iso(START + n)})
        if made.answered:
            content = f"Error: {made.value}" if made.failed else text(made.value)
            messages.append({"role": "tool", "id": id_, "content": content, "error": made.failed})
    return {"id": "sim-1", "task_id": "3", "trial": 0, "messages": messages}


def tau2(calls: list[Made]) -> list[Any]:
    return [{"timestamp": iso(START), "info": {}, "tasks": [], "simulations": [tau2_simulation(calls)]}]


def tau2_single(calls: list[Made]) -> list[Any]:
    """The layout with a file for each simulation: the index, then the simulation."""
    index = {"timestamp": iso(START), "info": {}, "tasks": [], "simulation_index": [{"id": "sim-1"}]}
    return [index, tau2_simulation(calls)]


def tau2_voice(calls: list[Made]) -> list[Any]:
    """A voice simulation, whose messages stand in ticks."""
    ticks = []
    for n, message in enumerate(tau2_simulation(calls)["messages"][1:]):
        tick = {"tick_id": n, "timestamp": iso(START + n), "agent_tool_calls": [], "agent_tool_results": []}
        if message["role"] == "tool":
            tick["agent_tool_results"] = [{**message, "timestamp": iso(START + n)}]
        else:
            tick["agent_tool_calls"] = message["tool_calls"]
        ticks.append(tick)
    return [{"id": "sim-1", "task_id": "3", "trial": 0, "messages": None, "ticks": ticks}]


def claude_code(calls: list[Made], **fields: Any) -> list[Any]:
    lines: list[Any] = [{"type": "summary", "summary": "A task", "leafUuid": "u"}]
    for n, message in enumerate(anthropic(calls)[0]["messages"]):
        line = {"type": message["role"], "message": message, "uuid": f"u{n}", "sessionId": "s"}
        lines.append({**line, "timestamp": iso(START + n), "isSidechain": False, **fields})
    return lines


def claude_code_agent(calls: list[Made]) -> list[Any]:
    return claude_code(calls, isSidechain=True, agentId="a1")


def claude_code_resumed(calls: list[Made]) -> list[Any]:
    """A session that was resumed: its lines stand there twice."""
    lines = claude_code(calls)
    return lines + lines


def codex(calls: list[Made]) -> list[Any]:
    lines: list[Any] = [{"timestamp": iso(START), "type": "session_meta", "payload": {"id": "s"}}]
    for n, item in enumerate(openai_responses(calls)[0]["input"]):
        lines.append({"timestamp": iso(START + n), "type": "response_item", "payload": item})
        lines.append({"timestamp": iso(START + n), "type": "event_msg", "payload": {"type": "token_count"}})
    return lines


def codex_old(calls: list[Made]) -> list[Any]:
    """Files of 2025's first half: bare items."""
    return [{"id": "s", "timestamp": iso(START)}, *openai_responses(calls)[0]["input"]]


def codex_mcp(calls: list[Made]) -> list[Any]:
    """Calls of MCP servers, which only events tell of."""
    lines: list[Any] = [{"timestamp": iso(START), "type": "session_meta", "payload": {"id": "s"}}]
    for n, (id_, made) in enumerate(numbered(calls)):
        invocation = {"server": "", "tool": made.tool, "arguments": made.arguments}
        payload: dict[str, Any] = {"type": "mcp_tool_call_end", "call_id": id_, "invocation": invocation}
        content = {"content": [{"type": "text", "text": text(made.value)}]}
        payload["result"] = {"Err": made.value} if made.failed else {"Ok": {**content, "isError": False}}
        lines.append({"timestamp": iso(START + n), "type": "event_msg", "payload": payload})
    return lines


def mcp(calls: list[Made]) -> list[Any]:
    lines: list[Any] = []
    for n, made in enumerate(calls):
        params = {"name": made.tool, "arguments": made.arguments}
        lines.append({"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": params})
        if made.answered:
            content = [{"type": "text", "text": text(made.value)}]
            lines.append({"jsonrpc": "2.0", "id": n, "result": {"content": content, "isError": made.failed}})
    return lines


def mcp_logged(calls: list[Made]) -> list[Any]:
    """Lines of a logger, with each message in a field, as a text."""
    return [{"timestamp": iso(START + n), "message": json.dumps(line)} for n, line in enumerate(mcp(calls))]


def mcp_both_sides(calls: list[Made]) -> list[Any]:
    """Each message when it was sent and again when it was received."""
    return [{"ts": START + n, "payload": line} for n, line in enumerate(mcp(calls)) for _ in range(2)]
