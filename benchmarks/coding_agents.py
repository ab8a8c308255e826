"""Session files of Claude Code and Codex: the real programs, with a local server in place of their models.

Each makes the five calls of `log_writers.py` as tools of an MCP server, and once more as shell commands. Two
of the five are asked for at once. See `written_logs.py`, which runs this where the programs are installed.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import log_writers

Call = tuple[str, dict[str, Any]]
Events = Iterator[tuple[str, dict[str, Any]]]

PRINTED = ('{"open": true, "at": "a"}', "3", "noted: x", None, '{"open": true, "at": "b"}')
"""Outputs of the five calls as commands; None where it fails."""
COMMANDS = [
    f"printf %s {shlex.quote(said)}" if said else f"echo {shlex.quote(log_writers.ERROR)}; exit 1"
    for said in PRINTED
]


def made(format_: str, file: str) -> list[Call]:
    """The calls in a file, as the importer of its format is to find them."""
    if file != "commands":
        return [(f"mcp__five__{name}", given) for name, given in log_writers.CALLS]
    tool, parameter = ("Bash", "command") if format_ == "claude-code" else ("exec_command", "cmd")
    return [(tool, {parameter: command}) for command in COMMANDS]


def turns(calls: list[Call]) -> list[list[Call]]:
    """The calls as answers of a model: two of them at once."""
    return [calls[:1], calls[1:3], calls[3:4], calls[4:]]


def message(id_: str, calls: list[Call]) -> Events:
    """An answer as Anthropic streams it."""
    start = {"id": id_, "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    usage = {"input_tokens": 1, "output_tokens": 1}
    yield "message_start", {"message": {**start, "stop_reason": None, "stop_sequence": None, "usage": usage}}
    for n, (name, given) in enumerate(calls):
        block = {"type": "tool_use", "id": f"{id_}_{n}", "name": name, "input": {}}
        yield "content_block_start", {"index": n, "content_block": block}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(given)}
        yield "content_block_delta", {"index": n, "delta": delta}
        yield "content_block_stop", {"index": n}
    if not calls:
        yield "content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}}
        yield "content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "Done."}}
        yield "content_block_stop", {"index": 0}
    reason = {"stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None}
    yield "message_delta", {"delta": reason, "usage": {"output_tokens": 1}}
    yield "message_stop", {}


def response(id_: str, calls: list[Call]) -> Events:
    """An answer as OpenAI's Responses API streams it."""
    text = {"type": "output_text", "text": "Done.", "annotations": []}
    items: list[dict[str, Any]] = (
        [] if calls else [{"type": "message", "role": "assistant", "content": [text]}]
    )
    for n, (name, given) in enumerate(calls):
        item = {"type": "function_call", "call_id": f"{id_}_{n}", "arguments": json.dumps(given)}
        space, _, tool = name.rpartition("__")
        items.append({**item, "name": tool, **({"namespace": space} if space else {})})
    yield "response.created", {"response": {"id": id_}}
    for n, item in enumerate(items):
        said = {"output_index": n, "item": {**item, "id": f"item_{id_}_{n}", "status": "completed"}}
        yield "response.output_item.added", said
        yield "response.output_item.done", said
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    yield "response.completed", {"response": {"id": id_, "output": items, "usage": usage}}


class Model(ThreadingHTTPServer):
    """A server that answers with the calls of one turn after another, then with a text."""

    daemon_threads = True

    def __init__(self, calls: list[Call], answer: Callable[[str, list[Call]], Events]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.turns, self.answer = enumerate(turns(calls)), answer
        self.url = f"http://127.0.0.1:{self.server_port}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with_tools = bool(body.get("tools"))  # Claude Code also asks for titles
        number, calls = next(self.server.turns, (9, [])) if with_tools else (9, [])
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for kind, fields in self.server.answer(f"{self.server.server_port}_{number}", calls):
            event = json.dumps({"type": kind, **fields})
            self.wfile.write(f"event: {kind}\ndata: {event}\n\n".encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def claude_code(python: str, folder: Path) -> None:
    """The session files, and what is printed meanwhile."""
    server = {"command": python, "args": [log_writers.__file__, "serve", "."]}
    options = ["--output-format", "stream-json", "--verbose", "--allowedTools", "Bash,mcp__five"]
    options += ["--mcp-config", json.dumps({"mcpServers": {"five": server}}), "--strict-mcp-config"]
    off = {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_AUTOUPDATER": "1"}
    for name in ("tools", "commands"):
        with tempfile.TemporaryDirectory() as home:
            model = Model(made("claude-code", name), message)
            own = {
                "ANTHROPIC_BASE_URL": model.url,
                "ANTHROPIC_API_KEY": "none",
                "MCP_CONNECTION_NONBLOCKING": "0",
            }
            printed = _run(["claude", "-p", "Go.", *options], home, {**off, **own})
            model.shutdown()
            (session,) = Path(home).glob(".claude/projects/*/*.jsonl")
            shutil.copy(session, folder / f"{name}.jsonl")
        if name == "tools":
            (folder / "stream-json.jsonl").write_text(printed)


def codex(python: str, folder: Path) -> None:
    """The session files; the last one is of a session that was resumed."""
    for name in ("tools", "commands", "resumed"):
        calls = made("codex", name)
        with tempfile.TemporaryDirectory() as home:
            for number, part in enumerate([calls[:3], calls[3:]] if name == "resumed" else [calls]):
                model = Model(part, response)
                config = {"model": "m", "model_provider": "local"}
                config["model_providers.local"] = (
                    f'{{name="local", base_url="{model.url}/v1", wire_api="responses"}}'
                )
                config["mcp_servers.five"] = (
                    f'{{command="{python}", args=["{log_writers.__file__}", "serve", "."], required=true}}'
                )
                options = [part for key, said in config.items() for part in ("-c", f"{key}={said}")]
                options += ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
                resumed = ["resume", "--last"] if number else []
                _run(["codex", "exec", *options, *resumed, "Go."], home, {"CODEX_HOME": home})
                model.shutdown()
            (session,) = Path(home).glob("sessions/*/*/*/*.jsonl")
            shutil.copy(session, folder / f"{name}.jsonl")


def _run(command: list[str], home: str, variables: dict[str, str]) -> str:
    """What a program prints that has an empty home and nothing of this process's environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": home, **variables}
    return subprocess.run(
        command,
        cwd=home,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    ).stdout


AGENTS: dict[str, tuple[str, Callable[[str, Path], None]]] = {
    "claude-code": ("claude", claude_code),
    "codex": ("codex", codex),
}
"""Programs and writers by format."""
