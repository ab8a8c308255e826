"""Sessions with OpenTelemetry's SDK, and the tree of their spans."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from helpers.loop import PASSED, SUMMARY
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from artis_sdk.backends.scripted import ScriptedBackend

Tree = list[Any]
"""Names; after a name that has children follows their list."""


class Tracer(SpanProcessor):
    """Keeps the spans that have ended, and counts those that have begun."""

    def __init__(self) -> None:
        self.begun = 0
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.provider.add_span_processor(self)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.begun += 1

    @property
    def spans(self) -> list[ReadableSpan]:
        """The spans in the order in which they began; all have ended."""
        spans = sorted(self._exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        assert len(spans) == self.begun, "a span was not ended"
        return spans

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.named(name)
        return span

    def around(self, span: ReadableSpan) -> Iterator[ReadableSpan]:
        """The span, its parent, and so on."""
        by_id = {one.context.span_id: one for one in self.spans if one.context}
        inner: ReadableSpan | None = span
        while inner is not None:
            yield inner
            inner = by_id[inner.parent.span_id] if inner.parent else None

    def tree(self, *, without: str = "\0") -> Tree:
        """The names, each with those of its children; those that begin with `without` left out."""
        children: dict[int | None, list[ReadableSpan]] = {}
        for span in self.spans:
            children.setdefault(span.parent.span_id if span.parent else None, []).append(span)

        def below(parent: int | None) -> Tree:
            found: Tree = []
            for span in children.get(parent, []):
                assert span.context is not None
                if not span.name.startswith(without):
                    inner = below(span.context.span_id)
                    found += [span.name, inner] if inner else [span.name]
            return found

        return below(None)

    def text(self) -> str:
        """Everything that an exporter would send."""
        return "\n".join(span.to_json() for span in self.spans)

    def lines(self) -> list[Any]:
        return [json.loads(span.to_json()) for span in self.spans]


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def attempt_of(tracer: Tracer, span: ReadableSpan) -> int:
    """Index of the attempt that a span is part of."""
    (found,) = (one for one in tracer.around(span) if one.name == "invoke_agent attempt")
    return int(attributes(found)["artis.attempt.index"])


def judge() -> ScriptedBackend:
    """A judge to whom every attempt is correct, and a summarizer."""
    return ScriptedBackend(
        lambda request: SUMMARY if "attempt" in str(request.schema) else PASSED, name="judge:small"
    )
