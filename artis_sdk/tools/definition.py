"""The developer's declaration of a tool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

from artis_sdk.errors import ToolDefinitionError
from artis_sdk.records import Risk, ToolSpec
from artis_sdk.tools.failures import (
    NO_EFFECT_RULES,
    NO_RULES,
    FailureRules,
    Failures,
    NoEffectRules,
    NotExecutedWhen,
)
from artis_sdk.tools.lazy import lazy_function

Reconcile = Callable[..., Any]
"""Finds out after a crash how a call ended: `reconcile(call: ToolCall, key: str | None)`, sync or async."""


class MethodOptions(TypedDict, total=False):
    """Options of `Toolset.from_object` for one method, as in `guarded_tool`."""

    risk: Risk
    timeout: float | None
    idempotency_key: str | None
    failures: Failures | None
    not_executed: NotExecutedWhen | None
    reconcile: Reconcile | None


class ToolOptions(MethodOptions, total=False):
    """Options of a tool, as in `guarded_tool`."""

    hide: Iterable[str]
    inject: Mapping[str, Any] | None


_OPTIONS: Final = ", ".join([*MethodOptions.__annotations__, "hide", "inject"])
_RISKS: Final = ", ".join([f"Risk.{risk.name}" for risk in Risk][:-1]) + f" or Risk.{list(Risk)[-1].name}"


@dataclass(eq=False)
class Definition:
    """The developer's declaration of a tool, the same for all objects that it is bound to."""

    name: str
    risk: Risk = Risk.IRREVERSIBLE
    timeout: float | None = None
    """Limit of a real call, in seconds."""
    idempotency_key: str | None = None
    failures: FailureRules = NO_RULES
    not_executed: NoEffectRules = NO_EFFECT_RULES
    reconcile: Reconcile | None = None
    check_types: bool = True
    hide: frozenset[str] = frozenset()
    inject: Mapping[str, Any] = field(default_factory=dict)
    """By hidden parameter, its value, or a function without arguments that makes it for each real call."""
    returns_awaitable: bool = False
    """Whether the function, which is not async, has returned an awaitable."""
    wrapper: Callable[..., Any] | None = None
    """The result of `@guarded_tool`."""
    spec: ToolSpec | None = field(default=None, init=False)
    """The spec, made at first use, one for all objects that the tool is bound to."""

    @property
    def hidden(self) -> frozenset[str]:
        """Names of the parameters that no model sees or passes."""
        key = () if self.idempotency_key is None else (self.idempotency_key,)
        return self.hide.union(self.inject, key)


def declared(
    name: str,
    code: Callable[..., Any],
    *,
    risk: Risk = Risk.IRREVERSIBLE,
    timeout: float | None = None,
    idempotency_key: str | None = None,
    failures: Failures | None = None,
    not_executed: NotExecutedWhen | None = None,
    reconcile: Reconcile | None = None,
    hide: Iterable[str] = (),
    inject: Mapping[str, Any] | None = None,
    check_types: bool = True,
    **unknown: Any,
) -> Definition:
    """A tool's declaration from its options.

    Args:
        name: the tool's name for models.
        code: the function that a real call runs.

    The other arguments are those of `guarded_tool`, and `check_types` of `Toolset.from_object`.

    Raises:
        ToolDefinitionError: the code's result does its work later, or an option has a wrong value or is
            unknown.
    """
    if unknown:
        raise ToolDefinitionError(
            f"{name}: a tool has no option {', '.join(unknown)}; it has {_OPTIONS}; a risk is {_RISKS}"
        )
    lazy = lazy_function(code)
    if lazy is not None:
        raise ToolDefinitionError(
            f"{name} returns {lazy}, which does its work after the call has returned; a guarded tool must "
            "return its finished result, such as a list; a method that is no tool is left out by exclude="
        )
    if timeout is not None and not (isinstance(timeout, int | float) and timeout > 0):
        raise ToolDefinitionError(f"{name}: timeout must be a number of seconds above zero, not {timeout!r}")
    if isinstance(hide, str):
        raise ToolDefinitionError(f"{name}: hide must be a collection of names, such as hide=({hide!r},)")
    if risk not in list(Risk):
        raise ToolDefinitionError(f"{name}: risk must be {_RISKS}, not {risk!r}")
    return Definition(
        name=name,
        risk=Risk(risk),
        timeout=timeout,
        idempotency_key=idempotency_key,
        failures=FailureRules.of(name, failures),
        not_executed=NoEffectRules.of(name, not_executed),
        reconcile=reconcile,
        check_types=check_types,
        hide=frozenset(hide),
        inject=dict(inject or {}),
    )
