"""Trajectories of tau2-bench: a results file with `simulations`, or single simulations.

Its tools fail by exceptions, which it shows as `Error: ...` and marks; the class is lost, so the type
is the message with its literals masked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import JsonValue

from artis_sdk.logs.importers.found import TraceSession, Unusable
from artis_sdk.logs.importers.messages import Calls
from artis_sdk.records import ToolSpec

_ERROR = "Error: "


def simulations(value: JsonValue) -> Iterator[TraceSession]:
    """The simulations in a JSON value. The calls of the simulated user are calls like the others.

    Raises:
        Unusable: the value has no simulations.
    """
    if isinstance(value, list):
        for item in value:
            yield from simulations(item)
        return
    if not isinstance(value, dict):
        raise Unusable("not tau2-bench results: it needs an object with `simulations`")
    several = value.get("simulations")
    if isinstance(several, list):
        tools = _documents(value.get("info"))
        for item in several:
            yield _simulation(item, tools)
    else:
        yield _simulation(value, {})


def _simulation(value: JsonValue, tools: dict[str, ToolSpec]) -> TraceSession:
    messages = value.get("messages") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(messages, list):
        raise Unusable("a simulation has no messages")
    calls = Calls()
    for message in messages:
        if not isinstance(message, dict):
            raise Unusable(f"a message is not an object: {message!r:.80}")
        inner = message.get("tool_messages")
        for one in inner if isinstance(inner, list) else (message,):
            calls.message(_plain(one))
    found, left_out = calls.found()
    task, trial = value.get("task_id", ""), value.get("trial", 0)
    return TraceSession(str(value.get("id") or f"{task}:{trial}"), found, tools, None, left_out)


def _plain(message: Any) -> dict[str, Any]:
    """An error without the prefix of tau2-bench."""
    if not isinstance(message, dict):
        raise Unusable(f"a message is not an object: {message!r:.80}")
    content = message.get("content")
    if message.get("error") is True and isinstance(content, str):
        return {**message, "content": content.removeprefix(_ERROR)}
    return message


def _documents(info: Any) -> dict[str, ToolSpec]:
    """The tool documents of a results file, if it has any."""
    environment = info.get("environment_info") if isinstance(info, dict) else None
    given = environment.get("tool_defs") if isinstance(environment, dict) else None
    found: dict[str, ToolSpec] = {}
    for name, document in given.items() if isinstance(given, dict) else ():
        if isinstance(document, dict):
            parameters = document.get("params")
            schema = parameters if isinstance(parameters, dict) and "properties" in parameters else {}
            found[name] = ToolSpec(
                name=name,
                description=str(document.get("doc") or ""),
                parameters=schema or {"type": "object"},
            )
    return found
