"""OTLP's JSON, and the flat forms of spans that consoles, Jaeger, Zipkin and Phoenix write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from pydantic import JsonValue

from artis_sdk.logs.importers.found import Unusable, object_of
from artis_sdk.logs.importers.read import pick

_GROUPS: Final = "resourceSpans|resource_spans|resourceLogs|resource_logs"
_SCOPES: Final = "scopeSpans|scope_spans|instrumentationLibrarySpans|scopeLogs|scope_logs"
_SPANS: Final = "spans|logRecords|log_records"
_ATTRIBUTES: Final = "attributes|tags"
_COLUMN: Final = "attributes."


def flat_spans(value: JsonValue) -> Iterator[dict[str, Any]]:
    """The spans, and log records, in a JSON value.

    Raises:
        Unusable: the value is neither an export, nor a span, nor a list of them.
    """
    if isinstance(value, list):
        for item in value:
            yield from flat_spans(item)
        return
    value = object_of(value, "a span")
    groups = pick(value, _GROUPS)
    if isinstance(groups, list):
        for group in groups:
            scopes = pick(group, _SCOPES)
            for scope in scopes if isinstance(scopes, list) else ():
                yield from flat_spans(pick(scope, _SPANS) or [])
    elif isinstance(value.get("data"), list):  # Jaeger
        yield from flat_spans(value["data"])
    elif isinstance(value.get("spans"), list):
        yield from flat_spans(value["spans"])
    elif any(
        key in value for key in ("attributes", "tags", "traceId", "trace_id", "context.trace_id")
    ) or any(key.startswith(_COLUMN) for key in value):
        yield value
    else:
        raise Unusable("not a span: it has neither resourceSpans nor attributes")


def attributes_of(span: dict[str, Any]) -> dict[str, JsonValue]:
    """The attributes of a span or an event."""
    given = pick(span, _ATTRIBUTES)
    if isinstance(given, dict):
        return given
    if given is None:
        columns = {key: value for key, value in span.items() if key.startswith(_COLUMN) and value is not None}
        return {key.removeprefix(_COLUMN): value for key, value in columns.items()}
    found: dict[str, JsonValue] = {}
    for item in given if isinstance(given, list) else ():
        if isinstance(item, dict) and isinstance(item.get("key"), str):
            found[item["key"]] = _any_value(item.get("value"))
    return found


def exception_of(attributes: dict[str, JsonValue] | None) -> tuple[str | None, str | None]:
    """Class and message of a recorded exception."""
    type_, message = pick(attributes, "exception.type"), pick(attributes, "exception.message")
    return (
        str(type_).rpartition(".")[2] if type_ else None,
        None if message is None else str(message),
    )


def text_of(value: Any, paths: str) -> str:
    """A field as text, empty without one; `paths` as for `pick`."""
    found = pick(value, paths)
    return "" if found is None else str(found)


def _any_value(value: Any) -> JsonValue:
    """OTLP's AnyValue; Jaeger's and Zipkin's values are plain."""
    if not isinstance(value, dict):
        plain: JsonValue = value
        return plain
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [_any_value(item) for item in (value["arrayValue"] or {}).get("values", ())]
    if "kvlistValue" in value:
        return dict(attributes_of({"attributes": (value["kvlistValue"] or {}).get("values", [])}))
    found: JsonValue = next(
        (value[key] for key in ("stringValue", "boolValue", "doubleValue") if key in value), None
    )
    return found
