"""Values as texts: printed and formatted as Python's own code does, the same in every process."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from artis_sdk.simulators.interpreter.classes import is_one, plain_class
from artis_sdk.simulators.interpreter.enums import is_member, prints_as_python
from artis_sdk.simulators.interpreter.operators import attempt, str_of
from artis_sdk.simulators.interpreter.values import (
    CONTAINERS,
    LONGEST,
    TIMES,
    VIEWS,
    CannotTell,
    Hole,
    OneWayIterator,
    StoredDict,
    StoredList,
    fills_in,
    kind_of,
    plain,
    size_of,
)
from artis_sdk.tools.source_checks.static import is_a

_SPEC: Final = re.compile(r"(.?[<>=^])?[-+ ]?#?0?\d{0,3}[,_]?(\.\d{1,2})?[bcdeEfFgGosxX%]?")
TIME_SPEC: Final = re.compile(r"(%[YmdHMSjfyI]|[-:/., T])*")
"""Formats of dates that no setting of the process changes."""
WRITES: Final[dict[int, Callable[[Any], str]]] = {ord("s"): str, ord("r"): repr, ord("a"): ascii}
"""How a conversion of an f-string writes a value."""


def formatted(value: Any, spec: str, conversion: int = -1) -> Any:
    """A value in an f-string."""
    if conversion != -1:
        value = text_of(value, WRITES[conversion])
    if not spec:
        return text_of(value, str) if not is_member(value) else _member_text(value, spec)
    if type(value) in TIMES:
        if not TIME_SPEC.fullmatch(spec):
            raise CannotTell("it formats a date")
    elif not _SPEC.fullmatch(spec):
        raise CannotTell("it formats a value")
    if is_member(value):
        return _member_text(value, spec)
    if not plain(value):
        raise CannotTell(f"it formats {kind_of(value)}")
    _moderate(value)
    return attempt(format, value, spec)


def _member_text(value: Any, spec: str) -> Any:
    if not prints_as_python(type(value)):
        raise CannotTell("it prints a member of an enumeration")
    return attempt(format, value, spec)


def text_of(value: Any, write: Callable[[Any], str]) -> Any:
    """`str` or `repr` of a value.

    Raises:
        CannotTell: it holds a set, whose order differs from one process to the next, or an object.
    """
    printable(value)
    return attempt(write, value)


def printable(value: Any) -> None:
    """Whether Python's own code writes a value's text, the same in every process.

    Raises:
        CannotTell: it does not, or the text is huge.
    """
    if not plain(value) and size_of(value) > LONGEST:
        raise CannotTell("it prints a large value")
    _printable(value, 0)


def _printable(value: Any, depth: int) -> None:
    if plain(value):
        _moderate(value)
        return
    kind = type(value)
    if isinstance(value, Hole | OneWayIterator):
        raise CannotTell(f"it depends on {value.why}")
    if isinstance(value, StoredList | StoredDict):
        raise CannotTell("the state does not say what type a value has")
    if is_member(value):
        if not prints_as_python(kind):
            raise CannotTell("it prints a member of an enumeration")
        return
    if kind is range or (is_a(value, type) and plain_class(value)):
        return
    if depth > 50:
        raise CannotTell("it prints a value that is nested too deeply")
    if is_one(kind, (set, frozenset)) and len(value) > 1:
        raise CannotTell("the text of a set has no order")
    if not (is_one(kind, (*CONTAINERS, *VIEWS)) or fills_in(value)):
        raise CannotTell(f"it prints {kind_of(value)}")
    for one in list(value):
        _printable(one, depth + 1)
    for one in value.values() if isinstance(value, dict) else ():
        _printable(one, depth + 1)


def _moderate(value: Any) -> None:
    """Refuse numbers whose text is huge."""
    if type(value) is int:
        str_of(value)
    elif type(value) is Decimal and value.is_finite() and abs(value.adjusted()) > 1000:
        raise CannotTell("it prints a huge number")
