"""Results of tau2-bench, in both layouts: one file with `simulations`, or `results.json` with a file for
each simulation beside it; and those of tau-bench before it.

Its tools fail by exceptions, which it shows as `Error: ...` and marks; the class is lost, so the type
is the message with its literals masked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.collect import Calls
from artis_sdk.logs.importers.documents import tool_documents
from artis_sdk.logs.importers.format import TraceFormat
from artis_sdk.logs.importers.found import Place, TraceSession, Unusable
from artis_sdk.logs.importers.read import items_of, pick
from artis_sdk.logs.importers.times import seconds
from artis_sdk.records import ToolSpec

_ERROR = "Error: "
_TICKS: Final = ("user_tool_calls", "agent_tool_calls", "user_tool_results", "agent_tool_results")


class Simulations:
    """Reads results and single simulations. The calls of the simulated user are calls like the others."""

    def __init__(self) -> None:
        self._tools: dict[str, ToolSpec] = {}
        """Documents of the newest results file, for the simulations beside it."""

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """See `TraceReader.add`."""
        return list(self._read(value, str(place)))

    def rest(self) -> Iterable[TraceSession]:
        """Nothing: no simulation spans several values."""
        return ()

    def _read(self, value: JsonValue, place: str) -> Iterator[TraceSession]:
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from self._read(item, f"{place}[{number}]")
            return
        if not isinstance(value, dict):
            raise Unusable("not tau2-bench results: it needs an object with `simulations`")
        if "info" in value and "tasks" in value:
            self._tools = tool_documents(pick(value, "info.environment_info.tool_defs"))
            for number, item in enumerate(items_of(value, "simulations")):
                yield self._simulation(item, f"{place} simulations[{number}]")
        elif isinstance(value.get("simulations"), list):
            for number, item in enumerate(items_of(value, "simulations")):
                yield self._simulation(item, f"{place} simulations[{number}]")
        else:
            yield self._simulation(value, place)

    def _simulation(self, value: JsonValue, place: str) -> TraceSession:
        messages = _messages(value)
        if not isinstance(value, dict) or messages is None:
            raise Unusable("a simulation has no messages")
        calls = Calls()
        for number, message in enumerate(messages):
            inner = message.get("tool_messages") if isinstance(message, dict) else None
            for one in inner if isinstance(inner, list) else (message,):
                calls.message(_plain(one), f"{place} messages[{number}]")
        found, left_out = calls.found()
        task, trial = value.get("task_id", ""), value.get("trial", 0)
        return TraceSession(str(value.get("id") or f"{task}:{trial}"), found, self._tools, None, left_out)


TAU2: Final = TraceFormat("tau2", "results of tau2-bench and tau-bench", Simulations)


def _messages(value: JsonValue) -> list[Any] | None:
    """A simulation's messages; those of a voice simulation stand in its ticks."""
    found = pick(value, "messages|traj")
    if isinstance(found, list):
        return found
    ticks = pick(value, "ticks")
    if not isinstance(ticks, list):
        return None
    made: list[dict[str, Any]] = []
    for tick in ticks:
        for name in _TICKS:
            items = pick(tick, name)
            if items is not None and not isinstance(items, list):
                raise Unusable(f"{name} of a tick is not a list: {items!r:.80}")
            if items and name.endswith("_calls"):
                made.append({"role": "assistant", "tool_calls": items, "timestamp": tick.get("timestamp")})
            else:
                made += [item for item in items or () if isinstance(item, dict)]
    return sorted(made, key=lambda item: seconds(item.get("timestamp")) or 0.0)


def _plain(message: Any) -> dict[str, Any]:
    """An error without the prefix of tau2-bench."""
    if not isinstance(message, dict):
        raise Unusable(f"a message is not an object: {message!r:.80}")
    content = message.get("content")
    if message.get("error") is True and isinstance(content, str):
        return {**message, "content": content.removeprefix(_ERROR)}
    return message
