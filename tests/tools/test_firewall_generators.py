"""Async generators that a world has begun, and whose end comes later or by others."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from helpers.firewall import CANARIES, PREDICTED, CountingWorld, clean, look, pay_or_refusal

from artis_sdk.errors import FirewallError
from artis_sdk.tools import entered, generators, running_code
from artis_sdk.tools.firewall import firewall

_clean = pytest.fixture(autouse=True)(clean)


async def steps(said: list[Any]) -> AsyncGenerator[None, None]:
    try:
        yield
        yield
    finally:
        try:
            said.append(await look(1))
        except FirewallError as error:
            said.append(str(error))


async def test_it_is_closed_in_its_world_by_whoever_lets_it_go() -> None:
    said: list[Any] = []
    world = CountingWorld()
    with entered(world):
        kept = [steps(said)]
        await anext(kept[0])
        contextvars.Context().run(kept.clear)
        await asyncio.sleep(0.01)
    assert said == [PREDICTED]
    assert world.handled == 1


@pytest.mark.parametrize("collected", [False, True])
async def test_one_that_outlives_its_world_is_closed_without_a_call(collected: bool) -> None:
    said: list[Any] = []
    with entered(CountingWorld()):
        kept: list[Any] = [steps(said)]
        await anext(kept[0])
        if collected:
            kept.append(kept)
    gc.collect()
    gc.collect()  # garbage that was left is gone: this generator is none yet
    await anext(kept[0])
    if collected:
        del kept
        gc.collect()
    else:
        kept.clear()
    await asyncio.sleep(0.01)
    assert len(said) == 1
    assert "is over" in said[0]
    assert CANARIES == []
    gc.collect()
    gc.collect()


def test_one_that_is_left_to_the_end_of_its_loop_is_closed_without_a_call() -> None:
    said: list[Any] = []
    kept: list[Any] = []

    async def main() -> None:
        with running_code("rehearsal"), entered(CountingWorld()):
            kept.append(steps(said))
            await anext(kept[0])

    asyncio.run(main())
    assert len(said) == 1
    assert "is over" in said[0]
    assert CANARIES == []


def test_one_in_an_event_loop_of_its_own_is_closed_without_a_call_too() -> None:
    said: list[Any] = []
    kept: list[Any] = []

    async def begin() -> None:
        kept.append(steps(said))
        await anext(kept[0])

    def in_a_thread() -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loops.append(loop)

    async def main() -> None:
        with entered(CountingWorld()):
            await asyncio.to_thread(in_a_thread)

    loops: list[asyncio.AbstractEventLoop] = []
    asyncio.run(main())
    loops[0].run_until_complete(loops[0].shutdown_asyncgens())
    loops[0].close()
    assert len(said) == 1
    assert "is over" in said[0]
    assert CANARIES == []


async def test_others_are_free_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Any] = []
    with entered(CountingWorld()):
        pass
    kept = [steps(said)]
    await anext(kept[0])
    kept.clear()
    await asyncio.sleep(0.01)
    assert said == [-1]
    assert pay_or_refusal(1) == -1
    with entered(CountingWorld()):
        for _ in range(3):
            monkeypatch.setattr(generators, "_limit", 0)
            async for _ in steps(said):
                pass
            gc.collect()
    assert len(generators._begun) <= 2  # the last, and one that an iteration has just let go
    assert not firewall.running
