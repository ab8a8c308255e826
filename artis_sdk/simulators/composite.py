"""Simulators that are made of others."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from artis_sdk.contracts import Simulator
from artis_sdk.records import History, State


class Composite(Simulator):
    """A simulator that passes calls on to others.

    A session looks through it: it resolves the models of its parts, hides secrets from them, and puts the
    trust gate in front of each.
    """

    @abstractmethod
    def with_parts(self, change: Callable[[Simulator], Simulator]) -> Simulator:
        """The same simulator over changed parts.

        Args:
            change: function of each part that returns the part to put in its place.
        """

    @property
    def parts(self) -> tuple[Simulator, ...]:
        """The simulators that it is made of."""
        found: list[Simulator] = []

        def keep(part: Simulator) -> Simulator:
            found.append(part)
            return part

        self.with_parts(keep)
        return tuple(found)


class Wrapper(Simulator):
    """A simulator around another one, whose state and code are the attempt's.

    Args:
        simulator: the other one.
    """

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator

    @property
    def runs_code(self) -> bool:
        return self.simulator.runs_code

    def begin(self, history: History) -> None:
        """See `Simulator.begin`."""
        self.simulator.begin(history)

    def state(self) -> State:
        """See `Simulator.state`."""
        return self.simulator.state()

    async def aclose(self) -> None:
        """See `Simulator.aclose`."""
        await self.simulator.aclose()
