"""Invocations of the source, carried out over the interpreter's values."""

from __future__ import annotations

import ast
import copy
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final, cast

from artis_sdk.simulators.interpreter import methods, operators
from artis_sdk.simulators.interpreter.expressions import Expressions
from artis_sdk.simulators.interpreter.names import CallFrame, drawn
from artis_sdk.simulators.interpreter.values import (
    TIMES,
    BuiltinMethod,
    CannotTell,
    Hole,
    Local,
    Method,
    Pending,
    Record,
    StoredDict,
    StoredList,
    Thrown,
    body_of,
    is_a,
    own_method,
    records_in,
)
from artis_sdk.tools.source_checks.code import Def, NoSource, same_project, source_of

_CALLS: Final = 16  # calls inside one another


class Returned(Exception):
    """A `return` statement.

    Args:
        value: what it returns.
    """

    def __init__(self, value: Any) -> None:
        self.value = value


class Invocations(Expressions):
    """Carries out calls; `Interpreter` adds statements.

    Args:
        root: the tool's function; functions of other projects are not entered.
        drawn: see `Expressions`.
        defaults: empty containers that are defaults of parameters, which calls share; filled as needed.
    """

    def __init__(
        self,
        root: FunctionType,
        drawn: list[Any] | None = None,
        defaults: dict[tuple[str, str, str], Any] | None = None,
    ) -> None:
        super().__init__(drawn)
        self._root = root
        self._defaults = {} if defaults is None else defaults
        self._calls = 0

    # --- calls ------------------------------------------------------------------------------------

    def call(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        """Carry out a call.

        Raises:
            CannotTell, Thrown: see `Expressions.value`.
        """
        if isinstance(function, SetArgs):
            if issubclass(function.on.cls, BaseException):
                function.on.fields["args"] = tuple(values)
            return None
        if isinstance(function, Method):
            return self._method(function, values, named)
        if isinstance(function, BuiltinMethod):
            return self._builtin_method(function, values, named)
        if isinstance(function, Local):
            return self._local(function, values, named)
        if isinstance(function, Hole):
            if drawn(function.name):
                return self.hole(f"what {function.name} gives")
            raise CannotTell(f"it calls {function.why}")
        if methods.one_of(function, (isinstance, issubclass, hasattr, getattr, print, type)):
            return self._reflected(function, values, named)
        if methods.one_of(function, methods.FUNCTIONS):
            self.charge(*values)
            if function in (sorted, min, max) and "key" in named:
                return self._by_key(function, values, named)
            return methods.function(function, values, named)
        if is_a(function, type):
            return self.made(function, values, named)
        name = function.__name__ if type(function) is BuiltinFunctionType else ""
        if drawn(name):
            return self.hole(f"what {name} gives")
        raise CannotTell(f"it calls {name or type(function).__name__}, which is not the application's code")

    def _method(self, method: Method, values: list[Any], named: dict[str, Any]) -> Any:
        function = method.function
        guarded = vars(function).get("__guarded_tool__")
        if guarded is not None:
            inner = vars(function).get("__wrapped__")
            if not isinstance(inner, FunctionType):
                raise CannotTell(f"it calls the tool {function.__name__}")
            function = inner
        if not same_project(function, self._root):
            if function is copy.copy or function is copy.deepcopy:
                return self._copied(function, values)
            if drawn(function.__name__):
                return self.hole(f"what {function.__name__} gives")
            raise CannotTell(f"it calls {function.__qualname__}, which is not the application's code")
        try:
            node = source_of(function).node
        except NoSource as error:
            raise CannotTell(str(error)) from None
        given = [method.on, *values] if method.bound else values
        frame = CallFrame(
            function, self._bound(node.args, given, named, CallFrame(function), function.__name__)
        )
        if isinstance(node, ast.AsyncFunctionDef):
            return Pending(lambda: self._body(node, frame))
        return self._body(node, frame)

    def _copied(self, how: Any, values: list[Any]) -> Any:
        """`copy.copy` and `copy.deepcopy`, of objects whose classes copy as others do."""
        if len(values) != 1 or any(
            own_method(one.cls, name) is not None
            for one in records_in(values[0])
            for name in ("__copy__", "__deepcopy__", "__reduce_ex__", "__reduce__", "__getstate__")
        ):
            raise CannotTell("it copies an object whose class has its own way")
        if how is copy.copy and isinstance(values[0], Record):
            return Record(values[0].cls, dict(values[0].fields), values[0].whole)
        self.charge(values[0], values[0])
        return how(values[0])

    def _local(self, local: Local, values: list[Any], named: dict[str, Any]) -> Any:
        outer: CallFrame = local.frame
        name = local.node.name if isinstance(local.node, ast.FunctionDef) else "<lambda>"
        frame = CallFrame(outer.function, self._bound(local.node.args, values, named, outer, name), outer)
        if isinstance(local.node, ast.Lambda):
            return self.value(local.node.body, frame)
        return self._body(local.node, frame)

    def _body(self, node: Def, frame: CallFrame) -> Any:
        if any(isinstance(inner, ast.Yield | ast.YieldFrom) for inner in ast.walk(node)):
            raise CannotTell(f"{node.name} is a generator")
        self._calls += 1
        if self._calls > _CALLS:
            raise CannotTell("its calls are nested too deeply")
        try:
            self.block(node.body, frame)
        except Returned as done:
            return done.value
        finally:
            self._calls -= 1
        return None

    def _bound(
        self, takes: ast.arguments, values: list[Any], named: dict[str, Any], scope: CallFrame, name: str
    ) -> dict[str, Any]:
        """Parameters by name, with defaults; a call that does not fit raises as Python's does."""
        every = [a.arg for a in (*takes.posonlyargs, *takes.args)]
        found: dict[str, Any] = dict(zip(every, values, strict=False))
        left = dict(named)
        if len(values) > len(every) and takes.vararg is None:
            raise CannotTell(f"it calls {name} with too many arguments")
        if takes.vararg is not None:
            found[takes.vararg.arg] = tuple(values[len(every) :])
        for one in (*every, *(a.arg for a in takes.kwonlyargs)):
            if one in left:
                found[one] = left.pop(one)
        defaults = [*takes.defaults]
        pairs = list(zip(every[len(every) - len(defaults) :], defaults, strict=True))
        pairs += [
            (a.arg, d) for a, d in zip(takes.kwonlyargs, takes.kw_defaults, strict=True) if d is not None
        ]
        for one, default in pairs:
            if one not in found:
                if isinstance(default, ast.List | ast.Dict) and not ast.unparse(default).strip("[]{}"):
                    key = (scope.function.__module__, scope.function.__qualname__, one)
                    found[one] = self._defaults.setdefault(key, [] if isinstance(default, ast.List) else {})
                    continue
                if not isinstance(default, ast.Constant | ast.UnaryOp | ast.Name | ast.Attribute | ast.Tuple):
                    raise CannotTell(f"{name} has a default that calls may change")
                found[one] = self.value(default, scope)
        if takes.kwarg is not None:
            found[takes.kwarg.arg] = left
        elif left:
            raise CannotTell(f"it calls {name} with {next(iter(left))}, which it does not take")
        missing = [one for one in (*every, *(a.arg for a in takes.kwonlyargs)) if one not in found]
        if missing:
            raise CannotTell(f"it calls {name} without {missing[0]}")
        return found

    def _builtin_method(self, method: BuiltinMethod, values: list[Any], named: dict[str, Any]) -> Any:
        if methods.one_of(method.on, TIMES):
            if drawn(method.name):
                return self.hole(f"what {method.name} gives")
            return methods.of_time(method.on, method.name, values)
        if method.name in ("sort",) or not methods.has_method(method.on, method.name):
            raise CannotTell(f"it calls {method.name} of a {type(method.on).__name__}")
        self.charge(method.on)
        return methods.method(method.on, method.name, values, named)

    def _by_key(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        key = named.pop("key")
        items = list(operators.iterated(values[0])) if len(values) == 1 else values
        if key is None or (not items and "default" in named):
            return methods.function(function, [items], named)
        keys = [self.call(key, [item], {}) for item in items]
        order = operators.attempt(sorted, range(len(items)), key=keys.__getitem__, **_reversed(named))
        if function is sorted:
            return [items[n] for n in order]
        if not items:
            raise CannotTell("it takes the least of nothing")
        which = operators.attempt(function, range(len(items)), key=keys.__getitem__)
        return items[which]

    def _reflected(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        if function is print:
            return None
        first = values[0]
        if isinstance(first, Hole):
            return first
        if function is type and len(values) == 1:
            return first.cls if isinstance(first, Record) else type(first)
        if function in (getattr, hasattr) and type(values[1]) is str:
            try:
                made = self.attribute(first, values[1])
            except Thrown:
                if function is hasattr:
                    return False
                if len(values) > 2:
                    return values[2]
                raise
            return True if function is hasattr and not isinstance(made, Hole) else made
        if function in (isinstance, issubclass):
            return self._is_instance(first, values[1], function is issubclass)
        raise CannotTell(f"it calls {function.__name__}")

    def _is_instance(self, value: Any, which: Any, of_class: bool) -> Any:
        classes = which if isinstance(which, tuple) else (which,)
        kind = value if of_class else value.cls if isinstance(value, Record) else type(value)
        if not all(type(c) is type or c in (int, str) for c in classes):
            raise CannotTell("it asks for an abstract class")
        if isinstance(value, StoredDict | StoredList) and not {dict, list} & set(classes):
            raise CannotTell("the state does not say what type a value has")
        return any(issubclass(kind, c) for c in classes)

    def made(self, cls: type, values: list[Any], named: dict[str, Any]) -> Any:
        """An object of a class; by `Objects`."""
        raise NotImplementedError

    def block(self, statements: list[ast.stmt], frame: CallFrame) -> None:
        """Carry out statements; by `Interpreter`."""
        raise NotImplementedError


class SetArgs(Method):
    """`BaseException.__init__` and `object.__init__`."""

    def __init__(self, on: Record) -> None:
        super().__init__(cast(FunctionType, _nothing), on, True)


def _nothing() -> None:
    raise NotImplementedError


def _reversed(named: dict[str, Any]) -> dict[str, Any]:
    return {"reverse": named["reverse"]} if "reverse" in named else {}


def of_project(cls: type, root: FunctionType) -> bool:
    found = next((f for f in body_of(cls).values() if type(f) is FunctionType), None)
    module = str(body_of(cls).get("__module__"))
    return module.partition(".")[0] == root.__module__.partition(".")[0] or (
        found is not None and same_project(found, root)
    )
