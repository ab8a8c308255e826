"""Operations on values, of objects and of drawn values as well."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable
from string import Formatter
from types import FunctionType
from typing import Any, Final

from artis_sdk.simulators.interpreter import draws, operators, texts
from artis_sdk.simulators.interpreter.classes import generated, own_method
from artis_sdk.simulators.interpreter.enums import is_member
from artis_sdk.simulators.interpreter.errors import made_error
from artis_sdk.simulators.interpreter.names import Names
from artis_sdk.simulators.interpreter.values import (
    CONTAINERS,
    LONGEST,
    VIEWS,
    CannotTell,
    Hole,
    Method,
    Record,
    Thrown,
    plain,
)
from artis_sdk.tools.source_checks.static import subclass

_PERCENT: Final = re.compile(r"%(?:\(\w+\))?[-+# 0]*\d{0,3}(?:\.\d{1,2})?([sradioxXeEfFgGc%])")


class ValueOperations(Names):
    """Computes with values; see `Names` for the arguments."""

    def truth(self, value: Any) -> bool:
        """Whether a value counts as true."""
        if isinstance(value, Hole):
            raise CannotTell(f"it depends on {value.why}")
        if isinstance(value, Record):
            for name in ("__bool__", "__len__"):
                own = own_method(value.cls, name)
                if type(own) is FunctionType:
                    return bool(self.call(Method(own, value, True), [], {}))
            return bool(value)
        if plain(value) or isinstance(value, (range, *CONTAINERS, *VIEWS)):
            return bool(value)
        return bool(value) if is_member(value) else True

    def compared(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        """One comparison; of objects by their class's own `==`, if that is in the source."""
        if not isinstance(op, ast.Is | ast.IsNot):
            hashed = isinstance(op, ast.In | ast.NotIn) and isinstance(right, dict | set | frozenset)
            self.charge(left, None if hashed and plain(left) else right)
        hole = next((one for one in (left, right) if isinstance(one, Hole)), None)
        if hole is not None and hole.path and draws.compared_drawn(op, left, right):
            return self.derive(hole, type(op).__name__, bool)
        if isinstance(left, Record) and isinstance(op, ast.Eq | ast.NotEq) and not isinstance(right, Hole):
            equal = own_method(left.cls, "__eq__")
            if type(equal) is FunctionType and not generated(equal):
                other = own_method(right.cls, "__eq__") if isinstance(right, Record) else None
                if own_method(left.cls, "__ne__") is not None or other not in (None, equal):
                    raise CannotTell("it compares objects of several classes")
                said = self.truth(self.call(Method(equal, left, True), [right], {}))
                return said is isinstance(op, ast.Eq)
        return operators.compare(op, left, right)

    def text(self, value: Any, write: Callable[[Any], str]) -> Any:
        """`str` or `repr` of a value; of objects by their class's own method."""
        if isinstance(value, Hole) and value.path:
            return self.derive(value, write.__name__, str)
        if isinstance(value, Record):
            for name in ("__str__", "__repr__") if write is str else ("__repr__",):
                own = own_method(value.cls, name)
                if type(own) is FunctionType and not hasattr(own, "__wrapped__"):
                    said = self.call(Method(own, value, True), [], {})
                    if type(said) is not str:
                        raise CannotTell("an object's text is no text")
                    return said
                if own is not None:
                    break
        if isinstance(value, Record) and subclass(value.cls, BaseException):
            return write(made_error(Thrown(value.cls, value.fields.get("args", ()))))
        return texts.text_of(value, write)

    def formatted(self, value: Any, spec: Any, conversion: int) -> Any:
        """A value in an f-string; a drawn one makes a drawn text."""
        if isinstance(spec, Hole):
            raise CannotTell(f"it formats with {spec.why}")
        write = texts.WRITES.get(conversion, None if spec else str)
        if write is not None and isinstance(value, Hole | Record):
            value, conversion = self.text(value, write), -1
        if isinstance(value, Hole) and value.path and draws.formats_drawn(value, spec):
            return self.derive(value, "format", str)
        return texts.formatted(value, spec, conversion)

    def binary(self, op: ast.operator, left: Any, right: Any, *, in_place: bool = False) -> Any:
        """`left op right` or `left op= right`; what is drawn stays unknown, if the operation cannot fail."""
        hole = next((one for one in (left, right) if isinstance(one, Hole)), None)
        if hole is not None and hole.path:
            return self.derive(hole, type(op).__name__, draws.binary_drawn(op, left, right))
        self.charge(left, right)
        if isinstance(op, ast.Mod) and type(left) is str:
            return self.percent(left, right)
        made = operators.binary(op, left, right, in_place=in_place)
        if isinstance(op, ast.Mult):
            self.charge(made)
        return made

    def percent(self, text: str, given: Any) -> Any:
        """`text % given`, of formats that Python's own values fit."""
        if _PERCENT.sub("", text).count("%"):
            raise CannotTell("it formats a value")
        if "%(" not in text and all(kind in "s%" for kind in _PERCENT.findall(text)):
            several = given if type(given) is tuple else (given,)
            shown = [self.text(one, str) if isinstance(one, Record) else one for one in several]
            given = tuple(shown) if type(given) is tuple else shown[0]
        texts.printable(given)
        made = operators.attempt(operator.mod, text, given)
        self.charge(made)
        return made

    def format(self, text: str, values: list[Any], named: dict[str, Any]) -> Any:
        """`text.format(*values, **named)`, whose fields are names or numbers."""
        try:
            fields = list(Formatter().parse(text))
        except ValueError:
            raise CannotTell("it formats with a text that is no format") from None
        if len({bool(name) for _, name, _, _ in fields if name is not None and not name.isidentifier()}) > 1:
            raise CannotTell("it formats by numbers and by places")
        parts: list[Any] = []
        place = 0
        for literal, name, spec, conversion in fields:
            parts.append(literal)
            if name is None:
                continue
            if name and not name.isidentifier() and not (name.isascii() and name.isdigit()):
                raise CannotTell("it formats a part of a value")
            place, name = (place, name) if name else (place + 1, str(place))
            if not name.isidentifier():
                if int(name) >= len(values):
                    said = f"Replacement index {int(name)} out of range for positional args tuple"
                    raise Thrown(IndexError, (said,))
                value = values[int(name)]
            elif name in named:
                value = named[name]
            else:
                raise Thrown(KeyError, (name,))
            parts.append(self.formatted(value, spec or "", ord(conversion) if conversion else -1))
        return self.joined(parts)

    def joined(self, parts: list[Any]) -> Any:
        """A text of its parts; drawn, if one of them is."""
        known = [part for part in parts if not isinstance(part, Hole)]
        size = sum(map(len, known))
        if size > LONGEST:
            raise CannotTell("it makes a huge text")
        self.charge(range(size))
        unknown = next((part for part in reversed(parts) if isinstance(part, Hole)), None)
        return "".join(known) if unknown is None else self.derive(unknown, "joined", str)

    def put(self, into: dict[Any, Any] | list[Any], key: Any, value: Any) -> None:
        """`into[key] = value`"""
        self.charge(key, value)
        operators.attempt(into.__setitem__, key, value)
