"""Whole sessions on one vLLM engine in process: agent and simulator share it."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from vllm_helpers import ENGINE_ARGS, THEIR_WARNINGS, adapters, all_gone, ask, descendants, model

from artis_sdk import LLMSimulator, Parallel, Risk, Session, guarded_tool
from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.errors import BackendClosed, EngineDead
from artis_sdk.records import Capabilities, Completion, Provenance, Request, Role

pytestmark = [pytest.mark.engine, *map(pytest.mark.filterwarnings, THEIR_WARNINGS)]


@guarded_tool(risk=Risk.REVERSIBLE)
def switch(lamp: bool) -> bool:
    """Switch a lamp on or off."""
    return lamp


@pytest_asyncio.fixture(scope="module")
async def backend() -> AsyncIterator[VLLMBackend]:
    made = VLLMBackend(model(), adapters=adapters(), engine_args=ENGINE_ARGS)
    try:
        await made.start()
        yield made
    finally:
        await made.aclose()


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


class Brief:
    """The backend, for a model with random weights: it would never call a tool by itself, and would
    write a value of any JSON without an end. So it makes one call in each of its first two turns, and
    its predictions are short."""

    def __init__(self, backend: VLLMBackend) -> None:
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
            request = replace(request, tool_choice="required", stop=("</tool_call>",), max_tokens=64)
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


async def test_eight_attempts_at_once(backend: VLLMBackend, tmp_path: Path) -> None:
    async with session(Brief(backend), tmp_path / "journal.db") as running:
        plan = await running.rehearse("Light, please. " * 20)
    assert [attempt.ended for attempt in plan.attempts] == ["answer"] * 8
    for attempt in plan.attempts:
        assert len(attempt.steps) == 2
        for step in attempt.steps:
            assert step.call.arguments.keys() == {"lamp"}
            assert step.outcome.provenance is Provenance.SIMULATED
            assert step.outcome.value in (True, False, None)
    assert plan.usage[Role.ACTION].requests == 24
    assert plan.usage[Role.SIMULATION].requests == 16
    assert plan.usage[Role.ACTION].cached_tokens > 0, "attempts share their prefix"


def thread_names() -> set[str]:
    """Threads that are alive, but for those of pools, which stay for the next piece of work."""
    names = {thread.name for thread in threading.enumerate()}
    return {name for name in names if not name.startswith(("asyncio_", "ThreadPoolExecutor"))}


async def test_cancelled_sessions_leave_nothing(backend: VLLMBackend, tmp_path: Path) -> None:
    threads = thread_names()
    processes = descendants(os.getpid())

    async def cancelled(i: int) -> None:
        async with session(Brief(backend), tmp_path / f"journal{i}.db") as running:
            async with asyncio.timeout(0.01 + i * 0.007):
                await running.rehearse(f"Light number {i}, please.")

    for first in range(0, 100, 20):
        ends = await asyncio.gather(*(cancelled(i) for i in range(first, first + 20)), return_exceptions=True)
        assert all(isinstance(end, TimeoutError | None) for end in ends), ends
    async with asyncio.timeout(10):
        await backend.complete(Request(messages=ask("Still there?"), max_tokens=4))
    assert backend.requests_under_way == 0
    assert descendants(os.getpid()) == processes
    assert thread_names() == threads
    assert {task for task in asyncio.all_tasks() if "rehearse" in repr(task)} == set()


async def test_an_engine_killed_in_mid_attempt(backend: VLLMBackend, tmp_path: Path) -> None:
    """Last, because it ends the module's engine."""
    processes = backend.process_ids
    assert len(processes) >= 2, "the engine core and its worker"
    brief = Brief(backend)
    async with session(brief, tmp_path / "journal.db") as running:
        rehearsal = asyncio.create_task(running.rehearse("Light, please."))
        await brief.predicting.wait()
        os.kill(processes[0], signal.SIGKILL)
        with pytest.raises(EngineDead):
            async with asyncio.timeout(10):
                await rehearsal
    async with asyncio.timeout(5):
        with pytest.raises(EngineDead):
            await backend.complete(Request(messages=ask("Hi")))
    await backend.aclose()
    assert await asyncio.to_thread(all_gone, processes, 5.0)
    with pytest.raises(BackendClosed):
        await backend.complete(Request(messages=ask("Hi")))
