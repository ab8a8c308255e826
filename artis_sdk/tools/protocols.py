"""The tool protocols of the parts above. `GuardedTool` fits all of them; other classes may fit too."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from artis_sdk.contracts import Tool
from artis_sdk.records import Outcome, Provenance, ToolCall
from artis_sdk.tools.guarded import Invocation
from artis_sdk.tools.reply import Reply

P = TypeVar("P")


def fitting(tools: Iterable[object], protocol: type[P]) -> list[P]:
    """The tools that fit a protocol. Tools of one class are alike: a look at each of hundreds is costly.

    Args:
        tools: tools of any classes.
        protocol: a protocol that can be checked at run time.
    """
    fits: dict[type, bool] = {}
    found: list[P] = []
    for tool in tools:
        kind = type(tool)
        if kind not in fits:
            fits[kind] = isinstance(tool, protocol)
        if fits[kind]:
            found.append(cast(P, tool))
    return found


@runtime_checkable
class CheckedTool(Tool, Protocol):
    """A tool for a simulator: its calls can be checked, and its failures told from its successes."""

    def parse(self, call: ToolCall) -> Invocation:
        """A model's call, checked against the tool's own schema.

        Raises:
            InvalidArguments: the arguments do not fit the schema.
        """

    def outcome(self, value: Any, provenance: Provenance, duration: float | None = None) -> Outcome:
        """A returned value as an outcome, by the tool's `failures=` rules.

        Args:
            value: the tool's return value.
            provenance: origin of the value.
            duration: seconds that the call took.
        """


class ReconcilableTool(Tool, Protocol):
    """A tool that may know how one of its calls ended, for recovery."""

    @property
    def reconcile(self) -> Callable[..., Any] | None:
        """Finds out how a call ended: `reconcile(call, key)`, sync or async; None without one."""

    @property
    def owner(self) -> object | None:
        """The object of a method; None for a function without one."""

    def outcome(self, value: Any, provenance: Provenance, duration: float | None = None) -> Outcome:
        """A returned value as an outcome, by the tool's `failures=` rules."""


@runtime_checkable
class RunnableTool(CheckedTool, Protocol):
    """A tool for the commit and the sandbox: its real code can be run."""

    @property
    def is_async(self) -> bool:
        """Whether calling `function` gives an awaitable."""

    def found_awaitable(self) -> None:
        """Record that a call of a function that is not async has returned an awaitable."""

    @property
    def timeout(self) -> float | None:
        """Limit of a real call, in seconds; None for no limit."""

    @property
    def idempotency_key(self) -> str | None:
        """Name of the parameter for a key, the same on every retry of a call."""

    @property
    def injects(self) -> bool:
        """Whether hidden parameters are filled in when the real function runs."""

    def with_injected(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of a real call, with the injected ones that the caller left out."""

    @property
    def owner(self) -> object | None:
        """The object of a method; None for a function without one."""

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
            SimulationError: a predicted value does not fit the code's return annotation.
        """
