"""Exports in which each row is a run: LangSmith's runs, Langfuse's observations. One table row for each."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from pydantic import JsonValue

from artis_sdk.logs.importers.collect import messages
from artis_sdk.logs.importers.documents import tool_documents
from artis_sdk.logs.importers.format import TraceFormat
from artis_sdk.logs.importers.found import Place, TraceSession, Unusable, object_of
from artis_sdk.logs.importers.read import parsed, pick
from artis_sdk.logs.importers.results import answered
from artis_sdk.logs.importers.span_shapes import span_arguments
from artis_sdk.logs.importers.span_values import text_of
from artis_sdk.logs.importers.times import seconds
from artis_sdk.logs.importers.trace import ToolSpan, TracedCalls
from artis_sdk.records import ToolCall

_MADE: Final = re.compile(r"([A-Z]\w*)\(.*\)$")


class RunShape(NamedTuple):
    """Paths of a run's parts, as `pick` takes them."""

    kind: str
    tools: tuple[str, ...]
    """Kinds of runs that are tool calls, in lower case."""
    models: tuple[str, ...]
    """Kinds of runs that are model requests, in lower case."""
    trace: str
    session: str
    id: str
    parent: str
    input: str
    output: str
    error: str
    start: str
    end: str
    inner: str
    """Lists of runs in a run, or in an object around runs."""
    call_id: str


LANGSMITH_RUN: Final = RunShape(
    kind="run_type|runType",
    tools=("tool",),
    models=("llm",),
    trace="trace_id|traceId",
    session="extra.metadata.thread_id|extra.metadata.session_id|extra.metadata.conversation_id|thread_id",
    id="id|run_id",
    parent="parent_run_id|parentRunId",
    input="inputs",
    output="outputs",
    error="error",
    start="start_time|startTime",
    end="end_time|endTime",
    inner="child_runs|runs",
    call_id="extra.metadata.tool_call_id|inputs.id|outputs.output.tool_call_id|outputs.output.kwargs.tool_call_id",
)
LANGFUSE_OBSERVATION: Final = RunShape(
    kind="type",
    tools=("tool",),
    models=("generation",),
    trace="traceId|trace_id",
    session="sessionId|session_id",
    id="id",
    parent="parentObservationId|parent_observation_id",
    input="input",
    output="output",
    error="statusMessage|status_message",
    start="startTime|start_time",
    end="endTime|end_time",
    inner="observations|data|traces",
    call_id="metadata.tool_call_id|metadata.toolCallId|output.tool_call_id",
)


