"""Simulators in order of preference: the first that can predict a call answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from artis_sdk.contracts import Meter, Simulator, Tool
from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.records import History, Outcome, State, Step, ToolCall
from artis_sdk.simulators.checks import checked
from artis_sdk.simulators.composite import Composite
from artis_sdk.tools.protocols import CheckedTool, fitting


class Ladder(Composite):
    """Checks a call's arguments, then asks one rung after another, such as replay and then a model.

    The next rung is tried only when one raises `SimulationError`, of which `ReplayMiss` is one kind:
    it cannot predict the call. Every other error stops the attempt, as it would without a ladder: a
    limit reached, a backend that failed, a refusal by the firewall, a configuration error. Each outcome
    keeps the provenance of the rung that predicted it.

    A rung sees the whole history, including the steps that others answered. A sandbox also keeps its
    own state: it first runs those steps on its fork, and if its real code has another outcome than the
    history, it predicts nothing from then on (see `SandboxSimulator`); the rung below answers, and no
    drift goes unseen.

    Args:
        rungs: simulators, the first to try first.

    Attributes:
        rungs: the same.

    Raises:
        ConfigurationError: `rungs` is empty.
    """

    def __init__(self, rungs: Iterable[Simulator]) -> None:
        self.rungs = tuple(rungs)
        if not self.rungs:
            raise ConfigurationError("a Ladder needs at least one simulator")
        self._tools: dict[str, CheckedTool] = {}
        self._answering: list[Simulator] = []  # the rungs that have answered, each once

    @property
    def runs_code(self) -> bool:
        return any(rung.runs_code for rung in self.rungs)

    def with_parts(self, change: Callable[[Simulator], Simulator]) -> Simulator:
        """See `Composite.with_parts`."""
        return Ladder(change(rung) for rung in self.rungs)

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        """See `Simulator.fork`: every rung is forked."""
        tools = tuple(tools)
        forked = Ladder(rung.fork(tools, meter) for rung in self.rungs)
        forked._tools = {tool.name: tool for tool in fitting(tools, CheckedTool)}  # type: ignore[type-abstract]
        return forked

    def begin(self, history: History) -> None:
        """See `Simulator.begin`."""
        for rung in self.rungs:
            rung.begin(history)

    def state(self) -> State:
        """See `Simulator.state`: that of the first rung which keeps one, as long as no other has answered."""
        for rung in self.rungs:
            if (state := rung.state()) is not None:
                return state if all(other is rung for other in self._answering) else None
        return None

    async def aclose(self) -> None:
        """See `Simulator.aclose`: every rung is closed, and then the first error is raised."""
        errors: list[SimulationError] = []
        for rung in self.rungs:
            try:
                await rung.aclose()
            except SimulationError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """See `Simulator.predict`. Unforked, it knows no tools and checks no arguments.

        Raises:
            SimulationError: no rung can predict the call; the message has the reason of each.
        """
        return (await self.predict_turn([call], state, history))[0]

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        """Predict the calls of one turn, in order.

        From the first call that only the last rung can answer, the last rung receives the rest of the turn
        at once, so that a model there answers one request.
        """
        outcomes: list[Outcome] = []
        for index, call in enumerate(calls):
            outcome = self._refusal(call)
            if outcome is None:
                outcome, reasons = await self._climb(call, state, history)
            if outcome is None:
                rest = calls[index:]
                if any(self._refusal(later) for later in rest[1:]):
                    rest = [call]
                (outcome, *more) = await self._last(rest, state, history, reasons)
                if more or index + 1 == len(calls):
                    return [*outcomes, outcome, *more]
            outcomes.append(outcome)
            history = (*history, Step(call=call, outcome=outcome))
        return outcomes

    def _refusal(self, call: ToolCall) -> Outcome | None:
        """The failure of a call whose arguments do not fit the tool's schema, as in every world."""
        tool = self._tools.get(call.tool)
        found = checked(tool, call) if tool is not None else None
        return found if isinstance(found, Outcome) else None

    async def _climb(
        self, call: ToolCall, state: State, history: History
    ) -> tuple[Outcome | None, list[str]]:
        """Ask all rungs but the last; the outcome, or the reasons why none can predict it."""
        reasons: list[str] = []
        for rung in self.rungs[:-1]:
            try:
                outcome = await rung.predict(call, state, history)
            except SimulationError as error:
                reasons.append(str(error))
            else:
                self._answered(rung)
                return outcome, reasons
        return None, reasons

    async def _last(
        self, calls: Sequence[ToolCall], state: State, history: History, reasons: list[str]
    ) -> list[Outcome]:
        try:
            outcomes = await self.rungs[-1].predict_turn(calls, state, history)
        except SimulationError as error:
            if not reasons:
                raise
            message = "; ".join([*reasons, str(error)])
            raise SimulationError(calls[0].tool, f"no rung of the ladder can answer: {message}") from error
        self._answered(self.rungs[-1])
        return outcomes

    def _answered(self, rung: Simulator) -> None:
        if not any(other is rung for other in self._answering):
            self._answering.append(rung)
