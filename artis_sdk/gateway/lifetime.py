"""One gateway, from its options to its end."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from socket import socket
from typing import Any

from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from artis_sdk.commit.recover import recover
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.gateway.config import GatewayConfig
from artis_sdk.gateway.holding import Held, Holding
from artis_sdk.gateway.http import NeedsToken, listening, served
from artis_sdk.gateway.page import ApprovalPage
from artis_sdk.gateway.plans import NoPrediction, Planner
from artis_sdk.gateway.server import Gateway
from artis_sdk.gateway.upstream import connected
from artis_sdk.logs import Redactor, open_call_log
from artis_sdk.loop.sampling import RoleSampling
from artis_sdk.prompts import Prompts
from artis_sdk.session_backends import Backends
from artis_sdk.session_simulator import make_simulator
from artis_sdk.session_stores import make_journal, make_log
from artis_sdk.settings import Settings
from artis_sdk.simulators import ReplaySimulator

_SHORTEST_TOKEN = 16
_PATH = "/mcp"


@dataclass(frozen=True, slots=True, kw_only=True)
class OverHTTP:
    """Where a gateway listens, and for whom."""

    host: str = "127.0.0.1"
    port: int = 8765
    """0 for any free port."""
    token: str
    """Bearer token of the clients, at least 16 characters."""
    names: tuple[str, ...] = ()
    """Further values of the header `Host`, such as `tools.example:8765`, by which clients call it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayOptions:
    """The options of one gateway."""

    config: GatewayConfig
    settings: Settings
    """Simulator, trust file, agent, journal and call log are those of the settings."""
    http: OverHTTP | None = None
    """None for the standard streams of this process."""
    page_port: int = 0
    """Port of the approval page on 127.0.0.1; 0 for any free one."""
    elicits: bool = True
    """Whether a person may answer through a client that has elicitation; else only on the page."""
    wait: float = 45
    """Seconds for which a request waits for an answer on the page."""
    version: str = ""
    """Version that clients are told."""


Say = Callable[[str], None]
"""Tells the person something, on a screen that no agent reads."""


async def run_gateway(options: GatewayOptions, say: Say) -> None:
    """Serve until the client leaves (standard streams) or the task is cancelled (HTTP).

    Args:
        options: its options.
        say: gets the address of the approval page, which has its token, and what the person must know.

    Raises:
        ConfigurationError: a server does not start, an address cannot be had, or an option does not fit.
        JournalError, LogError: the journal or the log cannot be opened.
    """
    settings = options.settings
    if options.http is not None and len(options.http.token) < _SHORTEST_TOKEN:
        raise ConfigurationError(f"the bearer token has fewer than {_SHORTEST_TOKEN} characters")
    async with AsyncExitStack() as stack:
        on = listening("127.0.0.1", options.page_port)
        stack.callback(on.close)
        clients = None if options.http is None else listening(options.http.host, options.http.port)
        if clients is not None:
            stack.callback(clients.close)
        page = ApprovalPage(on.getsockname()[1])
        upstream = await stack.enter_async_context(connected(options.config))
        redactor = Redactor(*_rules(options.config))
        redactor.know(*upstream.tools.specs)
        journal = make_journal(settings.journal, stack)
        log = make_log(settings.log, upstream.tools, redactor, stack)
        for call in await recover(journal, upstream.tools, redact=redactor):
            say(f"the outcome of {call.tool} ({call.id}), begun {call.begun_at}, is unknown: artis recover")
        planner = Planner(
            tools=upstream.tools,
            journal=journal,
            log=log,
            redactor=redactor,
            simulator=_simulator(settings, stack),
            agent=settings.agent,
            trust=settings.trust,
        )

        def announce(held: Held) -> None:
            say(f"a plan waits for your approval: {page.url(held)}")

        holding = Holding(announce)
        stack.push_async_callback(_finished, holding, say)
        gateway = Gateway(upstream, planner, holding, options.elicits, options.wait)
        await stack.enter_async_context(served(page.app(holding), on))
        say(f"approvals: {page.url()}")
        for key in options.config.ignored:
            say(f"{key} in the configuration means nothing to the gateway, and was ignored")
        server = gateway.server(options.version)
        if options.http is None or clients is None:
            async with stdio_server() as (reads, writes):
                await server.run(reads, writes, server.create_initialization_options())
        else:
            await _serve(server, options.http, clients, say)


async def _finished(holding: Holding, say: Say) -> None:
    """Wait for the calls under way."""
    if any(held.status == "running" for held in holding.all):
        say("a call that is being made is waited for; interrupted again, it is given up, and is then unknown")
    await holding.aclose()


async def _serve(server: Server[Any], http: OverHTTP, on: socket, say: Say) -> None:
    port = on.getsockname()[1]
    hosts = [f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]")] + [*http.names]
    app = server.streamable_http_app(
        streamable_http_path=_PATH,
        host=http.host,
        transport_security=TransportSecuritySettings(
            allowed_hosts=hosts, allowed_origins=[f"http://{name}" for name in hosts]
        ),
    )
    async with served(NeedsToken(app, http.token), on):
        say(f"serving MCP at http://{http.host}:{port}{_PATH}")
        await asyncio.Event().wait()


def _simulator(settings: Settings, stack: AsyncExitStack) -> Simulator:
    """The simulator of the settings, made once for all rehearsals."""
    given = settings.simulator
    kind, _, file = (given or "").partition(":")
    if kind == "replay":
        # Calls come one by one here, so that the same history would hardly come again.
        log = open_call_log(file, create=False)
        stack.callback(log.close)
        return ReplaySimulator(log, match_history=False)
    backends = Backends(stack, settings.backends)
    sampling = RoleSampling(None, settings.sampling)
    made = make_simulator(given, settings, backends, Prompts(), stack, sampling)
    return NoPrediction() if made is None else made


def _rules(config: GatewayConfig) -> tuple[Any, ...]:
    """What else is secret: what the configuration hands to the servers as such."""
    return tuple(re.compile(re.escape(secret)) for secret in config.secrets)
