"""Syntax trees as text, and their parts in the order in which they run; whatever their depth."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, Final, TypeVar

EXPRESSION: Final = 40
"""Levels of an expression that are read: Python's own functions on trees call themselves once a level."""
FUNCTION: Final = 80

Tree = TypeVar("Tree", bound=ast.AST)
Condition = tuple[ast.expr, bool] | ast.comprehension
"""A test and whether it holds, or a loop of a comprehension."""


def bounded(node: Tree, levels: int = EXPRESSION) -> Tree:
    """A copy in which `...` stands for what lies deeper."""
    made: Tree = _copied(node, levels)
    return made


def written(node: ast.AST) -> str:
    """Source text, with `...` for what lies deeper than `EXPRESSION`."""
    return ast.unparse(bounded(node))


def sum_of(node: ast.expr) -> list[ast.expr]:
    """The terms of a sum, from the left."""
    terms: list[ast.expr] = []
    while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        terms.append(node.right)
        node = node.left
    return [node, *reversed(terms)]


def chain_of(node: ast.If) -> tuple[list[ast.If], list[ast.stmt]]:
    """The branches of `if` and `elif`, and the statements of `else`."""
    found = [node]
    while len(found[-1].orelse) == 1 and isinstance(found[-1].orelse[0], ast.If):
        found.append(found[-1].orelse[0])
    return found, found[-1].orelse


def evaluated(
    node: ast.AST, over: tuple[Condition, ...] = (), levels: int = EXPRESSION
) -> Iterator[tuple[ast.expr, tuple[Condition, ...]]]:
    """The parts of an expression in the order in which they run, each with the conditions that lead there.

    What a `lambda` does has the place where it stands.
    """
    if not levels:
        return
    inner: list[tuple[ast.AST, tuple[Condition, ...]]] = []
    match node:
        case ast.IfExp(test=test, body=body, orelse=orelse):
            inner = [(test, over), (body, (*over, (test, True))), (orelse, (*over, (test, False)))]
        case ast.BoolOp(op=op, values=values):
            before = over
            for value in values:
                inner.append((value, before))
                before = (*before, (value, isinstance(op, ast.And)))
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            for loop in node.generators:
                inner.append((loop.iter, over))
                over = (*over, ast.comprehension(loop.target, loop.iter, [], loop.is_async))
                for test in loop.ifs:
                    inner.append((test, over))
                    over = (*over, (test, True))
            elements = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
            inner += [(element, over) for element in elements]
        case _:
            inner = [(child, over) for child in ast.iter_child_nodes(node)]
    for child, here in inner:
        yield from evaluated(child, here, levels - 1)
    if isinstance(node, ast.expr):
        yield node, over


def bound_in(node: ast.AST) -> set[str]:
    """The names that a comprehension or a `lambda` binds for itself."""
    if isinstance(node, ast.Lambda):
        arguments = node.args
        return {a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    loops = getattr(node, "generators", ())
    return {n.id for loop in loops for n in ast.walk(loop.target) if isinstance(n, ast.Name)}


def decided(node: ast.expr) -> bool | None:
    """Whether a test of constants holds; None of any other."""
    match node:
        case ast.Constant(value=value) if value is not ...:
            return bool(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = decided(operand)
            return None if inner is None else not inner
        case ast.Compare(left=ast.Constant(value=left), ops=[op], comparators=[ast.Constant(value=right)]):
            if isinstance(op, ast.Is | ast.IsNot) and (left is None or right is None):
                return (left is right) == isinstance(op, ast.Is)
            if isinstance(op, ast.Eq | ast.NotEq):
                return bool(left == right) == isinstance(op, ast.Eq)
        case ast.BoolOp(op=op, values=values):
            every = [decided(value) for value in values]
            ends = isinstance(op, ast.Or)
            if ends in every[:1] or (None not in every and ends in every):
                return ends
            return None if None in every else not ends
    return None


def negated(text: str) -> str:
    """The text of the opposite."""
    if text.startswith("not "):
        try:
            made = ast.parse(text, mode="eval").body
        except (SyntaxError, MemoryError):  # a loop's, or one that was cut
            return f"not ({text})"
        if isinstance(made, ast.UnaryOp):
            return ast.unparse(made.operand)
    return f"not ({text})"


def _copied(node: Any, levels: int) -> Any:
    if isinstance(node, list):
        return [_copied(one, levels) for one in node]
    if not isinstance(node, ast.AST):
        return node
    if not levels and isinstance(node, ast.expr):
        return ast.Constant(...)
    if not levels and isinstance(node, ast.stmt):
        return ast.Expr(ast.Constant(...))
    made = type(node)(**{name: _copied(value, max(levels - 1, 0)) for name, value in ast.iter_fields(node)})
    return ast.copy_location(made, node) if hasattr(node, "lineno") else made
