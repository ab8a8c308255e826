"""Whole sessions on one llama.cpp engine: agent and simulator share it, the simulator as an adapter."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from helpers import tiny_model
from helpers.engine_sessions import Brief, cancel_sessions, check_plan, rehearsed, session
from helpers.llama import opened, running
from helpers.vllm import descendants

from artis_sdk.backends.llama_cpp import context as context_module
from artis_sdk.backends.llama_cpp.context import DecodeFailed
from artis_sdk.backends.llama_cpp.model import Model
from artis_sdk.errors import BackendClosed, EngineDead
from artis_sdk.records import Message, Request, Role

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.engine


def engine_threads() -> int:
    return sum(thread.name == "artis-llama" for thread in threading.enumerate())


async def test_eight_attempts_at_once(tmp_path: Path) -> None:
    async with opened(adapters={"simulator": tiny_model.gguf_adapter()}, max_concurrency=16) as backend:
        plan = await rehearsed(backend, tmp_path / "journal.db")
        check_plan(plan)
        for role in (Role.ACTION, Role.SIMULATION):
            assert plan.usage[role].cached_tokens > plan.usage[role].prompt_tokens / 2


async def test_a_hundred_cancelled_sessions_leave_nothing(tmp_path: Path) -> None:
    async with opened(adapters={"simulator": tiny_model.gguf_adapter()}) as backend:
        await backend.start()
        processes = descendants(os.getpid())

        await cancel_sessions(backend, tmp_path, 100)
        scheduler = running(backend).scheduler
        for _ in range(1000):
            if not scheduler.live:
                break
            await asyncio.sleep(0.005)
        assert scheduler.live == 0
        assert not [slot for slot in scheduler._slots.all if slot.busy]
        assert engine_threads() == 1
        assert descendants(os.getpid()) == processes
        assert not [task for task in asyncio.all_tasks() if "rehearse" in repr(task)]
    assert engine_threads() == 0


async def test_an_engine_that_dies_in_mid_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(adapters={"simulator": tiny_model.gguf_adapter()}) as backend:
        real, left = context_module.Context.decode, [20]

        def dying(context: context_module.Context, *spans: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise DecodeFailed("the device is gone")
            real(context, *spans)  # type: ignore[arg-type]

        monkeypatch.setattr(context_module.Context, "decode", dying)
        async with session(Brief(backend), tmp_path / "journal.db") as rehearsing:
            with pytest.raises(EngineDead, match="the device is gone"):
                async with asyncio.timeout(20):
                    await rehearsing.rehearse("Light, please.")
    assert engine_threads() == 0


async def test_the_model_stays_as_long_as_a_prompt_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled request's thread goes on; with the model freed under it the process would crash."""
    inside, go_on = threading.Event(), threading.Event()
    real = Model.tokenize

    def slow(model: Model, text: str, *, special: bool, bos: bool = False) -> list[int]:
        inside.set()
        go_on.wait(60)
        return real(model, text, special=special, bos=bos)

    async with opened() as backend:
        await backend.start()
        model, request = running(backend), Request(messages=(Message(role="user", content="Hi"),))
        monkeypatch.setattr(Model, "tokenize", slow)
        asking = asyncio.create_task(backend.complete(request))
        assert await asyncio.to_thread(inside.wait, 60)
        asking.cancel()
        closing = asyncio.create_task(backend.aclose())
        await asyncio.wait([closing], timeout=0.2)
        assert not closing.done()
        go_on.set()
        await closing
        with pytest.raises(BackendClosed):
            model.job(request, asyncio.get_running_loop(), streamed=False)
