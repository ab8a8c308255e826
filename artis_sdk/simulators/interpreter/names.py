"""Names and attributes of the source, looked up without running anything."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from types import (
    BuiltinFunctionType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
)
from typing import Any, Final

from artis_sdk.simulators.interpreter import draws, methods, operators, regex
from artis_sdk.simulators.interpreter.classes import (
    NOTHING,
    in_roots,
    is_one,
    module_of,
    own_method,
    plain_class,
    static_of,
)
from artis_sdk.simulators.interpreter.constants import (
    LOG_METHODS,
    LOGGERS,
    constant,
    copied_constant,
    found,
)
from artis_sdk.simulators.interpreter.enums import is_member, known_enum
from artis_sdk.simulators.interpreter.scopes import FunctionScope, mangled
from artis_sdk.simulators.interpreter.sources import Sources
from artis_sdk.simulators.interpreter.values import (
    TIMES,
    BuiltinMethod,
    CannotTell,
    Draw,
    Hole,
    LogCall,
    Method,
    OneWayIterator,
    Record,
    StoredDict,
    StoredList,
    Thrown,
    kind_of,
    plain,
    size_of,
)
from artis_sdk.tools.source_checks.static import is_a, name_of, subclass

_STEPS: Final = 25_000  # of one call: expressions and statements
_ITEMS_A_STEP: Final = 50  # of what an operation goes over
_DEEPEST: Final = 120  # expressions and statements inside one another, calls included
_OF_TIMES: Final = frozenset({"strptime", "fromisoformat"})
_EXTREMES: Final = frozenset({"min", "max"})


@dataclass(eq=False, slots=True)
class CallFrame:
    """One call of a function."""

    function: FunctionType
    locals: dict[str, Any] = field(default_factory=dict)
    outer: CallFrame | None = None
    """That of the function around a nested function or a comprehension."""
    scope: FunctionScope = field(default_factory=FunctionScope)
    inside: bool = False
    """Whether it is a comprehension's."""
    handling: Thrown | None = None


