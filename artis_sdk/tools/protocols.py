"""What the parts above need of a tool. `GuardedTool` is all of it; whatever else fits may stand there too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from artis_sdk.contracts import Tool
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools.guarded import Invocation, Reply


@runtime_checkable
class CheckedTool(Tool, Protocol):
    """A tool whose calls can be checked, and whose results can be told apart: what a simulator needs."""

    def parse(self, call: ToolCall) -> Invocation:
        """A model's call, checked against the tool's own schema.

        Raises:
            InvalidArguments: the arguments do not fit the schema.
        """

    def outcome(self, value: Any, provenance: Provenance, duration: float | None = None) -> Outcome:
        """A returned value as an outcome, by the tool's `failures=` rules.

        Args:
            value: what the tool returned.
            provenance: where the value came from.
            duration: seconds.
        """


class ReconcilableTool(Tool, Protocol):
    """A tool that may know how one of its calls ended: what recovery needs."""

    @property
    def reconcile(self) -> Callable[..., Any] | None:
        """How a call ended, `reconcile(call, key)`, sync or async; None where the tool cannot know."""

    @property
    def owner(self) -> object | None:
        """The object whose method it is; None for a function without one."""

    def outcome(self, value: Any, provenance: Provenance, duration: float | None = None) -> Outcome:
        """A returned value as an outcome, by the tool's `failures=` rules."""


@runtime_checkable
class RunnableTool(CheckedTool, Protocol):
    """A tool whose real code can be run: what the commit and the sandbox need."""

    @property
    def is_async(self) -> bool:
        """Whether calling `function` gives an awaitable."""

    def found_awaitable(self) -> None:
        """A call of a function that is not async has returned something to be awaited."""

    @property
    def timeout(self) -> float | None:
        """Seconds that a real call may take; None for no limit."""

    @property
    def idempotency_key(self) -> str | None:
        """Name of the parameter for a key that is the same on every retry of a call."""

    @property
    def injects(self) -> bool:
        """Whether hidden parameters are filled in when the real function runs."""

    def with_injected(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a real call by name, with the injected ones that the caller did not give."""

    @property
    def owner(self) -> object | None:
        """The object whose method it is; None for a function without one."""

    @property
    def function(self) -> Callable[..., Any]:
        """The real code, bound to its owner."""

    def on(self, owner: object) -> RunnableTool:
        """The same method of another object, such as a forked one."""

    def outcome_of_error(
        self, error: BaseException, provenance: Provenance, duration: float | None = None
    ) -> Outcome:
        """A raised exception as an outcome, by the tool's `failures=` rules."""

    def reply(self, outcome: Outcome) -> Reply:
        """An outcome as the caller of the real code would see it.

        Raises:
            SimulationError: a predicted value is not what the code promises to return.
        """
