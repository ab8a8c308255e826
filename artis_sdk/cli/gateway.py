"""`artis gateway`: an MCP server in front of others, whose clients rehearse before they change something."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from artis_sdk import __version__
from artis_sdk.cli.options import Journal
from artis_sdk.cli.output import errors
from artis_sdk.errors import ConfigurationError
from artis_sdk.settings import load_settings
from artis_sdk.simulators import FROM_LOG
from artis_sdk.view.text import plain

if TYPE_CHECKING:
    from artis_sdk.gateway import GatewayOptions


def gateway(
    config: Annotated[Path, typer.Option(help="The servers, as MCP clients write them: mcpServers in JSON.")],
    transport: Annotated[
        Literal["stdio", "http"], typer.Option(help="How clients connect: standard streams, or HTTP.")
    ] = "stdio",
    simulator: Annotated[
        str | None,
        typer.Option(
            help=f"What answers rehearsals: {', '.join(f'{n}:FILE' for n in FROM_LOG)}, or a backend."
        ),
    ] = None,
    trust: Annotated[Path | None, typer.Option(help="Trust file of the simulator.")] = None,
    agent: Annotated[
        str | None,
        typer.Option(help="Backend that rehearses tasks in words; without it, lists of calls only."),
    ] = None,
    journal: Journal = None,
    log: Annotated[
        str | None,
        typer.Option(help="Call log of every real call, a file or a URL; ARTIS_LOG when left out."),
    ] = None,
    approve: Annotated[
        Literal["client", "page"],
        typer.Option(help="Where a person answers: at a client that has elicitation, or on the page only."),
    ] = "client",
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds for which a held call waits for an answer on the page.")
    ] = 45,
    page_port: Annotated[int, typer.Option(help="Port of the approval page on 127.0.0.1; 0 for any.")] = 0,
    host: Annotated[str, typer.Option(help="With http: address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="With http: port; 0 for any.")] = 8765,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="With http: a further `NAME:PORT` by which clients call it; may be repeated."),
    ] = None,
    token_from: Annotated[
        str | None,
        typer.Option(help="With http: variable with the bearer token; by default a random one is printed."),
    ] = None,
) -> None:
    """Stand in front of MCP servers: calls that may change something wait for a person's approval.

    Every MCP client sees the servers' tools, and `rehearse`, `plan_show` and `commit`. Addresses and notes
    go to standard error.
    """
    from artis_sdk.gateway import GatewayOptions, OverHTTP, read_config

    given = {"simulator": simulator, "trust": trust, "agent": agent, "journal": journal, "log": log}
    options = GatewayOptions(
        config=read_config(config, os.environ),
        settings=load_settings({name: value for name, value in given.items() if value is not None}),
        http=None
        if transport == "stdio"
        else OverHTTP(host=host, port=port, token=_token(token_from), names=tuple(allow_host or ())),
        page_port=page_port,
        elicits=approve == "client",
        wait=wait,
        version=__version__,
    )
    asyncio.run(_until_ended(options))


async def _until_ended(options: GatewayOptions) -> None:
    from artis_sdk.gateway import run_gateway

    task = asyncio.current_task()
    assert task is not None
    if options.http is not None:  # over standard streams the client closes them
        with suppress(NotImplementedError):  # Windows has no such signals
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await run_gateway(options, _say)


def _token(variable: str | None) -> str:
    """The bearer token of the clients."""
    if variable is None:
        token = secrets.token_urlsafe(32)
        _say(f"bearer token of this run: {token}")
        return token
    if variable not in os.environ:
        raise ConfigurationError(f"--token-from names the variable {variable}, which is not set")
    return os.environ[variable]


def _say(text: str) -> None:
    errors.print(plain(text), soft_wrap=True)
