"""Serving over HTTP: who may send requests, and a server that ends with the task that runs it."""

from __future__ import annotations

import hmac
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import uvicorn

from artis_sdk.errors import ConfigurationError

_LAST_PORT = 65_535
_GRACE = 2
"""Seconds that open streams have to end."""


class NeedsToken:
    """An application behind a bearer token.

    Args:
        app: the ASGI application.
        token: the token.
    """

    def __init__(self, app: Any, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass a request with the token on, and answer 401 to all others."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope.get("headers", ()) if name == b"authorization"]
        if scope["type"] == "http" and len(given) == 1 and hmac.compare_digest(given[0], self._expected):
            await self._app(scope, receive, send)
            return
        headers = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class _Quiet(uvicorn.Server):  # type: ignore[misc]  # not installed where types are checked
    """A server that leaves signals to the program."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens at this address; port 0 for any free one.

    Raises:
        ConfigurationError: the address cannot be had.
    """
    if not 0 <= port <= _LAST_PORT:
        raise ConfigurationError(f"cannot listen on {host}:{port}: a port is a number up to {_LAST_PORT}")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error


@asynccontextmanager
async def served(app: Any, on: socket.socket) -> AsyncIterator[None]:
    """Serve an application inside the block."""
    config = uvicorn.Config(
        app, log_config=None, access_log=False, timeout_graceful_shutdown=_GRACE, lifespan="auto", ws="none"
    )
    server = _Quiet(config)
    async with anyio.create_task_group() as group:
        group.start_soon(server.serve, [on])
        try:
            yield
        finally:
            server.should_exit = True
