"""The HTTP client behind a connection to a server: it says of a refused request that it was refused."""

from __future__ import annotations

import json
from typing import Any

import httpx2

_TIMEOUT = httpx2.Timeout(30, read=300)
"""Seconds; a server may be silent for minutes before it answers a call."""
_REQUEST_TIMEOUT = 408
"""The one status of its hundred after which a request may have been carried out."""
_SHOWN = 200
"""Characters of a server's own words in a message."""

_NOT_FOUND = 404
NO_SESSION = -404
"""Code of the error that says that the server does not know the connection's session any more."""


class RefusedClient(httpx2.AsyncClient):
    """Gives the status of a refused call as the code of a JSON-RPC error.

    The MCP client makes one code of every status: of 401, after which no call was made, and of 504, after
    which it may have been.
    """

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(headers=headers, timeout=_TIMEOUT)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; see the class."""
        answer = await super().send(request, **options)
        status = answer.status_code
        lost_session = status == _NOT_FOUND and "mcp-session-id" in request.headers
        refused = 400 <= status < 500 and status != _REQUEST_TIMEOUT and _is_call(request)
        if not (lost_session or refused):
            return answer
        try:
            said = (await answer.aread()).decode(errors="replace").strip()
        finally:
            await answer.aclose()
        message = f"HTTP status {status}" + (f": {said[:_SHOWN]}" if said else "")
        error = {"code": NO_SESSION if lost_session else status, "message": message}
        return httpx2.Response(status, json={"jsonrpc": "2.0", "id": None, "error": error}, request=request)


def _is_call(request: httpx2.Request) -> bool:
    try:
        sent = json.loads(request.content)
    except ValueError:
        return False
    return isinstance(sent, dict) and sent.get("method") == "tools/call"
