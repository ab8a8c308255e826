"""Values of a module's or a class's names."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

from artis_sdk.simulators.interpreter.classes import is_one, plain_class
from artis_sdk.simulators.interpreter.draws import draw_of
from artis_sdk.simulators.interpreter.enums import is_member, known_enum
from artis_sdk.simulators.interpreter.sources import Sources
from artis_sdk.simulators.interpreter.values import CannotTell, Hole, LogCall, Method, plain
from artis_sdk.tools.source_checks.static import is_a, name_of

LOG_METHODS: Final = ("debug", "info", "warning", "error", "exception", "critical", "log")
LOGGERS: Final = (logging.Logger, logging.LoggerAdapter, logging.RootLogger)
_LOG_FUNCTIONS: Final[tuple[Callable[..., Any], ...]] = tuple(vars(logging)[name] for name in LOG_METHODS)


def constant(value: Any, name: str, sources: Sources, *, of_class: bool = False) -> Any:
    """A constant of a module or a class, copied; a `Hole` where it is no constant.

    A list or dictionary counts as one if nothing in it can be changed, no code of the project may change it,
    and it has a name in capitals, or stands filled in the body of a class: others are an application's state.
    """
    if plain(value) or (type(value) is re.Pattern and type(value.pattern) is str):
        return value
    kind = type(value)
    if is_member(value):
        return value if known_enum(kind) else Hole(f"a member of {name_of(kind)}", kind=kind)
    mutable = is_one(kind, (list, dict, set))
    fixed = name.lstrip("_")[:1].isalpha() and name.isupper()
    fixed = fixed or (mutable and of_class and len(value) > 0 and not sources.own(name))
    if is_one(kind, (tuple, frozenset)) or (mutable and fixed and not sources.escapes(name)):
        try:
            return copied_constant(value, deep=False)
        except CannotTell as error:
            return Hole(str(error))
    return Hole(f"{name}, which the state does not hold", kind=kind)


def copied_constant(value: Any, *, deep: bool) -> Any:
    """A copy of a constant.

    Raises:
        CannotTell: it holds something that can be changed.
    """
    kind = type(value)
    if plain(value) or (is_member(value) and known_enum(kind)) or (is_a(value, type) and plain_class(value)):
        return value
    fixed = is_one(kind, (tuple, frozenset))
    if not fixed and (deep or not is_one(kind, (list, dict, set))):
        raise CannotTell(f"a constant that holds a {name_of(kind)}")
    if len(value) > 10_000:
        raise CannotTell("a large constant")
    if kind is dict:
        pairs = value.items()
        return {copied_constant(k, deep=True): copied_constant(v, deep=True) for k, v in pairs}
    return kind([copied_constant(item, deep=True) for item in value])


def found(value: Any, name: str, sources: Sources) -> Any:
    """A value of a module's names.

    Args:
        value: the value, as it is now.
        name: its name; what code writes to is state, not a constant.
        sources: the code.
    """
    draw = draw_of(value)
    if draw is not None:
        return draw
    kind = type(value)
    if is_one(value, _LOG_FUNCTIONS):
        return LogCall(name)
    if is_one(kind, (ModuleType, BuiltinFunctionType)):
        return value
    code = kind is FunctionType or is_a(value, type)
    if not is_one(kind, LOGGERS) and (sources.rebound(name) if code else sources.changed(name)):
        return Hole(f"{name}, which code changes", kind=None if plain(value) else kind)
    if kind is FunctionType:
        return Method(value)
    if is_a(value, type):
        if not plain_class(value):
            return Hole(f"{name}, a class with a metaclass of its own")
        return value
    return constant(value, name, sources)
