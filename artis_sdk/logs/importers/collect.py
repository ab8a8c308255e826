"""Calls and results in messages, brought together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from artis_sdk.logs.codec import dumps
from artis_sdk.logs.imported import LeftOut
from artis_sdk.logs.importers.found import (
    NO_RESULT,
    TraceCall,
    TraceSession,
    Unusable,
    arguments,
)
from artis_sdk.logs.importers.read import has, parsed, pick
from artis_sdk.logs.importers.results import Answered, answered, only_block
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
_OTHER_CALL: Final = "another call has the same id"
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
        once: whether a call that was seen is the same call, as where each request repeats the messages
            before it; elsewhere clients use ids again.
    """

    def __init__(self, *, once: bool = False) -> None:
        self._once = once
        self._calls: list[FoundCall] = []
        self._open: dict[str, list[int]] = {}
        """Calls without a result, by id; of several in one message the oldest is answered first."""
        self._seen: dict[str, list[int]] = {}
        """Calls that are not made again, by id: of this message, or of all, where `once`."""
        self._answered: set[str] = set()
        """Likewise, of results."""
        self._told: Counter[tuple[str, str]] = Counter()
        """Calls and results that have no id, where `once`."""
        self._request: Counter[tuple[str, str]] = Counter()
        """Those of this request."""
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
            self._answered.clear()
        message, kind = _plain(message)
        at = at if at is not None else seconds(pick(message, _TIMES))
        if kind in CALLS or kind in ANSWERS or is_unknown_call(kind):
            self.part(message, place, at)
            return
        is_answer = message.get("role", kind) in _TOOL_ROLES
        contents = (message.get(name) for name in ("content", "parts"))
        blocks = [b for content in contents for b in _blocks(content, texts=not is_answer)]
        if is_answer and not any(kind_of(b)[0] in ANSWERS for b in blocks):
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

    def request(self, seen: Counter[tuple[str, str]]) -> None:
        """Take in the messages of a request from now on.

        Args:
            seen: the request's calls and results without an id, so far. What it repeats of the requests
                before it is told apart by its number among its like.
        """
        self._request = seen

    def _listed(self, given: Any, place: str, at: float | None) -> None:
        given = parsed(given)
        if given is not None and not isinstance(given, list):
            self._lost.append(LeftOut("", f"its calls are not a list: {given!r:.80}", place))
            return
        for number, item in enumerate(given or ()):
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
            reason = f"no importer knows {kind!r}"
            self._begin(FoundCall("", place, at, _id(pick(body, "call_id|id")), reason=reason))
        if kind in ANSWERS:
            self._answer(ANSWERS[kind], body, place)

    # --- calls and results --------------------------------------------------------------------

    def _call(self, shape: CallShape, body: dict[str, Any], place: str, at: float | None) -> None:
        name, id_ = shape.tool or pick(body, shape.name), _id(pick(body, shape.id))
        found = FoundCall(name if isinstance(name, str) else "", place, at, id_)
        if not found.tool:
            found.reason = "it has no name"
            self._begin(found)
            return
        given = pick(body, shape.arguments)
        if given is None and shape.fields:
            given = {field: body[field] for field in shape.fields if body.get(field) is not None} or None
        try:
            if body.get("parse_error"):
                raise Unusable(f"its arguments could not be read: {body['parse_error']!s:.80}")
            found.call = ToolCall(
                id=id_ or f"call_{len(self._calls)}",
                tool=found.tool,
                arguments=arguments(given, optional=shape.optional),
            )
        except Unusable as error:
            found.reason = str(error)
        self._begin(found)

    def _begin(self, found: FoundCall) -> None:
        """Take in a call, unless it was written before."""
        number = len(self._calls)
        if found.id is None:
            if self._repeated(found.tool, dumps(found.call.arguments) if found.call else ""):
                return
            self._open[f"{number}:{found.tool}"] = [number]
        else:
            known = self._seen.setdefault(found.id, [])
            if any(_same(self._calls[n], found) for n in known):
                return
            if known and self._once:
                found.call, found.reason = None, _OTHER_CALL
            else:
                self._open[found.id] = [*(n for n in self._open.get(found.id, ()) if n in known), number]
            known.append(number)
        self._calls.append(found)

    def _repeated(self, name: str, content: str) -> bool:
        """Whether a call or a result without an id was in the requests before this one."""
        key = (name, content)
        self._request[key] += 1
        if not self._once or self._request[key] > self._told[key]:
            self._told[key] += 1
            return False
        return True

    def _answer(self, shape: AnswerShape, body: dict[str, Any], place: str) -> None:
        """Take in a result; one without an id belongs to the oldest open call of that name, one without a
        name to the oldest that has no id either."""
        value, id_ = pick(body, shape.result), _id(pick(body, shape.id))
        result = answered(body, value)
        if shape.inline and value is None and not result.failed:
            return
        name = shape.tool or pick(body, shape.name)
        if id_ is None and self._repeated(str(name), "result"):
            return
        if id_ in self._answered and id_ not in self._open:
            return  # the same result, written twice
        found = self._close(id_, name)
        if found is None:
            self._lost.append(LeftOut(str(name or ""), "a result that answers no call", place))
            return
        if id_ is not None:
            self._answered.add(id_)
        if not has(body, shape.result) and not shape.empty and not result.failed:
            found.reason = "its result was not captured"
        elif found.call is not None:
            found.outcome = _unwrapped(shape, result).outcome(found.call)

    def _close(self, id_: str | None, name: Any) -> FoundCall | None:
        key = id_ if id_ in self._open else self._unnamed(id_, name or None)
        if key is None:
            return None
        open_ = self._open[key]
        number = next((n for n in open_ if self._calls[n].tool == name), open_[0])
        open_.remove(number)
        if not open_:
            del self._open[key]
        return self._calls[number]

    def _unnamed(self, id_: str | None, name: Any) -> str | None:
        """The key of the oldest open call that a result may answer whose id, if it has one, no call has."""
        for key, (number, *_) in self._open.items():
            call = self._calls[number]
            if name is None and id_ is None and call.id is None:
                return key
            if name == call.tool and (id_ is None or call.id is None):
                return key
        return None

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


