"""A guarded tool: a function, what it may do to the world, and how its calls and outcomes look."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from types import MethodType
from typing import Any, Generic, ParamSpec, TypeVar

from pydantic import TypeAdapter, ValidationError

from artis_sdk.errors import SimulationError, ToolFailure
from artis_sdk.records import Outcome, Provenance, Risk, ToolCall, ToolSpec
from artis_sdk.tools.failures import NO_RULES, FailureRules
from artis_sdk.tools.jsonable import jsonable
from artis_sdk.tools.parameters import Parameters
from artis_sdk.tools.routing import entry
from artis_sdk.tools.schema import Shape, return_adapter
from artis_sdk.tools.world import Invocation, Reply

P = ParamSpec("P")
R = TypeVar("R")

Reconcile = Callable[..., Any]
"""Asked after a crash how a call ended: `reconcile(call: ToolCall, key: str | None)`, sync or async."""


# Since Python 3.12: makes `inspect.iscoroutinefunction` true for the tool of an async function.
_mark: Callable[..., Any] | None = getattr(inspect, "markcoroutinefunction", None)


@dataclass(eq=False)
class Definition:
    """What a tool is, whatever object it is bound to; costly parts are made at their first use."""

    function: Callable[..., Any]
    name: str
    takes_self: bool
    risk: Risk = Risk.IRREVERSIBLE
    timeout: float | None = None
    idempotency_key: str | None = None
    failures: FailureRules = NO_RULES
    reconcile: Reconcile | None = None
    check_types: bool = True
    wrapper: Callable[..., Any] | None = None
    """What `@guarded_tool` gave back for it."""

    @cached_property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def parameters(self) -> Parameters:
        return Parameters(self.function, skip_first=self.takes_self)

    @cached_property
    def shape(self) -> Shape:
        return Shape(self.name, self.function, self.parameters, self.idempotency_key, self.check_types)

    @cached_property
    def spec(self) -> ToolSpec:
        return ToolSpec(
            name=self.name,
            description=self.shape.documentation.description,
            parameters=self.shape.schema,
            risk=self.risk,
        )

    @cached_property
    def returns(self) -> TypeAdapter[Any]:
        return return_adapter(self.name, self.function)

    @cached_property
    def source_hash(self) -> str | None:
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):
            return None
        return hashlib.sha256(source.encode()).hexdigest()


class GuardedTool(Generic[P, R]):
    """A guarded function; calling it is calling the function, in whatever world the context names.

    `owner` is the object whose method it is; None for functions, class methods and static methods.
    """

    def __init__(self, definition: Definition, bound_to: object | None = None) -> None:
        self._definition = definition
        self._bound_to = bound_to
        self.owner = None if isinstance(bound_to, type) else bound_to
        if definition.is_async and _mark is not None:
            _mark(self)

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        result: R = self._entry(*args, **kwargs)
        return result

    def __getstate__(self) -> dict[str, Any]:
        """A copy is bound to a copy of the object, and so needs its own entry."""
        return {name: value for name, value in vars(self).items() if name != "_entry"}

    def __repr__(self) -> str:
        return f"<guarded tool {self.name}, {self.risk}>"

    @cached_property
    def _entry(self) -> Callable[..., Any]:
        return entry(self, self.function)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """Where `inspect.signature` and `typing.get_type_hints` look."""
        return self.function

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def _is_coroutine(self) -> object:
        """What `asyncio.iscoroutinefunction` looks at until Python 3.13."""
        from asyncio import coroutines

        return getattr(coroutines, "_is_coroutine", None) if self.is_async else None

    @property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return self._definition.function.__annotations__

    @cached_property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._definition.function.__doc__

    # --- what it is ---------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """How a model calls it."""
        return self._definition.name

    @property
    def risk(self) -> Risk:
        """What it may do to the world."""
        return self._definition.risk

    @property
    def checks_types(self) -> bool:
        """Whether arguments must fit the annotations, or their names alone are checked."""
        return self._definition.check_types

    @property
    def timeout(self) -> float | None:
        """Seconds that a real call may take; None is no limit."""
        return self._definition.timeout

    @property
    def idempotency_key(self) -> str | None:
        """The parameter for a key that is the same on every retry of a call; hidden from models."""
        return self._definition.idempotency_key

    @property
    def reconcile(self) -> Reconcile | None:
        """Asked after a crash how a call ended."""
        return self._definition.reconcile

    @property
    def is_async(self) -> bool:
        """Calling it gives an awaitable."""
        return self._definition.is_async

    @property
    def function(self) -> Callable[..., Any]:
        """The real function, bound to its object; only the commit and the sandbox may run it."""
        function = self._definition.function
        return function if self._bound_to is None else MethodType(function, self._bound_to)

    def stands_for(self, function: Callable[..., Any]) -> bool:
        """Whether this is what `@guarded_tool` gave back, with no other decorator on top."""
        return function is self._definition.wrapper

    @property
    def needs_owner(self) -> bool:
        """It is a method that no object has been given to yet."""
        return self._definition.takes_self and self._bound_to is None

    def on(self, owner: object) -> GuardedTool[..., R]:
        """The same method of another object, such as a forked one; a plain function stays as it is."""
        return GuardedTool(self._definition, owner) if self._definition.takes_self else self

    def as_(self, name: str, risk: Risk) -> GuardedTool[P, R]:
        """The same tool under another name and risk."""
        return GuardedTool(replace(self._definition, name=name, risk=risk), self._bound_to)

    @property
    def spec(self) -> ToolSpec:
        """The tool as a model sees it. Raises `ToolDefinitionError` at first use, see `Shape`."""
        return self._definition.spec

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the arguments."""
        return self.spec.parameters

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of the function's source text, hexadecimal; None where there is no source."""
        return self._definition.source_hash

    # --- calls in -----------------------------------------------------------------------------

    def bind(self, /, *args: Any, **kwargs: Any) -> Invocation:
        """A Python call as an invocation: checked, but run with the very objects that were given.

        Raises:
            InvalidArguments: the arguments fit neither the signature nor the schema.
        """
        parameters = self._definition.parameters
        parameters.fit(self.name, args, kwargs)
        arguments = parameters.named(args, kwargs)
        if self.idempotency_key in arguments:
            args, kwargs = parameters.without(self.idempotency_key, args, kwargs)
            del arguments[self.idempotency_key]
        self._definition.shape.check(arguments)
        seen = {name: jsonable(value) for name, value in arguments.items()}
        return Invocation(self, ToolCall(tool=self.name, arguments=seen), args, kwargs)

    def parse(self, call: ToolCall) -> Invocation:
        """A model's call as an invocation, its JSON arguments converted as the annotations say.

        Raises:
            InvalidArguments: the arguments do not fit the schema; the message says how to fix them.
        """
        checked = self._definition.shape.check(call.arguments)
        args, kwargs = self._definition.parameters.place(checked)
        return Invocation(self, call, args, kwargs)

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a Python call by parameter name, unchecked, as the very objects."""
        return self._definition.parameters.named(args, kwargs)

    # --- outcomes out -------------------------------------------------------------------------

    def failure_type(self, result: Any) -> str | None:
        """Of a returned value or an exception, by the tool's `failures=` rules; None for a success."""
        return self._definition.failures.classify(result)

    def outcome(self, value: Any, provenance: Provenance, duration: float | None = None) -> Outcome:
        """A returned value as an outcome, by the tool's `failures=` rules."""
        failure_type = self._definition.failures.classify(value)
        return Outcome(
            ok=failure_type is None,
            value=jsonable(value),
            failure_type=failure_type,
            provenance=provenance,
            duration=duration,
        )

    def outcome_of_error(
        self, error: BaseException, provenance: Provenance, duration: float | None = None
    ) -> Outcome:
        """A raised exception as an outcome, by the tool's `failures=` rules."""
        return Outcome.failure(*self.failure_of_error(error), provenance, raised=True, duration=duration)

    def failure_of_error(self, error: BaseException) -> tuple[str, str]:
        """Type and message of a raised exception."""
        failure_type = self._definition.failures.classify(error) or type(error).__name__
        return failure_type, error.message if isinstance(error, ToolFailure) else str(error)

    def reply(self, outcome: Outcome) -> Reply:
        """A predicted outcome as the caller of the real tool would see it.

        Raises:
            SimulationError: a predicted value is not what the function's annotation promises.
        """
        if not outcome.ok and (outcome.raised or outcome.value is None):
            definition = self._definition
            error = definition.failures.exception(
                self.name,
                outcome.failure_type or "failure",
                outcome.message or "",
                getattr(inspect.unwrap(definition.function), "__globals__", {}),
            )
            return Reply(outcome, error=error)
        try:
            return Reply(outcome, self._definition.returns.validate_python(outcome.value))
        except ValidationError as error:
            if not outcome.ok:  # functions return failures that their annotation does not promise
                return Reply(outcome, outcome.value)
            raise SimulationError(
                self.name, f"the predicted value does not fit the return annotation: {error}"
            ) from error
