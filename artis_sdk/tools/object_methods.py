"""The methods of an object whose class is left alone, found without running any code of the class."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partialmethod, singledispatchmethod
from types import FunctionType, MethodDescriptorType, MethodType
from typing import Any

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.tools.originals import real_function


def public_methods(obj: object) -> dict[str, Any]:
    """Public methods of the object's class as its `__dict__` has them, bases first.

    Without properties, `functools.cached_property` and other descriptors that compute a value.
    """
    found: dict[str, Any] = {}
    for cls in reversed(type(obj).__mro__[:-1]):
        for name, value in vars(cls).items():
            if not name.startswith("_") and _is_method(value):
                found[name] = value
            else:
                found.pop(name, None)
    return found


def plain_method(obj: object, name: str, value: Any) -> tuple[Callable[..., Any], object | None]:
    """The function behind a method, and the object or class that it is bound to; None for a static method.

    Args:
        obj: the object.
        name: the method's name.
        value: its entry in `public_methods`.

    Raises:
        ToolDefinitionError: a `partialmethod` of something other than a plain function.
    """
    if isinstance(value, partialmethod):
        return _whole(name, value), obj
    bound = getattr(obj, name)
    if isinstance(bound, MethodType):
        return bound.__func__, bound.__self__
    if isinstance(value, MethodDescriptorType):  # a method written in C
        return value, obj
    return bound, None


def partial_of(function: object) -> FunctionType | None:
    """The function inside the `partialmethod` that this function replaces; None for any other."""
    return getattr(function, "_artis_partial_of", None)


def _is_method(value: Any) -> bool:
    plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
    if isinstance(plain, partialmethod | singledispatchmethod):
        return True
    return inspect.isroutine(plain) and callable(
        plain
    )  # to `inspect`, descriptors that compute a value are routines, too


def _whole(name: str, partial: partialmethod[Any]) -> FunctionType:
    """A function with the partial method's behaviour, signature, annotations and docstring."""
    filled = partial.func
    if not isinstance(filled, FunctionType):
        raise ToolDefinitionError(
            f"{name} is a partialmethod of {filled!r}; write the call as a method, `def {name}(self, ...)`"
        )

    def call(self: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return real_function(filled)(self, *partial.args, *args, **{**partial.keywords, **kwargs})

    async def later(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return await call(self, args, kwargs)

    def now(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return call(self, args, kwargs)

    method: Any = later if inspect.iscoroutinefunction(filled) else now
    method.__name__ = name
    method.__qualname__ = f"{filled.__qualname__.rpartition('.')[0]}.{name}".lstrip(".")
    method.__module__ = filled.__module__
    method.__doc__ = filled.__doc__
    method.__annotations__ = filled.__annotations__
    method.__wrapped__ = filled  # annotations are resolved there
    method.__signature__ = inspect.signature(partial.__get__(None, object))
    method._artis_partial_of = filled
    assert isinstance(method, FunctionType)
    return method
