"""Expressions of the source, computed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any, Final

from artis_sdk.simulators.interpreter import methods, operators
from artis_sdk.simulators.interpreter.names import CallFrame, Names
from artis_sdk.simulators.interpreter.values import (
    CONTAINERS,
    CannotTell,
    Hole,
    Local,
    Method,
    Pending,
    Record,
    Thrown,
    own_method,
    plain,
)


class Expressions(Names):
    """Computes expressions; see `Names` for the arguments."""

    def value(self, node: ast.expr, frame: CallFrame) -> Any:
        """The value of an expression.

        Raises:
            CannotTell: source and state do not determine it.
            Thrown: it raises.
        """
        self.enter()
        try:
            rule = _RULES.get(type(node))
            if rule is None:
                raise CannotTell(f"it has an expression that is not computed, {type(node).__name__}")
            return rule(self, node, frame)
        finally:
            self.depth -= 1

    def truth(self, value: Any) -> bool:
        """Whether a value counts as true."""
        if isinstance(value, Hole):
            raise CannotTell(f"it depends on {value.why}")
        if isinstance(value, Record):
            if own_method(value.cls, "__bool__") or own_method(value.cls, "__len__"):
                raise CannotTell(f"it asks whether an object of {value.cls.__name__} is true")
            return True
        if plain(value) or isinstance(value, (range, *CONTAINERS)):
            return bool(value)
        return True

    def compared(self, op: ast.cmpop, left: Any, right: Any) -> Any:
        """One comparison; of objects by their class's own `==`, if that is in the source."""
        if isinstance(left, Record) and isinstance(op, ast.Eq | ast.NotEq) and not isinstance(right, Hole):
            equal = own_method(left.cls, "__eq__")
            if type(equal) is FunctionType and not equal.__code__.co_filename.startswith("<string>"):
                said = self.truth(self.call(Method(equal, left, True), [right], {}))
                return said is isinstance(op, ast.Eq)
            if own_method(left.cls, "__dataclass_fields__") is not None and equal is not None:
                same = isinstance(right, Record) and right.cls is left.cls and left.fields == right.fields
                return same is isinstance(op, ast.Eq)
        return operators.compare(op, left, right)

    def items(self, nodes: list[ast.expr], frame: CallFrame) -> list[Any]:
        made: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                made.extend(operators.iterated(self.value(node.value, frame)))
            else:
                made.append(self.value(node, frame))
        return made

    def loops(
        self, parts: list[ast.comprehension], frame: CallFrame, *, ordered: bool = True
    ) -> Iterator[CallFrame]:
        """The frames of a comprehension, one for each of its items."""
        first, *rest = parts
        if first.is_async:
            raise CannotTell("it goes over an asynchronous iterator")
        for item in operators.iterated(self.value(first.iter, frame), ordered=ordered):
            inner = CallFrame(frame.function, {}, frame)
            self.assign(first.target, item, inner)
            if all(self.truth(self.value(test, inner)) for test in first.ifs):
                if rest:
                    yield from self.loops(rest, inner, ordered=ordered)
                else:
                    yield inner

    def assign(self, target: ast.expr, value: Any, frame: CallFrame) -> None:
        raise NotImplementedError

    def spec(self, node: ast.expr | None, frame: CallFrame) -> Any:
        return "" if node is None else self.value(node, frame)

    def parent(self, node: ast.Call, frame: CallFrame) -> Any:
        raise NotImplementedError


# --- one rule a kind of expression --------------------------------------------------------------------

Rule = Callable[[Any, Any, CallFrame], Any]


def _joined(self: Expressions, node: ast.JoinedStr, frame: CallFrame) -> Any:
    texts: list[str] = []
    unknown: Hole | None = None
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            spec = self.spec(part.format_spec, frame)
            made = operators.formatted(self.value(part.value, frame), spec, part.conversion)
        else:
            made = self.value(part, frame)
        if isinstance(made, Hole):
            unknown = made
        else:
            texts.append(made)
    return "".join(texts) if unknown is None else unknown


def _boolean(self: Expressions, node: ast.BoolOp, frame: CallFrame) -> Any:
    stop = isinstance(node.op, ast.Or)
    value: Any = None
    for part in node.values:
        value = self.value(part, frame)
        if part is not node.values[-1] and self.truth(value) is stop:
            return value
    return value


def _comparison(self: Expressions, node: ast.Compare, frame: CallFrame) -> Any:
    left = self.value(node.left, frame)
    said: Any = True
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = self.value(part, frame)
        self.charge(left, right)
        said = self.compared(op, left, right)
        if part is not node.comparators[-1] and not self.truth(said):
            return said
        left = right
    return said


