"""Arguments by name and by position: a signature without `self`, unchecked by any schema."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from inspect import Parameter
from typing import Any

from artis_sdk.errors import InvalidArguments
from artis_sdk.records.plain_forms import type_name
from artis_sdk.tools.lazy import is_iterator

_EXCESS = "*"
"""Key under which `named` keeps positional arguments that no parameter takes."""


class Parameters:
    """The parameters of a function.

    Args:
        function: any function with a signature.
        skip_first: whether to leave out its first parameter, `self` or `cls`.
    """

    def __init__(self, function: Callable[..., Any], *, skip_first: bool) -> None:
        parameters = list(inspect.signature(function).parameters.values())[1 if skip_first else 0 :]
        self.by_name = {p.name: p for p in parameters}
        self.positional_only = [p.name for p in parameters if p.kind is Parameter.POSITIONAL_ONLY]
        self.positional = self.positional_only + [
            p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD
        ]
        self.var_positional = _first(parameters, Parameter.VAR_POSITIONAL)
        self.var_keyword = _first(parameters, Parameter.VAR_KEYWORD)

    def named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The unchanged arguments of a Python call by parameter name, also where they do not fit."""
        arguments = dict(zip(self.positional, args, strict=False))
        if len(args) > len(self.positional):
            arguments[self.var_positional or _EXCESS] = list(args[len(self.positional) :])
        return arguments | kwargs

    def fit(self, tool: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise `InvalidArguments` for mistakes in a Python call that a schema cannot see."""
        if len(args) > len(self.positional) and self.var_positional is None:
            takes = f"takes {len(self.positional)} positional arguments, got {len(args)}"
            raise InvalidArguments(tool, takes)
        for name in self.positional[: len(args)]:
            if name in kwargs:
                raise InvalidArguments(tool, f"{name}: given both by position and by name")
        for name in self.positional_only:
            if name in kwargs:
                raise InvalidArguments(tool, f"{name}: given by name, but it is positional-only")
        if self.var_positional is not None and self.var_positional in kwargs:
            raise InvalidArguments(
                tool, f"{self.var_positional}: given by name, but *{self.var_positional} is positional"
            )
        for value in (*args, *kwargs.values()):
            if is_iterator(value):
                raise InvalidArguments(tool, f"a {type_name(value)} can be read only once; pass a list")

    def place(self, arguments: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional and keyword arguments of the function, from arguments by name."""
        if self.var_positional is None and not self.positional_only:
            return (), dict(arguments)
        spread = arguments.get(self.var_positional, ()) if self.var_positional is not None else ()
        by_position = self.positional if spread else self.positional_only
        while not spread and by_position and by_position[-1] not in arguments:
            by_position = by_position[:-1]  # the function fills in its default, and those after it
        args = [arguments.get(name, self.by_name[name].default) for name in by_position]
        elsewhere = {*by_position, self.var_positional}
        return (*args, *spread), {name: v for name, v in arguments.items() if name not in elsewhere}

    def without(
        self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """A Python call with this parameter, and those after it, passed by name."""
        position = self.positional.index(name) if name in self.positional else len(args)
        return args[:position], dict(zip(self.positional[position:], args[position:], strict=False)) | kwargs


def _first(parameters: list[Parameter], kind: Any) -> str | None:
    return next((p.name for p in parameters if p.kind is kind), None)
