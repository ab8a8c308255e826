"""The connection to one server behind a gateway, and the answers to the calls that are sent over it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from mcp import Client, StdioServerParameters, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from artis_sdk.errors import ConfigurationError, ToolFailure, UnknownOutcome
from artis_sdk.gateway.config import UpstreamServer
from artis_sdk.gateway.http_client import NO_SESSION, RefusedClient
from artis_sdk.integrations.mcp import UNCLEAR, listed

T = TypeVar("T")
_REFUSED = "refused_by_server"
"""Failure type of a call that the server answered with an error of the protocol."""
_LOST = "no_answer"
_GONE = "server_gone"
"""Failure type of a call that was not sent."""
_BROKEN = (types.CONNECTION_CLOSED, NO_SESSION)
"""Error codes after which a connection is of no use any more."""
_START = 120.0
"""Seconds that a server has to start and tell its tools; `npx` and `uvx` may download it first."""

_answers: ContextVar[list[types.CallToolResult]] = ContextVar("artis_sdk_gateway_answers")


@contextmanager
def answers_kept() -> Iterator[list[types.CallToolResult]]:
    """A list that gets the servers' own answers to the calls made in this context, in their order."""
    token = _answers.set([])
    try:
        yield _answers.get()
    finally:
        _answers.reset(token)


class Link:
    """One server. Its connection is kept by a task of its own, so that one that breaks ends nothing else; the
    next call connects again.

    Args:
        name: its name in the configuration.
        server: how it is reached, and what is said of its tools.
    """

    def __init__(self, name: str, server: UpstreamServer) -> None:
        self.name = name
        self.server = server
        self.capabilities = types.ServerCapabilities()
        """What it offers, as it said when it was connected last."""
        self.tools: list[types.Tool] = []
        """The tools that it had when it was connected first. Others, later, are not offered."""
        self._client: Client | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()
        self._connecting = asyncio.Lock()

    async def open(self) -> None:
        """Start the server, or find it, and read its tools.

        Raises:
            ConfigurationError: it does not start or answer, or its tools are not what they were.
        """
        ready: asyncio.Future[tuple[Client, list[types.Tool]]] = asyncio.get_running_loop().create_future()
        self._leave = asyncio.Event()
        self._keeper = asyncio.create_task(self._keep(ready))
        either: set[asyncio.Future[Any]] = {self._keeper, ready}
        try:
            await asyncio.wait(either, timeout=_START, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not ready.done():
                self._keeper.cancel()
        if not ready.done():
            (ended,) = await asyncio.gather(self._keeper, return_exceptions=True)
            what = (
                _first(ended) if isinstance(ended, Exception) else f"nothing came within {_START:g} seconds"
            )
            raise ConfigurationError(
                f"the MCP server {self.name!r} did not start or answer: {what}"
            ) from ended
        client, tools = ready.result()
        if self.tools and tools != self.tools:
            await self.aclose()
            raise ConfigurationError(
                f"the tools of the MCP server {self.name!r} are not what they were: start the gateway again"
            )
        self._client, self.tools, self.capabilities = client, tools, client.server_capabilities

    async def _keep(self, ready: asyncio.Future[tuple[Client, list[types.Tool]]]) -> None:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(Client(await _transport(self.server, stack)))
            ready.set_result((client, await listed(client)))
            await self._leave.wait()

    async def aclose(self) -> None:
        """Leave the server, and end it if it was started here."""
        self._client = None
        if self._keeper is not None:
            self._leave.set()
            await asyncio.gather(self._keeper, return_exceptions=True)

    async def call(
        self, tool: str, there: str, arguments: Mapping[str, Any], *, reads: bool
    ) -> types.CallToolResult:
        """Send a call once, and keep the server's answer.

        Args:
            tool: the tool's name at the gateway.
            there: its name at the server.
            arguments: arguments by name.
            reads: whether it changes nothing.

        Raises:
            ToolFailure: the call was not sent, or the server refused it by an error of the protocol or an
                HTTP status; or it did not answer one that only reads.
            UnknownOutcome: no answer came, or none that can be read, or the server failed at it, and the call
                may have been made.
        """
        client = await self._connected(tool)
        lost: Exception
        try:
            answer = await client.call_tool(there, dict(arguments))
        except MCPError as error:
            self._forget(client, error)
            if error.code == NO_SESSION:
                why = f"the server has forgotten this connection; the next call connects again ({error})"
                raise ToolFailure(tool, _GONE, f"the call was not made: {why}") from error
            if error.code not in UNCLEAR:
                raise ToolFailure(tool, _REFUSED, str(error)) from error
            lost = error
        except Exception as error:  # noqa: BLE001  whatever it was, the call had been sent
            lost = error
        else:
            _answers.get().append(answer)
            return answer
        why = f"the MCP server {self.name!r} did not answer, not readably, or failed at it: {lost}"
        if reads:
            raise ToolFailure(tool, _LOST, why) from lost
        raise UnknownOutcome(tool, why) from lost

    async def read(self, ask: Callable[[Client], Awaitable[T]]) -> T:
        """The answer to a request that changes nothing.

        Args:
            ask: sends it.

        Raises:
            ToolFailure: the server cannot be reached.
            MCPError: it answered with an error of the protocol, or not at all.
        """
        client = await self._connected(self.name)
        try:
            return await ask(client)
        except MCPError as error:
            self._forget(client, error)
            raise

    def _forget(self, client: Client, error: MCPError) -> None:
        """Let the next call connect again, if the connection broke."""
        if error.code in _BROKEN and self._client is client:
            self._client = None

    async def _connected(self, tool: str) -> Client:
        """The client, connected again if the connection broke.

        Raises:
            ToolFailure: it cannot be connected; nothing was sent.
        """
        async with self._connecting:
            if self._client is None or self._keeper is None or self._keeper.done():
                await self.aclose()
                try:
                    await self.open()
                except ConfigurationError as error:
                    raise ToolFailure(tool, _GONE, f"the call was not sent: {error}") from error
            assert self._client is not None
            return self._client


async def connect(name: str, server: UpstreamServer, stack: AsyncExitStack) -> Link:
    """A server, connected; the stack leaves it.

    Raises:
        ConfigurationError: it does not start or answer, or `risks` names a tool that it lacks.
    """
    link = Link(name, server)
    stack.push_async_callback(link.aclose)
    await link.open()
    missing = sorted(server.risks.keys() - {tool.name for tool in link.tools})
    if missing:
        raise ConfigurationError(
            f"mcpServers.{name}.risks names {', '.join(missing)}, and the server has no such tool; it has "
            f"{', '.join(tool.name for tool in link.tools)}"
        )
    return link


def _first(error: BaseException) -> BaseException:
    """The error itself, out of the groups that task groups make of it."""
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


async def _transport(server: UpstreamServer, stack: AsyncExitStack) -> Any:
    if server.url is None:
        assert server.command is not None
        return StdioServerParameters(
            command=server.command, args=list(server.args), env=dict(server.env), cwd=server.cwd
        )
    http = await stack.enter_async_context(RefusedClient(dict(server.headers)))
    return streamable_http_client(server.url, http_client=http)
