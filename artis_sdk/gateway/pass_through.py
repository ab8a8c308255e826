"""What else clients read from the servers behind a gateway: resources, their templates, and prompts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, TypeAlias, TypeVar

from mcp import Client, types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError

from artis_sdk.errors import ToolFailure
from artis_sdk.gateway.link import Link

T = TypeVar("T")
Context: TypeAlias = ServerRequestContext[Any]
Page: TypeAlias = types.PaginatedRequestParams | None


class PassThrough:
    """Passes requests that only read on to the servers, and their answers back as they are.

    A resource is the server's that lists it, or else the first that has it. A prompt has its server's name
    for it, or `server_prompt` where two servers have one of this name.

    Args:
        links: the servers, in the order of their configuration.
    """

    def __init__(self, links: Sequence[Link]) -> None:
        self._links = tuple(links)
        self._owners: dict[str, Link] = {}
        """The server of each resource that was listed."""

    @property
    def handlers(self) -> dict[str, Any]:
        """The handlers of an MCP server, by their names as its options."""
        return {
            "on_list_resources": self._list_resources,
            "on_list_resource_templates": self._list_templates,
            "on_read_resource": self._read,
            "on_list_prompts": self._list_prompts,
            "on_get_prompt": self._prompt,
        }

    async def _list_resources(self, ctx: Context, params: Page) -> types.ListResourcesResult:
        return types.ListResourcesResult(resources=[one for _, one in await self._resources()])

    async def _list_templates(self, ctx: Context, params: Page) -> types.ListResourceTemplatesResult:
        found: list[types.ResourceTemplate] = []
        for link in self._links:
            if link.capabilities.resources is not None:
                found += await _all(
                    link, Client.list_resource_templates, lambda page: page.resource_templates
                )
        return types.ListResourceTemplatesResult(resource_templates=found)

    async def _read(self, ctx: Context, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        if params.uri not in self._owners:
            await self._resources()
        refused = MCPError(types.INVALID_PARAMS, f"no server behind the gateway has {params.uri}")
        known = self._owners.get(params.uri)
        for link in self._links if known is None else (known,):
            if link.capabilities.resources is not None:
                try:
                    return await _read(link, lambda client: client.read_resource(params.uri))
                except MCPError as error:
                    refused = error
        raise refused

    async def _list_prompts(self, ctx: Context, params: Page) -> types.ListPromptsResult:
        prompts = await self._prompts()
        named = [prompt.model_copy(update={"name": name}) for name, (_, prompt) in prompts.items()]
        return types.ListPromptsResult(prompts=named)

    async def _prompt(self, ctx: Context, params: types.GetPromptRequestParams) -> types.GetPromptResult:
        found = (await self._prompts()).get(params.name)
        if found is None:
            raise MCPError(types.INVALID_PARAMS, f"no server behind the gateway has a prompt {params.name}")
        link, prompt = found
        return await _read(link, lambda client: client.get_prompt(prompt.name, params.arguments))

    async def _resources(self) -> list[tuple[Link, types.Resource]]:
        """All resources; of two with one address that of the first server."""
        found: dict[str, tuple[Link, types.Resource]] = {}
        for link in self._links:
            if link.capabilities.resources is not None:
                for one in await _all(link, Client.list_resources, lambda page: page.resources):
                    found.setdefault(str(one.uri), (link, one))
        self._owners = {uri: link for uri, (link, _) in found.items()}
        return list(found.values())

    async def _prompts(self) -> dict[str, tuple[Link, types.Prompt]]:
        """All prompts by their names at the gateway."""
        found: list[tuple[Link, types.Prompt]] = []
        for link in self._links:
            if link.capabilities.prompts is not None:
                listed = await _all(link, Client.list_prompts, lambda page: page.prompts)
                found += [(link, prompt) for prompt in listed]
        count = Counter(prompt.name for _, prompt in found)
        return {
            prompt.name if count[prompt.name] == 1 else f"{link.name}_{prompt.name}": (link, prompt)
            for link, prompt in found
        }


async def _all(link: Link, page_of: Callable[..., Awaitable[Any]], part: Callable[[Any], list[T]]) -> list[T]:
    """All that a server lists, page by page."""
    found: list[T] = []
    cursor: str | None = None
    while True:
        page: Any = await _read(link, partial(page_of, cursor=cursor))
        found += part(page)
        if not page.next_cursor or page.next_cursor == cursor:
            return found
        cursor = page.next_cursor


async def _read(link: Link, ask: Callable[[Client], Awaitable[T]]) -> T:
    """A server's answer to a request that only reads.

    Raises:
        MCPError: its error, or one that says that it cannot be reached.
    """
    try:
        return await link.read(ask)
    except ToolFailure as error:
        raise MCPError(types.INTERNAL_ERROR, error.message) from error
