"""A rung that computes outcomes from the tools' source, where source and state determine them."""

from __future__ import annotations

from collections.abc import Iterable

from artis_sdk.contracts import Meter, Simulator
from artis_sdk.contracts import Tool as AnyTool
from artis_sdk.errors import SimulationError
from artis_sdk.records import History, Outcome, Risk, State, ToolCall
from artis_sdk.simulators.checks import checked
from artis_sdk.simulators.interpreter.values import CannotTell
from artis_sdk.simulators.interpreter.world import Computed, ComputedWorld, Restore, Tool
from artis_sdk.tools import GuardedTool


class Checked(Simulator):
    """Computes a call's outcome from the tool's source, and never runs it.

    The source is interpreted over objects that are made from the logged state: its conditions, its sums, its
    effects on the objects, its messages. The calls of the history are carried out on them first. Where the
    source asks for something that it does not show, such as the time, a library, or an attribute that the
    state lacks, nothing is predicted, and the next rung of a `Ladder` is tried.

    No function, property or class of the application is called and nothing is imported; steps, sizes and
    depth are limited. Two things that the application declares do run, as for every simulator: the
    `failures=` rules, and the schema's own validators.

    Args:
        restore: function of a logged state that makes the objects behind the tools again, for state that JSON
            does not show: private attributes, types of keys. It is application code and runs once for each
            attempt; what it makes is only read.
    """

    def __init__(self, *, restore: Restore | None = None) -> None:
        self._restore = restore
        self._tools: dict[str, Tool] = {}
        self._state: State = None
        self._history: History = ()
        self._world: ComputedWorld | None = None

    @property
    def runs_code(self) -> bool:
        """Whether a `restore=` hook runs in rehearsals."""
        return self._restore is not None

    def fork(self, tools: Iterable[AnyTool], meter: Meter) -> Simulator:
        """See `Simulator.fork`."""
        forked = Checked(restore=self._restore)
        forked._tools = {tool.name: tool for tool in tools if isinstance(tool, GuardedTool)}
        return forked

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`.

        Raises:
            SimulationError: source and state do not determine the outcome.
        """
        found = self.compute(call, state, history)
        if isinstance(found, Outcome):
            return found
        if found.outcome is None:
            raise SimulationError(
                call.tool, f"its source does not tell with what it returns: {found.unknown}"
            )
        return found.outcome

    def compute(self, call: ToolCall, state: State, history: History) -> Outcome | Computed:
        """What the source says of a call; an outcome for a call that the tool's schema refuses.

        Raises:
            SimulationError: it does not say whether the call returns, or raises.
        """
        tool = self._tools.get(call.tool)
        if tool is None:
            raise SimulationError(call.tool, "no tool of this name has source to compute from")
        invocation = checked(tool, call)
        if isinstance(invocation, Outcome):
            return invocation
        try:
            return self._after(state, history).copy().compute(invocation)
        except CannotTell as error:
            raise SimulationError(call.tool, f"its source does not tell the outcome: {error}") from None
        except RecursionError:
            raise SimulationError(
                call.tool, "its source does not tell the outcome: nested too deeply"
            ) from None

    def _after(self, state: State, history: History) -> ComputedWorld:
        """The objects after the history."""
        known = len(self._history)
        same = state is self._state and len(history) >= known
        if not same or not all(a is b for a, b in zip(history, self._history, strict=False)):
            self._world = None
        world = self._world
        if world is None:
            world = ComputedWorld(self._tools.values(), state, self._restore)
            known = 0
        for step in history[known:]:
            world = self._made(world, step.call, step.outcome)
        self._world, self._state, self._history = world, state, tuple(history)
        return world

    def _made(self, world: ComputedWorld, call: ToolCall, outcome: Outcome) -> ComputedWorld:
        """The objects after one more call of the history."""
        if not outcome.reached_world:
            return world
        tool = self._tools.get(call.tool)
        if tool is None:
            raise CannotTell(f"an earlier call is of {call.tool}, whose source is not known")
        invocation = checked(tool, call)
        if tool.risk is Risk.READ_ONLY or isinstance(invocation, Outcome):
            return world
        try:
            return world.repeat(invocation, outcome)
        except (CannotTell, RecursionError) as error:
            world.void(tool, f"after {call.tool}: {str(error) or 'nested too deeply'}")
            return world
