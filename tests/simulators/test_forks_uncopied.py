"""Parts that a deep copy cannot copy, and that services hold all the same."""

from __future__ import annotations

import asyncio
import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any

import pytest
from helpers.simulators import call
from helpers.stores import played

from artis_sdk.errors import ConfigurationError
from artis_sdk.tools import Toolset

POOL = ThreadPoolExecutor(1)


class Counter:
    """A service with one such part, which it uses."""

    def __init__(self, part: Any, use: Callable[[Any], Any]) -> None:
        self.part, self.use, self.count = part, use, 0

    def act(self) -> list[Any]:
        self.count += 1
        return [self.count, self.use(self.part)]


def entered(lock: Any) -> str:
    with lock:
        return "in"


def worked(jobs: Any) -> int:
    jobs.put(1)
    return int(jobs.qsize())


def marked(local: Any) -> int:
    local.seen = getattr(local, "seen", 0) + 1
    return int(local.seen)


@pytest.mark.parametrize(
    ("part", "use", "gives"),
    [
        (threading.Lock(), entered, "in"),
        (threading.RLock(), entered, "in"),
        (threading.Condition(), entered, "in"),
        (threading.Event(), threading.Event.is_set, False),
        (threading.local(), marked, 1),
        (asyncio.Lock(), asyncio.Lock.locked, False),
        (queue.Queue(), worked, 1),
        (POOL, lambda pool: pool.submit(len, "ab").result(), 2),
        (sys, lambda module: module.maxsize, sys.maxsize),
        (MappingProxyType({"a": 1}), lambda prices: prices["a"], 1),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_an_attempt_gets_its_own(part: Any, use: Callable[[Any], Any], gives: Any) -> None:
    real = Counter(part, use)
    for _ in range(2):
        assert await played(Toolset.from_object(real, include=["act"]), call("act")) == [[1, gives]]
    assert real.count == 0
    assert real.part is part


class Recording(ThreadPoolExecutor):
    """An executor of the application's, with state of its own."""

    def __init__(self) -> None:
        super().__init__(1)
        self.done: list[str] = []


async def test_an_executor_with_state_is_not_shared() -> None:
    with Recording() as pool:
        counter = Counter(pool, lambda pool: pool.done.append("x"))
        with pytest.raises(ConfigurationError, match="cannot fork the Counter behind act"):
            await played(Toolset.from_object(counter, include=["act"]), call("act"))
    assert pool.done == []


async def test_what_is_in_a_mapping_is_copied() -> None:
    prices = MappingProxyType({"lamp": [5], "lock": threading.Lock()})
    counter = Counter(prices, lambda prices: prices["lamp"].append(6) or prices["lamp"])
    assert await played(Toolset.from_object(counter, include=["act"]), call("act")) == [[1, [5, 6]]]
    assert prices["lamp"] == [5]


async def test_a_lock_that_is_held_stays_so() -> None:
    """An attempt neither waits for the application nor frees its lock."""
    lock = threading.Lock()
    with lock:
        assert await played(Toolset.from_object(Counter(lock, entered), include=["act"]), call("act")) == [
            [1, "in"]
        ]
        assert lock.locked()