def _dictionary(self: Expressions, node: ast.Dict, frame: CallFrame) -> Any:
    made: dict[Any, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            inner = self.value(value, frame)
            if not isinstance(inner, dict):
                raise CannotTell("it unpacks a value that is no dictionary")
            made |= inner
        else:
            operators.attempt(made.__setitem__, self.value(key, frame), self.value(value, frame))
    return made


def _sliced(self: Expressions, node: ast.Slice, frame: CallFrame) -> Any:
    parts = [None if p is None else self.value(p, frame) for p in (node.lower, node.upper, node.step)]
    if any(isinstance(p, Hole) for p in parts):
        return next(p for p in parts if isinstance(p, Hole))
    return slice(*parts)


def _called(self: Expressions, node: ast.Call, frame: CallFrame) -> Any:
    function = self.value(node.func, frame) if not _is_super(node.func) else self.parent(node, frame)
    short = _short_circuit(self, function, node, frame)
    if short is not None:
        return short
    values = self.items(node.args, frame)
    named: dict[str, Any] = {}
    for one in node.keywords:
        value = self.value(one.value, frame)
        if one.arg is not None:
            named[one.arg] = value
        elif isinstance(value, dict):
            named |= value
        else:
            raise CannotTell("it unpacks a value that is no dictionary")
    return self.call(function, values, named)


def _short_circuit(self: Expressions, function: Any, node: ast.Call, frame: CallFrame) -> Any:
    """`any` and `all` over a generator, and `next`, which stop before its end; None for other calls."""
    if (
        not methods.one_of(function, (any, all, next))
        or not node.args
        or not isinstance(node.args[0], ast.GeneratorExp)
    ):
        return None
    over = node.args[0]
    if function is next:
        for inner in self.loops(over.generators, frame):
            return _Found(self.value(over.elt, inner)).value
        if len(node.args) > 1:
            made = self.value(node.args[1], frame)
            return _NONE if made is None else made
        raise Thrown(StopIteration, (), {})
    for inner in self.loops(over.generators, frame, ordered=False):
        if self.truth(self.value(over.elt, inner)) is (function is any):
            return function is any
    return function is all


class _Found:
    def __init__(self, value: Any) -> None:
        self.value = _NONE if value is None else value


_NONE: Final = object()


def _is_super(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
        and not node.value.args
    )


def _plain_call(self: Expressions, node: ast.Call, frame: CallFrame) -> Any:
    made = _called(self, node, frame)
    return None if made is _NONE else made


def _awaited(self: Expressions, node: ast.Await, frame: CallFrame) -> Any:
    value = self.value(node.value, frame)
    if isinstance(value, Hole):
        return value
    if not isinstance(value, Pending):
        raise CannotTell("it waits for something")
    return value.run()


def _listed(kind: Any) -> Rule:
    def rule(self: Expressions, node: Any, frame: CallFrame) -> Any:
        return operators.attempt(kind, self.items(node.elts, frame))

    return rule


def _comprehended(kind: Any) -> Rule:
    def rule(self: Expressions, node: Any, frame: CallFrame) -> Any:
        frames = self.loops(node.generators, frame, ordered=kind is list)
        return operators.attempt(kind, [self.value(node.elt, f) for f in frames])

    return rule


def _named(self: Expressions, node: ast.NamedExpr, frame: CallFrame) -> Any:
    value = self.value(node.value, frame)
    at = frame
    while at.outer is not None and at.outer.function is at.function:
        at = at.outer
    self.assign(node.target, value, at)
    return value


def _dict_comprehended(self: Expressions, node: ast.DictComp, frame: CallFrame) -> Any:
    pairs = [(self.value(node.key, f), self.value(node.value, f)) for f in self.loops(node.generators, frame)]
    return operators.attempt(dict, pairs)


def _conditional(self: Expressions, node: ast.IfExp, frame: CallFrame) -> Any:
    return self.value(node.body if self.truth(self.value(node.test, frame)) else node.orelse, frame)


def _unary(self: Expressions, node: ast.UnaryOp, frame: CallFrame) -> Any:
    value = self.value(node.operand, frame)
    return not self.truth(value) if isinstance(node.op, ast.Not) else operators.unary(node.op, value)


def _binary(self: Expressions, node: ast.BinOp, frame: CallFrame) -> Any:
    return operators.binary(node.op, self.value(node.left, frame), self.value(node.right, frame))


def _constant(self: Expressions, node: ast.Constant, frame: CallFrame) -> Any:
    if not plain(node.value):
        raise CannotTell(f"it uses a {type(node.value).__name__}")
    return node.value


_RULES: Final[dict[type, Rule]] = {
    ast.Constant: _constant,
    ast.Name: lambda self, node, frame: self.name(node, frame),
    ast.Attribute: lambda self, node, frame: self.attribute(self.value(node.value, frame), node.attr),
    ast.Subscript: lambda self, node, frame: operators.subscript(
        self.value(node.value, frame), self.value(node.slice, frame)
    ),
    ast.Slice: _sliced,
    ast.JoinedStr: _joined,
    ast.BoolOp: _boolean,
    ast.Compare: _comparison,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.IfExp: _conditional,
    ast.Dict: _dictionary,
    ast.List: _listed(list),
    ast.Tuple: _listed(tuple),
    ast.Set: _listed(set),
    ast.ListComp: _comprehended(list),
    ast.GeneratorExp: _comprehended(list),
    ast.SetComp: _comprehended(set),
    ast.DictComp: _dict_comprehended,
    ast.Call: _plain_call,
    ast.Await: _awaited,
    ast.NamedExpr: _named,
    ast.Lambda: lambda self, node, frame: Local(node, frame),
}
