"""The callable of a guarded tool: the fast path outside sessions, the way into a world."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from inspect import CO_VARARGS, CO_VARKEYWORDS, Parameter, signature
from types import FunctionType
from typing import Any, NamedTuple, TypeGuard

from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.observe import observed, observed_async
from artis_sdk.tools.originals import real_function
from artis_sdk.tools.world import current, firewall, route


def entry(tool: GuardedTool[..., Any], function: Callable[..., Any]) -> Callable[..., Any]:
    """The function for the tool's callers.

    Args:
        tool: the tool to call.
        function: its real function, which still takes `self` when the tool has no object yet.
    """
    if _is_plain(function) and _hidden_may_stay_out(tool, function):
        return _same_parameters(tool, function)
    binding_of_context = current.get
    state = firewall

    if tool.is_async:

        @wraps(function)
        async def call_async(*args: Any, **kwargs: Any) -> Any:
            if binding_of_context() is None and not state.active:
                return await function(*args, **kwargs)
            return await routed_async(tool, function, args, kwargs)

        return call_async

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if binding_of_context() is None and not state.active:
            return function(*args, **kwargs)
        return routed(tool, function, args, kwargs)

    return call


def routed(
    tool: GuardedTool[..., Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a guarded function in the context's world.

    Args:
        tool: the tool to call.
        function: its real function, which runs where the call belongs to no world.
        args, kwargs: positional and keyword arguments of `function`.

    Raises:
        FirewallError: the call was refused.
    """
    binding = route(tool.name)
    function = real_function(function)
    if binding is None and not firewall.observers:
        return function(*args, **kwargs)
    if tool.needs_owner:
        tool, function, args = _on_object(tool, args)
    if binding is None:
        return observed(tool, function, args, kwargs)
    invocation = tool.bind(*args, **kwargs)
    if binding.inline is not None:  # in the body of a sandboxed tool
        return binding.inline(invocation)()
    from artis_sdk.tools.bridge import wait

    return wait(binding, invocation).result()


async def routed_async(
    tool: GuardedTool[..., Any], function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """As `routed`, for an async function."""
    binding = route(tool.name)
    function = real_function(function)
    if binding is None and not firewall.observers:
        return await function(*args, **kwargs)
    if tool.needs_owner:
        tool, function, args = _on_object(tool, args)
    if binding is None:
        return await observed_async(tool, function, args, kwargs)
    invocation = tool.bind(*args, **kwargs)
    if binding.inline is not None:
        return await binding.inline(invocation)()
    from artis_sdk.tools.bridge import hand_over

    return (await hand_over(binding, invocation)).result()


def _on_object(
    tool: GuardedTool[..., Any], args: tuple[Any, ...]
) -> tuple[GuardedTool[..., Any], Callable[..., Any], tuple[Any, ...]]:
    """A method called through its class's function: the object is the first argument."""
    if not args:
        raise TypeError(f"{tool.name}() is a method and was called without an object")
    bound = tool.on(args[0])
    return bound, bound.function, args[1:]


# --- the same, at a third of the cost ---------------------------------------------------------
# `*args, **kwargs` alone cost 0.1 us a call; a wrapper with the function's own parameters does not.


def _is_plain(function: Callable[..., Any]) -> TypeGuard[FunctionType]:
    return type(function) is FunctionType and not hasattr(function, "__wrapped__")


def _hidden_may_stay_out(tool: GuardedTool[..., Any], function: FunctionType) -> bool:
    """Inside a world a hidden parameter may be left out, also where the function demands one."""
    parameters = signature(function).parameters
    return all(parameters[name].default is not Parameter.empty for name in tool.hidden)


def _same_parameters(tool: GuardedTool[..., Any], function: FunctionType) -> Callable[..., Any]:
    code = function.__code__
    form = _Form(
        code.co_posonlyargcount,
        code.co_argcount,
        code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount],
        bool(code.co_flags & CO_VARARGS),
        bool(code.co_flags & CO_VARKEYWORDS),
        len(function.__kwdefaults__ or ()) == code.co_kwonlyargcount,
    )
    names = code.co_varnames[: form.names]
    given = _given(form, names, function)

    def handle(*parts: Any) -> Any:
        return routed(tool, function, *given(*parts))

    async def handle_async(*parts: Any) -> Any:
        return await routed_async(tool, function, *given(*parts))

    make = _template(form, tool.is_async)
    routed_call = handle_async if tool.is_async else handle
    made: Any = make(function, current.get, firewall, routed_call, function.__kwdefaults__)
    wrapper = FunctionType(
        made.__code__.replace(co_varnames=names),
        function.__globals__,  # frameworks look up annotations that are texts there
        function.__name__,
        function.__defaults__,
        made.__closure__,
    )
    wrapper.__kwdefaults__ = function.__kwdefaults__
    result: Callable[..., Any] = wraps(function)(wrapper)
    return result


