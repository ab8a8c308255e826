"""Names and attributes of the source, looked up without running anything."""

from __future__ import annotations

import ast
from abc import ABCMeta
from dataclasses import dataclass, field
from enum import Enum, EnumType
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final

from artis_sdk.simulators.interpreter import methods, operators
from artis_sdk.simulators.interpreter.lift import constant
from artis_sdk.simulators.interpreter.values import (
    TIMES,
    BuiltinMethod,
    CannotTell,
    Hole,
    Member,
    Method,
    Record,
    StoredDict,
    Thrown,
    body_of,
    is_a,
    mro_of,
    name_of,
    own_method,
    plain,
)
from artis_sdk.simulators.interpreter.written import written_names

_STEPS: Final = 50_000  # of one call: expressions and statements
_DEEPEST: Final = 120  # expressions and statements inside one another, calls included
_DRAWN: Final = frozenset(
    [
        "random",
        "randint",
        "randrange",
        "uniform",
        "choice",
        "getrandbits",
        "now",
        "utcnow",
        "today",
        "time",
        "time_ns",
        "monotonic",
        "perf_counter",
        "uuid4",
        "uuid1",
        "token_hex",
        "token_urlsafe",
        "timestamp",
        "hexdigest",
    ]
)
"""Names of functions that give what no source tells, and do nothing else."""


_OF_TIMES: Final = frozenset({"strptime", "fromisoformat", "now", "utcnow", "today"})


@dataclass(eq=False, slots=True)
class CallFrame:
    """One call of a function."""

    function: FunctionType
    locals: dict[str, Any] = field(default_factory=dict)
    outer: CallFrame | None = None
    """CallFrame around a nested function."""
    handling: Thrown | None = None


