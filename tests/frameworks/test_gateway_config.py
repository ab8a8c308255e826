"""The configuration of a gateway, as MCP clients write it."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.gateways import VAULT
from mcp.types import Tool, ToolAnnotations

from artis_sdk import Risk
from artis_sdk.cli.gateway import gateway as command
from artis_sdk.errors import ConfigurationError, LogError
from artis_sdk.gateway import GatewayConfig, GatewayOptions, OverHTTP, read_config, run_gateway
from artis_sdk.gateway.config import UpstreamServer
from artis_sdk.gateway.link import Link
from artis_sdk.gateway.upstream import connected, upstream
from artis_sdk.settings import Settings


def read(folder: Path, servers: Any, environment: dict[str, str] | None = None, **more: Any) -> GatewayConfig:
    file = folder / "mcp.json"
    file.write_text(json.dumps({"mcpServers": servers, **more}))
    return read_config(file, environment or {})


def test_it_is_read_as_clients_write_it(tmp_path: Path) -> None:
    servers = {
        "files": {"command": "uvx", "args": ["files", "${ROOT:-/data}"], "env": {"API_KEY": "${KEY}"}},
        "web": {
            "type": "http",
            "url": "https://${HOST}/mcp",
            "headers": {"Authorization": "Bearer ${WEB}"},
            "alwaysAllow": [],
            "risks": {"look": "read_only"},
        },
        "off": {"command": "x", "disabled": True, "env": {"A": "${MISSING}"}},
    }
    environment = {"KEY": "key-123456", "HOST": "tools.example", "WEB": "web-123456"}
    config = read(tmp_path, servers, environment, inputs=[])
    files, web = config.servers["files"], config.servers["web"]
    assert list(config.servers) == ["files", "web"]
    assert (files.args, files.env) == (("files", "/data"), {"API_KEY": "key-123456"})
    assert (web.url, web.headers) == ("https://tools.example/mcp", {"Authorization": "Bearer web-123456"})
    assert web.risks == {"look": Risk.READ_ONLY}
    assert config.secrets == ("key-123456", "web-123456"), "a host is none, and is shown to who approves"
    assert config.ignored == ("inputs", "web.alwaysAllow")


@pytest.mark.parametrize(
    ("servers", "told"),
    [
        ({"a": {"command": "x", "env": {"A": "${MISSING}"}}}, "the variable MISSING, which is not set"),
        ({"a": {}}, "either `command`"),
        ({"a": {"command": "x", "url": "y"}}, "either `command`"),
        ({"a": {"type": "http", "command": "x"}}, "does not fit `command`"),
        ({"a": {"type": "sse", "url": "x"}}, "mcpServers|a.type"),
        ({"a": {"command": "x", "risks": {"b": "harmless"}}}, "a.risks.b"),
        ({"a": {"command": "x", "disabled": True}}, "no server"),
        ({}, "no server"),
        ([], "no object mcpServers"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, servers: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        read(tmp_path, servers)


def test_no_secret_is_in_an_error(tmp_path: Path) -> None:
    servers = {"a": {"command": ["${TOKEN}"], "env": {"A": "${TOKEN}"}}}
    with pytest.raises(ConfigurationError) as error:
        read(tmp_path, servers, {"TOKEN": "token-123456"})
    assert "token-123456" not in str(error.value)


def link(name: str, *tools: str, **more: Any) -> Link:
    """A server that says of its tools named `look` that they only read."""
    made = Link(name, UpstreamServer(command=name, **more))
    made.tools = [
        Tool(
            name=tool,
            input_schema={"type": "object"},
            annotations=ToolAnnotations(read_only_hint=True) if tool == "look" else None,
        )
        for tool in tools
    ]
    return made


def test_names_that_collide_get_their_servers_in_front() -> None:
    made = upstream([link("my git", "status", "add"), link("svn", "status", "commit")])
    assert made.tools.names == ("my_git_status", "add", "svn_status", "svn_commit")
    with pytest.raises(ConfigurationError, match="a_b_c"):
        upstream([link("a", "b_c", "x"), link("a_b", "c", "b_c"), link("z", "c")])


def test_risks_of_the_configuration_stand_above_the_servers_word() -> None:
    def risks(**more: Any) -> list[Risk]:
        return [tool.risk for tool in upstream([link("a", "look", "unmarked", **more)]).tools]

    assert risks() == [Risk.READ_ONLY, Risk.IRREVERSIBLE]
    assert risks(trust_annotations=False) == [Risk.IRREVERSIBLE] * 2
    own = {"look": Risk.REVERSIBLE, "unmarked": Risk.READ_ONLY}
    assert risks(risks=own) == risks(risks=own, trust_annotations=False) == [*own.values()]


@pytest.mark.parametrize("command", ["a-command-that-is-not-there", sys.executable])
async def test_a_server_that_does_not_start_is_named(tmp_path: Path, command: str) -> None:
    config = read(tmp_path, {"broken": {"command": command, "args": ["-c", "pass"]}})
    with pytest.raises(ConfigurationError, match="'broken' did not start or answer"):
        async with connected(config):
            pass


async def test_a_short_token_is_refused(tmp_path: Path) -> None:
    config = read(tmp_path, {"broken": {"command": "x"}})
    options = GatewayOptions(config=config, settings=Settings(), http=OverHTTP(token="short"))
    with pytest.raises(ConfigurationError, match="16 characters"):
        await run_gateway(options, lambda text: None)


@pytest.mark.parametrize("port", [None, 99_999])
@pytest.mark.parametrize("which", ["page", "clients"])
async def test_an_address_that_cannot_be_had_is_said_before_a_server_starts(
    tmp_path: Path, which: str, port: int | None
) -> None:
    config = read(tmp_path, {"broken": {"command": "a-command-that-is-not-there"}})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = port or taken.getsockname()[1]
        http = OverHTTP(token="0123456789abcdef", port=number if which == "clients" else 0)
        page = number if which == "page" else 0
        options = GatewayOptions(config=config, settings=Settings(), http=http, page_port=page)
        with pytest.raises(ConfigurationError, match=f"cannot listen on 127.0.0.1:{number}"):
            await run_gateway(options, lambda text: None)


def test_a_configuration_that_nests_without_end_is_no_json(tmp_path: Path) -> None:
    (tmp_path / "mcp.json").write_text("[" * 100_000)
    with pytest.raises(ConfigurationError, match="is not JSON"):
        read_config(tmp_path / "mcp.json", {})


async def test_a_replay_needs_its_log(tmp_path: Path) -> None:
    env = {"VAULT": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    config = read(tmp_path, {"vault": {"command": sys.executable, "args": [*VAULT], "env": env}})
    settings = Settings(simulator=f"replay:{tmp_path / 'none.db'}", journal=tmp_path / "journal.db")
    with pytest.raises(LogError, match="no such call log"):
        await run_gateway(GatewayOptions(config=config, settings=settings), lambda text: None)
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("option", ["--journal", "--log"])
def test_stores_are_named_by_urls_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    asked: list[GatewayOptions] = []

    async def kept(options: GatewayOptions, say: object) -> None:
        asked.append(options)

    monkeypatch.setattr("artis_sdk.gateway.run_gateway", kept)
    read(tmp_path, {"broken": {"command": "x"}})
    url = "postgresql://ann@127.0.0.1:1/calls"
    command(tmp_path / "mcp.json", **{option.strip("-"): url})  # type: ignore[arg-type]
    settings = asked[0].settings
    assert (settings.journal if option == "--journal" else settings.log) == url
