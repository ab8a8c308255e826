"""Statements of the source, carried out over the interpreter's values."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import suppress
from types import FunctionType, MemberDescriptorType
from typing import Any

from artis_sdk.simulators.interpreter import operators
from artis_sdk.simulators.interpreter.classes import is_one, own_method
from artis_sdk.simulators.interpreter.invoke import Returned
from artis_sdk.simulators.interpreter.locks import is_lock
from artis_sdk.simulators.interpreter.names import CallFrame, unbound
from artis_sdk.simulators.interpreter.patterns import Patterns
from artis_sdk.simulators.interpreter.scopes import mangled
from artis_sdk.simulators.interpreter.values import (
    VIEWS,
    CannotTell,
    Hole,
    Method,
    OneWayIterator,
    Record,
    StoredDict,
    Thrown,
    kind_of,
)
from artis_sdk.tools.source_checks.static import body_of, is_a, mro_of, subclass


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Interpreter(Patterns):
    """Carries out one call of a tool: see `Invocations` for the arguments."""

    # --- statements -------------------------------------------------------------------------------

    def block(self, statements: list[ast.stmt], frame: CallFrame) -> None:
        for statement in statements:
            self.enter()
            try:
                self._statement(statement, frame)
            finally:
                self.depth -= 1

    def _statement(self, statement: ast.stmt, frame: CallFrame) -> None:
        match statement:
            case ast.Return(value=value):
                raise Returned(None if value is None else self.value(value, frame))
            case ast.If():
                self.block(self._branch(statement, frame), frame)
            case ast.Assign(targets=targets, value=value):
                made = self.value(value, frame)
                for target in targets:
                    self.assign(target, made, frame)
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self.assign(target, self.value(value, frame), frame)
            case ast.AugAssign(target=target, op=op, value=value):
                self._augmented(target, op, value, frame)
            case ast.Expr(value=value):
                if not isinstance(value, ast.Constant):
                    self.value(value, frame)
            case ast.Raise():
                raise self._raised(statement, frame)
            case ast.Assert(test=test, msg=message):
                if __debug__ and not self.truth(self.value(test, frame)):
                    values = () if message is None else (self.value(message, frame),)
                    raise Thrown(AssertionError, values)
            case ast.For() | ast.While():
                self._loop(statement, frame)
            case ast.Try():
                self._try(statement, frame)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                for item in items:
                    lock = self.value(item.context_expr, frame)
                    waits = isinstance(statement, ast.AsyncWith)
                    if item.optional_vars is not None or not is_lock(lock, waits=waits):
                        raise CannotTell("it has a `with` of something that is no lock")
                self.block(body, frame)
            case ast.Match():
                self.match(statement, frame)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target, frame)
            case ast.Pass() | ast.Global() | ast.Nonlocal():
                pass
            case ast.Break():
                raise _Break
            case ast.Continue():
                raise _Continue
            case ast.FunctionDef(name=name, decorator_list=[]):
                self.bind(name, self.local(statement, frame), frame)
            case _:
                raise CannotTell(f"it has a statement that is not computed, {type(statement).__name__}")

    def _branch(self, statement: ast.If, frame: CallFrame) -> list[ast.stmt]:
        """The statements that an `if` comes to; a chain of `elif` is no deeper than one."""
        while not self.truth(self.value(statement.test, frame)):
            match statement.orelse:
                case [ast.If() as after]:
                    statement = after
                case other:
                    return other
        return statement.body

    def bind(self, name: str, value: Any, frame: CallFrame) -> None:
        """A name of the function's, or of one around it."""
        name = mangled(name, frame.function.__code__)
        at: CallFrame | None = frame
        if name in frame.scope.globals:
            raise CannotTell(f"it sets the global {name}")
        if name in frame.scope.outer:
            at = frame.outer
            while at is not None and name not in at.scope.own:
                at = at.outer
            if at is None:
                raise CannotTell(f"it sets {name} of a function around it")
        (at or frame).locals[name] = value

    def assign(self, target: ast.expr, value: Any, frame: CallFrame) -> None:
        """`target = value`."""
        match target:
            case ast.Name(id=name):
                self.bind(name, value, frame)
            case ast.Attribute(value=base, attr=name):
                self._set_attribute(self.value(base, frame), mangled(name, frame.function.__code__), value)
            case ast.Subscript(value=base, slice=slice_):
                self._set_item(self.value(base, frame), self.value(slice_, frame), value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                self._unpack(elements, value, frame)
            case _:
                raise CannotTell("it assigns in a way that is not computed")

    def _unpack(self, elements: list[ast.expr], value: Any, frame: CallFrame) -> None:
        if isinstance(value, Hole):
            raise CannotTell("it unpacks a value that is not known")
        if is_one(type(value), (type(None), int, float, bool)):
            raise Thrown(TypeError, (f"cannot unpack non-iterable {type(value).__name__} object",))
        items = self.unpacked(value)
        star = next((n for n, e in enumerate(elements) if isinstance(e, ast.Starred)), None)
        least = len(elements) - (star is not None)
        if len(items) < least or (star is None and len(items) > least):
            if sys.version_info >= (3, 14) or star is not None:
                raise CannotTell("it unpacks another number of values")
            few = f"not enough values to unpack (expected {least}, got {len(items)})"
            many = f"too many values to unpack (expected {least})"
            raise Thrown(ValueError, (few if len(items) < least else many,))
        if star is not None:
            end = len(items) - (len(elements) - star - 1)
            items[star:end] = [items[star:end]]
        for element, item in zip(elements, items, strict=True):
            self.assign(element.value if isinstance(element, ast.Starred) else element, item, frame)

    def _set_attribute(self, on: Any, name: str, value: Any) -> None:
        if not isinstance(on, Record) or on.alike or own_method(on.cls, "__setattr__") is not None:
            raise CannotTell(f"it sets .{name} of {kind_of(on)}")
        if isinstance(value, (OneWayIterator, *VIEWS)):
            raise CannotTell(f"it keeps {kind_of(value)}")
        static = own_method(on.cls, name)
        if type(static) is property and type(static.fset) is FunctionType:
            self.call(Method(static.fset, on, True), [value], {})
            return
        slot = type(static) is MemberDescriptorType
        if not slot and own_method(type(static), "__set__") is not None:
            raise CannotTell(f"it sets {name}, an attribute that code makes")
        place = subclass(on.cls, BaseException) or any("__dict__" in body_of(b) for b in mro_of(on.cls))
        if not slot and not place:
            raise CannotTell(f"it sets .{name}, for which its class has no place")
        on.fields[name] = value

    def _set_item(self, base: Any, key: Any, value: Any) -> None:
        if isinstance(key, Hole):
            raise CannotTell(f"it stores under {key.why}")
        if isinstance(base, StoredDict):
            found = operators.stored_key(base, key)
            if found is None and type(key) is not str:
                raise CannotTell("it stores under a key that is no text")
            base[key if found is None else found] = value
        elif type(base) is list or operators.known_dict(base):
            if type(key) is slice:
                self.charge(base)
                value = self.unpacked(value)
            self.put(base, key, value)
        else:
            raise CannotTell(f"it sets an item of {kind_of(base)}")

    def _delete(self, target: ast.expr, frame: CallFrame) -> None:
        if isinstance(target, ast.Subscript):
            base, key = self.value(target.value, frame), self.value(target.slice, frame)
            if (type(base) is list or operators.known_dict(base)) and not isinstance(key, Hole):
                self.charge(base if type(key) is slice else key)
                if isinstance(base, dict) and operators.key_missing(base, key):
                    operators.mixed(base, key)
                operators.attempt(base.__delitem__, key)
                return
        if isinstance(target, ast.Name) and target.id in frame.scope.own:
            if target.id not in frame.locals:
                raise unbound(target.id, own=True)
            del frame.locals[target.id]
            return
        raise CannotTell("it deletes something that is not computed")

    def _augmented(self, target: ast.expr, op: ast.operator, value: ast.expr, frame: CallFrame) -> None:
        match target:
            case ast.Name(id=name):
                before = self.name(target, frame)
                self.bind(name, self._changed(op, before, self.value(value, frame)), frame)
            case ast.Attribute(value=base, attr=attr):
                on, attr = self.value(base, frame), mangled(attr, frame.function.__code__)
                before = self.attribute(on, attr)
                self._set_attribute(on, attr, self._changed(op, before, self.value(value, frame)))
            case ast.Subscript(value=base, slice=inner):
                on, key = self.value(base, frame), self.value(inner, frame)
                before = operators.subscript(on, key)
                self._set_item(on, key, self._changed(op, before, self.value(value, frame)))
            case _:
                raise CannotTell("it assigns in a way that is not computed")

    def _changed(self, op: ast.operator, before: Any, by: Any) -> Any:
        if isinstance(before, list | set | dict):
            self.charge(by)
            return operators.changed(op, before, by)
        return self.binary(op, before, by, in_place=True)

    def _loop(self, statement: ast.For | ast.While, frame: CallFrame) -> None:
        items: Iterator[Any] = iter(())
        if isinstance(statement, ast.For):
            items = self.gone_over(self.value(statement.iter, frame))
        try:
            while True:
                if isinstance(statement, ast.For):
                    found = self.next_of(items)
                    if not found:
                        break
                    self.assign(statement.target, found[0], frame)
                elif not self.truth(self.value(statement.test, frame)):
                    break
                with suppress(_Continue):
                    self.block(statement.body, frame)
        except _Break:
            return
        self.block(statement.orelse, frame)

    # --- exceptions -------------------------------------------------------------------------------

    def _try(self, statement: ast.Try, frame: CallFrame) -> None:
        try:
            try:
                self.block(statement.body, frame)
            except Thrown as thrown:
                self._handle(statement, thrown, frame)
            else:
                self.block(statement.orelse, frame)
        except (Thrown, Returned, _Break, _Continue):
            self.block(statement.finalbody, frame)
            raise
        else:
            self.block(statement.finalbody, frame)

    def _handle(self, statement: ast.Try, thrown: Thrown, frame: CallFrame) -> None:
        for handler in statement.handlers:
            if not self._catches(handler, thrown, frame):
                continue
            before, frame.handling = frame.handling, thrown
            if handler.name is not None:
                if thrown.caught is None:
                    fields = {**thrown.fields, "args": thrown.values}
                    thrown.caught = Record(thrown.cls, fields, whole=True)
                self.bind(handler.name, thrown.caught, frame)
            try:
                self.block(handler.body, frame)
            finally:
                frame.handling = before
                if handler.name is not None:
                    frame.locals.pop(handler.name, None)
            return
        raise thrown

    def _catches(self, handler: ast.ExceptHandler, thrown: Thrown, frame: CallFrame) -> bool:
        if handler.type is None:
            return True
        caught = self.value(handler.type, frame)
        for cls in caught if type(caught) is tuple else (caught,):
            if not is_a(cls, type) or not subclass(cls, BaseException):
                raise CannotTell("it catches an exception of an unknown class")
            if subclass(thrown.cls, cls):
                return True
        return False

    def _raised(self, statement: ast.Raise, frame: CallFrame) -> Exception:
        if statement.exc is None:
            if frame.handling is None:
                raise CannotTell("it raises nothing")
            caught = frame.handling.caught  # whose attributes a handler may have set
            return frame.handling if caught is None else _thrown(caught)
        made = self.value(statement.exc, frame)
        if is_a(made, type) and subclass(made, BaseException):
            made = self.made(made, [], {})
        if not isinstance(made, Record) or not subclass(made.cls, BaseException):
            raise CannotTell("it raises something that is not known")
        if statement.cause is not None:
            cause = self.value(statement.cause, frame)
            if cause is not None and not (isinstance(cause, Record) and subclass(cause.cls, BaseException)):
                raise CannotTell("it raises from something that is not known")
        return _thrown(made)


def _thrown(error: Record) -> Thrown:
    """An exception's object as it is raised."""
    fields = dict(error.fields)
    thrown = Thrown(error.cls, fields.pop("args", ()), fields)
    thrown.caught = error
    return thrown
