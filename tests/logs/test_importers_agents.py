"""What session files of Claude Code 2.1.197 and Codex 0.171.0 have shown, rebuilt small
(`benchmarks/coding_agents.py`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from helpers.importers import records, rest, shown, write

from artis_sdk.logs import CallLog
from artis_sdk.logs.importers import import_file

FRAME = "Chunk ID: d4b956\nWall time: 0.0071 seconds\n{}\nOriginal token count: 2\nOutput:\n{}"


def claude_code(folder: Path, tool: str, answer: dict[str, Any], **line: Any) -> Path:
    """A session file with one call and its answer; `line` stands beside the answer's message."""
    use = {"type": "tool_use", "id": "toolu_1", "name": tool, "input": {"a": 1}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", **answer}
    return write(
        folder / "s.jsonl",
        {"type": "queue-operation", "operation": "enqueue", "sessionId": "s", "content": "Go."},
        {"type": "assistant", "sessionId": "s", "message": {"role": "assistant", "content": [use]}},
        {"type": "user", "sessionId": "s", "message": {"role": "user", "content": [result]}, **line},
    )


@pytest.mark.parametrize(
    "line",
    [
        {"toolUseResult": '{"result":3}', "mcpMeta": {"structuredContent": {"result": 3}}},
        {"tool_use_result": {"content": '{"result":3}', "structuredContent": {"result": 3}}},
    ],
)
def test_a_result_of_mcp_in_claude_code(tmp_path: Path, line: dict[str, Any]) -> None:
    """As it is on the wire, and where the tool is called by a session."""
    path = claude_code(tmp_path, "mcp__five__add", {"content": '{"result":3}'}, **line)
    assert shown(records(path, "claude-code")) == [("mcp__five__add", {"a": 1}, "success", 3)]


def test_a_result_field_of_a_tool_of_claude_codes_own(tmp_path: Path) -> None:
    path = claude_code(tmp_path, "Bash", {"content": '{"result":3}', "is_error": False}, toolUseResult={})
    assert shown(records(path, "claude-code")) == [("Bash", {"a": 1}, "success", {"result": 3})]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "<tool_use_error>Error: No such tool available: Nope</tool_use_error>",
            "Claude Code had no such tool",
        ),
        (
            "Claude requested permissions to write to /f, but you haven't granted it yet.",
            "the user did not let it run",
        ),
        ("Permission to use Bash with command rm -r x has been denied.", "the user did not let it run"),
    ],
)
def test_what_claude_code_did_not_call(tmp_path: Path, said: str, reason: str) -> None:
    path = claude_code(tmp_path, "Nope", {"content": said, "is_error": True})
    assert rest(path, "claude-code") == [f"{path}:2.content[0]: Nope: {reason}"]
    path = claude_code(tmp_path, "Nope", {"content": said, "is_error": False})
    assert len(records(path, "claude-code")) == 1  # a tool's own text


def test_what_lies_beside_session_files(tmp_path: Path) -> None:
    """A folder of projects is imported as it is."""
    projects = tmp_path / "projects"
    for name in ("s/subagents", "s/tool-results"):
        (projects / name).mkdir(parents=True)
    claude_code(projects, "Bash", {"content": "hi"})
    (projects / "s/subagents/agent-1.meta.json").write_text(json.dumps({"agentType": "general-purpose"}))
    (projects / "s/tool-results/1.txt").write_text("a long output")
    with CallLog(tmp_path / "calls.db") as log:
        done = import_file(projects, log, "claude-code")
        assert (done.records, len(done.skipped)) == (1, 2)


