"""`@guarded_tool`: guards an existing function, which keeps its identity and signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar, Unpack, cast, overload

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import Risk
from artis_sdk.tools.binding import FunctionBinding, FunctionCode
from artis_sdk.tools.definition import Definition, ToolOptions, declared
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.late_guard import warn_if_held
from artis_sdk.tools.routing import entry

# Reference count of a function that is being decorated, as a callee of `guard` reads it: the decorator's
# stack, two names in `guard`, the tool's code. Used bare, `guarded_tool`'s own parameter is one more.
_HELD = 4

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["GuardedTool", "guarded_tool"]


@overload
def guarded_tool(function: F, /) -> F: ...


@overload
def guarded_tool(*, name: str | None = None, **options: Unpack[ToolOptions]) -> Callable[[F], F]: ...


def guarded_tool(
    function: F | None = None, /, *, name: str | None = None, **options: Unpack[ToolOptions]
) -> F | Callable[[F], F]:
    """Guard a sync or async function or method: in a session its calls go to the session's world.

    Outside every session it behaves as the plain function. Inside, arguments are checked against the
    schema first (`InvalidArguments`), so a rehearsal fails where a commit would. The schema is made from
    annotations and docstring at first use.

    Put it on top of all other decorators, most of all those that cache: it guards only what is below it.
    A function that a decorator below has registered elsewhere, as agent frameworks do, is not guarded:
    a `LateGuardWarning` says so. A method's first parameter must be called `self` or `cls`.

    Args:
        function: the function, when used bare.
        name: the tool's name for models; the function's own name by default.
        risk: the tool's possible effect on the world; an undeclared tool counts as irreversible.
        timeout: limit of a real call, in seconds; None for no limit.
        idempotency_key: name of the parameter that the commit fills with a key, the same on every
            retry of one call; hidden from models. A call that failed is retried by the next call with
            the same arguments in the same plan.
        failures: exception types that callers see (also in simulation), and classifiers: functions of a
            returned value or an exception that return the failure type, or None.
        not_executed: the failures that certainly had no effect, as exception types or functions of the
            exception or the returned value that return a bool: a call after one is not a retry and gets
            a new key.
        reconcile: function that finds out after a crash how a call ended.
        hide: names of parameters that no model sees or passes and no log holds, such as a framework's
            context. Python callers pass them; in a session they may leave them out.
        inject: by hidden parameter, its value, or a function (or class) without arguments that makes
            one for each real call whose caller passed none.

    Raises:
        ToolDefinitionError: a generator, a class or anything else but a function; a hidden parameter
            that a model's call requires.
    """

    def guard(function: F) -> F:
        kind = type(function) if isinstance(function, staticmethod | classmethod) else None
        plain = function.__func__ if isinstance(function, staticmethod | classmethod) else function
        tool = define(plain, name=name, takes_self=kind is not staticmethod and _takes_self(plain), **options)
        warn_if_held(plain, tool.name, expected=_HELD + (bare and kind is None))
        wrapper = entry(tool, plain)
        tool.adopt(wrapper)
        wrapper.__guarded_tool__ = tool  # type: ignore[attr-defined]
        return cast(F, kind(wrapper) if kind else wrapper)

    bare = function is not None
    return guard(function) if function is not None else guard


def tool_of(function: Callable[..., Any]) -> GuardedTool[..., Any]:
    """The tool behind a decorated function; a method's has no object yet.

    Raises:
        ToolDefinitionError: the function is not decorated, or another decorator is on top of the guard.
    """
    tool: GuardedTool[..., Any] | None = getattr(function, "__guarded_tool__", None)
    if tool is None:
        raise ToolDefinitionError(f"{function!r} is not decorated with @guarded_tool")
    if not tool.stands_for(getattr(function, "__func__", function)):
        raise ToolDefinitionError(f"{tool.name}: another decorator is on top of @guarded_tool; put it below")
    return tool


def define(
    function: Callable[..., Any],
    check_types: bool = True,
    /,
    *,
    takes_self: bool,
    name: str | None = None,
    **options: Unpack[ToolOptions],
) -> GuardedTool[..., Any]:
    """A function as a tool without an object; raises `ToolDefinitionError` if it cannot be a tool."""
    called = name or getattr(function, "__name__", "") or repr(function)
    if isinstance(function, type):
        raise ToolDefinitionError(
            f"{called} is a class; decorate its methods, or pass an object to Toolset.from_object"
        )
    if isinstance(function, Risk):
        raise ToolDefinitionError(f"a risk is given by its name: @guarded_tool(risk=Risk.{function.name})")
    if not inspect.isroutine(function):
        raise ToolDefinitionError(
            f"{called} is not a function; wrap the call in a `def` and decorate that; "
            "methods of an object are guarded by Toolset.from_object"
        )
    if hasattr(function, "__guarded_tool__"):
        raise ToolDefinitionError(
            f"{called} is already guarded; use @guarded_tool once, on top of other decorators"
        )
    definition = declared(called, function, check_types=check_types, **options)
    _check_hidden(definition, function)
    code = FunctionCode(
        function, tool=called, takes_self=takes_self, hidden=definition.hidden, check_types=check_types
    )
    return GuardedTool(definition, FunctionBinding(code), entry)


def _takes_self(function: Callable[..., Any]) -> bool:
    """Whether the function is from a class body and its first parameter is `self` or `cls`."""
    container = getattr(function, "__qualname__", "").rpartition(".")[0]
    if not container or container.endswith("<locals>"):
        return False
    return next(iter(inspect.signature(function).parameters), "") in ("self", "cls")


def _check_hidden(definition: Definition, function: Callable[..., Any]) -> None:
    """Raise `ToolDefinitionError` where a parameter cannot be hidden."""
    tool, key, inject = definition.name, definition.idempotency_key, definition.inject
    if key is not None:
        if key in definition.hide or key in inject:
            raise ToolDefinitionError(
                f"{tool}: {key!r} is the idempotency key, filled in by the commit; remove it from hide and "
                "inject"
            )
        _check_by_name(tool, function, "idempotency_key", key)
    for name in inject:
        _check_by_name(tool, function, "inject", name)
    for name in definition.hide - inject.keys():
        _check_by_name(tool, function, "hide", name)
        if inspect.signature(function).parameters[name].default is inspect.Parameter.empty:
            raise ToolDefinitionError(
                f"{tool}: {name!r} is hidden and has no default, so calls by a model would lack it; "
                f"set it with inject={{{name!r}: VALUE}}"
            )


def _check_by_name(tool: str, function: Callable[..., Any], option: str, name: str) -> None:
    """Raise `ToolDefinitionError` where `name` is not a parameter that can go by name."""
    parameters = inspect.signature(function).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    if name not in parameters:
        raise ToolDefinitionError(f"{tool}: {option} names {name!r}, which is not a parameter")
    kind = parameters[name].kind
    by_name = kind is inspect.Parameter.KEYWORD_ONLY or (
        kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and inspect.Parameter.VAR_POSITIONAL not in kinds
    )
    if not by_name:
        raise ToolDefinitionError(f"{tool}: {option} names {name!r}, which cannot be passed by name")
