"""Calls and results in messages, brought together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.logs.imported import LeftOut
from artis_sdk.logs.importers.found import (
    NO_RESULT,
    TraceCall,
    Unusable,
    arguments,
)
from artis_sdk.logs.importers.read import has, parsed, pick
from artis_sdk.logs.importers.results import Answered, answered
from artis_sdk.logs.importers.shapes import (
    ANSWERS,
    CALLS,
    LISTED,
    TOOL_MESSAGE,
    AnswerShape,
    CallShape,
    is_unknown_call,
    kind_of,
)
from artis_sdk.logs.importers.times import seconds
from artis_sdk.records import Outcome, ToolCall

_TIMES: Final = "created_at|createdAt|timestamp|created|time"
_LISTS: Final = ("tool_calls", "toolCalls", "toolInvocations", "invalid_tool_calls")
_TOOL_ROLES: Final = ("tool", "function", "toolResult")
# Names of LangChain's message classes.
_CLASSES: Final = {"ToolMessage": "tool", "FunctionMessage": "function", "AIMessage": "ai"}


@dataclass
class FoundCall:
    """A call on its way to a record."""

    tool: str
    place: str
    at: float | None
    id: str | None = None
    """The log's own id of the call."""
    call: ToolCall | None = None
    """None if it cannot be made, for `reason`."""
    reason: str = NO_RESULT
    outcome: Outcome | None = None


class Calls:
    """Collects calls and results, in the order of the calls.

    Args:
        once: whether a call whose id was seen is the same call, as where each request repeats the messages
            before it; elsewhere clients use ids again.
    """

    def __init__(self, *, once: bool = False) -> None:
        self._once = once
        self._calls: list[FoundCall] = []
        self._open: dict[str, int] = {}
        self._seen: set[str] = set()
        """Ids of calls that are not made again: of this message, or of all, where `once`."""
        self._answered: set[str] = set()
        self._lost: list[LeftOut] = []

    # --- messages -----------------------------------------------------------------------------

    def message(self, message: dict[str, Any], place: str, at: float | None = None) -> None:
        """Take in a message.

        Args:
            message: the message, or a Responses item.
            place: where it stands.
            at: its time in seconds since the epoch; None to read it from the message.
        """
        if not self._once:
            self._seen.clear()
        message, kind = _plain(message)
        at = at if at is not None else seconds(pick(message, _TIMES))
        if kind in CALLS or kind in ANSWERS or is_unknown_call(kind):
            self.part(message, place, at)
            return
        lists = (message[name] for name in ("content", "parts") if isinstance(message.get(name), list))
        blocks = [block for content in lists for block in content if isinstance(block, dict)]
        if message.get("role", kind) in _TOOL_ROLES and not any(kind_of(b)[0] in ANSWERS for b in blocks):
            self._answer(TOOL_MESSAGE, message, place)
            return
        for name in _LISTS:
            self._listed(message.get(name), f"{place}.{name}", at)
        extra = message.get("additional_kwargs")
        if not message.get("tool_calls") and isinstance(extra, dict):
            self._listed(extra.get("tool_calls"), f"{place}.tool_calls", at)
        if isinstance(message.get("function_call"), dict):
            self._call(LISTED, message["function_call"], f"{place}.function_call", at)
        for number, block in enumerate(blocks):
            self.part(block, f"{place}.content[{number}]", at)

    def _listed(self, given: Any, place: str, at: float | None) -> None:
        for number, item in enumerate(given if isinstance(given, list) else ()):
            if not isinstance(item, dict):
                self._lost.append(LeftOut("", f"a call is not an object: {item!r:.80}", f"{place}[{number}]"))
                continue
            where = f"{place}[{number}]"
            if isinstance(item.get("custom"), dict):
                self._call(CALLS["custom_tool_call"], {**item["custom"], "id": item.get("id")}, where, at)
            else:
                self._call(LISTED, item, where, at)
                if item.get("state") in ("result", "output-available", "output-error"):
                    self._answer(ANSWERS["tool-invocation"], item, where)

    def part(self, part: dict[str, Any], place: str, at: float | None = None) -> None:
        """Take in a part of a message: a call, a result, a call with its result, or anything else."""
        kind, body = kind_of(part)
        if kind in CALLS:
            self._call(CALLS[kind], body, place, at)
        elif is_unknown_call(kind):
            self._begin("", pick(body, "call_id|id"), place, at).reason = f"no importer knows {kind!r}"
        if kind in ANSWERS:
            self._answer(ANSWERS[kind], body, place)

    # --- calls and results --------------------------------------------------------------------

    def _call(self, shape: CallShape, body: dict[str, Any], place: str, at: float | None) -> None:
        name, id_ = shape.tool or pick(body, shape.name), pick(body, shape.id)
        if id_ is not None and str(id_) in self._seen:
            return  # the same call, written twice
        found = self._begin(name if isinstance(name, str) else "", id_, place, at)
        if not found.tool:
            found.reason = "it has no name"
            return
        given = pick(body, shape.arguments)
        if given is None and shape.fields:
            given = {field: body[field] for field in shape.fields if body.get(field) is not None} or None
        try:
            if body.get("parse_error"):
                raise Unusable(f"its arguments could not be read: {body['parse_error']!s:.80}")
            found.call = ToolCall(
                id=str(id_ or f"call_{len(self._calls) - 1}"),
                tool=found.tool,
                arguments=arguments(given, optional=shape.optional),
            )
        except Unusable as error:
            found.reason = str(error)

    def _begin(self, tool: str, id_: Any, place: str, at: float | None) -> FoundCall:
        number = len(self._calls)
        found = FoundCall(tool, place, at, None if id_ in (None, "") else str(id_))
        self._calls.append(found)
        if id_ is None or id_ == "":
            self._open[f"{number}:{tool}"] = number
        else:
            self._seen.add(str(id_))
            self._open[str(id_)] = number
        return found

    def _answer(self, shape: AnswerShape, body: dict[str, Any], place: str) -> None:
        """Take in a result; one without an id belongs to the oldest open call of that name."""
        value, id_ = pick(body, shape.result), pick(body, shape.id)
        result = answered(body, value)
        if shape.inline and value is None and not result.failed:
            return
        name = shape.tool or pick(body, shape.name)
        if self._once and id_ is not None and str(id_) in self._answered:
            return
        found = self._close(id_, name)
        if found is None:
            self._lost.append(LeftOut(str(name or ""), "a result that answers no call", place))
            return
        if id_ is not None:
            self._answered.add(str(id_))
        if not has(body, shape.result) and not shape.empty and not result.failed:
            found.reason = "its result was not captured"
        elif found.call is not None:
            found.outcome = _unwrapped(shape, result).outcome(found.call)

    def _close(self, id_: Any, name: Any) -> FoundCall | None:
        key = str(id_) if id_ is not None and str(id_) in self._open else None
        if key is None and name is not None:
            mine = (k for k, n in self._open.items() if self._calls[n].tool == name)
            key = next((k for k in mine if id_ is None or self._calls[self._open[k]].id is None), None)
        return None if key is None else self._calls[self._open.pop(key)]

    def withdraw(self, id_: str, reason: str) -> None:
        """Leave out a call that was never made, although the log shows an answer."""
        for found in self._calls:
            if found.id == id_:
                found.call, found.reason = None, reason

    def found(self) -> tuple[list[TraceCall], list[LeftOut]]:
        """The calls with a result, and the calls left out."""
        calls = [
            TraceCall(f.call, f.outcome, f.at, None, f.place) for f in self._calls if f.call and f.outcome
        ]
        left_out = [LeftOut(f.tool, f.reason, f.place) for f in self._calls if not f.call or not f.outcome]
        return calls, [*left_out, *self._lost]

    def each(self) -> list[FoundCall]:
        """All calls, in their order; those with a result have a `call` and an `outcome`."""
        return self._calls

    @property
    def lost(self) -> list[LeftOut]:
        """Results that answer no call."""
        return self._lost


