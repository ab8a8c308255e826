"""A rung that makes calls fail as a test prescribes, whatever model predicts them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from random import Random

from artis_sdk.contracts import Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import History, Outcome, State, Step, ToolCall
from artis_sdk.simulators.composite import Composite, Wrapper
from artis_sdk.simulators.faults import Fault, Strikes
from artis_sdk.simulators.past import HistoryCursor


class Faulty(Wrapper, Composite):
    """Makes some calls fail; every other call goes to another simulator unchanged.

    No model decides which. A call that is made although its caller sees a failure takes effect in the
    simulated world: the simulator predicts it as any call, and its true outcome stands in the history that
    the simulator sees from then on. A call that is not made is missing there.

    Outcomes that a fault made have the provenance `forced` and name their `fault`; no simulator is trained
    on them. Guarded calls inside the body of a sandboxed tool are not struck. `fault_report` shows what the
    agent did about each.

    Each attempt draws its own chances; the k-th attempt's are the same in every session with the same seed
    that rehearses its attempts one after the other.

    Args:
        simulator: simulator of all calls.
        faults: faults; the first that fits a call strikes it.
        seed: seed of the chances.

    Attributes:
        simulator: the same.
        faults: the same.

    Raises:
        ConfigurationError: `faults` is empty.
    """

    def __init__(self, simulator: Simulator, faults: Iterable[Fault], *, seed: int = 0) -> None:
        super().__init__(simulator)
        self.faults = tuple(faults)
        if not self.faults:
            raise ConfigurationError("Faulty needs at least one fault, such as Fault(kind='lost')")
        self.seed = seed
        self._attempts = count()
        self._strikes: Strikes | None = None
        self._seen = HistoryCursor()
        self._true: History = ()
        """The history as the simulator knows it."""
        self._struck: list[tuple[ToolCall, Outcome, Outcome | None]] = []
        """Calls whose outcome is not in the history yet: the outcome told, and the true one."""

    def with_parts(self, change: Callable[[Simulator], Simulator]) -> Simulator:
        """See `Composite.with_parts`."""
        return Faulty(change(self.simulator), self.faults, seed=self.seed)

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        """See `Simulator.fork`."""
        forked = Faulty(self.simulator.fork(tools, meter), self.faults, seed=self.seed)
        forked._strikes = Strikes(self.faults, Random(f"{self.seed}:{next(self._attempts)}"))
        return forked

    def begin(self, history: History) -> None:
        """See `Simulator.begin`."""
        self._seen.advance(history)
        self._true = history
        super().begin(history)

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`.

        Raises:
            SimulationError: the simulator cannot predict a call that is made; or this one was not forked
                for an attempt.
        """
        return (await self.predict_turn([call], state, history))[0]

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        """See `Simulator.predict_turn`. A turn without a fault goes to the simulator as a whole."""
        if self._strikes is None:
            raise SimulationError(calls[0].tool, "Faulty counts the calls of an attempt: fork it first")
        true = self._without_faults(calls[0], history)
        faults = [self._strikes.draw(call) for call in calls]
        if not any(faults):
            return await self.simulator.predict_turn(calls, state, true)
        outcomes: list[Outcome] = []
        for call, fault in zip(calls, faults, strict=True):
            made: Outcome | None = None
            if fault is None or fault.call_is_made:
                made = await self.simulator.predict(call, state, true)
                true = (*true, Step(call=call, outcome=made))
            told = made if fault is None else await self._told(call, fault, made)
            assert told is not None
            outcomes.append(told)
        return outcomes

    async def _told(self, call: ToolCall, fault: Fault, made: Outcome | None) -> Outcome:
        """The outcome for the caller."""
        told = fault.outcome(made)
        if told is None:  # nothing of it can be missing
            assert made is not None
            return made
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        self._struck.append((call, told, made))
        return told

    def _without_faults(self, call: ToolCall, history: History) -> History:
        """The history with the true outcomes of the calls that were struck."""
        new = self._seen.advance(history)
        if new is None:
            raise SimulationError(call.tool, "the given history differs from the calls that came here")
        for step in new:
            if step.outcome.fault is None:
                self._true = (*self._true, step)
                continue
            struck = next((one for one in self._struck if one[:2] == (step.call, step.outcome)), None)
            if struck is None:
                raise SimulationError(
                    step.call.tool, f"a fault that was not injected here: {step.outcome.fault}"
                )
            self._struck.remove(struck)
            if struck[2] is not None:
                self._true = (*self._true, Step(call=step.call, outcome=struck[2]))
        return self._true
