"""Tools of benchmarks that describe each function by a document: name, description, JSON schema."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, NamedTuple

from pydantic import WithJsonSchema

_TYPES: Final = {"dict": "object", "float": "number", "tuple": "array"}


class Document(NamedTuple):
    """A function as a model sees it."""

    name: str
    description: str
    schema: dict[str, Any]
    """JSON schema of its arguments, of type object."""


def documented(
    kind: str, documents: Iterable[Document], call: Callable[[Any, str, dict[str, Any]], Any]
) -> Any:
    """An object with the documented functions as methods, for `Toolset.from_object`; so a sandbox copies it.

    Args:
        kind: name of its class, under which its attributes stand in the state.
        documents: the functions.
        call: called for each call with the object, the function's name and the arguments.
    """
    return type(kind, (), {one.name: _method(one, call) for one in documents})()


def _method(document: Document, call: Callable[[Any, str, dict[str, Any]], Any]) -> Any:
    def method(self: Any, /, **arguments: Any) -> Any:
        return call(self, document.name, arguments)

    required, named = document.schema.get("required", ()), document.schema.get("$defs", {})
    given = [
        inspect.Parameter(
            parameter,
            inspect.Parameter.KEYWORD_ONLY,
            annotation=Annotated[Any, WithJsonSchema(_whole(shape, named))],
            default=inspect.Parameter.empty if parameter in required else None,
        )
        for parameter, shape in document.schema.get("properties", {}).items()
    ]
    me = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    method.__name__ = method.__qualname__ = document.name
    method.__doc__ = document.description
    method.__signature__ = inspect.Signature([me, *given])  # type: ignore[attr-defined]
    method.__annotations__ = {one.name: one.annotation for one in given}
    return method


def _whole(shape: Any, named: dict[str, Any]) -> Any:
    """A schema with what it names (`$defs`) in place."""
    if isinstance(shape, list):
        return [_whole(one, named) for one in shape]
    if not isinstance(shape, dict):
        return shape
    if "$ref" in shape:
        return _whole(named[shape["$ref"].removeprefix("#/$defs/")], named)
    return {key: _whole(value, named) for key, value in shape.items()}


def json_schema(given: Any) -> Any:
    """A schema as BFCL and ACEBench write it, as JSON schema; `any` is one without a type."""
    if isinstance(given, list):
        return [json_schema(one) for one in given]
    if not isinstance(given, dict):
        return given
    found = {key: json_schema(value) for key, value in given.items()}
    kind = found.get("type")
    if isinstance(kind, str):
        found["type"] = _TYPES.get(kind, kind)
    return {key: value for key, value in found.items() if (key, value) != ("type", "any")}
