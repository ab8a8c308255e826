"""Classes whose keyword arguments are the fields of a dataclass, so that one place lists them."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import fields
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

P = ParamSpec("P")
S = TypeVar("S")
A = TypeVar("A")


def takes(
    options: Callable[P, A],
) -> Callable[[Callable[[S, A], None]], Callable[Concatenate[S, P], None]]:
    """Let an `__init__` that takes a dataclass be called with its fields as keyword arguments.

    Type checkers, editors and `help` show the dataclass's fields and its docstring. An unknown name
    is a `TypeError` that suggests a field.

    Args:
        options: the dataclass, all of its fields keyword-only.
    """
    assert isinstance(options, type)
    names = [field.name for field in fields(options)]

    def decorate(init: Callable[[S, A], None]) -> Callable[Concatenate[S, P], None]:
        @wraps(init)
        def __init__(self: S, /, *args: P.args, **given: P.kwargs) -> None:
            if args:
                raise TypeError(f"{type(self).__name__}() takes its options by name, not by position")
            for name in given:
                if name not in names:
                    raise TypeError(f"{type(self).__name__}() has no option {name!r}{_meant(name, names)}")
            init(self, options(*args, **given))

        this = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        signature = inspect.signature(options)
        __init__.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[this, *signature.parameters.values()], return_annotation=None
        )
        __init__.__doc__ = options.__doc__
        return __init__

    return decorate


def _meant(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; its options are {', '.join(names)}"
