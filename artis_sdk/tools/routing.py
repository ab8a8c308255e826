"""What stands in a guarded function's place: the fast path outside sessions, the way into a world."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
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
    if _is_simple(function) and tool.idempotency_key is None:
        return _same_parameters(tool, function)
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
    if place.inline is not None:  # in the body of a sandboxed tool
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


# --- the same, at a third of the cost, for functions of positional parameters only ---------------
# `*args, **kwargs` alone cost 0.1 us a call; a wrapper with the function's own parameters does not.


def _is_simple(function: Callable[..., Any]) -> bool:
    if type(function) is not FunctionType or hasattr(function, "__wrapped__"):
        return False
    code = function.__code__
    return not (
        code.co_kwonlyargcount or code.co_posonlyargcount or code.co_flags & (CO_VARARGS | CO_VARKEYWORDS)
    )


def _same_parameters(tool: GuardedTool[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    given = _given(names, function.__defaults__ or ())

    def routed(*args: Any) -> Any:
        return _routed(tool, function, *given(args))

    async def routed_async(*args: Any) -> Any:
        return await _routed_async(tool, function, *given(args))

    make = _template(len(names), tool.is_async)
    wrapper: Any = make(function, current.get, watch, routed_async if tool.is_async else routed)
    wrapper.__code__ = wrapper.__code__.replace(co_varnames=names)
    wrapper.__defaults__ = function.__defaults__
    result: Callable[..., Any] = wraps(function)(wrapper)
    return result


def _given(
    names: tuple[str, ...], defaults: tuple[Any, ...]
) -> Callable[[tuple[Any, ...]], tuple[tuple[Any, ...], dict[str, Any]]]:
    """Takes the defaults out again of a call that has them filled in."""
    required = len(names) - len(defaults)

    def given(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        named = {
            name: value
            for name, value, default in zip(names[required:], args[required:], defaults, strict=True)
            if value is not default
        }
        return args[:required], named

    return given


@cache
def _template(count: int, is_async: bool) -> Callable[..., Any]:
    names = ", ".join(f"_{n}" for n in range(count))
    a_sync, a_wait = ("async ", "await ") if is_async else ("", "")
    source = f"""
def make(artis_function, artis_place, artis_watch, artis_routed):
    {a_sync}def call({names}):
        if artis_place() is None and not artis_watch.on:
            return {a_wait}artis_function({names})
        return {a_wait}artis_routed({names})
    return call
"""
    scope: dict[str, Any] = {}
    exec(compile(source, "<guarded tool>", "exec"), scope)
    made: Callable[..., Any] = scope["make"]
    return made
