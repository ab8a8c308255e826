"""What `@guarded_tool` adds to a direct call outside every session.

    python benchmarks/call.py [--json]

Plain and guarded function take turns in one process; the best of many rounds of each counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from figures import print_figures

from artis_sdk import guarded_tool

CALLS = 100_000
ROUNDS = 15


def plain(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


async def plain_async(a: int, b: int = 2) -> int:
    """Add."""
    return a + b


def plain_key(a: int, *, key: str | None = None) -> int:
    """Add."""
    return a


def plain_star(*items: int, scale: int = 1) -> int:
    """Add."""
    return items[0] * scale


class Plain:
    def method(self, a: int, b: int = 2) -> int:
        """Add."""
        return a + b


class Guarded:
    @guarded_tool
    def method(self, a: int, b: int = 2) -> int:
        """Add."""
        return a + b


def per_call(function: Callable[[int], object]) -> float:
    """Microseconds of CPU for each call."""
    began = time.process_time()
    for _ in range(CALLS):
        function(1)
    return 1e6 * (time.process_time() - began) / CALLS


async def per_call_async(function: Callable[[int], object]) -> float:
    began = time.process_time()
    for _ in range(CALLS):
        await function(1)  # type: ignore[misc]
    return 1e6 * (time.process_time() - began) / CALLS


def measure() -> dict[str, float]:
    """Best microseconds of each, and what guarding adds."""
    guarded, guarded_async = guarded_tool(plain), guarded_tool(plain_async)
    guarded_key = guarded_tool(idempotency_key="key")(plain_key)
    guarded_star = guarded_tool(plain_star)
    jobs: dict[str, Callable[[], float]] = {
        "plain": lambda: per_call(plain),
        "guarded": lambda: per_call(guarded),
        "plain method": lambda: per_call(Plain().method),
        "guarded method": lambda: per_call(Guarded().method),
        "plain with key": lambda: per_call(plain_key),
        "guarded with key": lambda: per_call(guarded_key),
        "plain with *args": lambda: per_call(plain_star),
        "guarded with *args": lambda: per_call(guarded_star),
        "plain async": lambda: asyncio.run(per_call_async(plain_async)),
        "guarded async": lambda: asyncio.run(per_call_async(guarded_async)),
    }
    best = {name: float("inf") for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            best[name] = min(best[name], job())
    added = {
        f"added {kind}".strip(): best[f"guarded {kind}".strip()] - best[f"plain {kind}".strip()]
        for kind in ("", "method", "with key", "with *args", "async")
    }
    return {**best, **added}


if __name__ == "__main__":
    print_figures(__doc__, measure, lambda name, microseconds: f"{name:20} {microseconds:7.3f} us")
