"""The world of one attempt: every call is answered by the attempt's own simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from artis_sdk.contracts import Simulator
from artis_sdk.errors import ArtisError, FirewallError, SimulationError
from artis_sdk.loop.budget import Emit, ignore
from artis_sdk.records import History, Outcome, State, StateChange, Step
from artis_sdk.records.events import CallSimulated
from artis_sdk.records.state_change import state_change
from artis_sdk.simulators.replies import collected, collected_within
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.passed import is_shown_whole, not_given_back
from artis_sdk.tools.reply import Reply
from artis_sdk.traces.operations import simulated, simulating


class _Prediction:
    """One turn being predicted."""

    __slots__ = ("running", "world")

    def __init__(self, world: SimulatedWorld) -> None:
        self.world = world
        self.running = True


See = Callable[[Any], None]
"""Told the Python values behind calls and outcomes, for the secrets in them."""


def unseen(value: Any) -> None:
    """A callback that drops values."""


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
        see: callback for the Python values that an agent of the application's passes, and that real code
            returns, before anything is shown of them.
        count: callback before each call of an agent whose steps are its calls; may raise
            `LimitReached`.
        keep_change: whether to keep what the attempt changes in its state, until it is over.
    """

    def __init__(
        self,
        simulator: Simulator,
        state: State,
        *,
        earlier: History = (),
        attempt: int = 0,
        emit: Emit = ignore,
        see: See = unseen,
        count: Callable[[], None] | None = None,
        keep_change: bool = False,
    ) -> None:
        self._simulator = simulator
        self._state = state
        self._attempt = attempt
        self._emit = emit
        self._see = see
        self._count = count
        self._earlier = len(earlier)
        self._history = earlier
        self._nested: History = ()
        self._lock = asyncio.Lock()
        self._closed = False
        self._broken: ArtisError | None = None
        simulator.begin(earlier)
        self.change: StateChange | None = None
        """What the attempt changed in its state, once it is over; None if it is not kept."""
        self.notes: dict[str, None] = {}
        """Notes for the reader of the plan, each once."""
        self._before = simulator.state() if keep_change else None

    @property
    def history(self) -> History:
        """The agent's calls so far with their outcomes, oldest first."""
        return self._history[self._earlier :]

    @property
    def nested(self) -> History:
        """The calls that sandboxed bodies made so far, oldest first."""
        return self._nested

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
        if self._before is not None and self.change is None:
            after = self._simulator.state()
            self.change = None if after is None else state_change(self._before, after)
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
        hidden = invocation.tool.hidden
        self._see((invocation.args, [v for name, v in invocation.kwargs.items() if name not in hidden]))
        if other := not_given_back(invocation):
            note = _NOT_GIVEN_BACK if is_shown_whole(invocation) else _NOT_SHOWN
            self.notes[note.format(invocation.tool.name, ", ".join(other))] = None
        ((outcome, reply),) = await self._turn([invocation])
        try:
            return reply or invocation.tool.reply(outcome)
        except ArtisError as error:
            self._broken = error
            raise

    async def handle_turn(self, invocations: Sequence[Invocation]) -> list[Reply]:
        """Predict the calls of one turn, in order. The replies carry outcomes, no Python values."""
        return [Reply(outcome) for outcome, _ in await self._turn(invocations)]

    async def _turn(self, invocations: Sequence[Invocation]) -> list[tuple[Outcome, Reply | None]]:
        outer = _predicting.get()
        if outer is not None and outer.running and outer.world is self:
            return await self._predict(invocations, nested=True)
        async with self._lock:
            prediction = _Prediction(self)
            token = _predicting.set(prediction)
            try:
                with collected_within() as within:
                    outcomes = await self._predict(invocations, nested=False)
                self._nested = (*self._nested, *within)
                return outcomes
            finally:
                prediction.running = False
                _predicting.reset(token)

    async def _predict(
        self, invocations: Sequence[Invocation], *, nested: bool
    ) -> list[tuple[Outcome, Reply | None]]:
        """The outcomes, each with the reply of real code behind it, if there is one."""
        self._admit(invocations)
        calls = [invocation.call for invocation in invocations]
        outcomes: Sequence[Outcome]
        try:
            if self._count is not None and not nested:
                self._count()
            with collected() as replies, simulating(calls) as span:
                if len(calls) == 1:
                    outcomes = (await self._simulator.predict(calls[0], self._state, self._history),)
                else:
                    outcomes = await self._simulator.predict_turn(calls, self._state, self._history)
                simulated(span, calls, outcomes)
        except ArtisError as error:
            self._broken = error
            raise
        self._admit(invocations)
        made = [(outcome, replies.of(outcome)) for outcome in outcomes]
        for _, reply in made:
            if reply is not None:
                self._see((reply.value, reply.error))
        for call, outcome in zip(calls, outcomes, strict=True):
            step = Step(call=call, outcome=outcome)
            if nested:
                self._nested = (*self._nested, step)
            else:
                self._history = (*self._history, step)
            self._emit(CallSimulated(attempt=self._attempt, call=call, outcome=outcome))
        return made

    def _admit(self, invocations: Sequence[Invocation]) -> None:
        if self._closed:
            tool = invocations[0].tool.name
            raise FirewallError(tool, "refused: the attempt that this call belongs to is over")
        self.check()


_NOT_GIVEN_BACK = (
    "{}: {} was given as a type that JSON does not give back, so mode='replay' would pass something else; "
    "annotate the parameter with its type, or commit another way"
)
_NOT_SHOWN = (
    "{}: {} has no JSON form, so a plan cannot tell one from another: a bound commit asks about each such "
    "call, and mode='replay' does not make it; give the class public attributes, or hide= the parameter"
)
