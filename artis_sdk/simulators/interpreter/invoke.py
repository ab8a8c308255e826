"""Calls of the source, carried out over the interpreter's values."""

from __future__ import annotations

import ast
import asyncio
import copy
import re
from enum import Enum
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

from artis_sdk.simulators.interpreter import draws, methods, operators, regex
from artis_sdk.simulators.interpreter.classes import NOTHING, is_one, static_of
from artis_sdk.simulators.interpreter.copying import copied
from artis_sdk.simulators.interpreter.defaults import Defaults
from artis_sdk.simulators.interpreter.names import CallFrame
from artis_sdk.simulators.interpreter.reflection import Reflection
from artis_sdk.simulators.interpreter.scopes import scope_of, yields
from artis_sdk.simulators.interpreter.sources import Sources
from artis_sdk.simulators.interpreter.values import (
    TIMES,
    BaseInit,
    BuiltinMethod,
    CannotTell,
    Draw,
    Hole,
    Local,
    LogCall,
    Method,
    OneWayIterator,
    Pending,
    Record,
    StoredDict,
    StoredList,
    Thrown,
    plain,
    reached,
)
from artis_sdk.tools.source_checks.code import Def, NoSource, same_project, source_of
from artis_sdk.tools.source_checks.static import is_a, name_of, subclass

_CALLS: Final = 16  # calls inside one another
_COPYING: Final = ("__copy__", "__deepcopy__", "__reduce_ex__", "__reduce__", "__getstate__", "__setstate__")


class Returned(Exception):
    """A `return` statement.

    Args:
        value: what it returns.
    """

    def __init__(self, value: Any) -> None:
        self.value = value


