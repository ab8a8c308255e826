"""What stands in a guarded function's place: the fast path outside sessions, the way into a world."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from artis_sdk.tools.observe import observed, observed_async
from artis_sdk.tools.world import current, route, watch

if TYPE_CHECKING:
    from artis_sdk.tools.guarded import GuardedTool


def entry(tool: GuardedTool[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as its callers get it.

    Args:
        tool: what is called.
        function: its real function; one that still takes `self` when the tool has no object yet.
    """
    place_of_context = current.get
    watching = watch

    if tool.is_async:

        @wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            if place_of_context() is None and not watching.on:
                return await function(*args, **kwargs)
            return await _routed_async(tool, function, args, kwargs)

        return call_async

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if place_of_context() is None and not watching.on:
            return function(*args, **kwargs)
        return _routed(tool, function, args, kwargs)

    return call


def _routed(
    tool: GuardedTool[..., Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    place = route(tool.name)
    if place is None and not watch.observers:
        return function(*args, **kwargs)
    if tool.needs_owner:
        tool, function, args = _on_object(tool, args)
    if place is None:
        return observed(tool, function, args, kwargs)
    invocation = tool.bind(*args, **kwargs)
    if place.inline is not None:
        return place.inline(invocation)()
    from artis_sdk.tools.bridge import wait

    return wait(place, invocation).result()


async def _routed_async(
    tool: GuardedTool[..., Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    place = route(tool.name)
    if place is None and not watch.observers:
        return await function(*args, **kwargs)
    if tool.needs_owner:
        tool, function, args = _on_object(tool, args)
    if place is None:
        return await observed_async(tool, function, args, kwargs)
    invocation = tool.bind(*args, **kwargs)
    if place.inline is not None:
        return await place.inline(invocation)()
    from artis_sdk.tools.bridge import hand_over

    return (await hand_over(place, invocation)).result()


def _on_object(
    tool: GuardedTool[..., Any], args: tuple[Any, ...]
) -> tuple[GuardedTool[..., Any], Callable[..., Any], tuple[Any, ...]]:
    """A method called through its class's function: the object is the first argument."""
    if not args:
        raise TypeError(f"{tool.name}() is a method and was called without an object")
    bound = tool.on(args[0])
    return bound, bound.function, args[1:]
