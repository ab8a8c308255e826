"""The world of one attempt: every call is answered by the attempt's own simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from artis_sdk.contracts import Simulator
from artis_sdk.errors import ArtisError, FirewallError, SimulationError
from artis_sdk.loop.budget import Emit, ignore
from artis_sdk.records import History, Outcome, State, Step
from artis_sdk.records.events import CallSimulated
from artis_sdk.simulators.replies import collected
from artis_sdk.tools.guarded import Invocation, Reply


class _Prediction:
    """One turn being predicted."""

    __slots__ = ("running", "world")

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.running = True


# Set while a simulator predicts, to recognize the guarded calls of a sandboxed body.
_predicting: ContextVar[_Prediction | None] = ContextVar("artis_sdk_predicting", default=None)


class SimulatedWorld:
    """Answers the guarded calls of one attempt by prediction; it belongs to no other attempt.

    Turns are predicted one at a time, in their order, each with all earlier ones. A guarded call made
    by the body of a sandboxed tool is a part of that tool's call: it is predicted at once, on the
    state that the body sees, and reported as an event; the history holds the agent's own calls only.
    An error in a prediction breaks the world: every later call raises the same error, so that an
    agent which swallows it gets no further. A closed world refuses all calls.

    Args:
        simulator: the attempt's fork of the simulator.
        state: state of the environment before the first call.
        earlier: real calls made since the state was taken.
        attempt: index of the attempt, for events.
        emit: callback for `CallSimulated`.
        count: callback before each call of an agent whose steps are its calls; may raise
            `LimitReached`.
    """

    def __init__(
        self,
        simulator: Simulator,
        state: State,
        *,
        earlier: History = (),
        attempt: int = 0,
        emit: Emit = ignore,
        count: Callable[[], None] | None = None,
    ) -> None:
        self._simulator = simulator
        self._state = state
        self._attempt = attempt
        self._emit = emit
        self._count = count
        self._earlier = len(earlier)
        self._history = earlier
        self._lock = asyncio.Lock()
        self._closed = False
        self._broken: ArtisError | None = None
        simulator.begin(earlier)

    @property
    def history(self) -> History:
        """The agent's calls so far with their outcomes, oldest first."""
        return self._history[self._earlier :]

    def check(self) -> None:
        """Raise the error that broke a prediction, if any, even if the agent swallowed it."""
        if self._broken is not None:
            raise self._broken

    def remember_refusal(self, error: FirewallError) -> None:
        """A guarded call of this attempt was refused. The attempt ends with this error, even if the caller
        swallows it."""
        self._broken = self._broken or error

    def close(self) -> None:
        """The attempt is over: late calls, and those still being predicted, are refused."""
        self._closed = True

    async def aclose(self) -> None:
        """`close`, and close the simulator's fork; `check` then raises its errors."""
        self.close()
        try:
            await self._simulator.aclose()
        except SimulationError as error:
            self._broken = self._broken or error

    async def handle(self, invocation: Invocation) -> Reply:
        """Predict one call.

        Raises:
            FirewallError: the attempt is over.
            SimulationError, LimitReached, BackendError: the prediction failed.
        """
        with collected() as replies:
            (outcome,) = await self._turn([invocation])
        try:
            return replies.of(outcome) or invocation.tool.reply(outcome)
        except ArtisError as error:
            self._broken = error
            raise

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Predict the calls of one turn, in order. The replies carry outcomes, no Python values."""
        return [Reply(outcome) for outcome in await self._turn(invocations)]

    async def _turn(self, invocations: Sequence[Invocation]) -> Sequence[Outcome]:
        outer = _predicting.get()
        if outer is not None and outer.running and outer.world is self:
            return await self._predict(invocations, nested=True)
        async with self._lock:
            prediction = _Prediction(self)
            token = _predicting.set(prediction)
            try:
                return await self._predict(invocations, nested=False)
            finally:
                prediction.running = False
                _predicting.reset(token)

    async def _predict(self, invocations: Sequence[Invocation], *, nested: bool) -> Sequence[Outcome]:
        self._admit(invocations)
        calls = [invocation.call for invocation in invocations]
        outcomes: Sequence[Outcome]
        try:
            if self._count is not None and not nested:
                self._count()
            if len(calls) == 1:
                outcomes = (await self._simulator.predict(calls[0], self._state, self._history),)
            else:
                outcomes = await self._simulator.predict_turn(calls, self._state, self._history)
        except ArtisError as error:
            self._broken = error
            raise
        self._admit(invocations)
        for call, outcome in zip(calls, outcomes, strict=True):
            if not nested:
                self._history = (*self._history, Step(call=call, outcome=outcome))
            self._emit(CallSimulated(attempt=self._attempt, call=call, outcome=outcome))
        return outcomes

    def _admit(self, invocations: Sequence[Invocation]) -> None:
        if self._closed:
            tool = invocations[0].tool.name
            raise FirewallError(tool, "called by something left behind: the attempt it belonged to is over")
        self.check()
