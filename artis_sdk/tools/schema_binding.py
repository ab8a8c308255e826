"""A callable that comes with a JSON schema, as a tool's code: a framework's tool, a server's, a handler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from functools import cached_property
from itertools import chain, islice
from types import FunctionType, MethodType
from typing import Any

from pydantic import JsonValue

from artis_sdk.errors import InvalidArguments, ToolDefinitionError
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools.binding import BoundArguments, FunctionCode
from artis_sdk.tools.json_schema import SchemaChecker, UnresolvableReference, schema_error
from artis_sdk.tools.originals import real_function

_MOST_PROBLEMS = 5  # that a message names


class SchemaBinding:
    """A callable whose parameters a JSON schema describes. See `Binding`.

    Args:
        tool: the tool's name, for messages.
        description: its purpose, for models.
        schema: JSON schema of its arguments, of type object. Hidden parameters are left out of it.
        call: function that takes the arguments by name, sync or async.
        hidden: names of the parameters that no model sees or passes.

    Raises:
        ToolDefinitionError: the schema is not an object's, or not valid.
    """

    original_is_function = True
    needs_owner = False
    owner: object | None = None

    def __init__(
        self,
        tool: str,
        description: str,
        schema: Mapping[str, Any],
        call: Callable[..., Any],
        *,
        hidden: frozenset[str] = frozenset(),
    ) -> None:
        self.tool = tool
        self.description = description
        self.schema = _without(_checked(tool, schema), hidden)
        self.hidden = hidden
        self._call = call

    @property
    def is_async(self) -> bool:
        called = getattr(self._call, "__call__", None)  # noqa: B004  an object whose __call__ is async
        return inspect.iscoroutinefunction(self._call) or inspect.iscoroutinefunction(called)

    @property
    def returns_awaitable(self) -> bool:
        return False

    @property
    def original(self) -> object | None:
        function = getattr(self._call, "__func__", self._call)
        return function if isinstance(function, FunctionType) else None

    @property
    def bound_to(self) -> object | None:
        return self._call.__self__ if isinstance(self._call, MethodType) else None

    @property
    def function(self) -> Callable[..., Any]:
        if isinstance(self._call, MethodType):
            return MethodType(real_function(self._call.__func__), self._call.__self__)
        return real_function(self._call)

    @cached_property
    def source_hash(self) -> str | None:
        function = self.original
        if not isinstance(function, FunctionType):
            return None
        return FunctionCode(function, self.tool, takes_self=False).source_hash

    @property
    def scope(self) -> Mapping[str, Any]:
        names: Mapping[str, Any] = getattr(self.original, "__globals__", {})
        return names

    def on(self, owner: object) -> SchemaBinding:
        return self

    def renamed(self, name: str) -> SchemaBinding:
        return SchemaBinding(name, self.description, self.schema, self._call, hidden=self.hidden)

    def check(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        problems = self._problems(arguments)
        if problems:
            raise InvalidArguments(self.tool, "; ".join(problems))
        return dict(arguments)

    def bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> BoundArguments:
        named = self.named(args, kwargs)
        shown = {name: value for name, value in named.items() if name not in self.hidden}
        self.check({name: jsonable(value) for name, value in shown.items()})
        return BoundArguments(shown, (), named)

    def place(self, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (), arguments

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        if not args:
            return kwargs
        names = [name for name in self.schema.get("properties", {}) if name not in kwargs]
        if len(args) > len(names):
            raise InvalidArguments(
                self.tool, f"{len(args)} arguments by position; it takes {', '.join(names)}"
            )
        return {**dict(zip(names, args, strict=False)), **kwargs}

    def returned(self, value: JsonValue) -> Any:
        return value

    def shown(self, value: Any) -> Any:
        return value

    @cached_property
    def _checker(self) -> SchemaChecker:
        return SchemaChecker(self.schema)

    def _problems(self, arguments: Mapping[str, Any]) -> list[str]:
        """What does not fit, in words; empty where everything does."""
        hidden = (f"{name}: unknown parameter; leave it out" for name in self.hidden & arguments.keys())
        try:
            return list(islice(chain(hidden, self._checker.problems(dict(arguments))), _MOST_PROBLEMS))
        except UnresolvableReference as error:
            raise ToolDefinitionError(
                f"{self.tool}: a $ref of its schema leads nowhere inside it ({error}); put what it names "
                "under $defs"
            ) from error


def _checked(tool: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    copy = deepcopy(dict(schema))
    if copy.setdefault("type", "object") != "object":
        raise ToolDefinitionError(
            f"{tool}: parameters must be a JSON schema of type object, and its type is {copy['type']!r}"
        )
    copy.setdefault("properties", {})
    wrong = schema_error(copy)
    if wrong is not None:
        raise ToolDefinitionError(f"{tool}: parameters is no valid JSON schema: {wrong}")
    return copy


def _without(schema: dict[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    """The schema without the hidden parameters."""
    for name in hidden:
        schema["properties"].pop(name, None)
    if "required" in schema:
        schema["required"] = [name for name in schema["required"] if name not in hidden]
        if not schema["required"]:
            del schema["required"]
    return schema
