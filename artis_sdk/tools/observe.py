"""Observers of real calls outside sessions, such as a log that captures calls."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from artis_sdk.contracts import ObservedCall, Observer
from artis_sdk.tools.firewall import firewall, lock
from artis_sdk.tools.lazy import is_awaitable

if TYPE_CHECKING:
    from collections.abc import Callable

    from artis_sdk.tools.guarded import GuardedTool


def add_observer(observer: Observer) -> None:
    """Report every later real call outside sessions to `observer`."""
    with lock:
        firewall.observers = (*firewall.observers, observer)
        firewall.update()


def remove_observer(observer: Observer) -> None:
    """Stop reporting to `observer`; no effect if it was never added."""
    with lock:
        firewall.observers = tuple(other for other in firewall.observers if other is not observer)
        firewall.update()


def observed(
    tool: GuardedTool[..., Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a sync function and report to the observers; its value or exception passes unchanged.

    An awaitable value is reported after it was awaited.
    """
    at, start = time.time(), time.perf_counter()
    try:
        value = function(*args, **kwargs)
    except Exception as error:
        _tell(ObservedCall(tool, tool.named(args, kwargs), None, error, at, time.perf_counter() - start))
        raise
    if is_awaitable(value):
        return observed_async(tool, lambda *_, **__: value, args, kwargs)
    _tell(ObservedCall(tool, tool.named(args, kwargs), value, None, at, time.perf_counter() - start))
    return value


async def observed_async(
    tool: GuardedTool[..., Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Await an async function and report to the observers; its value or exception passes unchanged."""
    at, start = time.time(), time.perf_counter()
    try:
        value = await function(*args, **kwargs)
    except Exception as error:
        _tell(ObservedCall(tool, tool.named(args, kwargs), None, error, at, time.perf_counter() - start))
        raise
    _tell(ObservedCall(tool, tool.named(args, kwargs), value, None, at, time.perf_counter() - start))
    return value


def _tell(call: ObservedCall) -> None:
    for observer in firewall.observers:
        try:
            observer.called(call)
        except Exception:  # the call has been made; a failing log must not hide that
            import logging

            logger = logging.getLogger("artis_sdk")
            logger.exception("observer of guarded calls failed on %s", call.tool.name)
