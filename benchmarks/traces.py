"""Cost of a Session's spans for each LLM step: off, on, and on with content.

    python benchmarks/traces.py

One process with a scripted server beside it; the three take turns. Spans go to OpenTelemetry's SDK and an
exporter that drops them, so the cost is that of making them. What tracing costs where it is off, against
a source tree without it: `python benchmarks/against.py ../old`.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from session import QUERY, Server, Shelf

from artis_sdk import Direct, Session, Toolset, Traces, resolve
from artis_sdk.commit.journal import SQLiteJournal


class Dropping(SpanExporter):
    """Takes spans and counts them."""

    def __init__(self) -> None:
        self.spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.spans += len(spans)
        return SpanExportResult.SUCCESS


async def measure(calls: int, turns: int) -> None:
    """Print the CPU of a step with each kind of tracing, in ms, and its ratio to that without."""
    exporter, provider = Dropping(), TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    kinds = {
        "off": None,
        "on": Traces(tracer_provider=provider),
        "content": Traces(tracer_provider=provider, content=True),
    }
    tools = Toolset.from_object(Shelf())
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    with Server(calls, 0.0) as server, tempfile.TemporaryDirectory() as folder:
        backend = resolve("openai:scripted", base_url=server.base_url, api_key="none")
        journal = SQLiteJournal(Path(folder) / "journal.db")
        for turn in range(turns + 1):
            for kind, traces in kinds.items():
                before = time.process_time()
                for _ in range(max(1, 42 // (calls + 1))):
                    async with Session(
                        agent=backend, tools=tools, strategy=Direct(), journal=journal, max_steps=100,
                        traces=traces,
                    ) as session:  # fmt: skip
                        await session.run(QUERY)
                steps = max(1, 42 // (calls + 1)) * (calls + 1)
                if turn:  # the first one warms up
                    found[kind].append(1e3 * (time.process_time() - before) / steps)
        await backend.aclose()
        journal.close()
    provider.shutdown()
    for kind, each in found.items():
        ratio = statistics.median(one / off for one, off in zip(each, found["off"], strict=True))
        print(f"{calls} calls, {kind}: {statistics.median(each):.3f} ms, ratio {ratio:.2f}")
    print(f"{exporter.spans} spans")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--turns", type=int, default=30)
    turns = parser.parse_args().turns
    for calls in (6, 41):
        asyncio.run(measure(calls, turns))


if __name__ == "__main__":
    main()
