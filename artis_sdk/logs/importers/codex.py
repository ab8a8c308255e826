"""Session files of Codex (rollouts), a JSON line for each event."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.collect import Calls, sessions_of
from artis_sdk.logs.importers.format import SESSION_FILES, TraceFormat
from artis_sdk.logs.importers.found import REFUSED, Place, TraceSession, object_of
from artis_sdk.logs.importers.read import parsed, pick
from artis_sdk.logs.importers.shapes import kind_of
from artis_sdk.logs.importers.times import seconds

_NEVER_MADE: Final = (
    (re.compile(r"unsupported (?:custom tool )?call: "), "Codex had no such tool"),
    (re.compile(r"(?:exec command|patch) rejected by user|user cancelled MCP tool call"), REFUSED),
    (re.compile(r"(?:Wall time: .*\n)?(?:command )?aborted by user"), "it was cancelled"),
)
"""What Codex answers where it made no call or stopped it, and the reason to leave it out."""
_FRAME: Final = re.compile(
    r"(?:(?:Chunk ID|Wall time|Original token count|Total output lines|Exit code): .*\n"
    r"|Process (?:exited with code|running with session ID) -?\d+\n)+Output:\n?"
)
"""What Codex writes above a tool's output."""
_MEASURED: Final = re.compile(
    r"(?:(?:Chunk ID|Wall time|Original token count|Total output lines): .*"
    r"|Exit code: 0|Process exited with code 0|Output:)\n?"
)
_EXIT: Final = re.compile(r"(?:Exit code:|Process exited with code) (-?\d+)\n")


class Codex:
    """Lines of Codex's session files: items of the Responses API, and events."""

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
        if kind == "event_msg":
            _event(calls, item, place, at)
        elif isinstance(item.get("type"), str):
            calls.message(_item(item), str(place), at)
            _withdraw(calls, item)
        return ()

    def rest(self) -> Iterator[TraceSession]:
        """The sessions, in the order in which they began."""
        return sessions_of(self._calls)


CODEX: Final = TraceFormat("codex", "session files of Codex", Codex, SESSION_FILES)


def _event(calls: Calls, event: dict[str, Any], place: Place, at: float | None) -> None:
    """The end of an MCP server's call. It holds the server's own result; the item that answers the call, a
    line below, has only a text."""
    done = event.get("item")
    if event.get("type") == "mcp_tool_call_end":
        id_, given, result = event.get("call_id"), pick(event, "invocation"), event.get("result")
        error, result, prefix = pick(result, "Err") or event.get("error"), pick(result, "Ok") or result, ""
    elif event.get("type") == "item_completed" and pick(done, "type") == "McpToolCall":
        id_, given, result, error = pick(done, "id"), done, pick(done, "result"), pick(done, "error")
        prefix = "mcp__"
    else:
        return
    if not any(found.id == id_ for found in calls.each()):
        name, server = pick(given, "tool"), pick(given, "server")
        call = {"name": f"{prefix}{server}__{name}" if server else name, "call_id": id_}
        arguments = pick(given, "arguments") or {}
        calls.part({"type": "function_call", **call, "arguments": arguments}, str(place), at)
    answer = {"type": "function_call_output", "call_id": id_, "output": result}
    calls.part({**answer, "error": error} if error else answer, str(place), at)


def _withdraw(calls: Calls, item: dict[str, Any]) -> None:
    """A call that was refused was never made."""
    output = item.get("output")
    if kind_of(item)[0].endswith("_output") and isinstance(output, str):
        reason = next((why for said, why in _NEVER_MADE if said.match(output)), None)
        if reason is not None:
            calls.withdraw(str(item.get("call_id")), reason)


def _item(item: dict[str, Any]) -> dict[str, Any]:
    """An item of the Responses API: a call by the whole name of its tool, an output as the tool's own."""
    kind, _ = kind_of(item)
    if kind == "function_call" and item.get("namespace"):  # of an MCP server
        return {**item, "name": f"{item['namespace']}__{item.get('name')}"}
    if not kind.endswith("_output"):
        return item
    output = parsed(item.get("output"))
    if isinstance(output, str):
        text, failed = _unframed(output)
        return {**item, "output": text, "success": False} if failed else {**item, "output": text}
    known = {"content", "success", "content_items"}
    if not isinstance(output, dict) or "success" not in output or not output.keys() <= known:
        return item
    return {**item, "output": output.get("content"), "success": output["success"]}


def _unframed(text: str) -> tuple[str, bool]:
    """An output without what Codex measured, and whether a command in it failed."""
    failed = False
    kept = ""
    while frame := _FRAME.match(text):
        exit_ = _EXIT.search(frame[0])
        failed = failed or (exit_ is not None and exit_[1] != "0")
        kept += _MEASURED.sub("", frame[0])
        text = text[frame.end() :]
    return kept + text, failed
