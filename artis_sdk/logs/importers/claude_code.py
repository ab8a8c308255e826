"""Session files of Claude Code, and what it prints as `stream-json`: a JSON line for each message."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.collect import Calls, sessions_of
from artis_sdk.logs.importers.format import SESSION_FILES, TraceFormat
from artis_sdk.logs.importers.found import REFUSED, Place, TraceSession, Unusable
from artis_sdk.logs.importers.read import items_of, pick
from artis_sdk.logs.importers.times import seconds

_NEVER_MADE: Final = (
    (
        re.compile(r"The user doesn't want to (?:proceed with this tool use|take this action right now)"),
        REFUSED,
    ),
    (re.compile(r"\[Request interrupted by user for tool use\]"), REFUSED),
    (re.compile(r"\AClaude requested permissions to .* but you haven't granted it yet", re.DOTALL), REFUSED),
    (re.compile(r"\APermission to use .* has been denied", re.DOTALL), REFUSED),
    (re.compile(r"\A<tool_use_error>Error: No such tool available: "), "Claude Code had no such tool"),
)
"""What Claude Code answers where it made no call, and the reason to leave it out."""
_ERROR_TAGS: Final = ("<tool_use_error>", "</tool_use_error>")
_STRUCTURED: Final = "mcpMeta.structuredContent|tool_use_result.structuredContent"


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
        calls.message(_plain(message, value), str(place), seconds(value.get("timestamp")))
        for block in items_of(message, "content"):
            _withdraw(calls, block)
        return ()

    def rest(self) -> Iterator[TraceSession]:
        """The sessions, in the order in which they began. One that was forked, or resumed by a Claude Code of
        2025, begins with the calls of the other one, under the same ids: they were made once."""
        made: dict[str, str] = {}
        roots: dict[str, str] = {}
        for session in sessions_of(self._calls):
            tasks = [made.setdefault(found.call.id, session.name) for found in session.calls]
            root = tasks[0] if tasks else session.name
            roots[session.name] = roots.get(root, session.name)
            calls = [found._replace(task=task) for found, task in zip(session.calls, tasks, strict=True)]
            yield session._replace(calls=calls, root=roots[session.name])


CLAUDE_CODE: Final = TraceFormat("claude-code", "session files of Claude Code", ClaudeCode, SESSION_FILES)


def _withdraw(calls: Calls, block: Any) -> None:
    """A call that was refused was never made."""
    if isinstance(block, dict) and block.get("type") == "tool_result" and block.get("is_error"):
        content = block.get("content")
        text = content if isinstance(content, str) else str(content or "")
        reason = next((why for said, why in _NEVER_MADE if said.search(text)), None)
        if reason is not None:
            calls.withdraw(str(block.get("tool_use_id")), reason)


def _plain(message: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """A message whose results are the tools' own: without the tags around Claude Code's error texts, and with
    the structure of an MCP result, which the line holds beside the message's text."""
    content, structured = message.get("content"), pick(line, _STRUCTURED)
    if not isinstance(content, list):
        return message
    made = []
    for block in content:
        text = block.get("content") if isinstance(block, dict) else None
        if isinstance(block, dict) and isinstance(text, str) and text.startswith(_ERROR_TAGS[0]):
            text = text.removeprefix(_ERROR_TAGS[0]).removesuffix(_ERROR_TAGS[1])
            block = {**block, "content": text}
        elif isinstance(block, dict) and block.get("type") == "tool_result" and structured is not None:
            block = {**block, "content": {"content": text, "structuredContent": structured}}
        made.append(block)
    return {**message, "content": made}
