"""Inspect's evaluation logs: a sample is a session; its tool events say when a call ran."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.documents import tool_documents
from artis_sdk.logs.importers.format import EachValue, TraceFormat
from artis_sdk.logs.importers.found import Place, TraceSession, Unusable, arguments
from artis_sdk.logs.importers.read import items_of, pick
from artis_sdk.logs.importers.results import answered
from artis_sdk.logs.importers.times import seconds
from artis_sdk.logs.importers.trace import ToolSpan, TracedCalls
from artis_sdk.records import ToolCall

_ATTACHMENT: Final = "attachment://"


def samples(value: JsonValue, place: Place) -> Iterator[TraceSession]:
    """The samples in a JSON value: a whole log, or a sample as `.eval` files hold them.

    Raises:
        Unusable: the value is neither.
    """
    if isinstance(value, dict) and isinstance(value.get("samples"), list):
        for number, sample in enumerate(items_of(value, "samples")):
            yield _sample(sample, f"{place} samples[{number}]", pick(value, "eval.run_id|eval.eval_id"))
    elif isinstance(value, dict) and isinstance(value.get("messages"), list):
        yield _sample(value, str(place), None)
    elif isinstance(value, dict) and "eval" in value:
        return  # the header, or a log without samples
    else:
        raise Unusable("not a log of Inspect: it has no samples")


INSPECT: Final = TraceFormat("inspect", "logs of Inspect (.json, .eval)", lambda: EachValue(samples))


def _sample(sample: JsonValue, place: str, run: Any) -> TraceSession:
    if not isinstance(sample, dict):
        raise Unusable(f"a sample is not an object: {sample!r:.80}")
    attachments = sample.get("attachments")
    sample = {**_attached(sample, attachments if isinstance(attachments, dict) else {})}
    trace = TracedCalls()
    for number, event in enumerate(items_of(sample, "events")):
        if not isinstance(event, dict):
            continue
        if event.get("event") == "tool":
            trace.spans.append(_tool_event(event, f"{place} events[{number}]"))
        elif event.get("event") == "model":
            trace.tools |= tool_documents(event.get("tools"))
    told = [m for m in items_of(sample, "messages") if isinstance(m, dict)]
    trace.request([(m, f"{place} messages[{n}]") for n, m in enumerate(told)])
    name = pick(sample, "uuid") or ":".join(
        str(part) for part in (run, sample.get("id"), sample.get("epoch", 1)) if part is not None
    )
    return trace.session(str(name))


def _tool_event(event: dict[str, Any], place: str) -> ToolSpan:
    tool, id_ = str(event.get("function") or ""), pick(event, "id")
    start, end = seconds(event.get("timestamp")), seconds(event.get("completed"))
    found = ToolSpan(tool, place, start, None if id_ is None else str(id_), ended=end)
    if event.get("pending"):
        found.reason = "it was not finished"
        return found
    try:
        if not tool:
            raise Unusable("it has no name")
        found.call = ToolCall(id=str(id_ or place), tool=tool, arguments=arguments(event.get("arguments")))
        found.outcome = answered(event, event.get("result")).outcome(found.call)
    except Unusable as error:
        found.reason = str(error)
    return found


def _attached(value: Any, attachments: dict[str, Any]) -> Any:
    """The value with the long texts that Inspect keeps apart."""
    if isinstance(value, str) and value.startswith(_ATTACHMENT):
        return attachments.get(value.removeprefix(_ATTACHMENT), value)
    if isinstance(value, list):
        return [_attached(item, attachments) for item in value]
    if isinstance(value, dict):
        return {key: _attached(item, attachments) for key, item in value.items() if key != "attachments"}
    return value
