"""The code behind a tool: a Python function; `SchemaBinding` has what comes with a JSON schema of its own."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from tokenize import TokenError
from types import MethodType
from typing import Any, NamedTuple, Protocol

from pydantic import JsonValue, TypeAdapter

from artis_sdk.tools.lazy import is_awaitable_annotation
from artis_sdk.tools.made_once import made_once
from artis_sdk.tools.originals import real_function
from artis_sdk.tools.parameters import Parameters
from artis_sdk.tools.schema import Shape, return_adapter, return_annotation


class BoundArguments(NamedTuple):
    """The arguments of one Python call, by name for models and as Python values."""

    shown: dict[str, Any]
    """Arguments by parameter name, without the hidden ones."""
    args: tuple[Any, ...]
    """Positional arguments of the function."""
    kwargs: dict[str, Any]
    """Keyword arguments of the function, including the hidden ones."""


class Binding(Protocol):
    """The half of a tool that runs; `ToolSpec` is the half that models, plans and logs see.

    Only calling `function` runs the tool's code.
    """

    @property
    def description(self) -> str:
        """The tool's purpose, for models."""

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema, of type object, of the arguments that a model passes; no hidden parameters.

        Raises:
            ToolDefinitionError: at first use, where a parameter has no JSON form.
        """

    @property
    def is_async(self) -> bool:
        """Whether calling `function` gives an awaitable."""

    @property
    def returns_awaitable(self) -> bool:
        """Whether `function`, which is not async, is known to return an awaitable."""

    @property
    def original(self) -> object | None:
        """The object through which others may hold the code, such as a Python function; else None."""

    @property
    def original_is_function(self) -> bool:
        """Whether a call of `original` is a call of the tool. If not, only the framework whose tool this is
        can make the call, and one of `original` that it did not make is refused in every world."""

    @property
    def bound_to(self) -> object | None:
        """The object or class that the code is bound to; None for a plain function."""

    @property
    def owner(self) -> object | None:
        """The object that the code works on, which a sandbox forks; None without one."""

    @property
    def needs_owner(self) -> bool:
        """Whether `function` is a method that has no object yet."""

    @property
    def function(self) -> Callable[..., Any]:
        """The real code, bound to its owner. Only the commit and the sandbox may run it."""

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of the code's source text, hexadecimal; None without source."""

    @property
    def scope(self) -> Mapping[str, Any]:
        """The code's global names, to look up the exception classes that it raises."""

    def on(self, owner: object) -> Binding:
        """The same code on another object, such as a fork; this binding where it has no object."""

    def renamed(self, name: str) -> Binding:
        """The same code for a tool with another name."""

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by name, validated and converted as the code expects them.

        Raises:
            InvalidArguments: the arguments do not fit; the message says how to fix them.
        """

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundArguments:
        """The checked arguments of a Python call, as the objects that the caller passed.

        Raises:
            InvalidArguments: the arguments fit neither the signature nor the schema.
        """

    def place(self, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of `function`, from checked arguments by name."""

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The unchecked arguments of a Python call by parameter name, as the caller's objects."""

    def returned(self, value: JsonValue) -> Any:
        """A JSON value, converted to the return type of `function`.

        Raises:
            pydantic.ValidationError: the value does not fit the code's return annotation.
        """

    def shown(self, value: Any) -> Any:
        """A value that `function` returned, as its outcome has it."""


@dataclass(eq=False)
class FunctionCode:
    """A Python function as a tool's code, the same for every object; costly parts wait for first use."""

    function: Callable[..., Any]
    tool: str
    """The tool's name, for messages."""
    takes_self: bool
    hidden: frozenset[str] = frozenset()
    """Names of the parameters that no model sees or passes."""
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
        given = (self.tool, self.takes_self, self.hidden, self.check_types)
        return made_once(self.function, given, self._shape)

    def _shape(self) -> Shape:
        return Shape(self.tool, self.function, self.parameters, self.hidden, self.check_types)

    @cached_property
    def returns(self) -> TypeAdapter[Any]:
        return made_once(self.function, "returns", lambda: return_adapter(self.tool, self.function))

    @cached_property
    def source_hash(self) -> str | None:
        return made_once(self.function, "source", lambda: _source_hash(self.function))


def _source_hash(function: Callable[..., Any]) -> str | None:
    try:
        if inspect.getfile(function) == "<string>":  # Python 3.13 may have the text of another one
            return None
        source = inspect.getsource(function)
    except (OSError, TypeError, SyntaxError, TokenError):  # the last two: of a file that is another by now
        return None
    return hashlib.sha256(source.encode()).hexdigest()


class FunctionBinding:
    """A Python function, or a method with its object. See `Binding`.

    Args:
        code: the function.
        bound_to: the object, or the class of a class method; None for a function, a static method, and a
            method without an object yet.
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
    def original_is_function(self) -> bool:
        return True

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

    def shown(self, value: Any) -> Any:
        return value
