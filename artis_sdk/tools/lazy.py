"""Results that do their work later: awaited inside the call where possible, else refused."""

from __future__ import annotations

import asyncio
import collections.abc
import concurrent.futures
import contextlib
import inspect
from collections.abc import Callable, Generator, Iterator
from types import AsyncGeneratorType, CoroutineType, GeneratorType, NoneType
from typing import Any, get_args, get_origin, get_type_hints

from artis_sdk.records.plain_forms import class_attribute, inherits
from artis_sdk.tools.own_arguments import is_container

_AWAITABLE = (collections.abc.Awaitable, collections.abc.Coroutine, asyncio.Future, asyncio.Task)
_ASYNC_ITERATOR = (
    collections.abc.AsyncIterator, collections.abc.AsyncIterable, collections.abc.AsyncGenerator,
)  # fmt: skip
_MANAGER = (contextlib.AbstractContextManager, contextlib.AbstractAsyncContextManager)
_MADE_MANAGERS = (contextlib._GeneratorContextManager, contextlib._AsyncGeneratorContextManager)


_MOST_ITEMS = 1_000  # of a result that are looked at
_LEAVES = frozenset((NoneType, bool, int, float, str, bytes))
_PLAIN = _LEAVES | {dict, list, tuple, set, frozenset}
"""Types without later work."""


class Settled:
    """A finished awaitable, in place of the one that a real function returned and a world awaited."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._value
        yield


def awaited_annotation(annotation: Any) -> Any:
    """The annotation of the awaited result; an annotation that is not awaitable stays as it is."""
    if get_origin(annotation) in _AWAITABLE:
        return (get_args(annotation) or (Any,))[-1]
    return Any if annotation in _AWAITABLE else annotation


def is_plain(kind: type) -> bool:
    """Whether values of this type can do no later work; False is not certain."""
    # Hashing a class may run its metaclass; `id` raises an audit event, for which our hook is called.
    return type(kind) is type and kind in _PLAIN


def is_awaitable_annotation(annotation: Any) -> bool:
    """Whether a function with this return annotation returns an awaitable."""
    return get_origin(annotation) in _AWAITABLE or annotation in _AWAITABLE


def lazy_function(function: Callable[..., Any]) -> str | None:
    """The kind of lazy result that no world can finish inside the call; None where none is known.

    Args:
        function: the function, perhaps behind decorators.
    """
    if inspect.isgeneratorfunction(function):
        return "a generator"
    behind = inspect.unwrap(function)
    if inspect.isasyncgenfunction(function) or (
        inspect.isasyncgenfunction(behind) and not inspect.iscoroutinefunction(function)
    ):
        return "an async generator"
    if getattr(getattr(function, "__code__", None), "co_filename", None) == contextlib.__file__:
        return "a context manager"
    annotation = _evaluated(function)
    kind = get_origin(annotation) or annotation
    if kind in _ASYNC_ITERATOR:
        return "an async iterator"
    return "a context manager" if kind in _MANAGER else None


def _evaluated(function: Callable[..., Any]) -> Any:
    """The return annotation; a text is evaluated only where it could name a lazy kind."""
    annotation = getattr(function, "__annotations__", {}).get("return")
    if not isinstance(annotation, str) or not any(word in annotation for word in ("Async", "ContextManager")):
        return annotation
    try:
        return get_type_hints(function).get("return")
    except NameError:  # reported, with the fix, when the schema is made
        return None


def is_awaitable(value: Any) -> bool:
    """As `inspect.isawaitable`, without running the value's own code, which may be hostile."""
    kind = type(value)
    if is_plain(kind):
        return False
    if issubclass(kind, GeneratorType):
        return bool(value.gi_code.co_flags & inspect.CO_ITERABLE_COROUTINE)
    return class_attribute(kind, "__await__") is not None


def is_iterator(value: Any) -> bool:
    """As `isinstance(value, Iterator)`, without running the value's own code."""
    kind = type(value)
    return not is_plain(kind) and all(
        class_attribute(kind, name) is not None for name in ("__iter__", "__next__")
    )


def lazy_value(value: Any) -> str | None:
    """The kind of a returned value that works after the call and cannot be awaited; else None.

    Containers are looked through for it: `[send(n) for n in ns]` of an async `send` has done nothing yet.
    """
    kind = type(value)  # `isinstance` runs the value's own code, which may be hostile
    if is_container(value):
        lazy = next(filter(None, map(_lazy_item, _items(value))), None)
        return None if lazy is None else f"{lazy} in its result"
    if is_plain(kind):
        return None
    if issubclass(kind, AsyncGeneratorType):
        return "an async generator"
    if inherits(kind, concurrent.futures.Future):
        return None if value.done() else "a future"
    return "a context manager" if inherits(kind, *_MADE_MANAGERS) else None


def drop(value: Any) -> None:
    """Close the coroutines of a lazy value, which nobody will await."""
    for item in _items(value) if is_container(value) else ():
        if inspect.iscoroutine(item):
            item.close()


def _items(value: Any) -> Iterator[Any]:
    """The items of a container and of those inside it, without texts, numbers and the like; the first ones
    of a large one."""
    waiting, count = [value], 0
    for container in waiting:
        for item in list(container.values() if type(container) is dict else container):
            count += 1
            if count > _MOST_ITEMS:
                return
            kind = type(item)
            if type(kind) is type and kind in _LEAVES:
                continue
            if is_container(item):
                waiting.append(item)
            else:
                yield item


def _lazy_item(item: Any) -> str | None:
    """As `lazy_value`, for an item of a result: a record with an `__await__` of its own is none, nor is a
    future whose work is done."""
    kind = type(item)
    if issubclass(kind, CoroutineType) or (issubclass(kind, GeneratorType) and is_awaitable(item)):
        return "an awaitable"
    if inherits(kind, asyncio.Future):
        return None if item.done() else "an awaitable"
    return lazy_value(item)
