"""A session whose agent and simulator share one local engine."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from artis_sdk import LLMSimulator, Parallel, Risk, Session, guarded_tool
from artis_sdk.backends import Backend
from artis_sdk.records import Capabilities, Completion, Plan, Provenance, Request, Role

ENTRY = {
    "type": "object",
    "properties": {"ok": {"const": True}, "value": {"enum": [True, False, None]}},
    "required": ["ok", "value"],
    "additionalProperties": False,
}
OUTPUTS = {
    "type": "object",
    "properties": {"outputs": {"type": "array", "items": ENTRY, "minItems": 1, "maxItems": 1}},
    "required": ["outputs"],
    "additionalProperties": False,
}


@guarded_tool(risk=Risk.REVERSIBLE)
def switch(lamp: bool) -> bool:
    """Switch a lamp on or off."""
    raise AssertionError("a real function ran")


class Brief:
    """A backend, for a model with random weights: it would never call a tool by itself, and would
    write a value of any JSON without an end. So it makes one call in each of its first two turns, and
    its predictions are short."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.name = backend.name
        self.capabilities: Capabilities = backend.capabilities
        self.predicting = asyncio.Event()

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        if request.schema is not None:
            self.predicting.set()
            request = replace(request, schema=OUTPUTS)
        elif sum(bool(message.tool_calls) for message in request.messages) < 2:
            request = replace(request, tool_choice="required", stop=("</tool_call>",), max_tokens=160)
        else:
            request = replace(request, tool_choice="none", max_tokens=32)
        return await self._backend.complete(request)

    async def aclose(self) -> None: ...


def session(backend: Brief, journal: Path) -> Session:
    return Session(
        agent=backend,
        simulator=LLMSimulator(backend, adapter="simulator", temperature=1.0, max_tokens=64),
        tools=[switch],
        strategy=Parallel(8),
        evaluate=False,
        summarize=False,
        journal=journal,
        max_steps=3,
    )


async def rehearsed(backend: Backend, journal: Path) -> Plan:
    """A plan of eight attempts at once, each of two calls."""
    async with session(Brief(backend), journal) as running:
        return await running.rehearse("Light, please. " * 20)


def check_plan(plan: Plan) -> None:
    """Every attempt went to its end, and every outcome is JSON that fits the schema."""
    assert len(plan.attempts) == 8
    assert {attempt.ended for attempt in plan.attempts} <= {"answer", "cut"}, "32 tokens may cut an answer"
    for attempt in plan.attempts:
        assert len(attempt.steps) == 2
        for step in attempt.steps:
            assert step.call.arguments.keys() == {"lamp"}
            assert step.outcome.provenance is Provenance.SIMULATED
            assert step.outcome.ok
            assert step.outcome.value in (True, False, None)
    assert plan.usage[Role.ACTION].requests == 24
    assert plan.usage[Role.SIMULATION].requests == 16
    assert plan.usage[Role.ACTION].cached_tokens > 0, "attempts share their prefix"
    assert plan.usage[Role.SIMULATION].cached_tokens > 0, "and so do predictions"


async def cancel_sessions(backend: Backend, folder: Path, count: int) -> None:
    """Rehearse in so many sessions, twenty at once, and cancel each at another moment."""

    async def cancelled(number: int) -> None:
        async with session(Brief(backend), folder / f"journal{number}.db") as running:
            async with asyncio.timeout(0.01 + number * 0.007):
                await running.rehearse(f"Light number {number}, please.")

    for first in range(0, count, 20):
        some = range(first, min(first + 20, count))
        ends = await asyncio.gather(*map(cancelled, some), return_exceptions=True)
        assert all(isinstance(end, TimeoutError | None) for end in ends), ends
        assert any(isinstance(end, TimeoutError) for end in ends), "none was cancelled"


def thread_names() -> set[str]:
    """Threads that are alive, but for those of pools, which stay for their next piece of work."""
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if not name.startswith(("asyncio", "ThreadPoolExecutor"))}


def rehearsing_tasks() -> set[str]:
    """Tasks of rehearsals that go on."""
    return {repr(task) for task in asyncio.all_tasks() if "rehearse" in repr(task)}