def _unwrapped(shape: AnswerShape, result: Answered) -> Answered:
    """A result without the wrapper of its provider."""
    value = result.value
    if shape is ANSWERS["toolResult"] and isinstance(value, list) and len(value) == 1:
        (block,) = value
        if isinstance(block, dict) and block.keys() in ({"json"}, {"text"}):
            return result._replace(value=parsed(next(iter(block.values()))))
    if shape is not ANSWERS["functionResponse"] or not isinstance(value, dict) or len(value) != 1:
        return result
    # Gemini: `output` or `result` holds the value, `error` what went wrong.
    key, inner = next(iter(value.items()))
    if key in ("output", "result"):
        return result._replace(value=inner)
    return result._replace(failed=True) if key == "error" and inner else result


def messages(given: Any, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The messages in a list, with their places; lists in it, as LangChain writes batches, are followed."""
    for number, item in enumerate(given if isinstance(given, list) else ()):
        if isinstance(item, dict):
            yield item, f"{place}[{number}]"
        else:
            yield from messages(item, f"{place}[{number}]")


def _plain(message: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A message without LangChain's wrappers, and its kind."""
    kind, data = message.get("type"), pick(message, "kwargs|data")
    if message.get("lc") is not None and isinstance(data, dict):
        path = message.get("id")
        name = str(path[-1]) if isinstance(path, list) and path else ""
        kind = _CLASSES.get(name.removesuffix("Chunk"), "")
        return data, kind
    if isinstance(data, dict) and isinstance(kind, str) and "content" in data:
        return data, kind
    return message, kind if isinstance(kind, str) else ""
