"""Requests of the llama.cpp backend that wait, take turns or are cancelled, beside the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from helpers import tiny_model
from helpers.llama import ask, endless, opened, running
from helpers.llama_work import BIG, LONG, threads
from helpers.loop_lag import loop_lags

from artis_sdk.backends.llama_cpp import LlamaCppBackend
from artis_sdk.backends.llama_cpp import scheduler as scheduling
from artis_sdk.backends.llama_cpp.context import Context
from artis_sdk.backends.llama_cpp.scheduler import Scheduler

pytestmark = pytest.mark.engine


async def idle(scheduler: Scheduler) -> None:
    """Wait until nothing holds a sequence."""
    for _ in range(5000):
        if not scheduler.live:
            return
        await asyncio.sleep(0.002)
    raise AssertionError("a cancelled request still holds a sequence")


async def test_requests_that_arrive_together_compute_a_prefix_once() -> None:
    async with opened() as backend:
        answers = await asyncio.gather(*[backend.complete(ask(LONG + str(i), seed=i)) for i in range(6)])
        computed = [a.usage.prompt_tokens - a.usage.cached_tokens for a in answers]
        assert sorted(computed)[-2] < 30, "more than one request computed the whole prompt"
        assert max(computed) > 300


async def test_each_request_is_charged_the_cpu_of_its_tokens() -> None:
    async with opened(tiny_model.gguf_model(BIG), n_threads=1) as backend:
        await backend.complete(ask("Warm.", max_tokens=1))
        began = time.process_time()
        longer, *shorter = await asyncio.gather(
            backend.complete(ask(LONG, max_tokens=32)),
            backend.complete(ask("Short.", max_tokens=32)),
            backend.complete(ask("Short, too.", max_tokens=32)),
        )
        spent = time.process_time() - began
    charged = [answer.usage.cpu_seconds for answer in (longer, *shorter)]
    assert 0.5 * spent < sum(charged) <= spent
    assert charged[0] > 2 * max(charged[1:]) > 0
    assert (longer.usage + shorter[0].usage).cpu_seconds == pytest.approx(sum(charged[:2]))


async def test_more_requests_than_sequences() -> None:
    async with opened(max_concurrency=2, n_ctx=512) as backend:
        requests = [ask(f"{i} " + "different words " * i, seed=i) for i in range(12)]
        answers = await asyncio.gather(*[backend.complete(request) for request in requests])
        prompts = [answer.usage.prompt_tokens for answer in answers]
        assert prompts == sorted(prompts)
        assert all(answer.usage.completion_tokens == 16 for answer in answers)


async def test_priority_overtakes_those_who_wait() -> None:
    async with opened(max_concurrency=1, n_ctx=512) as backend:
        await backend.start()
        ended: list[str] = []

        async def run(name: str, priority: int, max_tokens: int = 20) -> None:
            await backend.complete(ask(name, priority=priority, max_tokens=max_tokens))
            ended.append(name)

        async with asyncio.TaskGroup() as group:
            group.create_task(run("running", 0, max_tokens=400))  # still runs when the others come
            await asyncio.sleep(0.005)
            for name in ("rehearsal", "another"):
                group.create_task(run(name, 5))
            group.create_task(run("commit", 0))
        assert ended.index("commit") < ended.index("rehearsal")


async def test_far_more_requests_than_sequences_with_prefixes_of_many_lengths() -> None:
    """A sequence that others waited for is soon another request's, whose prompt may be shorter."""
    async with opened(max_concurrency=4) as backend:
        for first in range(3):
            asked = [
                ask(f"{first} {group}. " + LONG[: 200 + 220 * group] + str(number), max_tokens=1 + number)
                for group in range(8)
                for number in range(6)
            ]
            ends = await asyncio.gather(*map(backend.complete, asked))
            assert all(end.usage.completion_tokens >= 1 for end in ends)
            assert all(end.usage.prompt_tokens > 60 for end in ends)


async def test_a_hundred_cancelled_requests_leave_nothing() -> None:
    async with opened() as backend:
        await backend.start()
        tasks = [asyncio.create_task(backend.complete(endless(LONG + str(i)))) for i in range(100)]
        await asyncio.sleep(0.15)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        scheduler = running(backend).scheduler
        await idle(scheduler)
        assert not [slot for slot in scheduler._slots.all if slot.busy]
        assert (await backend.complete(ask("Still there?"))).text
        assert len(threads()) == 1
    assert threads() == []


async def test_cancelling_stops_a_long_prompt_at_once() -> None:
    async with opened(tiny_model.gguf_model(BIG), n_ctx=4096, n_batch=4096) as backend:
        began = time.perf_counter()
        await backend.complete(ask("Other. " + LONG * 5, max_tokens=1))
        whole = time.perf_counter() - began
        task = asyncio.create_task(backend.complete(ask(LONG * 5)))
        await asyncio.sleep(0.1)
        scheduler = running(backend).scheduler
        assert scheduler.live == 1
        task.cancel()
        began = time.perf_counter()
        await idle(scheduler)
        assert time.perf_counter() - began < whole / 2
        answer = await backend.complete(ask("Short", temperature=0.0))
    async with opened(tiny_model.gguf_model(BIG), n_ctx=4096) as fresh:
        assert (await fresh.complete(ask("Short", temperature=0.0))).text == answer.text


async def test_the_event_loop_is_never_blocked() -> None:
    backend = LlamaCppBackend(tiny_model.gguf_model(BIG), n_ctx=4096, n_threads=1)
    async with loop_lags() as lags:
        began = time.perf_counter()
        await asyncio.gather(*[backend.complete(ask(LONG + str(i), max_tokens=32)) for i in range(4)])
        took = time.perf_counter() - began
    await backend.aclose()
    # On average the loop came round every 50 ms or less, and never stood still for a good part of the
    # time: one decode of the prompt alone takes a third of it.
    assert took > 0.2
    assert len(lags) > took / 0.05
    assert max(lags) < max(0.2, 0.2 * took)


@pytest.mark.parametrize("turn", [0.0, 60.0])
async def test_adapters_take_turns_of_batches_and_change_no_answer(
    turn: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduling, "_TURN", turn)
    requests = [ask(f"Talk {n}.", max_tokens=40, temperature=0.0, adapter=(None, "one")[n]) for n in (0, 1)]
    async with opened(adapters={"one": tiny_model.gguf_adapter(seed=1)}) as backend:
        alone = [(await backend.complete(request)).text for request in requests]
        used: list[str | None] = []
        monkeypatch.setattr(Context, "use_adapter", _noted(Context.use_adapter, used))
        both = await asyncio.gather(*map(backend.complete, requests))
    assert [answer.text for answer in both] == alone
    steps = max(answer.usage.completion_tokens for answer in both)
    changes = sum(one != other for one, other in pairwise(used))
    # A turn without end computes a whole answer; one without time is a batch.
    assert changes <= 4 if turn else changes > steps


def _noted(use: Callable[..., None], used: list[str | None]) -> Callable[..., None]:
    def noting(context: Context, name: str | None) -> None:
        used.append(name)
        use(context, name)

    return noting
