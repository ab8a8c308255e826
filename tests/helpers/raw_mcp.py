"""A server of MCP over HTTP, written by hand: it carries a call out and then answers as it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

OBJECT = {"type": "object", "properties": {"x": {"type": "string"}}}
STATUSES = (400, 401, 403, 404, 408, 413, 429, 500, 502, 504)
OTHERS = ("done", "order", "half", "page", "accepted", "internal", "elsewhere", "params", "own", "late")
LATE = 3.0  # seconds until the answer to `late`


class RawServer:
    """Its tools are named by how it answers; `status_504` does the work, and then a proxy gives up."""

    def __init__(self) -> None:
        self.made: list[tuple[str, str]] = []
        """Each tool that it was asked for, with the argument."""
        self.sessions = 0
        self.known: set[str] = set()
        """Ids of the sessions that it knows; a server that was started again knows none."""
        self.slow = 0.0
        """Seconds before it begins a session."""
        self.tools = [*OTHERS, *(f"status_{status}" for status in STATUSES)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.method != "POST":
            return web.Response(status=405)
        sent = await request.json()
        method, id_ = sent.get("method"), sent.get("id")
        if method == "initialize":
            begun = self._initialized(id_)
            await asyncio.sleep(self.slow)
            return begun
        if request.headers.get("mcp-session-id") not in self.known:
            return web.json_response(_error(id_, -32001, "Session not found"), status=404)
        if id_ is None:
            return web.Response(status=202)
        if method == "tools/list":
            tools = [{"name": name, "inputSchema": OBJECT} for name in self.tools]
            return web.json_response(_result(id_, {"tools": tools}))
        if method != "tools/call":
            return web.json_response(_error(id_, -32601, "no such method"))
        tool, given = sent["params"]["name"], sent["params"]["arguments"]
        self.made.append((tool, given["x"]))
        if tool == "late":
            await asyncio.sleep(LATE)
        return self._answer(id_, tool)

    def _initialized(self, id_: Any) -> web.Response:
        self.sessions += 1
        session = f"session-{self.sessions}"
        self.known.add(session)
        served = {"name": "raw", "version": "1"}
        body = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": served}
        return web.json_response(_result(id_, body), headers={"mcp-session-id": session})

    def _answer(self, id_: Any, tool: str) -> web.Response:
        kind, _, status = tool.partition("_")
        if kind == "status":
            return web.Response(status=int(status), text="no")
        if kind == "half":
            return web.Response(text='{"jsonrpc": "2.0",', content_type="application/json")
        if kind == "page":
            return web.Response(text="<html>", content_type="text/html")
        if kind == "accepted":
            return web.Response(status=202)
        if kind == "elsewhere":
            return web.Response(status=302, headers={"location": "http://127.0.0.1:1/"})
        codes = {"internal": -32603, "params": -32602, "own": 7}
        if kind in codes:
            return web.json_response(_error(id_, codes[kind], "no"))
        text = '{"id": "order-9931"}' if kind == "order" else kind
        return web.json_response(_result(id_, {"content": [{"type": "text", "text": text}]}))


def _result(id_: Any, result: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "result": result}


def _error(id_: Any, code: int, message: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "error": {"code": code, "message": message}}


@asynccontextmanager
async def raw_server() -> AsyncIterator[tuple[RawServer, str]]:
    """The server, and its address."""
    server = RawServer()
    app = web.Application()
    app.router.add_route("*", "/mcp", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield server, f"http://127.0.0.1:{runner.addresses[0][1]}/mcp"
    finally:
        await runner.cleanup()