class Names:
    """Looks names and attributes up, and counts steps; `Interpreter` adds the rest.

    Args:
        sources: the code of the session's tools.
        drawn: what the draws of a run gave, from a log, by their paths; others are holes.
    """

    def __init__(self, sources: Sources, drawn: dict[tuple[Any, ...], Any] | None = None) -> None:
        self.sources = sources
        self.steps = 0
        self.depth = 0
        self.drawn = drawn or {}
        self.holes: list[Hole] = []
        """What was drawn, and what was made of it."""
        self._draws = 0
        self._derived: defaultdict[tuple[Any, ...], int] = defaultdict(int)

    def call(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        raise NotImplementedError

    def draw(self, draw: Draw, values: list[Any], named: dict[str, Any]) -> Any:
        """What a draw gave: as the log has it, or unknown."""
        kind = draws.kind_drawn(draw, values, named)
        self._draws += 1
        return self._given(Hole(f"what {draw.name} gives", kind=kind, path=(self._draws,)))

    def derive(self, value: Hole, how: str, kind: type | None) -> Any:
        """What is made of a drawn value.

        Raises:
            CannotTell: that may fail.
        """
        if kind is None or not value.path:
            raise CannotTell(f"it depends on {value.why}")
        key = (*value.path, how)
        self._derived[key] += 1
        return self._given(Hole(value.why, kind=kind, path=(*key, self._derived[key])))

    def _given(self, made: Hole) -> Any:
        self.holes.append(made)
        return self.drawn.get(made.path, made)

    def charge(self, *values: Any) -> None:
        """Count an operation over whole values as the steps that it takes."""
        for value in values:
            if type(value) not in _SMALL:
                self.steps += size_of(value) // _ITEMS_A_STEP
                self.bounded()

    def bounded(self) -> None:
        if self.steps > _STEPS:
            raise CannotTell(f"it takes more than {_STEPS:,} steps")

    def enter(self) -> None:
        self.steps += 1
        self.depth += 1
        self.bounded()
        if self.depth > _DEEPEST:
            raise CannotTell("it is nested too deeply")

    def name(self, node: ast.Name, frame: CallFrame) -> Any:
        name = mangled(node.id, frame.function.__code__)
        at: CallFrame | None = frame
        in_function = True
        while at is not None and name not in at.scope.globals:
            if name in at.locals:
                return at.locals[name]
            if name in at.scope.own:
                if frame.inside:
                    raise CannotTell(f"{name} is not assigned yet")
                raise unbound(name, own=in_function)
            in_function = in_function and at.inside
            at = at.outer
        function = frame.function
        declared = at is not None
        if not declared and name in function.__code__.co_freevars and function.__closure__:
            cell = function.__closure__[function.__code__.co_freevars.index(name)]
            try:
                return found(cell.cell_contents, name, self.sources)
            except ValueError:
                raise CannotTell(f"{name} is not assigned yet") from None
        scope = function.__globals__
        if name in scope:
            return found(scope[name], name, self.sources)
        builtins = scope.get("__builtins__", {})
        names = builtins if isinstance(builtins, dict) else vars(builtins)
        if name in names and is_a(names[name], type, BuiltinFunctionType):
            return LogCall("print") if names[name] is print else names[name]
        raise CannotTell(f"it uses {name}, which is not there")

    def attribute(self, base: Any, name: str) -> Any:
        """`base.name`, without running a property or descriptor of Python's."""
        if isinstance(base, Hole):
            return self._of_hole(base, name)
        if isinstance(base, Record):
            return self._of_record(base, name)
        if is_member(base):
            return self._of_member(base, name)
        if is_a(base, type):
            return self._of_class(base, name)
        if is_a(base, ModuleType):
            names = object.__getattribute__(base, "__dict__")
            if name not in names:
                raise CannotTell(f"it takes a module's {name}")
            return found(names[name], name, self.sources)
        if isinstance(base, OneWayIterator):
            raise CannotTell(f"it takes .{name} of {base.why}")
        if methods.has_method(base, name):
            return BuiltinMethod(base, name)
        found_in = {re.Pattern: regex.PATTERN_METHODS, re.Match: regex.MATCH_METHODS}.get(type(base), ())
        if name in found_in:
            return BuiltinMethod(base, name)
        if type(base) in TIMES and name in methods.TIME_FIELDS:
            return operators.attempt(getattr, base, name)
        if isinstance(base, StoredDict | StoredList):
            raise CannotTell("the state does not say what type a value has")
        if base is None or (plain(base) and not hasattr(type(base), name)):
            kind = _type_name(type(base))
            raise Thrown(AttributeError, (f"{kind!r} object has no attribute {name!r}",))
        raise CannotTell(f"it takes .{name} of {kind_of(base)}")

    def _of_hole(self, base: Hole, name: str) -> Any:
        draw = draws.draw_of_random(base.kind, name)
        if draw is not None:
            return draw
        if is_one(base.kind, LOGGERS) and name in LOG_METHODS:
            return LogCall(name)
        if base.path:
            kind = draws.attribute_drawn(base, name)
            return BuiltinMethod(base, name) if kind is None else self.derive(base, name, kind)
        raise CannotTell(f"it takes .{name} of {base.why}")

    def _of_record(self, base: Record, name: str) -> Any:
        cls = base.cls
        if own_method(cls, "__getattribute__"):
            raise CannotTell(f"{name_of(cls)} has attributes that code makes")
        static = static_of(cls, name)
        if type(static) is property:
            return self._of_property(static, base, name)
        if name == "__class__":
            return cls
        if _of_python(static):
            raise CannotTell(f"it takes .{name} of an object of {name_of(cls)}")
        if static is not NOTHING and not _is_slot(static) and _decides(static, always=True):
            raise CannotTell(f"{name_of(cls)}.{name} is an attribute that code makes")
        if name in base.fields:
            return base.fields[name]
        if static is not NOTHING and not _is_slot(static) and self._shows(base, static, name):
            return self._static(static, name, base, cls)
        if own_method(cls, "__getattr__"):
            raise CannotTell(f"{name_of(cls)} has attributes that code makes")
        if static is NOTHING and in_roots(cls, name):
            raise CannotTell(f"it takes .{name} of an object of {name_of(cls)}")
        if base.whole:
            raise Thrown(AttributeError, (f"{name_of(cls)!r} object has no attribute {name!r}",))
        why = f"{name_of(cls)}.{name}, which the state does not hold"
        if name not in base.kinds:
            raise CannotTell(f"it depends on {why}")  # it may have none
        return Hole(why, kind=base.kinds[name])

    def _of_property(self, static: property, base: Record, name: str) -> Any:
        if type(static.fget) is not FunctionType:
            raise CannotTell(f"it reads the property {name}")
        try:
            return self.call(Method(static.fget, base, True), [], {})
        except Thrown as thrown:
            if subclass(thrown.cls, AttributeError) and own_method(base.cls, "__getattr__"):
                raise CannotTell(f"{name_of(base.cls)} has attributes that code makes") from None
            raise

    def _shows(self, base: Record, static: Any, name: str) -> bool:
        """Whether an object shows its class's attribute: it has no such attribute of its own."""
        if name in base.kinds:
            return False
        if base.whole or not name.startswith("_"):
            return True
        if type(static) in (FunctionType, staticmethod, classmethod):
            return True
        return name.lstrip("_").isupper() and not self.sources.own(name)

    def _of_member(self, base: Enum, name: str) -> Any:
        static = static_of(type(base), name)
        if name in ("value", "name") and _of_enum_module(static):
            held: Any = base._value_ if name == "value" else base._name_
            return copied_constant(held, deep=True)
        if type(static) is property and type(static.fget) is FunctionType:
            return self.call(Method(static.fget, base, True), [], {})
        if type(static) is FunctionType and static.__globals__.get("__name__") != "enum":
            return Method(static, base, True)
        if type(static) in (staticmethod, classmethod):
            return self._static(static, name, base, type(base))
        if methods.has_method(base, name) and static_of(methods.base_of(base), name) is static:
            return BuiltinMethod(base, name)
        held = object.__getattribute__(base, "__dict__").get(name, NOTHING)
        if held is not NOTHING and static is NOTHING and plain(held):
            return held
        raise CannotTell(f"it takes .{name} of a member of an enumeration")

    def _of_class(self, base: type, name: str) -> Any:
        if not plain_class(base):
            raise CannotTell(f"it takes .{name} of a class with a metaclass of its own")
        if name == "__name__":
            return name_of(base)
        if subclass(base, Enum):
            if not known_enum(base):
                raise CannotTell(f"it takes .{name} of {name_of(base)}")
            members = type.__getattribute__(base, "_member_map_")
            if name in members:
                return members[name]
            if name == "__members__":
                return MappingProxyType(dict(members))
        if is_one(base, TIMES):
            draw = draws.draw_of_time(base, name)
            if draw is not None:
                return draw
            if name in _OF_TIMES and base is not timedelta:
                return BuiltinMethod(base, name)
            return constant(vars(base)[name], name, self.sources) if name in _EXTREMES else _no(base, name)
        if is_one(base, (str, dict, int, list, set, tuple)):
            return methods.unbound(base, name)
        static = static_of(base, name)
        if static is NOTHING or (static is None and in_roots(base, name)):
            return _no(base, name)
        return self._static(static, name, None, base)

    def _static(self, static: Any, name: str, on: Any, cls: type) -> Any:
        if type(static) is staticmethod:
            return found(static.__func__, name, self.sources)
        if type(static) is classmethod:
            function = static.__func__
            if type(function) is FunctionType:
                return Method(function, cls, True)
        if type(static) is FunctionType:
            return Method(static, on, on is not None)
        if self.sources.changed(name):
            return Hole(f"{name_of(cls)}.{name}, which code changes")
        if _decides(static, always=False):
            raise CannotTell(f"{name_of(cls)}.{name} is an attribute that code makes")
        return constant(static, name, self.sources, of_class=True)


def _type_name(kind: type) -> str:
    """The name of one of Python's types as its own messages have it."""
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _no(base: type, name: str) -> Any:
    raise CannotTell(f"it takes {name_of(base)}.{name}")


def unbound(name: str, *, own: bool) -> Thrown:
    """The exception of a name that is not assigned yet.

    Args:
        name: the name.
        own: whether it is the function's own, not that of a function around it.
    """
    if own:
        text = f"cannot access local variable {name!r} where it is not associated with a value"
        return Thrown(UnboundLocalError, (text,))
    text = f"cannot access free variable {name!r} where it is not associated with a value in enclosing scope"
    return Thrown(NameError, (text,))


def _of_python(static: Any) -> bool:
    """Whether it is a slot of one of Python's own classes, whose value is nowhere to be read."""
    slot = is_one(type(static), (MemberDescriptorType, GetSetDescriptorType))
    return slot and module_of(static.__objclass__) == "builtins"


def _is_slot(static: Any) -> bool:
    return type(static) is MemberDescriptorType


def _of_enum_module(static: Any) -> bool:
    return module_of(type(static)) in ("enum", "types")


def _decides(static: Any, *, always: bool) -> bool:
    """Whether a class's attribute decides what its objects show under its name.

    Args:
        static: the attribute.
        always: whether it does so even where the object has an attribute of the name.
    """
    kind = type(static)
    if is_one(kind, (FunctionType, staticmethod, classmethod)):
        return False
    sets = any(own_method(kind, name) is not None for name in ("__set__", "__delete__"))
    return sets if always else sets or own_method(kind, "__get__") is not None


_SMALL: Final = (int, float, bool, type(None), Record, Hole, Method)
