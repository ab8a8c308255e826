"""Wire logs of MCP: JSON-RPC messages of `tools/call` and `tools/list`, bare or in a line of a logger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.imported import LeftOut
from artis_sdk.logs.importers.documents import tool_documents
from artis_sdk.logs.importers.format import TraceFormat
from artis_sdk.logs.importers.found import (
    NO_RESULT,
    Place,
    TraceCall,
    TraceSession,
    Unusable,
    arguments,
    object_of,
)
from artis_sdk.logs.importers.read import parsed, pick
from artis_sdk.logs.importers.results import Answered, opened
from artis_sdk.logs.importers.times import seconds
from artis_sdk.logs.importers.trace import ToolSpan
from artis_sdk.records import ToolCall, ToolSpec

_WRAPPERS: Final = ("message", "payload", "data", "body", "msg", "raw", "root")
_TIMES: Final = "timestamp|time|ts|at|created_at|@timestamp"
_SESSIONS: Final = "sessionId|session_id|session|mcp-session-id|connection|server"


@dataclass
class _Connection:
    calls: list[ToolSpan] = field(default_factory=list)
    open: dict[str, ToolSpan] = field(default_factory=dict)
    tools: dict[str, ToolSpec] = field(default_factory=dict)
    lost: list[LeftOut] = field(default_factory=list)
    others: set[str] = field(default_factory=set)
    """Ids of open requests of other methods, also of the server's own, which count by themselves."""


class McpWire:
    """JSON-RPC messages of all files, grouped by connection where the lines name one, else by file."""

    def __init__(self) -> None:
        self._connections: dict[str, _Connection] = defaultdict(_Connection)

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """Read a line. No session is complete yet."""
        at = seconds(pick(value, _TIMES))
        session = str(pick(value, _SESSIONS) or place.file)
        for message in _messages(value):
            self._message(self._connections[session], message, str(place), at)
        return ()

    def rest(self) -> Iterator[TraceSession]:
        """The connections, in the order in which they began."""
        for name, seen in self._connections.items():
            calls = [
                TraceCall(f.call, f.outcome, f.at, f.ended, f.place)
                for f in seen.calls
                if f.call and f.outcome
            ]
            left_out = [LeftOut(f.tool, f.reason, f.place) for f in seen.calls if not f.call or not f.outcome]
            yield TraceSession(name, calls, seen.tools, None, [*left_out, *seen.lost])

    def _message(self, seen: _Connection, message: dict[str, Any], place: str, at: float | None) -> None:
        id_, method = message.get("id"), message.get("method")
        if method == "tools/call":
            self._call(seen, message, place, at)
        elif method == "notifications/cancelled":
            found = seen.open.pop(str(pick(message, "params.requestId")), None)
            if found is not None:
                found.call, found.reason = None, "it was cancelled"
        elif method is not None:
            seen.others |= {str(id_)} if id_ is not None else set()
        elif "result" in message or "error" in message:
            self._answer(seen, message, place, at)

    def _call(self, seen: _Connection, message: dict[str, Any], place: str, at: float | None) -> None:
        id_, tool = message.get("id"), pick(message, "params.name")
        known = seen.open.get(str(id_))
        found = ToolSpan(tool if isinstance(tool, str) else "", place, at, str(id_))
        found.reason = NO_RESULT
        try:
            if not found.tool:
                raise Unusable("it has no name")
            given = arguments(pick(message, "params.arguments"), optional=True)
            found.call = ToolCall(id=str(id_), tool=found.tool, arguments=given)
        except Unusable as error:
            found.reason = str(error)
        if (
            known is not None
            and known.tool == found.tool
            and known.call is not None
            and found.call is not None
            and known.call.arguments == found.call.arguments
        ):
            return  # written when it was sent, and again when it was received
        seen.calls.append(found)
        seen.open[str(id_)] = found

    def _answer(self, seen: _Connection, message: dict[str, Any], place: str, at: float | None) -> None:
        id_, result, error = str(message.get("id")), message.get("result"), message.get("error")
        seen.tools |= tool_documents(pick(result, "tools"))
        if not _of_tool(result) and (error is None or id_ in seen.others):
            seen.others.discard(id_)  # it answers another request, perhaps one of the server's
            return
        found = seen.open.pop(id_, None)
        if found is None:
            if _of_tool(result) and not any(call.id == id_ for call in seen.calls):
                seen.lost.append(LeftOut("", "a result that answers no call", place))
            return
        if found.call is None:
            return
        found.ended = at
        if error is not None:
            said = pick(error, "message") or error
            code = pick(error, "code")
            found.outcome = Answered(said, True, None if code is None else str(code)).outcome(found.call)
        else:
            value, failed = opened({"isError": False, **result} if isinstance(result, dict) else result)
            found.outcome = Answered(value, failed).outcome(found.call)
        if found.at is not None and at is not None:
            found.outcome = found.outcome.model_copy(update={"duration": max(0.0, at - found.at)})


MCP: Final = TraceFormat("mcp", "wire logs of MCP (JSON-RPC)", McpWire)


def _of_tool(result: Any) -> bool:
    """Whether a result is a tool's; that of a sampled message has a role beside its content."""
    if not isinstance(result, dict) or "role" in result:
        return False
    return isinstance(result.get("content"), list) or "structuredContent" in result or "isError" in result


def _messages(value: JsonValue) -> Iterator[dict[str, Any]]:
    """The JSON-RPC messages in a line; a batch is several.

    Raises:
        Unusable: the line holds no message.
    """
    value = parsed(value)
    if isinstance(value, list):
        for item in value:
            yield from _messages(item)
        return
    message = object_of(value, "a message of MCP")
    if "jsonrpc" in message or "method" in message:
        yield message
        return
    for name in _WRAPPERS:
        inner = parsed(message.get(name))
        if isinstance(inner, dict | list):
            yield from _messages(inner)
            return
    raise Unusable("not a message of MCP: it has no `jsonrpc`")
