"""A fork of an object by its attributes: some have their own forks, the rest is copied."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import PurePath
from typing import Any

from artis_sdk.errors import ConfigurationError
from artis_sdk.simulators.forks.making import Making, attempt, forking
from artis_sdk.tools.object_forks import check_fork

ValueFork = Callable[[Any], Any]
"""Maps an attribute's value to its value in the fork, or to a context manager that returns it."""


def of(**attributes: ValueFork) -> Callable[[Any], AbstractContextManager[Any]]:
    """A fork that deep-copies an object, except for the attributes that have their own fork.

    Other parts of the object that refer to such an attribute's value refer to its fork in the copy;
    a text, such as a path, is replaced in the attribute alone. Two objects of one toolset that hold the
    same thing under the same fork, such as one engine or one path, hold one fork of it.

    Args:
        attributes: forks by attribute, such as `path=forks.sqlite`; that of an object inside goes by
            its way there: `of(**{"store.path": forks.sqlite})`.

    Returns:
        A fork for `Toolset.from_object(..., fork=...)`; in a `__fork__` method, `return of(...)(self)`.

    Raises:
        ConfigurationError: it names no attribute, or what it names cannot be called for each attempt; when it
            forks an object that lacks such an attribute.
    """
    if not attributes:
        raise ConfigurationError("forks.of() names no attribute; without a fork an object is deep-copied")
    for name, given in attributes.items():
        check_fork(given, name)

    @contextmanager
    def fork(original: Any) -> Iterator[Any]:
        with attempt() as making:
            yield _forked(original, attributes, making)

    return fork


def _forked(original: Any, attributes: Mapping[str, ValueFork], making: Making) -> Any:
    made: dict[str, Any] = {}
    with forking(making):
        for path, fork in attributes.items():
            value = _value(original, path)
            key = (id(fork), *_identity(value, original, path))
            if key not in making.forked:
                making.forked[key] = (making.result(fork(value), value), value)
            made[path], _ = making.forked[key]
            if not isinstance(value, str | bytes | int | float | None):
                making.memo[id(value)] = made[path]
        copied = making.copied(original)
    for path, value in made.items():
        *way, last = path.split(".")
        object.__setattr__(_value(copied, ".".join(way)), last, value)
    return copied


def _identity(value: Any, original: Any, path: str) -> tuple[object, ...]:
    """Tells whether two objects hold one thing: a text or path by its value, a number never."""
    if isinstance(value, str | PurePath):
        return type(value), value
    return (id(original), path) if isinstance(value, bytes | int | float | None) else (id(value),)


def _value(thing: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        if not hasattr(thing, name):
            raise ConfigurationError(f"forks.of({path}=...): a {type(thing).__name__} has no {name!r}")
        thing = getattr(thing, name)
    return thing