class _Form(NamedTuple):
    """The kinds of a function's parameters, with counts in the order of its code's names."""

    positional_only: int
    positional: int
    keyword_only: tuple[str, ...]
    has_args: bool
    has_kwargs: bool
    keywords_have_defaults: bool

    @property
    def names(self) -> int:
        return self.positional + len(self.keyword_only) + self.has_args + self.has_kwargs


def _given(
    form: _Form, names: tuple[str, ...], function: FunctionType
) -> Callable[..., tuple[tuple[Any, ...], dict[str, Any]]]:
    """A function that removes filled-in defaults from a call."""
    defaults, by_name = function.__defaults__ or (), function.__kwdefaults__ or {}
    # By position go positional-only parameters, and all that stand before `*args`.
    required = max(form.positional - len(defaults), form.positional_only)
    defaults = defaults[len(defaults) - (form.positional - required) :]

    def given(
        positional: tuple[Any, ...],
        keyword_only: tuple[Any, ...],
        more: tuple[Any, ...],
        named: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        named |= {
            name: value
            for name, value in zip(form.keyword_only, keyword_only, strict=True)
            if name not in by_name or value is not by_name[name]
        }
        if more:
            return positional + more, named
        for n, default in enumerate(defaults, required):
            if positional[n] is not default:
                named[names[n]] = positional[n]
        return positional[:required], named

    return given


@cache
def _template(form: _Form, is_async: bool) -> Callable[..., Any]:
    positional = [f"_{n}" for n in range(form.positional)]
    keywords = [f"_{form.positional + n}" for n in range(len(form.keyword_only))]
    args, kwargs = ["*more"] * form.has_args, ["**named"] * form.has_kwargs
    parameters = [*positional, *(args or ["*"] * bool(keywords)), *keywords, *kwargs]
    if form.positional_only:
        parameters.insert(form.positional_only, "/")
    by_name = [f"{name}={value}" for name, value in zip(form.keyword_only, keywords, strict=True)]
    parts = (
        f"({''.join(f'{name}, ' for name in positional)}), ({''.join(f'{name}, ' for name in keywords)}),"
        f" {'more' if args else '()'}, {'named' if kwargs else '{}'}"
    )
    a_sync, a_wait = ("async ", "await ") if is_async else ("", "")
    shorter = ""
    if by_name and form.keywords_have_defaults and (args or kwargs):
        # Keywords beside `*` or `**` cost a dictionary; those with their defaults are left out.
        are_defaults = " and ".join(
            f"{value} is artis_defaults[{name!r}]"
            for name, value in zip(form.keyword_only, keywords, strict=True)
        )
        shorter = f"""
            if {are_defaults}:
                return {a_wait}artis_function({", ".join([*positional, *args, *kwargs])})"""
    source = f"""
def make(artis_function, artis_binding, artis_firewall, artis_routed, artis_defaults):
    {a_sync}def call({", ".join(parameters)}):
        if artis_binding() is None and not artis_firewall.active:{shorter}
            return {a_wait}artis_function({", ".join([*positional, *args, *by_name, *kwargs])})
        return {a_wait}artis_routed({parts})
    return call
"""
    scope: dict[str, Any] = {}
    exec(compile(source, "<guarded tool>", "exec"), scope)
    made: Callable[..., Any] = scope["make"]
    return made
