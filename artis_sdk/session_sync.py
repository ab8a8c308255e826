"""A session from code that is not async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from functools import wraps
from threading import get_ident
from typing import Any, Concatenate, ParamSpec, Protocol, Self, TypeVar

from artis_sdk.errors import ConfigurationError


class Renewable(AbstractAsyncContextManager[Any], Protocol):
    """A session that may be opened again for each call of a twin."""

    def renewed(self) -> Self:
        """The session, ready to be opened."""


S = TypeVar("S", bound=Renewable)
P = ParamSpec("P")
T = TypeVar("T")


def sync_twin(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], T]:
    """The method of the same parameters for code that is not async: it opens the session on an event loop of
    its own, does that work, and closes it.

    The twin raises ConfigurationError where an event loop is running in its thread, or the session is open.
    """
    name = method.__name__

    @wraps(method)
    def twin(session: S, /, *args: P.args, **given: P.kwargs) -> T:
        if asyncio._get_running_loop() is not None:
            raise ConfigurationError(
                f"{name}_sync() was called in a running event loop, which it would block: write "
                f"`async with session: await session.{name}(...)` there; in a notebook, too"
            )

        async def whole() -> T:
            async with session.renewed() as opened:
                result: T = await getattr(opened, name)(*args, **given)  # a subclass may have its own
                return result

        return asyncio.run(whole())

    twin.__name__, twin.__qualname__ = f"{name}_sync", f"{method.__qualname__}_sync"
    twin.__doc__ = (
        f"`{name}` from code that is not async, with its arguments, result and errors. The session opens for "
        "it, closes, and keeps the conversation.\n\n"
        "Raises:\n    ConfigurationError: an event loop is running in this thread, or the session is open."
    )
    return twin


def still_open(thread: int | None) -> ConfigurationError:
    """The error of entering a session that is open.

    Args:
        thread: identifier of the thread that opened it.
    """
    if thread == get_ident():
        return ConfigurationError(
            "the session is open already: await its methods inside the `async with` that opened it, where "
            "tasks may share it; or make a new one"
        )
    return ConfigurationError(
        "the session is open in another thread, and works in one thread at a time: make a session in each "
        "thread (they may share tools, journal and log), or wait until the other is done with it"
    )