def _id(given: Any) -> str | None:
    return None if given in (None, "") else str(given)


def _same(known: FoundCall, found: FoundCall) -> bool:
    """Whether two calls with one id are one: a message may show a call in several ways, in one of them
    without its arguments."""
    if known.tool != found.tool:
        return False
    if known.call is None or found.call is None:
        return True
    one, other = known.call.arguments, found.call.arguments
    return not one or not other or one == other


def _blocks(content: Any, *, texts: bool) -> list[dict[str, Any]]:
    """The parts in a message's content; with `texts` also those in a text, as columns of tables hold them."""
    if texts and isinstance(content, str) and content.startswith("["):
        read = parsed(content)
        items = [item for item in read if isinstance(item, dict)] if isinstance(read, list) else []
        return items if any(kind_of(item)[0] in {*CALLS, *ANSWERS} for item in items) else []
    return [item for item in content if isinstance(item, dict)] if isinstance(content, list) else []


def _unwrapped(shape: AnswerShape, result: Answered) -> Answered:
    """A result without the wrapper of its provider."""
    value = result.value
    if shape is ANSWERS["toolResult"]:
        return result._replace(value=only_block(value))
    if shape is not ANSWERS["functionResponse"] or not isinstance(value, dict) or len(value) != 1:
        return result
    # Gemini: `output` or `result` holds the value, `error` what went wrong.
    key, inner = next(iter(value.items()))
    if key in ("output", "result"):
        return result._replace(value=inner)
    return result._replace(failed=True) if key == "error" and inner else result


def sessions_of(calls: Mapping[str, Calls]) -> Iterator[TraceSession]:
    """The sessions of these names, in the order in which they began."""
    for name, of_session in calls.items():
        found, left_out = of_session.found()
        yield TraceSession(name, found, {}, None, left_out)


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