def test_a_fork_of_a_session_makes_no_call_again(tmp_path: Path) -> None:
    """It begins with a copy of the other's lines, under its own name."""

    def lines(session: str, *calls: str) -> list[Any]:
        made: list[Any] = []
        for id_ in calls:
            use = {"type": "tool_use", "id": id_, "name": "Bash", "input": {"command": id_}}
            answer = {"type": "tool_result", "tool_use_id": id_, "content": "done"}
            made.append({"type": "assistant", "message": {"role": "assistant", "content": [use]}})
            made.append({"type": "user", "message": {"role": "user", "content": [answer]}})
        return [{**line, "sessionId": session} for line in made]

    folder = tmp_path / "projects"
    folder.mkdir()
    write(folder / "a.jsonl", *lines("a", "1", "2"))
    write(folder / "b.jsonl", *lines("b", "1", "2", "3"))
    write(folder / "c.jsonl", *lines("c", "1", "2", "3", "4"))
    with CallLog(tmp_path / "calls.db") as log:
        done = import_file(folder, log, "claude-code")
        found = list(log.records())
    assert (done.records, done.repeated) == (9, 5)
    assert [(r.call.arguments["command"], r.session, r.task, len(r.history)) for r in found] == [
        ("1", "a", "a", 0),
        ("2", "a", "a", 1),
        ("3", "a", "b", 2),
        ("4", "a", "c", 3),
    ]


def codex(folder: Path, name: str, output: str, *, namespace: str | None = None, done: Any = None) -> Path:
    """A session file with one call, the event of its end, and its answer."""
    call = {"type": "function_call", "name": name, "arguments": '{"a": 1}', "call_id": "c1"}
    call |= {"namespace": namespace} if namespace else {}
    lines: list[tuple[str, Any]] = [("session_meta", {"id": "s"}), ("response_item", call)]
    if done is not None:
        lines.append(("event_msg", {"type": "item_completed", "item": {"id": "c1", **done}}))
    lines.append(("response_item", {"type": "function_call_output", "call_id": "c1", "output": output}))
    return write(folder / "r.jsonl", *({"type": kind, "payload": payload} for kind, payload in lines))


@pytest.mark.parametrize(
    ("output", "type_", "content"),
    [
        (FRAME.format("Process exited with code 0", "hi\n"), "success", "hi\n"),
        (
            FRAME.format("Process exited with code 3", "out\n"),
            "Process exited with code <*>",
            {"error": "Process exited with code 3\nout\n"},
        ),
        (
            FRAME.format("Process running with session ID 7", ""),
            "success",
            "Process running with session ID 7\n",
        ),
        (
            "Wall time: 0.0 seconds\nOutput:\nExit code: 0\nWall time: 0 seconds\nOutput:\nDone.\n",
            "success",
            "Done.\n",
        ),
        ("Output:\nWall time: none", "success", "Output:\nWall time: none"),
    ],
)
def test_a_command_of_codex(tmp_path: Path, output: str, type_: str, content: Any) -> None:
    """Without what Codex measured; only the frame says that a command failed."""
    path = codex(tmp_path, "exec_command", output)
    assert shown(records(path, "codex")) == [("exec_command", {"a": 1}, type_, content)]


@pytest.mark.parametrize("failed", [False, True])
def test_a_call_of_an_mcp_server_by_codex(tmp_path: Path, failed: bool) -> None:
    """Only the event that it ended says whether it failed; only the call has the whole name."""
    text = "no such account" if failed else "3"
    result: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": failed}
    result |= {} if failed else {"structuredContent": {"result": 3}}
    done = {"type": "McpToolCall", "server": "five", "tool": "add", "arguments": {"a": 1}, "result": result}
    path = codex(
        tmp_path, "add", f"Wall time: 0.1 seconds\nOutput:\n{text}", namespace="mcp__five", done=done
    )
    wanted = ("no such account", {"error": "no such account"}) if failed else ("success", 3)
    assert shown(records(path, "codex")) == [("mcp__five__add", {"a": 1}, *wanted)]


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("unsupported call: nope", "Codex had no such tool"),
        ("unsupported custom tool call: nope", "Codex had no such tool"),
        ("exec command rejected by user", "the user did not let it run"),
        ("Wall time: 1.2 seconds\naborted by user", "it was cancelled"),
    ],
)
def test_what_codex_did_not_call(tmp_path: Path, output: str, reason: str) -> None:
    path = codex(tmp_path, "nope", output)
    assert rest(path, "codex") == [f"{path}:2: nope: {reason}"]
