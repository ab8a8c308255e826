"""Objects of which a sandbox makes forks."""

from __future__ import annotations

import asyncio
import contextvars
import threading

from helpers.simulators import call

from artis_sdk.errors import FirewallError, SimulationError
from artis_sdk.records import ToolCall
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.tools import guarded_tool, outside

SANDBOX = SandboxSimulator()


def transfer(amount: int, source: str = "ann") -> ToolCall:
    return call("transfer", source=source, target="bob", amount=amount)


class Plain:
    """A third-party class that nobody edited."""

    def __init__(self) -> None:
        self.items: list[int] = []

    def add(self, item: int) -> list[int]:
        self.items.append(item)
        return self.items


TOUCHED: list[str] = []


@guarded_tool
def free(word: str) -> str:
    """A plain function."""
    TOUCHED.append(word)
    return word


@guarded_tool
async def free_async(word: str) -> str:
    TOUCHED.append(word)
    return word


class Words:
    def __init__(self) -> None:
        self.words: list[str] = []

    @guarded_tool
    def put(self, word: str) -> list[str]:
        self.words.append(word)
        return self.words


class Vault(Words):
    @guarded_tool
    async def put_async(self, word: str) -> list[str]:
        self.words.append(word)
        return self.words


STRANGER = Vault()


class Nested(Words):
    """Its methods make guarded calls in every way that code has."""

    def __init__(self) -> None:
        super().__init__()
        self.vault = Vault()

    @guarded_tool
    def by_self(self) -> list[str]:
        return self.put("a")

    @guarded_tool
    def by_part(self) -> list[str]:
        assert self.vault.put("b") is self.vault.words
        return self.vault.words

    @guarded_tool
    def by_global(self) -> list[str]:
        return REAL.put("c")

    @guarded_tool
    async def by_await(self) -> list[str]:
        await self.vault.put_async("d")
        await asyncio.create_task(self.vault.put_async("e"))
        await asyncio.to_thread(self.vault.put, "f")
        self.vault.put("g")
        return self.vault.words

    @guarded_tool
    def by_thread(self) -> list[str]:
        found: list[list[str]] = []
        thread = threading.Thread(target=lambda: found.append(self.put("h")))
        thread.start()
        thread.join()
        return found[0]

    @guarded_tool
    def by_lost_context(self) -> str:
        """Nothing says whose such a call is."""
        try:
            contextvars.Context().run(self.put, "h")
        except FirewallError as error:
            return type(error).__name__
        return "made"

    @guarded_tool
    def to_stranger(self) -> list[str]:
        self.words.append("before")
        return STRANGER.put("i")

    @guarded_tool
    def to_function(self) -> str:
        return free("j")

    @guarded_tool
    async def to_async_function(self) -> str:
        return await free_async("k")

    @guarded_tool
    def swallows(self) -> str:
        try:
            return free("l")
        except SimulationError:
            return "nothing happened"

    @guarded_tool
    def escapes(self) -> str:
        with outside():
            return free("m")

    @guarded_tool
    def wrong(self) -> list[str]:
        return self.put(3)  # type: ignore[arg-type]


REAL = Nested()


@guarded_tool
def double(number: int) -> int:
    return 2 * number