class Names:
    """Looks names and attributes up, and counts steps; `Interpreter` adds the rest.

    Args:
        drawn: what the first draws of a run gave, from a log; later ones are holes.
    """

    def __init__(self, drawn: list[Any] | None = None) -> None:
        self.steps = 0
        self.depth = 0
        self.drawn = list(drawn or ())
        self.holes: list[Hole] = []
        """The holes of draws, in order."""

    def call(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        raise NotImplementedError

    def hole(self, why: str) -> Any:
        """What a draw gave: as the log has it, or unknown."""
        made = Hole(why)
        self.holes.append(made)
        at = len(self.holes) - 1
        return self.drawn[at] if at < len(self.drawn) else made

    def charge(self, *values: Any) -> None:
        """Count an operation over whole values as the steps that it takes."""
        self.steps += sum(
            operators.size_of(v, 0) // 50 for v in values if not isinstance(v, str | Record | Hole)
        )

    def enter(self) -> None:
        self.steps += 1
        self.depth += 1
        if self.steps > _STEPS:
            raise CannotTell(f"it takes more than {_STEPS:,} steps")
        if self.depth > _DEEPEST:
            raise CannotTell("it is nested too deeply")

    def name(self, node: ast.Name, frame: CallFrame) -> Any:
        at: CallFrame | None = frame
        while at is not None:
            if node.id in at.locals:
                return at.locals[node.id]
            at = at.outer
        function = frame.function
        if node.id in function.__code__.co_freevars and function.__closure__:
            cell = function.__closure__[function.__code__.co_freevars.index(node.id)]
            try:
                return found(cell.cell_contents, node.id, function)
            except ValueError:
                raise CannotTell(f"{node.id} is not assigned yet") from None
        scope = function.__globals__
        if node.id in scope:
            return found(scope[node.id], node.id, function)
        builtins = scope.get("__builtins__", {})
        names = builtins if isinstance(builtins, dict) else vars(builtins)
        if node.id in names and is_a(names[node.id], type, BuiltinFunctionType):
            return names[node.id]
        if node.id in function.__code__.co_varnames:
            raise Thrown(UnboundLocalError, (f"cannot access local variable {node.id!r} where it is not "
                                             "associated with a value",), {})  # fmt: skip
        raise CannotTell(f"it uses {node.id}, which is not there")

    def attribute(self, base: Any, name: str) -> Any:
        """`base.name`, without running a property or descriptor of Python's."""
        if isinstance(base, Hole):
            return Hole(f"{name} of {base.why}", name)
        if isinstance(base, Record):
            return self._of_record(base, name)
        if isinstance(base, Member):
            if name in ("value", "name"):
                return base.value if name == "value" else base.name
            raise CannotTell(f"it takes .{name} of a member of an enumeration")
        if is_a(base, type):
            return self._of_class(base, name)
        if is_a(base, ModuleType):
            names = object.__getattribute__(base, "__dict__")
            return found(names[name], name) if name in names else Hole(f"a module's {name}", name)
        if isinstance(base, StoredDict) and name in base and not methods.has_method(base, name):
            return base[name]
        if methods.has_method(base, name):
            return BuiltinMethod(base, name)
        if type(base) in TIMES and name in methods.TIME_FIELDS:
            return operators.attempt(getattr, base, name)
        if base is None or (plain(base) and not hasattr(type(base), name)):
            kind = type(base).__name__
            raise Thrown(AttributeError, (f"{kind!r} object has no attribute {name!r}",), {})
        raise CannotTell(f"it takes .{name} of a {type(base).__name__}")

    def _of_record(self, base: Record, name: str) -> Any:
        static = own_method(base.cls, name)
        if is_a(static, property):
            if type(static.fget) is not FunctionType:
                raise CannotTell(f"it reads the property {name}")
            return self.call(Method(static.fget, base, True), [], {})
        if own_method(base.cls, "__getattribute__") or own_method(base.cls, "__getattr__"):
            raise CannotTell(f"{name_of(base.cls)} has attributes that code makes")
        if name in base.fields:
            return base.fields[name]
        if name == "__class__":
            return base.cls
        private = name.startswith("_") and not base.whole and type(static) is not FunctionType
        if static is not None and not private and not _describes(static):
            return self._static(static, name, base, base.cls)
        if base.whole:
            text = f"{name_of(base.cls)!r} object has no attribute {name!r}"
            raise Thrown(AttributeError, (text,), {})
        return Hole(f"{name_of(base.cls)}.{name}, which the state does not hold")

    def _of_class(self, base: type, name: str) -> Any:
        if name in ("__name__", "__qualname__"):
            return name_of(base)
        if issubclass(base, Enum):
            members = type.__getattribute__(base, "_member_map_")
            if name in members:
                return constant(members[name], name)
        if any(base is kind for kind in TIMES):
            return BuiltinMethod(base, name) if name in _OF_TIMES else constant(vars(base).get(name), name)
        static = own_method(base, name)
        if static is None:
            return Hole(f"{name_of(base)}.{name}", name)
        return self._static(static, name, None, base)

    def _static(self, static: Any, name: str, on: Any, cls: type) -> Any:
        if type(static) is staticmethod:
            return found(static.__func__, name)
        if type(static) is classmethod:
            function = static.__func__
            if type(function) is FunctionType:
                return Method(function, cls, True)
        if type(static) is FunctionType:
            return Method(static, on, on is not None)
        return self._of_body(static, name, cls)

    def _of_body(self, static: Any, name: str, cls: type) -> Any:
        """What a class's body assigns, unless some code sets it later."""
        makers = (f for base in mro_of(cls) for f in body_of(base).values() if type(f) is FunctionType)
        if any(name in written_names(maker) for maker in makers):
            return Hole(f"{name_of(cls)}.{name}, which code changes")
        return constant(static, name)


def found(value: Any, name: str, function: FunctionType | None = None) -> Any:
    """A value of a module's names.

    Args:
        value: the value, as it is now.
        name: its name.
        function: whose names it is one of; what the code of its file writes to is state, not a constant.
    """
    if type(value) is FunctionType:
        return Method(value)
    if is_a(value, type) and type(value) not in (type, ABCMeta, EnumType):
        return Hole(f"{name}, a class with a metaclass of its own")
    if is_a(value, type, ModuleType, BuiltinFunctionType):
        return value
    if function is not None and name in written_names(function):
        return Hole(f"{name}, which code changes")
    return constant(value, name)


def _describes(static: Any) -> bool:
    """Whether a class's attribute decides what its objects show under its name."""
    return any(own_method(type(static), name) is not None for name in ("__set__", "__delete__")) or (
        own_method(type(static), "__get__") is not None
        and type(static) not in (FunctionType, staticmethod, classmethod)
    )


def drawn(name: str) -> bool:
    """Whether a function of this name gives what no source tells."""
    return name in _DRAWN
