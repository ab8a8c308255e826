"""What the source asks of types."""

from __future__ import annotations

from enum import EnumType
from types import UnionType
from typing import Any

from artis_sdk.simulators.interpreter import operators
from artis_sdk.simulators.interpreter.classes import is_one
from artis_sdk.simulators.interpreter.enums import is_member, known_enum
from artis_sdk.simulators.interpreter.expressions import Expressions
from artis_sdk.simulators.interpreter.values import (
    AnyFunction,
    CannotTell,
    Hole,
    OneWayIterator,
    Record,
    StoredDict,
    StoredList,
    Thrown,
    kind_of,
    plain,
)
from artis_sdk.tools.source_checks.static import is_a, name_of, subclass


class Reflection(Expressions):
    """Answers what the source asks of types; see `Names` for the arguments."""

    def reflected(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        """`isinstance`, `getattr` and the like."""
        if named or not values:
            raise CannotTell(f"it calls {function.__name__} in a way that is not computed")
        first = values[0]
        if isinstance(first, Hole | OneWayIterator | StoredDict | StoredList):
            raise CannotTell(f"it asks for the type of {getattr(first, 'why', 'a value of the state')}")
        if function is type and len(values) == 1:
            return first.cls if isinstance(first, Record) else type(first)
        if is_one(function, (getattr, hasattr)) and len(values) > 1 and type(values[1]) is str:
            return self._got(function, first, values)
        if is_one(function, (isinstance, issubclass)) and len(values) == 2:
            return self._is_instance(first, values[1], function is issubclass)
        raise CannotTell(f"it calls {function.__name__}")

    def _got(self, function: Any, first: Any, values: list[Any]) -> Any:
        try:
            made = self.attribute(first, values[1])
        except Thrown as thrown:
            if not subclass(thrown.cls, AttributeError):
                raise
            if function is hasattr:
                return False
            if len(values) > 2:
                return values[2]
            raise
        if isinstance(made, Hole) and not made.path and (function is hasattr or len(values) > 2):
            raise CannotTell(f"it depends on {made.why}")
        return True if function is hasattr else made

    def _is_instance(self, value: Any, which: Any, of_class: bool) -> Any:
        parts = which if isinstance(which, tuple) else (which,)
        classes = [c for one in parts for c in (one.__args__ if type(one) is UnionType else (one,))]
        if isinstance(value, AnyFunction):
            raise CannotTell("it asks for the type of a function")
        kind = value if of_class else value.cls if isinstance(value, Record) else type(value)
        if not is_a(kind, type) or not all(is_a(c, type) and _asks_bases(c) for c in classes):
            raise CannotTell("it asks for an abstract class")
        return subclass(kind, *classes)

    def member(self, cls: type, values: list[Any], named: dict[str, Any]) -> Any:
        """The member of a value: `Status("open")`."""
        if named or len(values) != 1 or not known_enum(cls):
            raise CannotTell(f"it makes a {name_of(cls)}")
        value = values[0]
        if isinstance(value, Hole):
            raise CannotTell(f"it depends on {value.why}")
        if not (is_member(value) or plain(value) or isinstance(value, tuple)):
            raise CannotTell(f"it makes a {name_of(cls)} of {kind_of(value)}")
        return operators.attempt(cls, value)


def _asks_bases(cls: type) -> bool:
    """Whether a class asks nobody else what its instances are."""
    return is_one(type(cls), (type, EnumType))
