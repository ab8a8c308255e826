"""Worlds that answer the calls of a rollout: a sandbox, a simulator, or the real tools."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from artis_sdk.commit.commit import RealWorld
from artis_sdk.commit.journal import SQLiteJournal
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError
from artis_sdk.logs.redact import Redactor
from artis_sdk.loop.budget import Unmetered
from artis_sdk.loop.worlds import SimulatedWorld
from artis_sdk.records import Plan, Risk, State, Task
from artis_sdk.simulators.sandbox import SandboxSimulator
from artis_sdk.tools import Invocation, Reply, Toolset, World

WorldName = Literal["sandbox", "simulator", "real"]


@dataclass(frozen=True, slots=True)
class Opened:
    """The world of one rollout."""

    world: World
    state: Callable[[], State]
    """The present state of the objects behind the tools; None in a world without objects."""

    async def handle(self, invocation: Invocation) -> Reply:
        return await self.world.handle(invocation)

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        return await self.world.handle_turn(invocations)


class Worlds(Protocol):
    """Makes a world for each rollout."""

    name: WorldName
    runs_code: bool
    """Whether application code runs in it; if so, calls that lose their context are refused meanwhile."""

    def open(self, tools: Toolset) -> AbstractAsyncContextManager[Opened]:
        """The world of one rollout with these tools."""


class SandboxWorlds:
    """The real code over a fork of the task's objects, one fork per rollout."""

    name: WorldName = "sandbox"
    runs_code = True

    @asynccontextmanager
    async def open(self, tools: Toolset) -> AsyncIterator[Opened]:
        """See `Worlds.open`. Functions without an object run unchanged if they are declared read-only."""
        pure = [tool.name for tool in tools if tool.owner is None and tool.risk is Risk.READ_ONLY]
        fork = SandboxSimulator(pure=pure).fork(tools, Unmetered())
        world = SimulatedWorld(fork, tools.state())
        try:
            yield Opened(world, fork.state)
        finally:
            await world.aclose()


class SimulatorWorlds:
    """Predictions instead of calls; nothing real runs.

    Args:
        simulator: simulator, forked for each rollout.
    """

    name: WorldName = "simulator"

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.runs_code = simulator.runs_code

    @asynccontextmanager
    async def open(self, tools: Toolset) -> AsyncIterator[Opened]:
        """See `Worlds.open`."""
        world = SimulatedWorld(self._simulator.fork(tools, Unmetered()), tools.state())
        try:
            yield Opened(world, lambda: None)
        finally:
            await world.aclose()


class RealWorlds:
    """The real tools, journaled as in a commit. All rollouts share the objects behind them.

    Args:
        tools: tools of all tasks.
        journal: file of intents and outcomes.
        irreversible: whether to run irreversible tools too, in every call of a half-trained model.

    Raises:
        ConfigurationError: a tool is irreversible and `irreversible` is False.
    """

    name: WorldName = "real"
    runs_code = False

    def __init__(self, tools: Iterable[Toolset], journal: Path, *, irreversible: bool = False) -> None:
        risky = sorted({t.name for some in tools for t in some if t.risk is Risk.IRREVERSIBLE})
        if risky and not irreversible:
            raise ConfigurationError(
                f"training in the real world would carry out {', '.join(risky)} again and again, and that "
                "cannot be undone: train in the sandbox or against a simulator, declare a tool reversible "
                "or read_only if it is, or insist with --irreversible"
            )
        self._journal = SQLiteJournal.shared(journal)
        self._redact = Redactor()

    @asynccontextmanager
    async def open(self, tools: Toolset) -> AsyncIterator[Opened]:
        """See `Worlds.open`."""
        plan = Plan(task=Task(query="rollout", tools=tools.specs, state=tools.state()), strategy="training")
        # Rollouts make the same calls over and over.
        world = RealWorld(self._journal, plan, redact=self._redact, on_unknown="note")
        async with world.open():
            yield Opened(world, tools.state)

    async def aclose(self) -> None:
        """Close the journal."""
        await self._journal.aclose()
