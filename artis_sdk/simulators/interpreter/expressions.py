"""Expressions of the source, computed."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import Any, Final

from artis_sdk.simulators.interpreter import operators
from artis_sdk.simulators.interpreter.names import CallFrame
from artis_sdk.simulators.interpreter.operations import ValueOperations
from artis_sdk.simulators.interpreter.scopes import mangled, scope_of_comprehension
from artis_sdk.simulators.interpreter.values import (
    LONGEST,
    CannotTell,
    Hole,
    Local,
    LogCall,
    OneWayIterator,
    Pending,
    Record,
    Thrown,
    kind_of,
    plain,
)
from artis_sdk.tools.source_checks.static import subclass


class Expressions(ValueOperations):
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

    def items(self, nodes: list[ast.expr], frame: CallFrame) -> list[Any]:
        made: list[Any] = []
        for node in nodes:
            if isinstance(node, ast.Starred):
                made.extend(self.unpacked(self.value(node.value, frame)))
                if len(made) > LONGEST:
                    raise CannotTell("it makes a huge value")
            else:
                made.append(self.value(node, frame))
        return made

    def unpacked(self, value: Any) -> list[Any]:
        """The items of a value that `*` or an assignment takes apart; messages on others differ by place."""
        if plain(value) and type(value) is not str:
            raise CannotTell(f"it unpacks {kind_of(value)}")
        self.charge(value)
        return list(self.each(self.gone_over(value)))

    def gone_over(self, value: Any, *, ordered: bool = True) -> Iterator[Any]:
        """The items of a value, one by one, from the container as it is at that moment."""
        return operators.attempt(iter, operators.iterated(value, ordered=ordered))  # type: ignore[no-any-return]

    def next_of(self, items: Iterator[Any]) -> tuple[Any, ...]:
        """The next item, as a tuple of one; an empty one at the end."""
        try:
            return (operators.attempt(next, items),)
        except StopIteration:
            return ()

    def each(self, items: Iterator[Any]) -> Iterator[Any]:
        while found := self.next_of(items):
            yield found[0]

    def loops(
        self, parts: list[ast.comprehension], frame: CallFrame, over: Iterator[Any] | None = None
    ) -> Iterator[CallFrame]:
        """The frame of a comprehension, once for each of its items: functions in it see its last names.

        Args:
            parts: its `for`s.
            frame: the frame around it.
            over: items of the first one, which is computed before the rest.
        """
        if any(part.is_async for part in parts):
            raise CannotTell("it goes over an asynchronous iterator")
        if over is None:
            over = self.gone_over(self.value(parts[0].iter, frame))
        inner = CallFrame(frame.function, {}, frame, scope_of_comprehension(tuple(parts)), inside=True)
        for _ in self._rounds(parts, inner, over):
            yield inner

    def _rounds(
        self, parts: list[ast.comprehension], inner: CallFrame, over: Iterator[Any]
    ) -> Iterator[None]:
        first, *rest = parts
        for item in self.each(over):
            self.steps += 1
            self.assign(first.target, item, inner)
            if all(self.truth(self.value(test, inner)) for test in first.ifs):
                if rest:
                    yield from self._rounds(rest, inner, self.gone_over(self.value(rest[0].iter, inner)))
                else:
                    yield None

    def assign(self, target: ast.expr, value: Any, frame: CallFrame) -> None:
        raise NotImplementedError

    def bind(self, name: str, value: Any, frame: CallFrame) -> None:
        raise NotImplementedError

    def spec(self, node: ast.expr | None, frame: CallFrame) -> Any:
        return "" if node is None else self.value(node, frame)

    def parent(self, node: ast.Call, frame: CallFrame) -> Any:
        raise NotImplementedError

    def local(self, node: ast.Lambda | ast.FunctionDef, frame: CallFrame) -> Local:
        raise NotImplementedError


# --- one rule a kind of expression --------------------------------------------------------------------

Rule = Callable[[Any, Any, CallFrame], Any]


def _joined(self: Expressions, node: ast.JoinedStr, frame: CallFrame) -> Any:
    parts: list[Any] = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            value = self.value(part.value, frame)
            parts.append(self.formatted(value, self.spec(part.format_spec, frame), part.conversion))
        else:
            parts.append(self.value(part, frame))
    return self.joined(parts)


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
            if not operators.known_dict(inner):
                raise CannotTell("it unpacks a value that is no dictionary")
            self.charge(inner)
            made |= inner
        else:
            self.put(made, self.value(key, frame), self.value(value, frame))
    return made


def _sliced(self: Expressions, node: ast.Slice, frame: CallFrame) -> Any:
    parts = [None if p is None else self.value(p, frame) for p in (node.lower, node.upper, node.step)]
    if not all(p is None or type(p) in (int, bool) for p in parts):
        raise CannotTell("it takes a part of a value, from where is not known")
    return slice(*parts)


def _subscript(self: Expressions, node: ast.Subscript, frame: CallFrame) -> Any:
    base, key = self.value(node.value, frame), self.value(node.slice, frame)
    if isinstance(base, Hole) and base.kind is str and type(key) is slice and key.step != 0:
        return self.derive(base, "slice", str)
    self.charge(base if type(key) is slice else key)
    return operators.subscript(base, key)


def _called(self: Expressions, node: ast.Call, frame: CallFrame) -> Any:
    function = self.value(node.func, frame) if not _is_super(node.func) else self.parent(node, frame)
    if isinstance(function, LogCall):
        return _logged(self, function, node, frame)
    values = self.items(node.args, frame)
    named: dict[str, Any] = {}
    for one in node.keywords:
        value = self.value(one.value, frame)
        given = {one.arg: value} if one.arg is not None else value
        if not operators.known_dict(given) or not all(type(name) is str for name in given):
            raise CannotTell("it unpacks a value that is no dictionary")
        if named.keys() & given.keys():
            raise CannotTell("it gives a parameter twice")
        named |= given
    return self.call(function, values, named)


def _logged(self: Expressions, function: LogCall, node: ast.Call, frame: CallFrame) -> None:
    """A call that writes to a log: what its arguments do counts, their texts do not."""
    for one in (*node.args, *(keyword.value for keyword in node.keywords)):
        try:
            value = self.value(one, frame)
        except CannotTell:
            if any(isinstance(inner, ast.Call | ast.Await | ast.NamedExpr) for inner in ast.walk(one)):
                raise
            continue
        if function.name == "print" and isinstance(value, Record):
            raise CannotTell("it prints an object")


def _is_super(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "super"
        and not node.value.args
    )


def _awaited(self: Expressions, node: ast.Await, frame: CallFrame) -> Any:
    value = self.value(node.value, frame)
    if not isinstance(value, Pending):
        raise CannotTell("it waits for something")
    return value.run()


def _listed(kind: Any) -> Rule:
    def rule(self: Expressions, node: Any, frame: CallFrame) -> Any:
        made = self.items(node.elts, frame)
        if kind is set:
            self.charge(made)  # for their hashes
        return operators.attempt(kind, made)

    return rule


def _comprehended(kind: Any) -> Rule:
    def rule(self: Expressions, node: Any, frame: CallFrame) -> Any:
        over = None
        if kind is set and _uniform(node):
            over = self.gone_over(self.value(node.generators[0].iter, frame), ordered=False)
        made = [self.value(node.elt, f) for f in self.loops(node.generators, frame, over)]
        if kind is set:
            self.charge(made)
        return operators.attempt(kind, made)

    return rule


def _uniform(node: ast.SetComp) -> bool:
    """Whether it is the same in whatever order it goes over its items: nothing in it can raise or change."""
    parts = [node.elt, *node.generators[0].ifs]
    fine = ast.Name | ast.Constant | ast.expr_context | ast.Compare | ast.Eq | ast.NotEq | ast.In | ast.NotIn
    return len(node.generators) == 1 and all(isinstance(n, fine) for part in parts for n in ast.walk(part))


def _generator(self: Expressions, node: ast.GeneratorExp, frame: CallFrame) -> OneWayIterator:
    over = self.gone_over(self.value(node.generators[0].iter, frame))

    def items() -> Iterator[Any]:
        try:
            for inner in self.loops(node.generators, frame, over):
                yield self.value(node.elt, inner)
        except Thrown as thrown:
            if subclass(thrown.cls, StopIteration):
                raise Thrown(RuntimeError, ("generator raised StopIteration",)) from None
            raise

    return OneWayIterator("generator", items())


def _named(self: Expressions, node: ast.NamedExpr, frame: CallFrame) -> Any:
    value = self.value(node.value, frame)
    at = frame
    while at.inside and at.outer is not None:
        at = at.outer
    self.bind(node.target.id, value, at)
    return value


def _dict_comprehended(self: Expressions, node: ast.DictComp, frame: CallFrame) -> Any:
    made: dict[Any, Any] = {}
    for inner in self.loops(node.generators, frame):
        self.put(made, self.value(node.key, inner), self.value(node.value, inner))
    return made


def _conditional(self: Expressions, node: ast.IfExp, frame: CallFrame) -> Any:
    return self.value(node.body if self.truth(self.value(node.test, frame)) else node.orelse, frame)


def _unary(self: Expressions, node: ast.UnaryOp, frame: CallFrame) -> Any:
    value = self.value(node.operand, frame)
    return not self.truth(value) if isinstance(node.op, ast.Not) else operators.unary(node.op, value)


def _binary(self: Expressions, node: ast.BinOp, frame: CallFrame) -> Any:
    return self.binary(node.op, self.value(node.left, frame), self.value(node.right, frame))


def _constant(self: Expressions, node: ast.Constant, frame: CallFrame) -> Any:
    if not plain(node.value):
        raise CannotTell(f"it uses {kind_of(node.value)}")
    return node.value


def _attribute(self: Expressions, node: ast.Attribute, frame: CallFrame) -> Any:
    name = mangled(node.attr, frame.function.__code__)
    return self.attribute(self.value(node.value, frame), name)


_RULES: Final[dict[type, Rule]] = {
    ast.Constant: _constant,
    ast.Name: lambda self, node, frame: self.name(node, frame),
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
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
    ast.GeneratorExp: _generator,
    ast.SetComp: _comprehended(set),
    ast.DictComp: _dict_comprehended,
    ast.Call: _called,
    ast.Await: _awaited,
    ast.NamedExpr: _named,
    ast.Lambda: lambda self, node, frame: self.local(node, frame),
}
