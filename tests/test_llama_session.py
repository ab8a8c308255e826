"""Whole sessions on one llama.cpp engine: agent and simulator share it, the simulator as an adapter."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_model
from llama_helpers import opened, running
from vllm_helpers import descendants

from artis_sdk import LLMSimulator, Parallel, Risk, Session, guarded_tool
from artis_sdk.backends.llama import context as context_module
from artis_sdk.backends.llama.context import DecodeFailed
from artis_sdk.backends.llama.model import Model
from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.errors import BackendClosed, EngineDead
from artis_sdk.records import Completion, Message, Provenance, Request, Role

pytest.importorskip("llama_cpp")
pytestmark = pytest.mark.engine


@guarded_tool(risk=Risk.REVERSIBLE)
def dim(level: int) -> bool:
    """Dim the lamp.

    Args:
        level: percent.
    """
    raise AssertionError("a real function ran")


OUTCOME = {
    "type": "object",
    "properties": {"ok": {"const": True}, "value": {"enum": [True, False, None]}},
    "required": ["ok", "value"],
    "additionalProperties": False,
}
OUTPUTS = {
    "type": "object",
    "properties": {"outputs": {"type": "array", "items": OUTCOME, "minItems": 1, "maxItems": 1}},
    "required": ["outputs"],
    "additionalProperties": False,
}
DIM = {
    "type": "object",
    "properties": {"level": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["level"],
    "additionalProperties": False,
}


class Guided:
    """The backend, for a model with random weights, which would never call a tool by itself nor come to
    an end of any JSON: it calls in its first two turns, and its predictions are short."""

    def __init__(self, backend: LlamaCppBackend) -> None:
        self._backend = backend
        self.name, self.capabilities = backend.name, backend.capabilities

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        if request.schema is not None:
            request = replace(request, schema=OUTPUTS)
        elif sum(bool(message.tool_calls) for message in request.messages) < 2:
            tools = tuple(tool.model_copy(update={"parameters": DIM}) for tool in request.tools)
            request = replace(request, tools=tools, tool_choice="required", stop=("</tool_call>",))
        else:
            request = replace(request, tool_choice="none", max_tokens=24)
        return await self._backend.complete(request)

    async def aclose(self) -> None: ...


def session(backend: LlamaCppBackend, journal: Path) -> Session:
    guided = Guided(backend)
    return Session(
        agent=guided,
        simulator=LLMSimulator(guided, adapter="simulator", temperature=1.0),
        tools=[dim],
        strategy=Parallel(8),
        evaluate=False,
        summarize=False,
        journal=journal,
        max_steps=3,
    )


def engine_threads() -> int:
    return sum(thread.name == "artis-llama" for thread in threading.enumerate())


async def test_eight_attempts_at_once(tmp_path: Path) -> None:
    async with opened(adapters={"simulator": tiny_model.gguf_adapter()}, max_concurrency=16) as backend:
        async with session(backend, tmp_path / "journal.db") as rehearsing:
            plan = await rehearsing.rehearse("Less light, please. " * 20)
        assert [attempt.ended for attempt in plan.attempts] == ["answer"] * 8
        for attempt in plan.attempts:
            assert len(attempt.steps) == 2
            for step in attempt.steps:
                assert 0 <= step.call.arguments["level"] <= 99  # type: ignore[operator]
                assert step.outcome.provenance is Provenance.SIMULATED
                assert step.outcome.value in (True, False, None)
        action, simulation = plan.usage[Role.ACTION], plan.usage[Role.SIMULATION]
        assert (action.requests, simulation.requests) == (24, 16)
        assert action.cached_tokens > action.prompt_tokens / 2
        assert simulation.cached_tokens > simulation.prompt_tokens / 2


async def test_a_hundred_cancelled_sessions_leave_nothing(tmp_path: Path) -> None:
    async with opened(adapters={"simulator": tiny_model.gguf_adapter()}) as backend:
        await backend.start()
        processes = descendants(os.getpid())

        async def cancelled(number: int) -> None:
            async with session(backend, tmp_path / f"{number}.db") as rehearsing:
                async with asyncio.timeout(0.005 + number % 20 * 0.005):
                    await rehearsing.rehearse(f"Less light, please, number {number}.")

        for first in range(0, 100, 20):
            ends = await asyncio.gather(*map(cancelled, range(first, first + 20)), return_exceptions=True)
            assert all(isinstance(end, TimeoutError | None) for end in ends), ends
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
        async with session(backend, tmp_path / "journal.db") as rehearsing:
            with pytest.raises(EngineDead, match="the device is gone"):
                async with asyncio.timeout(20):
                    await rehearsing.rehearse("Less light, please.")
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
