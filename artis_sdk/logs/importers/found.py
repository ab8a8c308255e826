"""Calls found in foreign logs, and their conversion to records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from artis_sdk.logs.codec import dumps
from artis_sdk.logs.imported import LeftOut
from artis_sdk.logs.importers.read import literal, parsed
from artis_sdk.records import CallRecord, History, Outcome, State, Step, ToolCall, ToolSpec

NO_RESULT: Final = "it has no result"
REFUSED: Final = "the user did not let it run"
NO_ARGUMENTS: Final = "its arguments were not captured"


class Unusable(Exception):
    """A part of a foreign log that does not follow its format."""


def object_of(value: JsonValue, what: str) -> dict[str, Any]:
    """A value that must be an object.

    Args:
        value: the value.
        what: what it must be, for people: `a span`.

    Raises:
        Unusable: it is not one.
    """
    if not isinstance(value, dict):
        raise Unusable(f"not {what}: it is not an object")
    return value


class Place(NamedTuple):
    """A place in a foreign log."""

    file: str
    line: int
    """Line, or row of a Parquet file, from 1."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class TraceCall(NamedTuple):
    """One call in a foreign log."""

    call: ToolCall
    outcome: Outcome
    at: float | None = None
    """Start of the call, in seconds since the epoch."""
    ended: float | None = None
    """End of the call, in seconds since the epoch."""
    place: str = ""
    """Place of the call in the log."""
    task: str | None = None
    """Conversation that made the call, where this one began as a copy of it."""


class TraceSession(NamedTuple):
    """The calls of one conversation or trace, oldest first."""

    name: str
    calls: Sequence[TraceCall]
    tools: dict[str, ToolSpec]
    """Tool documents that the log contains."""
    state: State = None
    left_out: Sequence[LeftOut] = ()
    """Calls that cannot become records."""
    root: str | None = None
    """Conversation of which this one is a fork; the records of both are of one session."""


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
        call, outcome, task = found.call, found.outcome, found.task or session.name
        text = dumps([task, number, call.tool, call.arguments, outcome.type, outcome.content()])
        yield CallRecord(
            id=blake2b(text.encode(), digest_size=16).hexdigest(),
            # A microsecond apart, so that an order by time is the order of the calls.
            at=found.at if found.at is not None else made + number * 1e-6,
            session=session.root or session.name,
            task=task,
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


def arguments(given: JsonValue, *, optional: bool = False) -> dict[str, JsonValue]:
    """The arguments of a call: an object, the JSON text of one, or the text of a Python dict.

    Args:
        given: the arguments as the log has them; an empty text means none.
        optional: whether null means none, too.

    Raises:
        Unusable: there are no arguments, or something else.
    """
    if given is None and not optional:
        raise Unusable(NO_ARGUMENTS)
    value = parsed(given) if given not in (None, "") else {}
    if isinstance(value, str):
        value = literal(value)
    if not isinstance(value, dict):
        raise Unusable(f"its arguments are not a JSON object: {given!r:.80}")
    return value
