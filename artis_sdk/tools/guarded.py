"""A guarded tool: a function with its risk, its calls and its outcomes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib import import_module
from types import FunctionType, MethodType
from typing import Any, Generic, ParamSpec, TypeVar, Unpack

from pydantic import ValidationError

from artis_sdk.errors import SimulationError, ToolDefinitionError
from artis_sdk.records import Outcome, Provenance, Risk, ToolCall, ToolSpec
from artis_sdk.records.plain_forms import message_of, type_name
from artis_sdk.tools.binding import Binding
from artis_sdk.tools.definition import Definition, Reconcile, ToolOptions
from artis_sdk.tools.own_arguments import is_json, owned
from artis_sdk.tools.reply import Reply
from artis_sdk.tools.schema import misfits

P = ParamSpec("P")
R = TypeVar("R")

# Since Python 3.12: makes `inspect.iscoroutinefunction` true for the tool of an async function.
_mark: Callable[..., Any] | None = getattr(inspect, "markcoroutinefunction", None)


@dataclass(frozen=True, slots=True)
class Invocation:
    """One validated call of a guarded tool: the JSON view, and the Python arguments beside it.

    Hidden parameters, such as the idempotency key, are never part of `call`; if passed, they are in `kwargs`.
    """

    tool: GuardedTool[..., Any]
    call: ToolCall
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    passed: tuple[tuple[Any, ...], dict[str, Any]] | None = None
    """The caller's very objects, if they are more than JSON's texts, numbers and truth values; `args` and
    `kwargs` have copies of the lists, dictionaries and sets among them. See `tools.passed`."""
    plain: bool = True
    """Whether `args` and `kwargs` are JSON as they are, so that nobody else can change them."""

    def with_key(self, key: str) -> Invocation:
        """This call with its idempotency key filled in, where the tool takes one and has none yet."""
        name = self.tool.idempotency_key
        if name is None or name in self.kwargs:
            return self
        return replace(self, kwargs={**self.kwargs, name: key})


Entry = Callable[["GuardedTool[..., Any]", Callable[..., Any]], Callable[..., Any]]
"""Makes a tool's callable from the tool and its real function: `artis_sdk.tools.routing.entry`."""


