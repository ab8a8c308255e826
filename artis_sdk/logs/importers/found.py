"""Calls from foreign logs, and their conversion to records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, NamedTuple

from pydantic import JsonValue
from pydantic_core import from_json

from artis_sdk.logs.codec import dumps
from artis_sdk.records import CallRecord, History, Outcome, Provenance, State, Step, ToolCall, ToolSpec
from artis_sdk.records.outcome_type import failure_text, mask, returned_type


class Unusable(Exception):
    """A part of a foreign log that does not follow its format."""


class TraceCall(NamedTuple):
    """One call in a foreign log."""

    call: ToolCall
    outcome: Outcome
    at: float | None = None
    """Start of the call, in seconds since the epoch."""
    ended: float | None = None
    """End of the call, in seconds since the epoch."""


class TraceSession(NamedTuple):
    """The calls of one conversation or trace, oldest first."""

    name: str
    calls: Sequence[TraceCall]
    tools: dict[str, ToolSpec]
    """Tool documents that the log contains."""
    state: State = None
    left_out: Sequence[str] = ()
    """Calls that cannot become records, each with the reason."""


def records(session: TraceSession, made: float) -> Iterator[CallRecord]:
    """The calls of one session as records, each with those before it as its history.

    The ids follow from the content: a repeated import changes nothing.

    Args:
        session: the calls.
        made: time for calls without one, in seconds since the epoch.
    """
    before: list[tuple[float | None, Step]] = []
    for number, found in enumerate(session.calls):
        spec = session.tools.get(found.call.tool)
        if spec is None:
            spec = ToolSpec(name=found.call.tool, parameters={"type": "object"})
        call, outcome = found.call, found.outcome
        text = dumps([session.name, number, call.tool, call.arguments, outcome.type, outcome.content()])
        yield CallRecord(
            id=blake2b(text.encode(), digest_size=16).hexdigest(),
            # A microsecond apart, so that an order by time is the order of the calls.
            at=found.at if found.at is not None else made + number * 1e-6,
            session=session.name,
            task=session.name,
            spec=spec,
            call=call,
            state=session.state,
            history=_ended(before, found.at),
            outcome=outcome,
        )
        before.append((found.ended, Step(call=found.call, outcome=found.outcome)))


def _ended(before: list[tuple[float | None, Step]], at: float | None) -> History:
    """The steps that had ended; if times are not known, all that began before."""
    return tuple(step for ended, step in before if ended is None or at is None or ended <= at)


def outcome_of(
    value: JsonValue, *, failed: bool = False, failure_type: str | None = None, call: ToolCall
) -> Outcome:
    """A tool's result as an outcome.

    Args:
        value: the returned value.
        failed: whether the log marks it as an error; a text then counts as a raised error. Otherwise
            the value itself decides, as for our own calls.
        failure_type: failure type in the log; None to read it from the value.
        call: the call that it answers.
    """
    type_ = returned_type(value, call)
    if not failed and type_ is None:
        return Outcome.success(value, Provenance.REAL)
    if not failed:
        return Outcome.failure(
            type_ or "failure", failure_text(value) or "", Provenance.REAL, value=value, raised=False
        )
    if isinstance(value, str | None):
        type_ = failure_type or type_ or (mask(value, call) if value else "failure")
        return Outcome.failure(type_, value or "", Provenance.REAL, raised=True)
    message = failure_text(value) or ""
    type_ = failure_type or type_ or (mask(message, call) if message else "failure")
    return Outcome.failure(type_, message, Provenance.REAL, value=value, raised=False)


def parsed(text: JsonValue) -> JsonValue:
    """The value of a JSON text; any other text unchanged. A bare word or number stays text unless it is
    JSON, like a tool's result that was turned into a text."""
    if not isinstance(text, str):
        return text
    try:
        value: JsonValue = from_json(text)
    except ValueError:
        return text
    return value


def arguments(given: JsonValue) -> dict[str, JsonValue]:
    """The arguments of a call: an object, or the text of one.

    Raises:
        Unusable: the arguments are neither.
    """
    value = parsed(given) if given not in (None, "") else {}
    if not isinstance(value, dict):
        raise Unusable(f"its arguments are not a JSON object: {given!r:.80}")
    return value


def tool_document(given: JsonValue) -> ToolSpec | None:
    """A tool's document in the form of OpenAI (chat or responses), of Anthropic, or of ours."""
    if not isinstance(given, dict):
        return None
    function = given.get("function", given)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        return None
    parameters = function.get("parameters") or function.get("input_schema") or {"type": "object"}
    if not isinstance(parameters, dict):
        return None
    return ToolSpec(
        name=str(function["name"]),
        description=str(function.get("description") or ""),
        parameters=dict[str, Any](parameters),
    )


def tool_documents(given: JsonValue) -> dict[str, ToolSpec]:
    """Documents by name; other values are ignored."""
    found = map(tool_document, given if isinstance(given, list) else ())
    return {spec.name: spec for spec in found if spec is not None}


def seconds(given: JsonValue) -> float | None:
    """A time as seconds since the epoch: a number, or a text in ISO 8601; None for anything else."""
    if isinstance(given, bool):
        return None
    if isinstance(given, int | float):
        return float(given)
    if isinstance(given, str):
        try:
            return datetime.fromisoformat(given).timestamp()
        except ValueError:
            return None
    return None
