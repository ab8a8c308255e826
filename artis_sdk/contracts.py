"""The Protocols through which the parts meet."""

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
    """A language model, local or hosted.

    A backend translates our records at its own edge, retries what `errors.is_retryable` names and
    raises `errors.BackendError` for everything else. It never returns text that no model wrote.
    """

    @property
    def name(self) -> str:
        """Name by which `resolve` finds it, such as `openai:gpt-5-mini`."""

    @property
    def capabilities(self) -> Capabilities:
        """What the backend can do, such as calling tools natively or keeping to a schema."""

    async def complete(
        self, request: Request, *, on_token: Callable[[str], None] | None = None
    ) -> Completion:
        """Answer one request. Cancelling the awaiting task frees all that the request holds.

        Args:
            request: the prompt and its options.
            on_token: callback on the event loop for each piece of text as it arrives, if
                `capabilities.streaming` is true; otherwise never called.

        Raises:
            BackendError: the subclass says why; see `artis_sdk.errors`.
        """

    async def aclose(self) -> None:
        """Free everything. Closing twice is fine; later requests raise `BackendClosed`."""


class Meter(Protocol):
    """The one way from a rehearsal or a commit to a model: limits, usage by role and events."""

    async def complete(self, backend: Backend, role: Role, request: Request) -> Completion:
        """As `Backend.complete`; raises `LimitReached` before the call when a limit is used up."""


class Tool(Protocol):
    """A guarded tool, as the parts below the session need it. `Toolset` iterates over these."""

    @property
    def name(self) -> str: ...

    @property
    def spec(self) -> ToolSpec: ...

    @property
    def risk(self) -> Risk: ...


class ObservedTool(Tool, Protocol):
    """The tool of an observed call. Its attributes may be read later, in any thread."""

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of the tool's source text, hexadecimal; None if it has no source."""

    @property
    def hidden(self) -> frozenset[str]:
        """Names of the parameters that no model sees or sets and whose values no log keeps."""

    def observed(self, value: Any) -> tuple[Any, tuple[str, str] | str | None]:
        """What a log keeps of a returned value, and its failure, if it is one: its type, or the type and
        message of one that counts as raised."""

    @property
    def declares_failures(self) -> bool:
        """Whether `failures=` has a function, which classifies every returned value."""

    def failure_of_error(self, error: BaseException) -> tuple[str, str]:
        """Failure type and message of a raised exception, by the tool's `failures=` rules."""


class ObservedCall(NamedTuple):
    """A real call outside sessions that has ended."""

    tool: ObservedTool
    """The tool, bound to its object if it is a method."""
    arguments: Mapping[str, Any]
    """The passed Python objects, by parameter name; without defaults."""
    value: Any
    """The returned value; None if the function raised."""
    error: Exception | None
    """The raised exception, which the caller receives too."""
    at: float
    """Start of the call, in seconds since the epoch."""
    duration: float
    """Duration of the call, in seconds."""


class Observer(Protocol):
    """Receives every real call of every guarded tool outside sessions, in the caller's thread."""

    def called(self, call: ObservedCall) -> None:
        """Receive a call that has ended."""


@runtime_checkable
class Simulator(Protocol):
    """Stands in for the real tools: equation 7, p(o_t | a_t, s, history).

    A subclass needs `predict`; the other methods have defaults for a simulator without state.
    """

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        """Predict one outcome.

        Args:
            call: the action, whose arguments have passed the tool's schema.
            state: state of the environment before the first call of the task.
            history: the calls of this attempt so far with their outcomes, oldest first.

        Raises:
            SimulationError: it cannot predict this outcome. No outcome is made up.
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
        """The simulator of one attempt; no other attempt sees its changes.

        Args:
            tools: the tools of the session, bound to their real objects.
            meter: the way to a model, if it uses one.
        """
        return self

    def begin(self, history: History) -> None:
        """The attempt begins after these calls. Real ones come first, and the objects behind the tools show
        their effects; calls of an enclosing attempt follow, whose effects the objects do not show."""
        return

    def state(self) -> State:
        """The present state of this attempt's world, for people: what the attempt changed. None if it keeps
        none, or it is not known."""
        return None

    async def aclose(self) -> None:
        """The attempt is over: remove everything that its fork made. Closing twice is fine.

        Raises:
            SimulationError: something happened during the attempt that makes its predictions void.
        """
        return

    @property
    def runs_code(self) -> bool:
        """Whether `predict` runs application code (a sandbox); if so, the firewall treats every guarded
        call of unknown origin as part of the rehearsal."""
        return False


class Agent(Protocol):
    """The caller's own agent. Its guarded calls go to the simulated or the real world."""

    async def __call__(self, task: str, *, tools: Any, guidance: str | None) -> str: ...


@runtime_checkable
class BringsTools(Protocol):
    """An agent that has tools of its own, like one of another framework; a session adds them to its tools."""

    async def session_tools(self) -> Iterable[Tool]:
        """The agent's tools, asked for when a session opens."""


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
        """Return once everything appended so far is on disk."""

    def close(self) -> None: ...
