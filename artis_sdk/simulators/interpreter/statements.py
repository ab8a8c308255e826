"""Statements and calls of the source, carried out over the interpreter's values."""

from __future__ import annotations

import ast
import logging
from contextlib import suppress
from typing import Any, Final

from artis_sdk.simulators.interpreter import operators
from artis_sdk.simulators.interpreter.invoke import Returned
from artis_sdk.simulators.interpreter.names import CallFrame
from artis_sdk.simulators.interpreter.objects import Objects
from artis_sdk.simulators.interpreter.values import (
    CannotTell,
    Hole,
    Local,
    Record,
    StoredDict,
    Thrown,
    is_a,
    own_method,
)
from artis_sdk.tools.source_checks.errors import caught_classes
from artis_sdk.tools.source_checks.shapes import NameTable

_MISSING: Final = object()


class _Break(Exception):
    pass


class _Continue(Exception):
    pass


class Interpreter(Objects):
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
            case ast.If(test=test, body=body, orelse=orelse):
                self.block(body if self.truth(self.value(test, frame)) else orelse, frame)
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
                if not _says_only(value, frame):
                    self.value(value, frame)
            case ast.Raise():
                raise self._raised(statement, frame)
            case ast.Assert(test=test, msg=message):
                if not self.truth(self.value(test, frame)):
                    values = () if message is None else (self.value(message, frame),)
                    raise Thrown(AssertionError, values, {})
            case ast.For() | ast.While():
                self._loop(statement, frame)
            case ast.Try():
                self._try(statement, frame)
            case ast.With(items=items, body=body) if all(_is_lock(i.context_expr) for i in items):
                self.block(body, frame)
            case ast.Delete(targets=targets):
                for target in targets:
                    self._delete(target, frame)
            case ast.Pass():
                pass
            case ast.Break():
                raise _Break
            case ast.Continue():
                raise _Continue
            case ast.FunctionDef(name=name, decorator_list=[]):
                frame.locals[name] = Local(statement, frame)
            case _:
                raise CannotTell(f"it has a statement that is not computed, {type(statement).__name__}")

    def assign(self, target: ast.expr, value: Any, frame: CallFrame) -> None:
        """`target = value`."""
        match target:
            case ast.Name(id=name):
                frame.locals[name] = value
            case ast.Attribute(value=base, attr=name):
                on = self.value(base, frame)
                if isinstance(on, StoredDict) and name in on:
                    on[name] = value
                elif isinstance(on, Record) and own_method(on.cls, "__setattr__") is None:
                    static = own_method(on.cls, name)
                    if isinstance(static, property):
                        raise CannotTell(f"it sets the property {name}")
                    on.fields[name] = value
                else:
                    raise CannotTell(f"it sets .{name} of a {type(on).__name__}")
            case ast.Subscript(value=base, slice=slice_):
                self._set_item(self.value(base, frame), self.value(slice_, frame), value)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                if isinstance(value, Hole) or any(isinstance(e, ast.Starred) for e in elements):
                    raise CannotTell("it unpacks a value that is not known")
                items = list(operators.iterated(value))
                if len(items) != len(elements):
                    raise CannotTell("it unpacks another number of values")
                for element, item in zip(elements, items, strict=True):
                    self.assign(element, item, frame)
            case _:
                raise CannotTell("it assigns in a way that is not computed")

    def _set_item(self, base: Any, key: Any, value: Any) -> None:
        if isinstance(key, Hole):
            raise CannotTell(f"it stores under {key.why}")
        if isinstance(base, StoredDict):
            found = operators.stored_key(base, key)
            if found is None and type(key) is not str:
                if type(key) is not int or any(not operators.numeric(k) for k in base):
                    raise CannotTell("it stores under a key that is no text")
                found = str(key)
            base[key if found is None else found] = value
        elif isinstance(base, dict | list):
            operators.attempt(base.__setitem__, key, value)
        else:
            raise CannotTell(f"it sets an item of a {type(base).__name__}")

    def _delete(self, target: ast.expr, frame: CallFrame) -> None:
        if isinstance(target, ast.Subscript):
            base, key = self.value(target.value, frame), self.value(target.slice, frame)
            if isinstance(base, StoredDict):
                found = operators.stored_key(base, key)
                key = key if found is None else found
            if isinstance(base, dict | list) and not isinstance(key, Hole):
                operators.attempt(base.__delitem__, key)
                return
        raise CannotTell("it deletes something that is not computed")

    def _augmented(self, target: ast.expr, op: ast.operator, value: ast.expr, frame: CallFrame) -> None:
        read = ast.copy_location(_as_read(target), target)
        before = self.value(read, frame)
        made = self.value(value, frame)
        if isinstance(before, list) and isinstance(op, ast.Add):
            before.extend(operators.iterated(made))
            return
        if isinstance(before, set | dict):
            raise CannotTell("it changes a container in a way that is not computed")
        self.assign(target, operators.binary(op, before, made), frame)

    def _loop(self, statement: ast.For | ast.While, frame: CallFrame) -> None:
        items = iter(())
        if isinstance(statement, ast.For):
            items = iter(operators.iterated(self.value(statement.iter, frame)))
        try:
            while True:
                if isinstance(statement, ast.For):
                    item = next(items, _MISSING)
                    if item is _MISSING:
                        break
                    self.assign(statement.target, item, frame)
                elif not self.truth(self.value(statement.test, frame)):
                    break
                with suppress(_Continue):
                    self.block(statement.body, frame)
        except _Break:
            return
        self.block(statement.orelse, frame)

    def _try(self, statement: ast.Try, frame: CallFrame) -> None:
        try:
            try:
                self.block(statement.body, frame)
            except Thrown as thrown:
                self._handle(statement, thrown, frame)
            else:
                self.block(statement.orelse, frame)
        except CannotTell:
            raise
        except (Thrown, Returned, _Break, _Continue):
            self.block(statement.finalbody, frame)
            raise
        else:
            self.block(statement.finalbody, frame)

    def _handle(self, statement: ast.Try, thrown: Thrown, frame: CallFrame) -> None:
        names = NameTable({}, frame.function.__globals__)
        for handler in statement.handlers:
            for caught in caught_classes(handler, names):
                if caught is None:
                    raise CannotTell("it catches an exception of an unknown class")
                if issubclass(thrown.cls, caught):
                    before, frame.handling = frame.handling, thrown
                    if handler.name is not None:
                        fields = {**thrown.fields, "args": thrown.values}
                        frame.locals[handler.name] = Record(thrown.cls, fields, whole=True)
                    self.block(handler.body, frame)
                    frame.handling = before
                    return
        raise thrown

    def _raised(self, statement: ast.Raise, frame: CallFrame) -> Exception:
        if statement.exc is None:
            if frame.handling is None:
                raise CannotTell("it raises nothing")
            return frame.handling
        made = self.value(statement.exc, frame)
        if is_a(made, type) and issubclass(made, BaseException):
            made = self.made(made, [], {})
        if not isinstance(made, Record) or not issubclass(made.cls, BaseException):
            raise CannotTell("it raises something that is not known")
        fields = dict(made.fields)
        return Thrown(made.cls, fields.pop("args", ()), fields)


def _is_lock(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute | ast.Name) and "lock" in (
        node.attr if isinstance(node, ast.Attribute) else node.id
    )


def _says_only(node: ast.expr, frame: CallFrame) -> bool:
    """Whether a statement only writes to a log, or is a text."""
    if isinstance(node, ast.Constant):
        return True
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name))):
            return is_a(frame.function.__globals__.get(name), logging.Logger)
    return False


def _as_read(target: ast.expr) -> ast.expr:
    match target:
        case ast.Name(id=name):
            return ast.Name(id=name, ctx=ast.Load())
        case ast.Attribute(value=value, attr=attr):
            return ast.Attribute(value=value, attr=attr, ctx=ast.Load())
        case ast.Subscript(value=value, slice=inner):
            return ast.Subscript(value=value, slice=inner, ctx=ast.Load())
    raise CannotTell("it assigns in a way that is not computed")
