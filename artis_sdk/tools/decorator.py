"""`@guarded_tool`: guards an existing function, which keeps its identity and signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, cast, overload

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import Risk
from artis_sdk.tools.binding import FunctionBinding, FunctionCode
from artis_sdk.tools.failures import FailureRules, Failures, NoEffectRules, NotExecutedWhen
from artis_sdk.tools.guarded import Definition, GuardedTool, Reconcile
from artis_sdk.tools.late_guard import warn_if_held
from artis_sdk.tools.lazy import lazy_function
from artis_sdk.tools.routing import entry

# References to a function under decoration, counted in a callee of `guard`: the decorator's stack,
# two names of `guard`, the tool's code. Used bare, `guarded_tool`'s own parameter is one more.
_HELD = 4

F = TypeVar("F", bound=Callable[..., Any])

__all__ = ["GuardedTool", "guarded_tool"]


@overload
def guarded_tool(function: F, /) -> F: ...


@overload
def guarded_tool(
    *,
    name: str | None = None,
    risk: Risk = Risk.IRREVERSIBLE,
    timeout: float | None = None,
    idempotency_key: str | None = None,
    failures: Failures | None = None,
    not_executed: NotExecutedWhen | None = None,
    reconcile: Reconcile | None = None,
    hide: Iterable[str] = (),
    inject: Mapping[str, Any] | None = None,
) -> Callable[[F], F]: ...


def guarded_tool(
    function: F | None = None,
    /,
    *,
    name: str | None = None,
    risk: Risk = Risk.IRREVERSIBLE,
    timeout: float | None = None,
    idempotency_key: str | None = None,
    failures: Failures | None = None,
    not_executed: NotExecutedWhen | None = None,
    reconcile: Reconcile | None = None,
    hide: Iterable[str] = (),
    inject: Mapping[str, Any] | None = None,
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
        tool = define(
            plain,
            name=name,
            risk=risk,
            timeout=timeout,
            idempotency_key=idempotency_key,
            failures=failures,
            not_executed=not_executed,
            reconcile=reconcile,
            hide=hide,
            inject=inject,
            takes_self=kind is not staticmethod and _takes_self(plain),
        )
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
    *,
    takes_self: bool,
    name: str | None = None,
    risk: Risk = Risk.IRREVERSIBLE,
    timeout: float | None = None,
    idempotency_key: str | None = None,
    failures: Failures | None = None,
    not_executed: NotExecutedWhen | None = None,
    reconcile: Reconcile | None = None,
    hide: Iterable[str] = (),
    inject: Mapping[str, Any] | None = None,
    check_types: bool = True,
) -> GuardedTool[..., Any]:
    """A function as a tool without an object; raises `ToolDefinitionError` if it cannot be a tool."""
    called = name or getattr(function, "__name__", "") or repr(function)
    if isinstance(function, type):
        raise ToolDefinitionError(
            f"{called} is a class; guard its methods, or an object by Toolset.from_object"
        )
    if not inspect.isroutine(function):
        raise ToolDefinitionError(f"{called} is no function; wrap the call in a `def` and guard that")
    if hasattr(function, "__guarded_tool__"):
        raise ToolDefinitionError(
            f"{called} is guarded already; @guarded_tool goes on top of other decorators"
        )
    lazy = lazy_function(function)
    if lazy is not None:
        raise ToolDefinitionError(
            f"{called} returns {lazy}, which does its work after the call; a guarded tool gives back one "
            "outcome, so return a list, or whatever comes out of it"
        )
    if timeout is not None and not timeout > 0:
        raise ToolDefinitionError(f"{called}: timeout is in seconds and above zero, not {timeout!r}")
    if isinstance(hide, str):
        raise ToolDefinitionError(f"{called}: hide takes several names, such as hide=({hide!r},)")
    inject = dict(inject or {})
    hide = frozenset(hide)
    if idempotency_key is not None:
        if idempotency_key in hide or idempotency_key in inject:
            raise ToolDefinitionError(
                f"{called}: {idempotency_key!r} is filled by the commit; hide or inject another"
            )
        _check_hidden(called, function, "idempotency_key", idempotency_key)
    for name in inject:
        _check_hidden(called, function, "inject", name)
    for name in hide - inject.keys():
        _check_hidden(called, function, "hide", name)
        if inspect.signature(function).parameters[name].default is inspect.Parameter.empty:
            raise ToolDefinitionError(
                f"{called}: {name!r} is hidden and has no default, so a model's call could not be made; "
                f"give it by inject={{{name!r}: VALUE}}"
            )
    definition = Definition(
        name=called,
        risk=Risk(risk),
        timeout=timeout,
        idempotency_key=idempotency_key,
        failures=FailureRules.of(called, failures),
        not_executed=NoEffectRules.of(called, not_executed),
        reconcile=reconcile,
        check_types=check_types,
        hide=hide,
        inject=inject,
    )
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


def _check_hidden(tool: str, function: Callable[..., Any], option: str, name: str) -> None:
    """Raise `ToolDefinitionError` where `name` is not a parameter that can go by name."""
    parameters = inspect.signature(function).parameters
    kinds = {parameter.kind for parameter in parameters.values()}
    if name not in parameters:
        raise ToolDefinitionError(f"{tool}: {option} names {name!r}, which is no parameter")
    kind = parameters[name].kind
    by_name = kind is inspect.Parameter.KEYWORD_ONLY or (
        kind is inspect.Parameter.POSITIONAL_OR_KEYWORD and inspect.Parameter.VAR_POSITIONAL not in kinds
    )
    if not by_name:
        raise ToolDefinitionError(f"{tool}: {option} names {name!r}, which must be a parameter given by name")
