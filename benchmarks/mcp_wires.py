"""What goes over the wire between a client and five public MCP servers, logged by a proxy between them.

    python benchmarks/mcp_wires.py FOLDER

Runs where `mcp` is installed, see `written_logs.py`; a server that is not on the path is left out. Each gets
five calls, two of them at once and one or two that fail; `FOLDER/wires.json` holds what the client was told.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any

Call = tuple[str, dict[str, Any]]
RESULTS = "wires.json"


def servers(folder: Path, url: str) -> dict[str, tuple[list[str], list[Call]]]:
    """Arguments of each server's command, and its calls."""
    repository, file, absent = str(folder / "repository"), str(folder / "a.txt"), str(folder / "absent.txt")
    git = {"repo_path": repository}
    noon = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    return {
        "git": (
            ["mcp-server-git"],
            [
                ("git_status", git),
                ("git_log", {**git, "max_count": 1}),
                ("git_show", {**git, "revision": "HEAD"}),
                ("git_show", {**git, "revision": "nowhere"}),
                ("git_status", {"repo_path": str(folder)}),
            ],
        ),
        "fetch": (
            ["mcp-server-fetch", "--allow-private-ips", "--ignore-robots-txt"],
            [
                ("fetch", {"url": f"{url}/page"}),
                ("fetch", {"url": f"{url}/page", "raw": True}),
                ("fetch", {"url": f"{url}/page", "max_length": 5}),
                ("fetch", {"url": f"{url}/absent"}),
                ("fetch", {"url": "http://127.0.0.1:9/"}),
            ],
        ),
        "time": (
            ["mcp-server-time", "--local-timezone", "UTC"],
            [
                ("convert_time", noon),
                ("convert_time", {**noon, "time": "noon"}),
                ("convert_time", {**noon, "target_timezone": "Europe/Oslo"}),
                ("get_current_time", {"timezone": "Nowhere/Else"}),
                ("get_current_time", {"timezone": "UTC"}),
            ],
        ),
        "sqlite": (
            ["mcp-server-sqlite", "--db-path", str(folder / "data.db")],
            [
                ("create_table", {"query": "CREATE TABLE t (a INTEGER)"}),
                ("write_query", {"query": "INSERT INTO t VALUES (7)"}),
                ("list_tables", {}),
                ("read_query", {"query": "SELECT a FROM t"}),
                ("read_query", {"query": "SELECT b FROM t"}),
            ],
        ),
        "filesystem": (
            ["bridgemcp-filesystem", "--root", str(folder)],
            [
                ("write_file", {"path": file, "content": "x"}),
                ("read_file", {"path": file}),
                ("list_directory", {"path": str(folder / "repository")}),
                ("read_file", {"path": absent}),
                ("read_file", {"path": "/etc/hostname"}),
            ],
        ),
    }


async def made(command: list[str], calls: list[Call], log: Path) -> list[Any]:
    """The results of the calls: the first alone, then two at once, then one after another."""
    from mcp.client.session import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client

    between = [__file__, "proxy", str(log), *command]
    server = StdioServerParameters(command=sys.executable, args=between)
    results: list[Any] = []
    with tempfile.TemporaryFile("w") as errors:
        async with stdio_client(server, errors) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            await session.list_tools()
            for group in (calls[:1], calls[1:3], calls[3:4], calls[4:]):
                results += await asyncio.gather(*(session.call_tool(*call) for call in group))
    return [result.model_dump(mode="json", by_alias=True, exclude_none=True) for result in results]


def proxy(log: str, command: list[str]) -> None:
    """Run a server, and log each line that it reads or writes."""
    with (
        Path(log).open("a", buffering=1) as file,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server,
    ):

        def copy(source: IO[bytes], target: IO[bytes], sender: str) -> None:
            for line in source:
                file.write(
                    json.dumps({"ts": time.time(), "from": sender, "message": json.loads(line)}) + "\n"
                )
                target.write(line)
                target.flush()
            target.close()

        assert server.stdin is not None
        assert server.stdout is not None
        reading = (sys.stdin.buffer, server.stdin, "client")
        threading.Thread(target=copy, args=reading, daemon=True).start()
        copy(server.stdout, sys.stdout.buffer, "server")


class _Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/page" else 404)
        self.send_header("content-type", "text/plain")
        self.end_headers()
        self.wfile.write(b"A page of text.")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def main(target: Path) -> None:
    page = ThreadingHTTPServer(("127.0.0.1", 0), _Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    (target / "mcp").mkdir(exist_ok=True)
    told: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as made_in:
        folder = Path(made_in).resolve()
        subprocess.run(["git", "init", "-q", str(folder / "repository")], check=True)
        author = ["-c", "user.name=a", "-c", "user.email=a@localhost"]
        commit = ["commit", "-q", "--allow-empty", "-m", "first"]
        subprocess.run(["git", *author, "-C", str(folder / "repository"), *commit], check=True)
        for name, (command, calls) in servers(folder, f"http://127.0.0.1:{page.server_port}").items():
            program = shutil.which(command[0])
            if program is None:
                print(f"`mcp`: {name} left out, `{command[0]}` is not installed")
                continue
            log = target / "mcp" / f"server-{name}.jsonl"
            results = asyncio.run(made([program, *command[1:]], calls, log))
            told[log.stem] = [(*call, result) for call, result in zip(calls, results, strict=True)]
    (target / RESULTS).write_text(json.dumps(told))


if __name__ == "__main__":
    if sys.argv[1] == "proxy":
        proxy(sys.argv[2], sys.argv[3:])
    else:
        main(Path(sys.argv[1]))
