"""What importers once invented, dropped or took for a success, and the rarer items of each format."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from helpers.importers import DOCUMENT, records, rest, shown, write
from helpers.trace_calls import Made
from helpers.trace_runs import inspect_one

from artis_sdk.logs import CallLog
from artis_sdk.logs.importers import import_file

# --- nothing invented -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["args", "arguments", "input"])
def test_arguments_under_any_name_are_the_calls(tmp_path: Path, name: str) -> None:
    call = {"name": "pay", name: {"amount": 7}, "id": "1"}
    chat = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
    ]
    found = records(write(tmp_path / "c.jsonl", chat), "messages")
    assert shown(found) == [("pay", {"amount": 7}, "success", "ok")]


@pytest.mark.parametrize("given", [{}, {"arguments": None}, {"parameters": {"amount": 7}}])
def test_arguments_that_are_not_there_are_not_invented(tmp_path: Path, given: dict[str, Any]) -> None:
    chat = [
        {"role": "assistant", "tool_calls": [{"name": "pay", "id": "1", **given}]},
        {"role": "tool", "tool_call_id": "1", "content": "ok"},
    ]
    path = write(tmp_path / "c.jsonl", chat)
    assert rest(path, "messages") == [
        f"{path}:1 messages[0].tool_calls[0]: pay: its arguments were not captured"
    ]


def test_a_call_without_a_name_is_left_out(tmp_path: Path) -> None:
    chat = [{"role": "assistant", "tool_calls": [{"id": "1", "function": {}}, 3]}]
    path = write(tmp_path / "c.jsonl", chat)
    assert rest(path, "messages") == [
        f"{path}:1 messages[0].tool_calls[0]: a tool: it has no name",
        f"{path}:1 messages[0].tool_calls[1]: a tool: a call is not an object: 3",
    ]


@pytest.mark.parametrize(
    ("mark", "type_"),
    [
        ({"status": "error"}, "card declined"),
        ({"is_error": True}, "card declined"),
        ({"error": True}, "card declined"),
        ({"error": {"type": "CardError", "message": "card declined"}}, "CardError"),
        ({"error": {"message": "card declined"}}, "card declined"),
        ({"error": "card declined"}, "card declined"),
    ],
)
def test_a_marked_tool_message_is_a_failure(tmp_path: Path, mark: dict[str, Any], type_: str) -> None:
    for content in ("card declined", ""):
        if not content and not isinstance(mark.get("error"), dict | str):
            continue
        chat = [
            {"role": "assistant", "tool_calls": [{"name": "pay", "args": {"amount": 7}, "id": "1"}]},
            {"role": "tool", "tool_call_id": "1", "content": content, **mark},
        ]
        (found,) = records(write(tmp_path / "c.jsonl", chat), "messages")
        assert (found.outcome.ok, found.outcome.type) == (False, type_)
        assert found.outcome.message == "card declined"
    chat[1] = {"role": "tool", "tool_call_id": "1", "content": "ok", "status": "success", "error": None}
    assert records(write(tmp_path / "c.jsonl", chat), "messages")[0].outcome.ok


# --- items of providers ---------------------------------------------------------------------------


def test_every_item_of_responses_that_calls(tmp_path: Path) -> None:
    items = [
        {"type": "custom_tool_call", "call_id": "1", "name": "sql", "input": "SELECT 1"},
        {"type": "custom_tool_call_output", "call_id": "1", "output": "[[1]]"},
        {"type": "local_shell_call", "call_id": "2", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "local_shell_call_output", "call_id": "2", "output": "a b"},
        {"type": "apply_patch_call", "call_id": "3", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "apply_patch_call_output", "call_id": "3", "status": "failed", "output": "no such file"},
        {"type": "file_search_call", "id": "4", "queries": ["q"], "results": [{"file_id": "f"}]},
        {
            "type": "code_interpreter_call",
            "id": "5",
            "code": "1+1",
            "outputs": [{"type": "logs", "logs": "2"}],
        },
        {"type": "web_search_call", "id": "6", "action": {"type": "search", "query": "q"}},
        {"type": "image_generation_call", "id": "7", "result": "aGk="},
        {"type": "hologram_call", "id": "8"},
        {"type": "computer_call", "call_id": "9", "action": {"type": "click", "x": 1, "y": 2}},
        {"type": "computer_call_output", "call_id": "9", "output": {"type": "computer_screenshot"}},
        {"type": "function_call", "call_id": "10", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "10", "output": [{"type": "input_text", "text": "fine"}]},
    ]
    path = write(tmp_path / "r.jsonl", {"id": "r", "output": items})
    with CallLog(tmp_path / "calls.db") as log:
        done = import_file(path, log, "messages")
        assert shown(list(log.records())) == [
            ("sql", {"input": "SELECT 1"}, "success", [[1]]),
            ("local_shell", {"type": "exec", "command": ["ls"]}, "success", "a b"),
            ("apply_patch", {"type": "delete_file", "path": "a"}, "no such file", {"error": "no such file"}),
            ("file_search", {"queries": ["q"]}, "success", [{"file_id": "f"}]),
            ("code_interpreter", {"code": "1+1"}, "success", [{"type": "logs", "logs": "2"}]),
            ("computer", {"type": "click", "x": 1, "y": 2}, "success", {"type": "computer_screenshot"}),
            ("look", {}, "success", "fine"),
        ]
    assert [(item.tool, item.reason) for item in done.left_out] == [
        ("web_search", "it has no result"),
        ("image_generation", "its arguments were not captured"),
        ("", "no importer knows 'hologram_call'"),
    ]
    assert done.files[0].found == 10


def test_tools_of_anthropics_servers(tmp_path: Path) -> None:
    error = {"type": "web_search_tool_result_error", "error_code": "max_uses_exceeded"}
    blocks = [
        {"type": "server_tool_use", "id": "1", "name": "web_search", "input": {"query": "q"}},
        {
            "type": "web_search_tool_result",
            "tool_use_id": "1",
            "content": [{"type": "web_search_result", "url": "u"}],
        },
        {"type": "server_tool_use", "id": "2", "name": "web_search", "input": {"query": "r"}},
        {"type": "web_search_tool_result", "tool_use_id": "2", "content": error},
        {"type": "mcp_tool_use", "id": "3", "name": "echo", "server_name": "s", "input": {"a": 1}},
        {"type": "mcp_tool_result", "tool_use_id": "3", "is_error": True, "content": "refused"},
        {"type": "server_tool_use", "id": "4", "name": "bash_code_execution", "input": {"command": "ls"}},
        {
            "type": "bash_code_execution_tool_result",
            "tool_use_id": "4",
            "content": {"type": "bash_code_execution_result", "stdout": "a", "stderr": "", "return_code": 0},
        },
        {"type": "tool_use", "id": "5", "name": "nothing", "input": {}},
        {"type": "tool_result", "tool_use_id": "5"},
    ]
    path = write(tmp_path / "c.jsonl", {"id": "c", "messages": [{"role": "assistant", "content": blocks}]})
    assert shown(records(path, "messages")) == [
        ("web_search", {"query": "q"}, "success", [{"type": "web_search_result", "url": "u"}]),
        ("web_search", {"query": "r"}, "max_uses_exceeded", error),
        ("echo", {"a": 1}, "refused", {"error": "refused"}),
        (
            "bash_code_execution",
            {"command": "ls"},
            "success",
            {"type": "bash_code_execution_result", "stdout": "a", "stderr": "", "return_code": 0},
        ),
        ("nothing", {}, "success", None),
    ]


def test_a_call_that_a_message_shows_twice_is_one(tmp_path: Path) -> None:
    """LangChain keeps Anthropic's blocks beside its own list of calls."""
    message = {
        "type": "ai",
        "content": [{"type": "tool_use", "id": "1", "name": "look", "input": {"at": "a"}}],
        "tool_calls": [{"name": "look", "args": {"at": "a"}, "id": "1", "type": "tool_call"}],
        "additional_kwargs": {
            "tool_calls": [{"id": "1", "function": {"name": "look", "arguments": '{"at": "a"}'}}]
        },
    }
    answer = {"type": "tool", "tool_call_id": "1", "content": "fine"}
    assert len(records(write(tmp_path / "c.jsonl", [message, answer]), "messages")) == 1


