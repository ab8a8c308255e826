"""Session files of coding agents: Claude Code and Codex, a JSON line for each event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.collect import Calls
from artis_sdk.logs.importers.format import TraceFormat
from artis_sdk.logs.importers.found import Place, TraceSession, Unusable, object_of
from artis_sdk.logs.importers.read import items_of, parsed, pick
from artis_sdk.logs.importers.shapes import kind_of
from artis_sdk.logs.importers.times import seconds

_REFUSED: Final = "the user did not let it run"
_REFUSALS: Final = (
    "The user doesn't want to proceed with this tool use",
    "The user doesn't want to take this action right now",
    "[Request interrupted by user for tool use]",
)
_ERROR_TAGS: Final = ("<tool_use_error>", "</tool_use_error>")


class ClaudeCode:
    """Lines of Claude Code's session files, grouped by session and subagent."""

    def __init__(self) -> None:
        self._calls: dict[str, Calls] = defaultdict(lambda: Calls(once=True))

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """Read a line. No session is complete yet."""
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            raise Unusable("not a line of Claude Code: it is not an object with a `type`")
        message = value.get("message")
        if value["type"] not in ("user", "assistant") or not isinstance(message, dict):
            return ()
        session = str(pick(value, "sessionId|session_id") or place.file)
        agent = pick(value, "agentId|parent_tool_use_id")
        calls = self._calls[session if agent is None else f"{session}:{agent}"]
        calls.message(_untagged(message), str(place), seconds(value.get("timestamp")))
        for block in items_of(message, "content"):
            _withdraw(calls, block)
        return ()

    def rest(self) -> Iterator[TraceSession]:
        """The sessions, in the order in which they began."""
        for name, calls in self._calls.items():
            found, left_out = calls.found()
            yield TraceSession(name, found, {}, None, left_out)


class Codex:
    """Lines of Codex's session files (rollouts): items of the Responses API, and events."""

    def __init__(self) -> None:
        self._calls: dict[str, Calls] = defaultdict(lambda: Calls(once=True))
        self._sessions: dict[str, str] = {}
        """Session of each file."""

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """Read a line. No session is complete yet."""
        line = object_of(value, "a line of Codex")
        kind, payload = line.get("type"), line.get("payload")
        item = payload if isinstance(payload, dict) else line
        if kind == "session_meta" or (kind is None and "id" in line):
            self._sessions.setdefault(place.file, str(pick(item, "id") or place.file))
            return ()
        calls = self._calls[self._sessions.get(place.file, place.file)]
        at = seconds(line.get("timestamp"))
        if kind == "event_msg" and item.get("type") == "mcp_tool_call_end":
            self._event(calls, item, place, at)
        elif kind != "event_msg" and isinstance(item.get("type"), str):
            calls.message(_codex_item(item), str(place), at)
        return ()

    def rest(self) -> Iterator[TraceSession]:
        """The sessions, in the order in which they began."""
        for name, calls in self._calls.items():
            found, left_out = calls.found()
            yield TraceSession(name, found, {}, None, left_out)

    def _event(self, calls: Calls, item: dict[str, Any], place: Place, at: float | None) -> None:
        """A call of an MCP server. If an item told of it, the item's result is the one the model saw."""
        if any(found.id == item.get("call_id") for found in calls.each()):
            return
        name, server = pick(item, "invocation.tool"), pick(item, "invocation.server")
        given, result = pick(item, "invocation.arguments"), item.get("result")
        fields = {"call_id": item.get("call_id"), "name": f"{server}__{name}" if server else name}
        calls.part({"type": "function_call", **fields, "arguments": given or {}}, str(place), at)
        error = pick(result, "Err") or item.get("error")
        answer = {"type": "function_call_output", **fields, "output": pick(result, "Ok") or result}
        calls.part({**answer, "error": error} if error else answer, str(place), at)


CLAUDE_CODE: Final = TraceFormat("claude-code", "session files of Claude Code", ClaudeCode)
CODEX: Final = TraceFormat("codex", "session files of Codex", Codex)


def _withdraw(calls: Calls, block: Any) -> None:
    """A call that the user refused was never made."""
    if isinstance(block, dict) and block.get("type") == "tool_result":
        content = block.get("content")
        text = content if isinstance(content, str) else str(content or "")
        if block.get("is_error") and any(said in text for said in _REFUSALS):
            calls.withdraw(str(block.get("tool_use_id")), _REFUSED)


def _untagged(message: dict[str, Any]) -> dict[str, Any]:
    """Error texts without the tags that Claude Code puts around its own."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    made = []
    for block in content:
        text = block.get("content") if isinstance(block, dict) else None
        if isinstance(block, dict) and isinstance(text, str) and text.startswith(_ERROR_TAGS[0]):
            text = text.removeprefix(_ERROR_TAGS[0]).removesuffix(_ERROR_TAGS[1])
            block = {**block, "content": text}
        made.append(block)
    return {**message, "content": made}


def _codex_item(item: dict[str, Any]) -> dict[str, Any]:
    """An item whose output may be `{"content": ..., "success": ...}`."""
    output = parsed(item.get("output"))
    if not kind_of(item)[0].endswith("_output") or not isinstance(output, dict) or "success" not in output:
        return item
    if not output.keys() <= {"content", "success", "content_items"}:
        return item
    return {**item, "output": output.get("content"), "success": output["success"]}