class Runs:
    """Runs of all files, grouped by session, or by trace if they name none.

    Args:
        shape: the table row of the format.
    """

    def __init__(self, shape: RunShape) -> None:
        self._shape = shape
        self._traces: dict[str, TracedCalls] = defaultdict(TracedCalls)
        self._sessions: dict[str, str] = {}
        self._seen: set[str] = set()

    def add(self, value: JsonValue, place: Place) -> Iterable[TraceSession]:
        """Read a run, a list of runs, or an object that holds them. No session is complete yet."""
        self._read(value, str(place), {})
        return ()

    def rest(self) -> Iterator[TraceSession]:
        """The sessions, each with its calls in the order in which they began."""
        merged: dict[str, TracedCalls] = {}
        for number, trace in self._traces.items():
            name = self._sessions.get(number, number)
            known = merged.setdefault(name, trace)
            if known is not trace:
                known.spans += trace.spans
                known.requests += trace.requests
                known.parents |= trace.parents
                known.tools |= trace.tools
        for name in sorted(merged):
            yield merged[name].session(name)

    def _read(self, value: JsonValue, place: str, outer: dict[str, Any]) -> None:
        if isinstance(value, list):
            for number, item in enumerate(value):
                self._read(item, f"{place}[{number}]", outer)
            return
        shape = self._shape
        value = object_of(value, "a run")
        lists = [name for name in shape.inner.split("|") if isinstance(value.get(name), list)]
        kind = text_of(value, shape.kind).lower()
        if not kind and not lists:
            raise Unusable(f"not a run: it has no {shape.kind.split('|')[0]}")
        trace = text_of(value, shape.trace) or outer.get("trace") or text_of(value, shape.id)
        talk = pick(value, shape.session)
        if talk is not None and trace:
            self._sessions.setdefault(trace, str(talk))
        if kind:
            self._run(value, kind, trace, place, outer.get("run"))
        run = text_of(value, shape.id) if kind else outer.get("run")
        for name in lists:
            self._read(value[name], f"{place} {name}", {"trace": trace, "run": run})

    def _run(self, run: dict[str, Any], kind: str, number: str, place: str, outer: str | None) -> None:
        shape, trace = self._shape, self._traces[number]
        id_ = text_of(run, shape.id)
        if id_ and id_ in self._seen:
            return  # a child run, written once inside its parent and once on its own
        self._seen |= {id_} if id_ else set()
        parent = text_of(run, shape.parent) or outer
        if id_ and parent:
            trace.parents[id_] = parent
        start, end = seconds(pick(run, shape.start)), seconds(pick(run, shape.end))
        given, returned = parsed(pick(run, shape.input)), parsed(pick(run, shape.output))
        if kind in shape.tools:
            trace.spans.append(self._tool(run, given, returned, place, start, end))
        else:
            if kind in shape.models:
                trace.tools |= tool_documents(
                    pick(run, "extra.invocation_params.tools") or pick(given, "tools") or []
                )
            told = pick(given, "messages") if isinstance(given, dict) else given
            before = list(messages(told, f"{place} {shape.input}"))
            made = _made(returned, place) if kind in shape.models else _told(returned, place)
            trace.request(before, list(made), start, end)

    def _tool(
        self,
        run: dict[str, Any],
        given: JsonValue,
        returned: JsonValue,
        place: str,
        start: float | None,
        end: float | None,
    ) -> ToolSpan:
        shape, name = self._shape, text_of(run, "name")
        id_, call_id = text_of(run, shape.id), pick(run, shape.call_id)
        found = ToolSpan(
            name, place, start, None if call_id is None else str(call_id), span=id_ or None, ended=end
        )
        found.reason = "its result was not captured"
        try:
            if not name:
                raise Unusable("it has no name")
            found.call = ToolCall(
                id=found.id or id_ or f"{name}:{start}",
                tool=name,
                arguments=span_arguments(_arguments(given)),
            )
        except Unusable as error:
            found.reason = str(error)
            return found
        failed = text_of(run, "status|level").lower() == "error"
        said = pick(run, shape.error)
        if shape is LANGSMITH_RUN:
            failed = failed or bool(said)
        value = (
            returned["output"] if isinstance(returned, dict) and returned.keys() == {"output"} else returned
        )
        if value is None and failed:
            found.outcome = answered({"error": _raised(_first_line(said)) or True}, None).outcome(found.call)
        elif value is not None or end is not None:
            found.outcome = answered({"is_error": failed}, value).outcome(found.call)
        if found.outcome is not None and start is not None and end is not None:
            found.outcome = found.outcome.model_copy(update={"duration": max(0.0, end - start)})
        return found


LANGSMITH: Final = TraceFormat("langsmith", "runs of LangChain and LangSmith", partial(Runs, LANGSMITH_RUN))
LANGFUSE: Final = TraceFormat("langfuse", "export of Langfuse", partial(Runs, LANGFUSE_OBSERVATION))


def _arguments(given: JsonValue) -> JsonValue:
    """The arguments in a run's input, which may be a whole tool call, as LangGraph's tool node writes it."""
    args = pick(given, "args")
    return args if isinstance(args, dict) and pick(given, "type") == "tool_call" else given


def _first_line(error: Any) -> str:
    """LangSmith's error is `repr(exception)`, then the traceback."""
    return "" if error is None else str(error).split("\n", 1)[0].split("Traceback (most recent", 1)[0].strip()


def _raised(error: str) -> JsonValue:
    """An error that is `repr(exception)`, with the class as its type: `Declined('no')` is a `Declined`."""
    made = _MADE.match(error)
    return {"type": made[1], "message": error} if made else error


def _told(returned: JsonValue, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The messages that a chain or an agent returns: those of its whole run, often the only ones exported."""
    told = pick(returned, "messages") if isinstance(returned, dict) else returned
    yield from messages(told, f"{place} output")


def _made(returned: JsonValue, place: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The messages in a model run's output: LangChain's generations, an OpenAI response, or a message."""
    if not isinstance(returned, dict):
        yield from messages(returned, f"{place} output")
        return
    generations = returned.get("generations")
    for item, where in messages(generations, f"{place} generations"):
        if isinstance(item.get("message"), dict):
            yield item["message"], where
    choices = returned.get("choices")
    for item, where in messages(choices, f"{place} choices"):
        if isinstance(item.get("message"), dict):
            yield item["message"], where
    if isinstance(returned.get("messages"), list):
        yield from messages(returned["messages"], f"{place} messages")
    elif generations is None and choices is None:
        inner = returned.get("message")
        yield (inner if isinstance(inner, dict) else returned), f"{place} output"