class GuardedTool(Generic[P, R]):
    """A guarded function; calling it calls the function, in the context's world.

    A tool has two halves. Models, simulators, plans and logs see its `spec`; its binding runs its calls.
    `artis_sdk.tools.decorator.define` puts them together.

    Args:
        definition: the developer's declaration.
        binding: the code behind its calls.
        entry: the function that makes its callable.
    """

    def __init__(self, definition: Definition, binding: Binding, entry: Entry) -> None:
        self._definition = definition
        self._binding = binding
        self._make_entry = entry
        # As a function has them, for frameworks that register a callable. A class cannot define these two.
        self.__qualname__: str = getattr(binding.original, "__qualname__", definition.name)
        self.__module__: str = getattr(binding.original, "__module__", None) or __name__
        if binding.is_async and _mark is not None:
            _mark(self)

    @classmethod
    def from_schema(
        cls,
        name: str,
        description: str,
        parameters: Mapping[str, Any],
        call: Callable[..., Any],
        **options: Unpack[ToolOptions],
    ) -> GuardedTool[..., Any]:
        """A tool from a JSON schema and a callable, where no signature says what it takes.

        Args:
            name: its name for models.
            description: its purpose, for models.
            parameters: JSON schema of its arguments, of type object. Each call is checked against it, in
                every world; `additionalProperties` decides about arguments that it does not name.
            call: function, sync or async, that takes the arguments by name and returns the result.
            options: `risk`, `timeout`, `idempotency_key`, `failures`, `not_executed`, `reconcile`, `hide` and
                `inject`, as in `guarded_tool`. Hidden and injected parameters are left out of the schema.

        Raises:
            ToolDefinitionError: the schema is not an object's or not valid, or an option does not fit.
        """
        # By name: what makes it stands above, because it knows how tools are routed.
        made: GuardedTool[..., Any] = import_module("artis_sdk.tools.schema_tool").from_schema(
            name, description, parameters, call, **options
        )
        return made

    def __call__(self, /, *args: P.args, **kwargs: P.kwargs) -> R:
        result: R = self._entry(*args, **kwargs)
        return result

    def __getstate__(self) -> dict[str, Any]:
        """A copy is bound to a copy of the object, so it needs its own entry."""
        return {name: value for name, value in vars(self).items() if name != "_entry"}

    def __repr__(self) -> str:
        return f"<guarded tool {self.name}, {self.risk}>"

    @cached_property
    def _entry(self) -> Callable[..., Any]:
        return self._make_entry(self, self.function)

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The function for `inspect.signature` and `typing.get_type_hints`; while a session guards it under
        its own name, a call of it is one of the tool."""
        original, on = self._binding.original, self._binding.bound_to
        if not isinstance(original, FunctionType) or not self.original_is_function:
            return self.function
        return original if on is None else MethodType(original, on)

    @property
    def __name__(self) -> str:
        return self.name

    @property
    def _is_coroutine(self) -> object:
        """The mark that `asyncio.iscoroutinefunction` reads until Python 3.13."""
        from asyncio import coroutines

        return getattr(coroutines, "_is_coroutine", None) if self.is_async else None

    @property
    def __annotations__(self) -> dict[str, Any]:  # type: ignore[override]
        return self._binding.function.__annotations__

    @cached_property
    def __doc__(self) -> str | None:  # type: ignore[override]
        return self._binding.function.__doc__

    # --- identity -----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The tool's name for models."""
        return self._definition.name

    @property
    def risk(self) -> Risk:
        """The tool's possible effect on the world."""
        return self._definition.risk

    @property
    def checks_types(self) -> bool:
        """Whether arguments must fit the annotations, or their names alone are checked."""
        return self._definition.check_types

    @property
    def timeout(self) -> float | None:
        """Limit of a real call, in seconds; None for no limit."""
        return self._definition.timeout

    @property
    def idempotency_key(self) -> str | None:
        """Name of the parameter for a key, the same on every retry of a call; hidden from models."""
        return self._definition.idempotency_key

    @property
    def hidden(self) -> frozenset[str]:
        """Names of the parameters that no model sees or passes, including the idempotency key."""
        return self._definition.hidden

    @property
    def injects(self) -> bool:
        """Whether hidden parameters are filled in when the real function runs."""
        return bool(self._definition.inject)

    @property
    def injected(self) -> Mapping[str, Any]:
        """What its hidden parameters get, as declared: values, or functions that make them."""
        return self._definition.inject

    def with_injected(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments of a real call, with the injected ones that the caller left out."""
        filled = dict(kwargs)
        for name, value in self._definition.inject.items():
            if name not in filled:
                filled[name] = (
                    value() if inspect.isroutine(value) or isinstance(value, type | partial) else value
                )
        return filled

    @property
    def reconcile(self) -> Reconcile | None:
        """Function that finds out after a crash how a call ended."""
        return self._definition.reconcile

    @property
    def is_async(self) -> bool:
        """Whether calling it gives an awaitable."""
        return self._binding.is_async

    @property
    def returns_awaitable(self) -> bool:
        """Whether the function, which is not async, is known to return an awaitable: by its annotation,
        or by an earlier call."""
        return self._definition.returns_awaitable or self._binding.returns_awaitable

    def found_awaitable(self) -> None:
        """Record that a call has returned an awaitable; later predictions take that form."""
        self._definition.returns_awaitable = True

    @property
    def owner(self) -> object | None:
        """The object of a method; None for functions, class methods and static methods."""
        return self._binding.owner

    @property
    def bound_to(self) -> object | None:
        """The object or class of a method; None for functions and static methods."""
        return self._binding.bound_to

    @property
    def original(self) -> object | None:
        """The object through which others may hold the real code, such as the Python function."""
        return self._binding.original

    @property
    def original_is_function(self) -> bool:
        """Whether a call of `original` is a call of this tool, see `Binding`."""
        return self._binding.original_is_function

    @property
    def is_decorated(self) -> bool:
        """Whether `@guarded_tool` has replaced the function, so that its name leads here."""
        return self._definition.wrapper is not None

    @property
    def function(self) -> Callable[..., Any]:
        """The real function, bound to its object; only the commit and the sandbox may run it."""
        return self._binding.function

    def adopt(self, wrapper: Callable[..., Any]) -> None:
        """Take the function that `@guarded_tool` returns as this tool's own wrapper."""
        self._definition.wrapper = wrapper

    def stands_for(self, function: Callable[..., Any]) -> bool:
        """Whether this is the result of `@guarded_tool`, with no other decorator on top."""
        return function is self._definition.wrapper

    @property
    def needs_owner(self) -> bool:
        """Whether it is a method that has no object yet."""
        return self._binding.needs_owner

    def on(self, owner: object) -> GuardedTool[..., R]:
        """The same method of another object, such as a forked one; a plain function stays as it is."""
        binding = self._binding.on(owner)
        return self if binding is self._binding else GuardedTool(self._definition, binding, self._make_entry)

    def as_(self, name: str, risk: Risk) -> GuardedTool[P, R]:
        """The same tool under another name and risk."""
        definition = replace(self._definition, name=name, risk=risk)
        return GuardedTool(definition, self._binding.renamed(name), self._make_entry)

    @property
    def spec(self) -> ToolSpec:
        """The tool as a model sees it. Raises `ToolDefinitionError` at first use, see `Shape`."""
        definition = self._definition
        if definition.spec is None:
            definition.spec = ToolSpec(
                name=definition.name,
                description=self._binding.description,
                parameters=self._binding.schema,
                risk=definition.risk,
                hidden=definition.hidden,
            )
        return definition.spec

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the arguments."""
        return self.spec.parameters

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of the function's source text, hexadecimal; None without source."""
        return self._binding.source_hash

    # --- calls in -----------------------------------------------------------------------------

    def bind(self, /, *args: Any, **kwargs: Any) -> Invocation:
        """A Python call as an invocation: checked, but with the objects that the caller passed; lists,
        dictionaries and sets among them are copied.

        Raises:
            InvalidArguments: the arguments fit neither the signature nor the schema.
        """
        bound = self._binding.bind(args, kwargs)
        call = ToolCall(tool=self.name, arguments=bound.shown)
        args, kwargs = bound.args, bound.kwargs
        if all(map(is_json, args)) and all(map(is_json, kwargs.values())):
            return Invocation(self, call, args, kwargs)
        visible = {name: value for name, value in kwargs.items() if name not in self.hidden}
        (own_args, own_kwargs), plain = owned([[*args], visible])
        return Invocation(self, call, tuple(own_args), {**kwargs, **own_kwargs}, (args, kwargs), plain)

    def parse(self, call: ToolCall) -> Invocation:
        """A model's call as an invocation, its JSON arguments converted as the annotations say.

        Raises:
            InvalidArguments: the arguments do not fit the schema; the message says how to fix them.
        """
        args, kwargs = self._binding.place(self._binding.check(call.arguments))
        return Invocation(self, call, args, kwargs)

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The unchecked arguments of a Python call by parameter name, as the caller's objects."""
        return self._binding.named(args, kwargs)

    # --- outcomes out -------------------------------------------------------------------------

    def had_no_effect(self, reply: Reply) -> bool:
        """Whether a failed call is certain to have had no effect, by the tool's `not_executed=` rules.

        Raises:
            ToolDefinitionError: a function among the rules raised.
        """
        try:
            return self._definition.not_executed.hold(reply.value if reply.error is None else reply.error)
        except Exception as error:
            raise ToolDefinitionError(f"{self.name}: a function in not_executed= raised {error!r}") from error

    def failure_type(self, result: Any) -> str | None:
        """Failure type of a returned value or an exception by the `failures=` rules; None for a success."""
        return self._definition.failures.classify(result)

    def observed(self, value: Any) -> tuple[Any, tuple[str, str] | str | None]:
        """See `contracts.ObservedTool.observed`."""
        return self._definition.failures.observed(value, self._binding.shown(value))

    @property
    def declares_failures(self) -> bool:
        """Whether `failures=` has a function, which classifies every returned value."""
        return self._definition.failures.declares

    @property
    def declared_failures(self) -> tuple[type[Exception], ...]:
        """The exception classes in `failures=`."""
        return self._definition.failures.exceptions

    def outcome(self, value: Any, provenance: Provenance, duration: float | None = None) -> Outcome:
        """A returned value as an outcome, by the tool's `failures=` rules."""
        return self._definition.failures.outcome(value, self._binding.shown(value), provenance, duration)

    def outcome_of_error(
        self, error: BaseException, provenance: Provenance, duration: float | None = None
    ) -> Outcome:
        """A raised exception as an outcome, by the tool's `failures=` rules."""
        return Outcome.failure(*self.failure_of_error(error), provenance, raised=True, duration=duration)

    def failure_of_error(self, error: BaseException) -> tuple[str, str]:
        """Type and message of a raised exception."""
        failure_type = self._definition.failures.classify(error) or type_name(error)
        return failure_type, message_of(error)

    def reply(self, outcome: Outcome) -> Reply:
        """A predicted outcome as the caller of the real tool would see it.

        Raises:
            SimulationError: a predicted value does not fit the function's return annotation.
        """
        if not outcome.ok and (outcome.raised or outcome.value is None):
            error = self._definition.failures.exception(
                self.name, outcome.failure_type or "failure", outcome.message or "", self._binding.scope
            )
            return Reply(outcome, error=error)
        awaitable = self.returns_awaitable
        try:
            return Reply(outcome, self._binding.returned(outcome.value), awaitable=awaitable)
        except ValidationError as error:
            if not outcome.ok:  # functions return failures that their annotation leaves out
                return Reply(outcome, outcome.value, awaitable=awaitable)
            raise SimulationError(
                self.name, f"the predicted value does not fit the return annotation: {misfits(error)}"
            ) from error