class Invocations(Reflection):
    """Carries out calls; `Interpreter` adds statements.

    Args:
        root: the tool's function; functions of other projects are not entered.
        sources: see `Names`.
        drawn: see `Names`.
        defaults: what the defaults of parameters hold that calls may change.
    """

    def __init__(
        self,
        root: FunctionType,
        sources: Sources,
        drawn: dict[tuple[Any, ...], Any] | None = None,
        defaults: Defaults | None = None,
    ) -> None:
        super().__init__(sources, drawn)
        self._root = root
        self._defaults = Defaults() if defaults is None else defaults
        self._calls = 0

    # --- calls ------------------------------------------------------------------------------------

    def call(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        """Carry out a call.

        Raises:
            CannotTell, Thrown: see `Expressions.value`.
        """
        if isinstance(function, BaseInit):
            error = subclass(function.on.cls, BaseException)
            if named or (values and not error):
                raise CannotTell("it calls the __init__ of object with arguments")
            if error:
                function.on.fields["args"] = tuple(values)
            return None
        if isinstance(function, Method):
            return self._method(function, values, named)
        if isinstance(function, BuiltinMethod):
            return self._builtin_method(function, values, named)
        if isinstance(function, Local):
            return self._local(function, values, named)
        if isinstance(function, Draw):
            return self.draw(function, values, named)
        if isinstance(function, LogCall):
            return None
        if isinstance(function, Hole):
            raise CannotTell(f"it calls {function.why}")
        if is_one(function, (isinstance, issubclass, hasattr, getattr, type)):
            return self.reflected(function, values, named)
        if is_one(function, (any, all, next, map, filter)):
            return self._lazily(function, values, named)
        if is_one(function, methods.FUNCTIONS):
            return self._builtin(function, values, named)
        if is_a(function, type):
            if subclass(function, Enum):
                return self.member(function, values, named)
            return self.made(function, values, named)
        name = function.__name__ if type(function) is BuiltinFunctionType else name_of(type(function))
        raise CannotTell(f"it calls {name}, which is not the application's code")

    def _builtin(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        if len(values) == 1 and not named:
            if isinstance(values[0], Hole) and values[0].path:
                return self.derive(values[0], function.__name__, draws.called_drawn(function, values[0]))
            if is_one(function, (str, repr)):
                self.charge(values[0])
                return self.text(values[0], function)
            if function is bool:
                return self.truth(values[0])
        self.charge(*values)
        if is_one(function, (sorted, min, max)) and "key" in named:
            return self._by_key(function, values, named)
        return methods.function(function, values, named)

    def _lazily(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        """Builtins that take item by item."""
        if named or not values:
            raise CannotTell(f"it calls {function.__name__} in a way that is not computed")
        if is_one(function, (any, all)):
            if len(values) != 1:
                raise CannotTell(f"it calls {function.__name__} with several values")
            for item in self.each(self.gone_over(values[0], ordered=not _all_plain(values[0]))):
                self.steps += 1
                self.bounded()
                if self.truth(item) is (function is any):
                    return function is any
            return function is all
        if function is next:
            if not isinstance(values[0], OneWayIterator) or len(values) > 2:
                raise CannotTell("it takes the next item of something that is no iterator")
            found = self.next_of(values[0])
            if found:
                return found[0]
            if len(values) > 1:
                return values[1]
            raise Thrown(StopIteration, ())
        if len(values) != 2:
            raise CannotTell(f"it calls {function.__name__} in a way that is not computed")
        how, items = values[0], self.each(self.gone_over(values[1]))
        if function is map:
            return OneWayIterator("map", (self._of_item(how, item) for item in items))
        return OneWayIterator(
            "filter",
            (item for item in items if self.truth(item if how is None else self._of_item(how, item))),
        )

    def _of_item(self, how: Any, item: Any) -> Any:
        """What `map` and `filter` call; a StopIteration there is the end of their items."""
        try:
            return self.call(how, [item], {})
        except Thrown as thrown:
            if subclass(thrown.cls, StopIteration):
                raise CannotTell("it ends a map or a filter by StopIteration") from None
            raise

    def _method(self, method: Method, values: list[Any], named: dict[str, Any]) -> Any:
        function = method.function
        guarded = vars(function).get("__guarded_tool__")
        if guarded is not None:
            inner = vars(function).get("__wrapped__")
            if not isinstance(inner, FunctionType):
                raise CannotTell(f"it calls the tool {function.__name__}")
            function = inner
        if not same_project(function, self._root):
            draw = draws.draw_of(function)
            if draw is not None:
                return self.draw(draw, values, named)
            if function is copy.copy or function is copy.deepcopy:
                return self._copied(function, values)
            if is_one(function, regex.FUNCTIONS):
                return regex.searched(function.__name__, values, named, self.charge)
            if function is asyncio.sleep and len(values) == 1 and type(values[0]) in (int, float):
                return Pending(lambda: None)
            raise CannotTell(f"it calls {function.__qualname__}, which is not the application's code")
        try:
            node = source_of(function).node
        except NoSource as error:
            raise CannotTell(str(error)) from None
        given = [method.on, *values] if method.bound else values
        defaults = self._defaults.of(function, node.args, self.sources)
        bound = self._bound(node.args, given, named, defaults, function.__name__)
        frame = CallFrame(function, bound, scope=scope_of(node))
        if isinstance(node, ast.AsyncFunctionDef):
            return Pending(lambda: self._coroutine(node, frame))
        return self._body(node, frame)

    def _coroutine(self, node: Def, frame: CallFrame) -> Any:
        try:
            return self._body(node, frame)
        except Thrown as thrown:
            if subclass(thrown.cls, StopIteration):
                raise Thrown(RuntimeError, ("coroutine raised StopIteration",)) from None
            raise

    def _copied(self, how: Any, values: list[Any]) -> Any:
        """`copy.copy` and `copy.deepcopy`, of objects whose classes copy as others do."""
        if len(values) != 1 or any(
            static_of(one.cls, name) is not NOTHING
            for one in reached(values[0]).values()
            if isinstance(one, Record)
            for name in _COPYING
        ):
            raise CannotTell("it copies an object whose class has its own way")
        value = values[0]
        if any(isinstance(one, StoredDict | StoredList | Method) for one in reached(value).values()):
            raise CannotTell("the state does not say what type a value has")
        if how is copy.copy:
            if isinstance(value, Record):
                return Record(value.cls, dict(value.fields), value.whole, value.kinds)
            if isinstance(value, Hole):
                raise CannotTell(f"it copies {value.why}")
            return copy.copy(value)
        self.charge(value, value)
        return copied(value)

    def _local(self, local: Local, values: list[Any], named: dict[str, Any]) -> Any:
        outer: CallFrame = local.frame
        name = local.node.name if isinstance(local.node, ast.FunctionDef) else "<lambda>"
        bound = self._bound(local.node.args, values, named, local.defaults, name)
        frame = CallFrame(outer.function, bound, outer, scope_of(local.node))
        if isinstance(local.node, ast.Lambda):
            return self.value(local.node.body, frame)
        return self._body(local.node, frame)

    def local(self, node: ast.Lambda | ast.FunctionDef, frame: CallFrame) -> Local:
        """A function that the source defines inside another one; its defaults are computed now."""
        takes = node.args
        every = [a.arg for a in (*takes.posonlyargs, *takes.args)]
        pairs = list(zip(every[len(every) - len(takes.defaults) :], takes.defaults, strict=True))
        pairs += [
            (a.arg, d) for a, d in zip(takes.kwonlyargs, takes.kw_defaults, strict=True) if d is not None
        ]
        return Local(node, frame, {name: self.value(default, frame) for name, default in pairs})

    def _body(self, node: Def, frame: CallFrame) -> Any:
        if yields(node):
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
        self,
        takes: ast.arguments,
        values: list[Any],
        named: dict[str, Any],
        defaults: dict[str, Any],
        name: str,
    ) -> dict[str, Any]:
        """Parameters by name, with defaults.

        Raises:
            CannotTell: the call does not fit.
        """
        every = [a.arg for a in (*takes.posonlyargs, *takes.args)]
        found: dict[str, Any] = dict(zip(every, values, strict=False))
        left = dict(named)
        if len(values) > len(every) and takes.vararg is None:
            raise CannotTell(f"it calls {name} with too many arguments")
        if takes.vararg is not None:
            found[takes.vararg.arg] = tuple(values[len(every) :])
        by_name = [a.arg for a in (*takes.args, *takes.kwonlyargs)]
        for one in by_name:
            if one in left:
                if one in found:
                    raise CannotTell(f"it calls {name} with {one} twice")
                found[one] = left.pop(one)
        for one, default in defaults.items():
            found.setdefault(one, default)
        if takes.kwarg is not None:
            found[takes.kwarg.arg] = left
        elif left:
            raise CannotTell(f"it calls {name} with {next(iter(left))}, which it does not take")
        missing = [one for one in (*every, *(a.arg for a in takes.kwonlyargs)) if one not in found]
        if missing:
            raise CannotTell(f"it calls {name} without {missing[0]}")
        return found

    def _builtin_method(self, method: BuiltinMethod, values: list[Any], named: dict[str, Any]) -> Any:
        on = method.on
        if isinstance(on, Hole):
            return self.derive(on, method.name, draws.method_drawn(on, method.name, values))
        if is_one(on, TIMES):
            return methods.of_time(on, method.name, values)
        if is_a(on, type):
            if not values or type(values[0]) is not on:
                raise CannotTell(f"it calls {method.name} of something else")
            on, values = values[0], values[1:]
        self.charge(*values, *named.values())
        if methods.is_whole(on, method.name):
            self.charge(on)
        if type(on) is re.Pattern:
            return regex.searched(method.name, [on, *values], named, self.charge)
        if type(on) is re.Match and not named:
            return regex.of_match(on, method.name, values)
        if method.name == "format":
            return self.format(str.__str__(on), values, named)
        if method.name == "sort":
            return self._sorted_in_place(on, values, named)
        made = methods.method(on, method.name, values, named)
        if isinstance(made, str):
            self.charge(made)
        return made

    def _sorted_in_place(self, on: list[Any], values: list[Any], named: dict[str, Any]) -> None:
        if values:
            raise CannotTell("it sorts in a way that is not computed")
        ordered = self._builtin(sorted, [on], named)
        on[:] = ordered

    def _by_key(self, function: Any, values: list[Any], named: dict[str, Any]) -> Any:
        key = named.pop("key")
        items = list(self.each(self.gone_over(values[0]))) if len(values) == 1 else values
        if key is None or (not items and "default" in named):
            return methods.function(function, [items], named)
        keys = [self.call(key, [item], {}) for item in items]
        self.charge(keys)
        for one in keys:
            if isinstance(one, StoredDict | StoredList):
                raise CannotTell("the state does not say what type a value has")
        reverse = {"reverse": named["reverse"]} if "reverse" in named else {}
        if function is sorted:
            order = operators.attempt(sorted, range(len(items)), key=keys.__getitem__, **reverse)
            return [items[n] for n in order]
        if not items:
            raise CannotTell("it takes the least of nothing")
        which = operators.attempt(function, range(len(items)), key=keys.__getitem__)
        return items[which]

    def made(self, cls: type, values: list[Any], named: dict[str, Any]) -> Any:
        """An object of a class; by `Objects`."""
        raise NotImplementedError

    def block(self, statements: list[ast.stmt], frame: CallFrame) -> None:
        """Carry out statements; by `Interpreter`."""
        raise NotImplementedError


def _all_plain(value: Any) -> bool:
    return isinstance(value, set | frozenset) and all(map(plain, value))