def test_functions_and_code_of_gemini(tmp_path: Path) -> None:
    contents = [
        {"role": "model", "parts": [{"functionCall": {"name": "now"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "now", "response": {"result": 12}}}]},
        {
            "role": "model",
            "parts": [
                {"executableCode": {"language": "PYTHON", "code": "1/0"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_FAILED", "output": "ZeroDivisionError: x"}},
            ],
        },
    ]
    schema = {"type": "OBJECT", "properties": {"zone": {"type": "STRING"}}}
    declared = [{"functionDeclarations": [{"name": "now", "description": "The time.", "parameters": schema}]}]
    found = records(write(tmp_path / "g.jsonl", {"contents": contents, "tools": declared}), "messages")
    assert shown(found) == [
        ("now", {}, "success", 12),
        (
            "code_execution",
            {"language": "PYTHON", "code": "1/0"},
            "ZeroDivisionError",
            {"error": "ZeroDivisionError: x"},
        ),
    ]
    assert found[0].spec.parameters == {"type": "object", "properties": {"zone": {"type": "string"}}}


@pytest.mark.parametrize(
    "given",
    [
        [DOCUMENT],
        [{"type": "function", **DOCUMENT["function"]}],  # type: ignore[dict-item]
        [{"name": "look", "description": "Look at it.", "input_schema": {"type": "object", "title": "x"}}],
        [{"name": "look", "description": "Look at it.", "inputSchema": {"type": "object", "title": "x"}}],
        {
            "look": {
                "description": "Look at it.",
                "inputSchema": {"jsonSchema": {"type": "object", "title": "x"}},
            }
        },
    ],
)
def test_tool_documents_in_every_form(tmp_path: Path, given: Any) -> None:
    chat = {
        "tools": given,
        "messages": [
            {"role": "assistant", "tool_calls": [{"name": "look", "args": {}, "id": "1"}]},
            {"role": "tool", "tool_call_id": "1", "content": "x"},
        ],
    }
    (found,) = records(write(tmp_path / "c.jsonl", chat), "messages")
    assert found.spec.description == "Look at it."
    assert found.spec.parameters != {"type": "object"}


def test_equal_transcripts_without_a_name_are_two(tmp_path: Path) -> None:
    chat = [
        {"role": "assistant", "tool_calls": [{"name": "look", "args": {}, "id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]
    path = write(tmp_path / "c.jsonl", chat, chat)
    with CallLog(tmp_path / "calls.db") as log:
        for repeated in (0, 2):
            done = import_file(path, log, "messages")
            assert (done.records, done.repeated) == (2, repeated)
        assert len(list(log.records())) == 2


def test_transcripts_with_one_name_repeat_what_they_share(tmp_path: Path) -> None:
    """A proxy writes each conversation again, one turn longer."""
    turn = [
        {"role": "assistant", "tool_calls": [{"name": "look", "args": {}, "id": "1"}]},
        {"role": "tool", "tool_call_id": "1", "content": "x"},
    ]
    path = write(tmp_path / "c.jsonl", {"id": "c", "messages": turn}, {"id": "c", "messages": turn * 2})
    with CallLog(tmp_path / "calls.db") as log:
        done = import_file(path, log, "messages")
        assert (done.records, done.repeated) == (3, 1)


# --- files of agents ------------------------------------------------------------------------------


def claude_code(folder: Path, use: dict[str, Any], *, error: str) -> Path:
    """A file of Claude Code with a call and the error that answered it."""
    answer = {"type": "tool_result", "tool_use_id": use["id"], "content": error, "is_error": True}
    return write(
        folder / "s.jsonl",
        {"type": "assistant", "sessionId": "s", "message": {"role": "assistant", "content": [use]}},
        {"type": "user", "sessionId": "s", "message": {"role": "user", "content": [answer]}},
    )


def test_a_call_that_the_user_refused_was_not_made(tmp_path: Path) -> None:
    use = {"type": "tool_use", "id": "1", "name": "Bash", "input": {"command": "rm -r x"}}
    refused = "The user doesn't want to proceed with this tool use. The tool use was rejected"
    path = claude_code(tmp_path, use, error=refused)
    assert rest(path, "claude-code") == [f"{path}:1.content[0]: Bash: the user did not let it run"]


def test_an_error_of_claude_codes_own(tmp_path: Path) -> None:
    use = {"type": "tool_use", "id": "1", "name": "Read", "input": {"file_path": "/x"}}
    path = claude_code(tmp_path, use, error="<tool_use_error>File does not exist.</tool_use_error>")
    assert shown(records(path, "claude-code")) == [
        ("Read", {"file_path": "/x"}, "File does not exist.", {"error": "File does not exist."})
    ]


def test_a_cancelled_call_and_an_error_of_the_protocol(tmp_path: Path) -> None:
    def call(n: int) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": n, "method": "tools/call", "params": {"name": "look"}}

    listed = {"jsonrpc": "2.0", "id": 9, "result": {"tools": [{"name": "look", "description": "Look."}]}}
    path = write(
        tmp_path / "w.jsonl",
        {"jsonrpc": "2.0", "id": 9, "method": "tools/list"},
        listed,
        [call(1), call(2)],
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
        {"jsonrpc": "2.0", "id": 2, "error": {"code": -32602, "message": "Unknown tool: look"}},
        call(3),
        {"jsonrpc": "2.0", "id": 3, "result": {"content": [], "structuredContent": {"n": 1}}},
        {"jsonrpc": "2.0", "id": 7, "result": {"content": [], "isError": False}},
    )
    with CallLog(tmp_path / "calls.db") as log:
        done = import_file(path, log, "mcp")
        found = list(log.records())
    assert shown(found) == [
        ("look", {}, "-32602", {"error": "Unknown tool: look"}),
        ("look", {}, "success", {"n": 1}),
    ]
    assert found[0].spec.description == "Look."
    assert [item.reason for item in done.left_out] == ["it was cancelled", "a result that answers no call"]


def test_a_log_of_inspect_as_eval_file_with_attachments(tmp_path: Path) -> None:
    (sample,) = inspect_one([Made("look", {"at": "attachment://h"}, "fine")])
    sample["attachments"] = {"h": "a long text"}
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps({"eval": {}}))
        archive.writestr("samples/s_epoch_1.json", json.dumps(sample))
    assert shown(records(path, "inspect")) == [("look", {"at": "a long text"}, "success", "fine")]


def test_the_layout_of_tau2_bench_with_a_file_for_each_simulation(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    (folder / "simulations").mkdir(parents=True)
    document = {"name": "look", "doc": "Look.", "params": {"type": "object", "properties": {"at": {}}}}
    info = {"environment_info": {"tool_defs": {"look": document}}}
    write(folder / "results.json", {"info": info, "tasks": [], "simulation_index": [{"id": "a"}]})
    call = {"id": "1", "name": "look", "arguments": {"at": "a"}}
    messages = [
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "id": "1", "content": "fine", "error": False},
    ]
    write(folder / "simulations" / "a.json", {"id": "a", "task_id": "1", "messages": messages})
    (found,) = records(folder, "tau2")
    assert shown([found]) == [("look", {"at": "a"}, "success", "fine")]
    assert found.spec.description == "Look."


@pytest.mark.parametrize(
    ("error", "type_", "message"),
    [
        ("Declined('no')Traceback (most recent call last):\n ...", "Declined", "Declined('no')"),
        ("Declined(code=7)", "Declined", "Declined(code=7)"),
        ("declined (by the bank)", "declined (by the bank)", "declined (by the bank)"),
    ],
)
def test_langsmiths_error_is_of_the_exceptions_class(
    tmp_path: Path, error: str, type_: str, message: str
) -> None:
    """As the same failure of a call of our own: the two are one stratum of the training data."""
    run = {"id": "r1", "trace_id": "t", "run_type": "tool", "name": "pay", "inputs": {"n": 1}, "error": error}
    times = {"start_time": "2026-11-01T10:00:00", "end_time": "2026-11-01T10:00:01"}
    (record,) = records(write(tmp_path / "runs.jsonl", {**run, **times}), "langsmith")
    assert (record.outcome.failure_type, record.outcome.message) == (type_, message)
