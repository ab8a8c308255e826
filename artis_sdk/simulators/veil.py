"""The view of a model that simulates: calls, state and history without their secrets."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Protocol, TypeVar

from pydantic import BaseModel, JsonValue

from artis_sdk.contracts import Simulator
from artis_sdk.records import History, Outcome, State, Step, ToolCall
from artis_sdk.simulators.composite import Composite
from artis_sdk.simulators.llm import LLMSimulator

M = TypeVar("M", bound=BaseModel)


class Veil(Protocol):
    """Replaces secrets by placeholders, and back; `logs.session_secrets.SessionSecrets` is one.

    Equal secrets have equal placeholders, so a simulator can still tell a right password from a wrong one.
    """

    @property
    def size(self) -> int:
        """Grows with every secret that becomes known."""

    def shown(self, record: M) -> M:
        """The record without secrets."""

    def shown_value(self, value: JsonValue, path: str) -> JsonValue:
        """The value at this path, without secrets."""

    def revealed(self, value: JsonValue) -> JsonValue:
        """The value with placeholders replaced by their secrets."""


def veiled(simulator: Simulator, veil: Veil) -> Simulator:
    """The same simulator, whose models see no secrets; one without a model stays unchanged."""
    if isinstance(simulator, Composite):
        return simulator.with_parts(lambda part: veiled(part, veil))
    if isinstance(simulator, LLMSimulator):
        simulator = copy(simulator)
        states = VeiledStates(veil)
        simulator.wrap = lambda attempt: VeiledAttempt(attempt, veil, states)
    return simulator


class VeiledStates:
    """The last state without secrets, once for all attempts.

    Args:
        veil: the veil that hides the secrets.
    """

    def __init__(self, veil: Veil) -> None:
        self._veil = veil
        self._size = -1
        self._state: tuple[State, State] = (None, None)

    def of(self, state: State) -> State:
        """A state without the secrets that are known by now."""
        if self._state[0] is not state or self._veil.size != self._size:
            self._state = (state, self._veil.shown_value(state, "state"))
            self._size = self._veil.size
        return self._state[1]


class VeiledAttempt(Simulator):
    """A simulator of one attempt that sees no secrets, and whose outcomes have them again.

    Args:
        inner: the simulator.
        veil: the veil that hides the secrets.
        states: the states without secrets.
    """

    def __init__(self, inner: Simulator, veil: Veil, states: VeiledStates) -> None:
        self._inner = inner
        self._veil = veil
        self._states = states
        self._size = -1
        self._steps: tuple[History, History] = ((), ())

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        return (await self.predict_turn([call], state, history))[0]

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        shown = [self._veil.shown(call) for call in calls]
        new = [self._veil.shown(step) for step in self._unseen(history)]
        if self._veil.size != self._size:  # a new secret may be in data shown before
            new = [self._veil.shown(step) for step in history]
            self._steps = ((), ())
            self._size = self._veil.size
        self._steps = (history, (*self._steps[1], *new))
        outcomes = await self._inner.predict_turn(shown, self._states.of(state), self._steps[1])
        return [self._revealed(outcome) for outcome in outcomes]

    def _unseen(self, history: History) -> Sequence[Step]:
        """The new steps; all steps if it is not the earlier history with steps added."""
        before = self._steps[0]
        if history[: len(before)] != before:
            self._steps = ((), ())
            return history
        return history[len(before) :]

    def _revealed(self, outcome: Outcome) -> Outcome:
        value, message = self._veil.revealed(outcome.value), self._veil.revealed(outcome.message)
        return outcome.model_copy(update={"value": value, "message": message})
