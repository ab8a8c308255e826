"""The retry policy by itself: how often, how long, and what ends it."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.backends.hosted.durations import retry_after
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.errors import BackendError, ConnectionLost, RateLimited, RequestRejected


class Scene:
    """Sends that fail as told, and sleeps that only take notes."""

    def __init__(self, *ends: BackendError | str) -> None:
        self.ends = list(ends)
        self.slept: list[float] = []

    async def send(self) -> str:
        end = self.ends.pop(0)
        if isinstance(end, BackendError):
            raise end
        return end

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    async def play(self, **policy: Any) -> str:
        return await RetryPolicy(**policy).run(self.send, sleep=self.sleep)


def lost(wait: float | None = None) -> BackendError:
    return (
        RateLimited("b", "slow down", retry_after=wait) if wait is not None else ConnectionLost("b", "lost")
    )


async def test_backoff_doubles_with_jitter_up_to_the_cap() -> None:
    scene = Scene(*[lost() for _ in range(5)], "done")
    assert await scene.play(first=1.0, cap=4.0, attempts=6) == "done"
    for slept, full in zip(scene.slept, [1.0, 2.0, 4.0, 4.0, 4.0], strict=True):
        assert full / 2 <= slept <= full


async def test_two_clients_do_not_wait_alike() -> None:
    waits = set()
    for _ in range(5):
        scene = Scene(lost(), "done")
        await scene.play()
        waits.add(scene.slept[0])
    assert len(waits) > 1


@given(st.floats(0, 200))
def test_retry_after_is_waited_for_in_full(wait: float) -> None:
    scene = Scene(lost(wait), "done")
    asyncio.run(scene.play(first=0.5, cap=1.0))
    assert wait <= scene.slept[0] <= wait + 0.5


async def test_the_last_error_is_raised_when_the_attempts_are_used_up() -> None:
    errors = [lost() for _ in range(4)]
    scene = Scene(*errors)
    with pytest.raises(ConnectionLost) as caught:
        await scene.play(attempts=3)
    assert caught.value is errors[2]
    assert len(scene.slept) == 2
    assert len(scene.ends) == 1


async def test_one_attempt_never_retries() -> None:
    scene = Scene(lost(), "done")
    with pytest.raises(ConnectionLost):
        await scene.play(attempts=1)
    assert scene.slept == []


async def test_a_wait_that_ends_after_the_total_is_not_begun() -> None:
    scene = Scene(lost(20.0), "done")
    with pytest.raises(RateLimited):
        await scene.play(total=10.0)
    assert scene.slept == []


async def test_the_time_of_the_first_attempt_counts() -> None:
    async def slow() -> str:
        await asyncio.sleep(0.05)
        raise ConnectionLost("b", "lost")

    scene = Scene()
    with pytest.raises(ConnectionLost):
        await RetryPolicy(total=0.04, first=0.001).run(slow, sleep=scene.sleep)
    assert scene.slept == []


async def test_what_is_not_retryable_is_raised_at_once() -> None:
    first = Scene(RequestRejected("b", "no"), "done")
    later = Scene(lost(), RequestRejected("b", "no"), "done")
    for scene, slept in ((first, 0), (later, 1)):
        with pytest.raises(RequestRejected):
            await scene.play()
        assert len(scene.slept) == slept


async def test_other_exceptions_pass_through() -> None:
    async def bug() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await RetryPolicy().run(bug, sleep=Scene().sleep)


async def test_cancelling_ends_the_waiting() -> None:
    scene = Scene(lost(), "done")
    task = asyncio.create_task(RetryPolicy(first=60, cap=60).run(scene.send, sleep=asyncio.sleep))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scene.ends == ["done"]


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "3"}, 3.0, 3.0),
        ({"retry-after": "0.5"}, 0.5, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0, 9.0),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0, 0.0),
    ],
)
def test_retry_after_headers(headers: dict[str, str], low: float, high: float) -> None:
    seconds = retry_after(headers)
    assert seconds is not None
    assert low <= seconds <= high


def test_a_date_to_retry_after() -> None:
    seconds = retry_after({"retry-after": formatdate(time.time() + 3600, usegmt=True)})
    assert seconds is not None
    assert 3500 <= seconds <= 3600


@pytest.mark.parametrize("value", ["", "soon", "-1", "nan", "inf", "1e400", "Thu, 99 Foo 2026 25:00:00 GMT"])
def test_nonsense_asks_for_no_wait(value: str) -> None:
    assert retry_after({"retry-after": value}) is None


@given(st.text())
def test_no_header_is_an_exception(value: str) -> None:
    seconds = retry_after({"retry-after": value})
    assert seconds is None or 0 <= seconds < float("inf")
