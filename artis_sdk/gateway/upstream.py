"""The tools of all servers behind a gateway, under the names that its clients see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from mcp import types

from artis_sdk.errors import ConfigurationError
from artis_sdk.gateway.config import GatewayConfig
from artis_sdk.gateway.link import Link, connect
from artis_sdk.gateway.own_tools import OWN_TOOLS
from artis_sdk.integrations.agent_tools import AgentTools, ToolFacts
from artis_sdk.integrations.mcp import facts_of
from artis_sdk.records import Risk
from artis_sdk.tools import Toolset

_OWN = [tool.name for tool in OWN_TOOLS]
_STRANGE = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class Upstream:
    """The servers and all their tools."""

    tools: Toolset
    offered: tuple[types.Tool, ...]
    """The tools as their servers describe them, under the gateway's names."""
    links: tuple[Link, ...] = ()
    """The servers."""


@asynccontextmanager
async def connected(config: GatewayConfig) -> AsyncIterator[Upstream]:
    """Start and connect the servers; they are ended and left after the block.

    Raises:
        ConfigurationError: see `connect` and `upstream`.
    """
    async with AsyncExitStack() as stack:
        yield upstream([await connect(name, one, stack) for name, one in config.servers.items()])


def upstream(links: Sequence[Link]) -> Upstream:
    """The tools of these servers.

    A tool has its server's name for it, or `server_tool` where two servers have one of this name, or the
    gateway itself.

    Raises:
        ConfigurationError: two tools have one name in spite of that.
        ToolDefinitionError: the schema of a tool is not valid.
    """
    found = [(link, tool) for link in links for tool in link.tools]
    count = Counter([*_OWN, *(tool.name for _, tool in found)])
    names = [
        tool.name if count[tool.name] == 1 else f"{_STRANGE.sub('_', link.name)}_{tool.name}"
        for link, tool in found
    ]
    twice = [name for name, number in Counter([*_OWN, *names]).items() if number > 1]
    if twice:
        raise ConfigurationError(
            f"two tools have the name {', '.join(twice)}, prefixed or not: give a server another name in "
            "mcpServers"
        )
    named = list(zip(names, found, strict=True))
    risks = {
        name: link.server.risks[tool.name] for name, (link, tool) in named if tool.name in link.server.risks
    }
    tools = AgentTools(risks)
    facts = [_facts(name, tools, link, tool) for name, (link, tool) in named]
    offered = [tool.model_copy(update={"name": name}) for name, (_, tool) in named]
    return Upstream(tools.toolset(facts), tuple(offered), tuple(links))


def _facts(name: str, tools: AgentTools, link: Link, tool: types.Tool) -> ToolFacts:
    async def alone(arguments: dict[str, Any]) -> types.CallToolResult:
        guarded = tools.get(name)
        reads = guarded is not None and guarded.risk is Risk.READ_ONLY
        return await link.call(name, tool.name, arguments, reads=reads)

    facts = facts_of(tool, alone, link.server.trust_annotations)
    return replace(facts, name=name, alone=alone)
