"""Whole sessions on one vLLM engine in process: agent and simulator share it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from helpers.engine_sessions import (
    Brief,
    cancel_sessions,
    check_plan,
    rehearsed,
    rehearsing_tasks,
    session,
    thread_names,
)
from helpers.vllm import ENGINE_ARGS, IN_PROCESS, adapters, all_gone, ask, descendants, model

from artis_sdk.backends.vllm import VLLMBackend
from artis_sdk.errors import BackendClosed, EngineDead
from artis_sdk.records import Request

pytestmark = IN_PROCESS


@pytest_asyncio.fixture(scope="module")
async def backend() -> AsyncIterator[VLLMBackend]:
    made = VLLMBackend(model(), adapters=adapters(), engine_args=ENGINE_ARGS)
    try:
        await made.start()
        yield made
    finally:
        await made.aclose()


async def test_eight_attempts_at_once(backend: VLLMBackend, tmp_path: Path) -> None:
    check_plan(await rehearsed(backend, tmp_path / "journal.db"))


async def test_cancelled_sessions_leave_nothing(backend: VLLMBackend, tmp_path: Path) -> None:
    threads, processes = thread_names(), descendants(os.getpid())
    await cancel_sessions(backend, tmp_path, 100)
    async with asyncio.timeout(10):
        await backend.complete(Request(messages=ask("Still there?"), max_tokens=4))
    assert backend.requests_under_way == 0
    assert descendants(os.getpid()) == processes
    assert thread_names() == threads
    assert rehearsing_tasks() == set()


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
    assert rehearsing_tasks() == set()
    async with asyncio.timeout(5):
        with pytest.raises(EngineDead):
            await backend.complete(Request(messages=ask("Hi")))
    await backend.aclose()
    assert await asyncio.to_thread(all_gone, processes, 5.0)
    with pytest.raises(BackendClosed):
        await backend.complete(Request(messages=ask("Hi")))
