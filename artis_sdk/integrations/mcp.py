"""MCP: the tools of a server, called through a client session that stays the object that it is."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from contextvars import ContextVar
from typing import Any

from artis_sdk.integrations.installed import needed

with needed("MCP", "mcp"):
    import mcp  # noqa: F401

from mcp import types

from artis_sdk.errors import ConfigurationError, ToolFailure, UnknownOutcome
from artis_sdk.integrations.agent_tools import (
    AgentTools,
    Make,
    PlainValue,
    ToolFacts,
    read_json,
    told,
)
from artis_sdk.records import Risk
from artis_sdk.records.jsonable import jsonable
from artis_sdk.records.marked_failure import UNTYPED
from artis_sdk.tools.toolset import Toolset
from artis_sdk.tools.world import current_world

__all__ = ["rehearsed"]

UNCLEAR = (-32000, -32001, 408, -32603, -32700, -32600, 32600)
"""Error codes after which a call may have been made: the connection closed, no answer came in time (mcp 2 and
1), the server failed at it, or the client could not read the answer (the last two, in mcp 2 and 1)."""
_NO_SESSION = "Session terminated"
"""A client's words for a server that does not know its session, and so has made nothing."""

_making: ContextVar[bool] = ContextVar("artis_sdk_mcp_making", default=False)
"""Whether this context is in the real call, in which a client calls its session."""


async def rehearsed(
    client: Any,
    *,
    risks: Mapping[str, Risk] | None = None,
    default_risk: Risk = Risk.IRREVERSIBLE,
    trust_annotations: bool = True,
) -> Toolset:
    """The tools of an MCP server for a session, by a client that is connected to it.

    From now on `client.call_tool` goes to the world of its context, whoever calls it: an agent of yours, or
    another framework that holds the client. In a rehearsal the server is not asked. Elicitation, sampling and
    progress belong to real calls and pass. Outside of sessions the client is as before.

    Args:
        client: a `ClientSession`, or a `Client` of mcp 2, over any transport.
        risks: risks by tool name.
        default_risk: risk of all other tools of which the server says nothing.
        trust_annotations: whether the server's word counts: `readOnlyHint` makes a tool read-only; with
            `destructiveHint` false and `idempotentHint` true it is reversible.

    Raises:
        ConfigurationError: the client is not connected, or `risks` names a tool that the server lacks.
        ToolDefinitionError: the schema of a tool is not valid.
    """
    tools = AgentTools(risks, default_risk)
    found = [facts_of(tool, calling(tool, client, tools), trust_annotations) for tool in await listed(client)]
    for holder in (client, getattr(client, "session", None)):
        if holder is not None and hasattr(holder, "call_tool"):
            _put_seam(holder, tools)
    return tools.toolset(found)


async def listed(client: Any) -> list[types.Tool]:
    """All tools of a server, page by page."""
    found: list[types.Tool] = []
    cursor: str | None = None
    while True:
        try:
            page = await (client.list_tools() if cursor is None else client.list_tools(cursor=cursor))
        except RuntimeError as error:
            raise ConfigurationError(f"the MCP client is not connected: {error}") from error
        found += page.tools
        cursor = _either(page, "next_cursor", "nextCursor")
        if not cursor:
            return found


def facts_of(tool: types.Tool, alone: Make, trust_annotations: bool = True) -> ToolFacts:
    """What a server says about a tool.

    Args:
        tool: the tool, as the server lists it.
        alone: makes a call of it.
        trust_annotations: whether the server's word on its risk counts.
    """
    return ToolFacts(
        name=tool.name,
        description=tool.description or "",
        parameters=_either(tool, "input_schema", "inputSchema"),
        risk=_risk(tool.annotations) if trust_annotations else None,
        alone=alone,
        failed=failed,
        shown=shown,
        output_schema=_either(tool, "output_schema", "outputSchema"),
    )


def calling(tool: types.Tool, client: Any, tools: AgentTools) -> Make:
    """Makes calls of a tool by a client."""
    own_call = getattr(client.call_tool, "own", client.call_tool)

    async def alone(arguments: dict[str, Any]) -> Any:
        return await made(tools, tool.name, own_call(tool.name, arguments))

    return alone


