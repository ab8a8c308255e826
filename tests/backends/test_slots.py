"""How many requests of a hosted backend are under way at once, and which of them go through a proxy."""

from __future__ import annotations

import asyncio

import pytest

from artis_sdk.backends.hosted.http import _has_proxy
from artis_sdk.backends.hosted.slots import START, RequestSlots


async def round_of(slots: RequestSlots, requests: int, seconds: float) -> int:
    """Send requests at once, each answered after so long by the server's own account; the most at once."""
    running = most = 0

    async def request() -> None:
        nonlocal running, most
        await slots.take()
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        slots.answered(seconds)
        slots.give()

    await asyncio.gather(*(request() for _ in range(requests)))
    return most


async def test_it_doubles_while_requests_wait_and_the_server_keeps_its_pace() -> None:
    slots = RequestSlots()
    assert await round_of(slots, 64, 1.0) == 64
    assert slots.limit == START, "nobody waited"
    await round_of(slots, 500, 1.0)
    assert slots.limit == 8 * START  # rounds of 64, 128 and 256; the rest is less than a round


async def test_a_refusal_halves_it_once_for_all_requests_before_it() -> None:
    slots = RequestSlots()
    taken = [await slots.take() for _ in range(10)]
    for one in taken:
        slots.refused(one)
        slots.give()
    assert slots.limit == START // 2
    await slots.take()
    slots.refused(1)
    assert slots.limit == START // 4
    slots.give()
    for _ in range(20):
        slots.refused(await slots.take())
        slots.give()
    assert slots.limit == 1


async def test_after_a_refusal_it_grows_slowly() -> None:
    slots = RequestSlots()
    slots.refused(await slots.take())
    slots.give()
    await round_of(slots, 40, 1.0)
    assert slots.limit == 32 + 2


async def test_rising_latency_ends_the_growth_and_never_goes_below_the_start() -> None:
    slots = RequestSlots()
    await round_of(slots, 100, 1.0)
    assert slots.limit == 2 * START
    await round_of(slots, 200, 3.0)
    assert slots.limit == 2 * START - 2 * START // 8
    for _ in range(3):
        await round_of(slots, 300, 30.0)
    assert slots.limit == START


async def test_a_fixed_number_stays() -> None:
    slots = RequestSlots(3)
    assert await round_of(slots, 50, 1.0) == 3
    slots.refused(0)
    assert slots.limit == 3


async def test_a_cancelled_wait_takes_no_slot() -> None:
    slots = RequestSlots(1)
    await slots.take()
    first, second = (asyncio.create_task(slots.take()) for _ in range(2))
    await asyncio.sleep(0)
    slots.give()  # the first one has the slot, and is cancelled before it runs
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert await asyncio.wait_for(second, 5) == 0
    slots.give()
    assert await asyncio.wait_for(slots.take(), 5) == 0


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, False),
        ({"NO_PROXY": "*"}, False),
        ({"NO_PROXY": "other.example"}, False),
        ({"HTTPS_PROXY": "http://127.0.0.1:9"}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:9"}, False),
        ({"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "other.example"}, True),
        ({"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "models.example"}, False),
    ],
)
def test_a_proxy_is_looked_for_only_where_one_is_named(
    environment: dict[str, str], proxy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert _has_proxy("https://models.example/v1/chat/completions") is proxy
