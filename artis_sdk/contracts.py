"""The Protocols that the parts meet at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

from artis_sdk.records import (
    Attempt,
    CallRecord,
    Capabilities,
    Completion,
    Evaluation,
    History,
    Outcome,
    Recommendation,
    Request,
    Risk,
    Role,
    State,
    Step,
    Task,
    ToolCall,
    ToolSpec,
)


@runtime_checkable
class Backend(Protocol):
    """A language model, wherever it runs.

    A backend translates our records at its own edge, retries what `errors.is_retryable` names and
    raises `errors.BackendError` for everything else. It never returns a text that no model wrote.
    """

    @property
    def name(self) -> str:
        """How `resolve` finds it, such as `openai:gpt-5-mini`."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one request. Cancelling the awaiting task frees whatever the request holds.

        Args:
            request: what to complete.
            on_token: called on the event loop with each piece of text as it comes, where
                `capabilities.streaming` says so; otherwise never called.

        Raises:
            BackendError: see `artis_sdk.errors`.
        """

    async def aclose(self) -> None:
        """Free everything; closing twice is fine, using it afterwards raises `BackendClosed`."""


class Meter(Protocol):
    """The one way from a rehearsal or a commit to a model: limits, usage by role and events."""

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        """As `Backend.complete`; raises `LimitReached` before the call when a limit is used up."""


class Tool(Protocol):
    """What the parts below the session need of a guarded tool. `Toolset` iterates over these."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> ToolSpec: ...

    @property
    def risk(self) -> Risk: ...


class ObservedTool(Tool, Protocol):
    """What an observer may ask of the tool that was called; each may be asked later, in any thread."""

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of the tool's source text, hexadecimal; None where there is no source."""

    @property
    def hidden(self) -> frozenset[str]:
        """Names of the parameters that no model sees or gives; no log keeps their values either."""

    def failure_type(self, result: Any) -> str | None:
        """Of a returned value or an exception, by the tool's own `failures=` rules; None for a success."""

    def failure_of_error(self, error: BaseException) -> tuple[str, str]:
        """Failure type and message of a raised exception, by the tool's own `failures=` rules."""


class ObservedCall(NamedTuple):
    """A real call outside sessions that has ended."""

    tool: ObservedTool
    """Bound to its object where it is a method."""
    arguments: Mapping[str, Any]
    """The Python objects that were passed, by parameter name; defaults are not filled."""
    value: Any
    """What the function returned; None when it raised."""
    error: Exception | None
    """Goes on to the caller."""
    at: float
    """Seconds since the epoch, when the call began."""
    duration: float
    """Seconds."""


class Observer(Protocol):
    """Is told of every real call of every guarded tool outside sessions, on the caller's side."""

    def called(self, call: ObservedCall) -> None:
        """A call has ended."""


@runtime_checkable
class Simulator(Protocol):
    """Stands in for the real tools: equation 7, p(o_t | a_t, s, history).

    A subclass needs `predict`; the others have defaults for a simulator without state.
    """

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """Predict one outcome.

        Args:
            call: the action; its arguments have passed the tool's own schema.
            state: the environment before the first call of the task.
            history: the calls of this attempt so far with their outcomes, oldest first.

        Raises:
            SimulationError: it cannot tell. It never makes an outcome up.
        """

    async def predict_turn(self, calls: Sequence[ToolCall], state: State, history: History) -> list[Outcome]:
        """Predict the calls of one turn, in order, one outcome a call."""
        outcomes: list[Outcome] = []
        for call in calls:
            outcome = await self.predict(call, state, history)
            outcomes.append(outcome)
            history = (*history, Step(call=call, outcome=outcome))
        return outcomes

    def fork(self, tools: Iterable[Tool], meter: Meter) -> Simulator:
        """The simulator of one attempt: whatever it changes, no other attempt sees.

        Args:
            tools: the tools of the session, bound to their real objects.
            meter: how it reaches a model, if it uses one.
        """
        return self

    def begin(self, history: History) -> None:
        """The attempt begins after these calls. Those that are real come first, and the objects behind the
        tools have them already; others are of an attempt around this one, and they do not."""
        return

    async def aclose(self) -> None:
        """The attempt is over: take away what its fork made. Closing twice is fine.

        Raises:
            SimulationError: something happened meanwhile that makes its predictions void.
        """
        return

    @property
    def runs_code(self) -> bool:
        """Whether `predict` runs code of the application's (a sandbox); the firewall then treats
        every guarded call of unknown origin as the rehearsal's."""
        return False


class Agent(Protocol):
    """A caller's own agent. Its guarded calls go to the simulated or the real world."""

    async def __call__(self, task: str, *, tools: Any, guidance: str | None) -> str: ...


class Evaluator(Protocol):
    """Judges one finished attempt. Values in, value out."""

    async def evaluate(self, task: Task, attempt: Attempt) -> Evaluation: ...


class Summarizer(Protocol):
    """Distils all attempts into one recommendation. Values in, value out."""

    async def summarize(self, task: Task, attempts: Sequence[Attempt]) -> Recommendation: ...


class LogStore(Protocol):
    """A call log. Appending returns at once and never blocks an event loop."""

    def append(self, record: CallRecord) -> None: ...

    def records(self) -> Iterator[CallRecord]:
        """All rows, oldest first, streamed."""

    def flush(self) -> None:
        """Return when everything appended so far is on disk."""

    def close(self) -> None: ...
