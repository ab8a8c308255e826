"""What runs a tool's calls: today a Python function; a JSON-schema callable or an MCP session fit as well."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MethodType
from typing import Any, NamedTuple, Protocol

from pydantic import JsonValue, TypeAdapter

from artis_sdk.tools.lazy import is_awaitable_annotation
from artis_sdk.tools.originals import real_function
from artis_sdk.tools.parameters import Parameters
from artis_sdk.tools.schema import Shape, return_adapter, return_annotation


class BoundArguments(NamedTuple):
    """The arguments of one Python call, in the two forms that a call is known by."""

    shown: dict[str, Any]
    """By parameter name, without the hidden parameters."""
    args: tuple[Any, ...]
    """As the function takes them by position."""
    kwargs: dict[str, Any]
    """As the function takes them by name, the hidden ones included."""


class Binding(Protocol):
    """The half of a tool that runs; `ToolSpec` is the half that models, plans and logs see.

    Everything but `function` is asked without running the tool's code.
    """

    @property
    def description(self) -> str:
        """What the tool does, for models."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the arguments that a model gives, an object schema without hidden parameters.

        Raises:
            ToolDefinitionError: at first use, where a parameter has no JSON form.
        """

    @property
    def is_async(self) -> bool:
        """Whether calling `function` gives an awaitable."""

    @property
    def returns_awaitable(self) -> bool:
        """Whether `function` is known to return something to be awaited, without being async."""

    @property
    def original(self) -> object | None:
        """What others may hold the code by, such as a Python function; None where there is no such thing."""

    @property
    def bound_to(self) -> object | None:
        """The object or class that the code is bound to; None for a plain function."""

    @property
    def owner(self) -> object | None:
        """The object that the code works on, which a sandbox forks; None where there is no such object."""

    @property
    def needs_owner(self) -> bool:
        """Whether `function` is a method that has no object yet."""

    @property
    def function(self) -> Callable[..., Any]:
        """The real code, bound to its owner. Only the commit and the sandbox may run it."""

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of the code's source text, hexadecimal; None where there is no source."""

    @property
    def scope(self) -> Mapping[str, Any]:
        """The names that the code sees, in which the exception classes that it raises are found."""

    def on(self, owner: object) -> Binding:
        """The same code on another object, such as a forked one; itself where it has no object."""

    def renamed(self, name: str) -> Binding:
        """The same code for a tool of another name."""

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name, validated and converted as the code expects them.

        Raises:
            InvalidArguments: with what a model needs to fix the call.
        """

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundArguments:
        """A Python call, checked; the very objects are kept.

        Raises:
            InvalidArguments: the arguments fit neither the signature nor the schema.
        """

    def place(self, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Checked arguments by name as `function` takes them: by position, and by name."""

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a Python call by parameter name, unchecked, as the very objects."""

    def returned(self, value: JsonValue) -> Any:
        """A JSON value as the caller of `function` would get it.

        Raises:
            pydantic.ValidationError: it does not fit what the code promises to return.
        """


@dataclass(eq=False)
class FunctionCode:
    """A Python function as a tool's code, whatever object it is bound to; costly parts wait for first use."""

    function: Callable[..., Any]
    tool: str
    """The tool's name, for messages."""
    takes_self: bool
    hidden: frozenset[str] = frozenset()
    """Names of the parameters that no model sees or gives."""
    check_types: bool = True

    @cached_property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function)

    @cached_property
    def returns_awaitable(self) -> bool:
        annotation = getattr(self.function, "__annotations__", {}).get("return")
        if isinstance(annotation, str):  # a postponed annotation costs its evaluation
            annotation = return_annotation(self.tool, self.function)
        return not self.is_async and is_awaitable_annotation(annotation)

    @cached_property
    def parameters(self) -> Parameters:
        return Parameters(self.function, skip_first=self.takes_self)

    @cached_property
    def shape(self) -> Shape:
        return Shape(self.tool, self.function, self.parameters, self.hidden, self.check_types)

    @cached_property
    def returns(self) -> TypeAdapter[Any]:
        return return_adapter(self.tool, self.function)

    @cached_property
    def source_hash(self) -> str | None:
        try:
            source = inspect.getsource(self.function)
        except (OSError, TypeError):
            return None
        return hashlib.sha256(source.encode()).hexdigest()


class FunctionBinding:
    """A Python function, or a method with its object. See `Binding`.

    Args:
        code: the function.
        bound_to: the object, or the class of a class method; None for a function, a static method, and a
            method that has no object yet.
    """

    def __init__(self, code: FunctionCode, bound_to: object | None = None) -> None:
        self.code = code
        self.bound_to = bound_to

    @property
    def description(self) -> str:
        return self.code.shape.documentation.description

    @property
    def schema(self) -> dict[str, Any]:
        return self.code.shape.schema

    @property
    def is_async(self) -> bool:
        return self.code.is_async

    @property
    def returns_awaitable(self) -> bool:
        return self.code.returns_awaitable

    @property
    def original(self) -> object | None:
        return self.code.function

    @property
    def owner(self) -> object | None:
        return None if isinstance(self.bound_to, type) else self.bound_to

    @property
    def needs_owner(self) -> bool:
        return self.code.takes_self and self.bound_to is None

    @property
    def function(self) -> Callable[..., Any]:
        function = real_function(self.code.function)
        return function if self.bound_to is None else MethodType(function, self.bound_to)

    @property
    def source_hash(self) -> str | None:
        return self.code.source_hash

    @property
    def scope(self) -> Mapping[str, Any]:
        names: Mapping[str, Any] = getattr(inspect.unwrap(self.code.function), "__globals__", {})
        return names

    def on(self, owner: object) -> FunctionBinding:
        return FunctionBinding(self.code, owner) if self.code.takes_self else self

    def renamed(self, name: str) -> FunctionBinding:
        return FunctionBinding(replace(self.code, tool=name), self.bound_to)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return self.code.shape.check(arguments)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundArguments:
        parameters = self.code.parameters
        parameters.fit(self.code.tool, args, kwargs)
        arguments = parameters.named(args, kwargs)
        for name in self.code.hidden & arguments.keys():
            args, kwargs = parameters.without(name, args, kwargs)
            del arguments[name]
        self.code.shape.check(arguments)
        return BoundArguments(arguments, args, kwargs)

    def place(self, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return self.code.parameters.place(arguments)

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return self.code.parameters.named(args, kwargs)

    def returned(self, value: JsonValue) -> Any:
        return self.code.returns.validate_python(value)
