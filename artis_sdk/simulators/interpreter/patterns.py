"""The patterns of `match`, tried without running code of the classes that they name."""

from __future__ import annotations

import ast
from types import MappingProxyType
from typing import Any, Final

from artis_sdk.simulators.interpreter import operators
from artis_sdk.simulators.interpreter.classes import is_one, own_method, plain_class
from artis_sdk.simulators.interpreter.names import CallFrame
from artis_sdk.simulators.interpreter.objects import Objects
from artis_sdk.simulators.interpreter.values import (
    AnyFunction,
    CannotTell,
    Hole,
    OneWayIterator,
    StoredDict,
    StoredList,
    Thrown,
    kind_of,
)
from artis_sdk.tools.source_checks.static import is_a, subclass

Bound = dict[str, Any]
"""What a pattern binds so far."""
_WHOLE: Final = (bool, dict, float, frozenset, int, list, set, str, tuple)
"""Classes whose pattern `int(x)` gives the value itself."""


class Patterns(Objects):
    """Tries the cases of a `match`; see `Names` for the arguments."""

    def match(self, statement: ast.Match, frame: CallFrame) -> None:
        """Carry out the first case that fits."""
        subject = self.value(statement.subject, frame)
        for case in statement.cases:
            names: Bound = {}
            if not self._fits(case.pattern, subject, frame, names):
                continue
            for name, value in names.items():  # a pattern that does not fit binds nothing
                self.bind(name, value, frame)
            if case.guard is None or self.truth(self.value(case.guard, frame)):
                self.block(case.body, frame)
                return

    def _fits(self, pattern: ast.pattern, subject: Any, frame: CallFrame, names: Bound) -> bool:
        match pattern:
            case ast.MatchValue(value=value):
                return self.truth(self.compared(ast.Eq(), subject, self.value(value, frame)))
            case ast.MatchSingleton(value=value):
                return self.truth(self.compared(ast.Is(), subject, value))
            case ast.MatchOr(patterns=patterns):
                return any(self._fits(one, subject, frame, names) for one in patterns)
            case ast.MatchAs(pattern=inner, name=name):
                if inner is not None and not self._fits(inner, subject, frame, names):
                    return False
                if name is not None:
                    names[name] = subject
                return True
            case ast.MatchSequence(patterns=patterns):
                return self._fits_sequence(patterns, subject, frame, names)
            case ast.MatchMapping():
                return self._fits_mapping(pattern, subject, frame, names)
            case ast.MatchClass():
                return self._fits_class(pattern, subject, frame, names)
        raise CannotTell(f"it has a pattern that is not computed, {type(pattern).__name__}")

    def _fits_sequence(
        self, patterns: list[ast.pattern], subject: Any, frame: CallFrame, names: Bound
    ) -> bool:
        _known(subject)
        if not isinstance(subject, list | tuple | range):
            return False
        star = next((n for n, one in enumerate(patterns) if isinstance(one, ast.MatchStar)), None)
        least = len(patterns) - (star is not None)
        if len(subject) < least or (star is None and len(subject) > least):
            return False
        self.charge(subject)
        items = list(subject)
        if star is not None:
            end = len(items) - (least - star)
            items[star:end] = [items[star:end]]
        for one, item in zip(patterns, items, strict=True):
            if isinstance(one, ast.MatchStar):
                if one.name is not None:
                    names[one.name] = item
            elif not self._fits(one, item, frame, names):
                return False
        return True

    def _fits_mapping(self, pattern: ast.MatchMapping, subject: Any, frame: CallFrame, names: Bound) -> bool:
        _known(subject)
        if not isinstance(subject, dict):
            return False
        if not operators.known_dict(subject):
            raise CannotTell("it matches a mapping in a way that is not computed")
        keys = [self.value(key, frame) for key in pattern.keys]
        for key in keys:
            if operators.key_missing(subject, key):
                operators.mixed(subject, key)
                return False
        for key, one in zip(keys, pattern.patterns, strict=True):
            if not self._fits(one, subject[key], frame, names):
                return False
        if pattern.rest is not None:
            self.charge(subject)
            names[pattern.rest] = {key: item for key, item in subject.items() if key not in keys}
        return True

    def _fits_class(self, pattern: ast.MatchClass, subject: Any, frame: CallFrame, names: Bound) -> bool:
        _known(subject)
        cls = self.value(pattern.cls, frame)
        if not is_a(cls, type) or not plain_class(cls):
            raise CannotTell("it matches a class that is not known")
        if not self.truth(self.reflected(isinstance, [subject, cls], {})):
            return False
        attributes, patterns = [*pattern.kwd_attrs], [*pattern.kwd_patterns]
        if is_one(cls, _WHOLE) and len(pattern.patterns) == 1:
            if not self._fits(pattern.patterns[0], subject, frame, names):
                return False
        elif pattern.patterns:
            places = own_method(cls, "__match_args__")
            if type(places) is not tuple or len(places) < len(pattern.patterns):
                raise CannotTell("it matches a class in a way that is not computed")
            attributes = [*places[: len(pattern.patterns)], *attributes]
            patterns = [*pattern.patterns, *patterns]
        return self._fits_attributes(attributes, patterns, subject, frame, names)

    def _fits_attributes(
        self, attributes: list[str], patterns: list[ast.pattern], subject: Any, frame: CallFrame, names: Bound
    ) -> bool:
        for name, one in zip(attributes, patterns, strict=True):
            try:
                value = self.attribute(subject, name)
            except Thrown as thrown:
                if subclass(thrown.cls, AttributeError):
                    return False
                raise
            if not self._fits(one, value, frame, names):
                return False
        return True


def _known(subject: Any) -> None:
    """Refuse values whose type is not known."""
    if isinstance(subject, Hole | OneWayIterator):
        raise CannotTell(f"it depends on {subject.why}")
    if isinstance(subject, StoredDict | StoredList):
        raise CannotTell("the state does not say what type a value has")
    if isinstance(subject, AnyFunction | MappingProxyType) or is_a(subject, type):
        raise CannotTell(f"it matches {kind_of(subject)}")