def _risk(annotations: types.ToolAnnotations | None) -> Risk | None:
    if annotations is None:
        return None
    if _either(annotations, "read_only_hint", "readOnlyHint"):
        return Risk.READ_ONLY
    destroys = _either(annotations, "destructive_hint", "destructiveHint")
    repeats = _either(annotations, "idempotent_hint", "idempotentHint")
    return Risk.REVERSIBLE if destroys is False and repeats else None


def _put_seam(holder: Any, tools: AgentTools) -> None:
    own_call = getattr(holder.call_tool, "own", holder.call_tool)

    async def call_tool(name: str, arguments: dict[str, Any] | None = None, *args: Any, **kwargs: Any) -> Any:
        if _making.get():
            return await own_call(name, arguments, *args, **kwargs)

        async def make(given: dict[str, Any]) -> Any:
            return await made(tools, name, own_call(name, given, *args, **kwargs))

        return await through(tools, name, arguments or {}, make)

    call_tool.own = own_call  # type: ignore[attr-defined]
    object.__setattr__(holder, "call_tool", call_tool)


async def through(tools: AgentTools, name: str, arguments: Mapping[str, Any], make: Make) -> Any:
    """A call in the context's world; its result is the server's, or one that says what the world says."""
    try:
        value = await tools.acall(name, arguments, make)
    except ToolFailure as failure:
        return result_of(told(failure), is_error=True)
    if not isinstance(value, PlainValue):
        return value
    structured = None
    facts = tools.facts(name)
    if facts is not None and facts.output_schema is not None:
        structured = value.value if isinstance(value.value, dict) else {"result": value.value}
    return result_of(value.text, structured=structured)


def result_of(text: str, *, structured: Any = None, is_error: bool = False) -> types.CallToolResult:
    """A result with this text."""
    whole: dict[str, Any] = {"content": [{"type": "text", "text": text}], "isError": is_error}
    if structured is not None:
        whole["structuredContent"] = structured
    return types.CallToolResult.model_validate(whole)


async def made(tools: AgentTools, name: str, call: Awaitable[Any]) -> Any:
    """The result of a real call.

    Raises:
        UnknownOutcome: in a commit, it is not known whether a call that may change something was made: the
            server did not answer, failed at it, or its answer cannot be read.
    """
    token = _making.set(True)
    try:
        return await call
    except Exception as error:
        tool = tools.get(name)
        changes = tool is None or tool.risk is not Risk.READ_ONLY
        if changes and current_world() is not None and _may_be_made(error):
            why = "the MCP server did not answer, failed at it, or its answer cannot be read"
            raise UnknownOutcome(name, f"{why}: {error!r}") from error
        raise
    finally:
        _making.reset(token)


def _may_be_made(error: Exception) -> bool:
    """Whether the server may have made the call of which a client raises this error."""
    told: Any = getattr(error, "error", None)  # of the protocol: the server's, or the client's own
    if told is not None and hasattr(told, "code"):
        return told.code in UNCLEAR and told.message != _NO_SESSION
    return type(error).__name__ != "ToolError"  # FastMCP's client for a result that says that it failed


def failed(result: Any) -> str | None:
    """The failure type of a result that the server marks as an error."""
    return UNTYPED if _either(result, "is_error", "isError") else None


def shown(result: Any) -> Any:
    """The value in a result: its structured content, else its text, read as JSON where it is."""
    structured = _either(result, "structured_content", "structuredContent")
    if isinstance(structured, dict) and structured.keys() == {"result"}:
        return structured["result"]
    if structured is not None:
        return structured
    content = getattr(result, "content", None)
    if not isinstance(content, list):
        return jsonable(result)
    texts = [part.text if isinstance(part, types.TextContent) else jsonable(part) for part in content]
    return read_json(texts[0]) if len(texts) == 1 else texts


def _either(value: Any, name: str, former: str) -> Any:
    """An attribute by its name in mcp 2 or in mcp 1."""
    return getattr(value, name, None) if hasattr(value, name) else getattr(value, former, None)
