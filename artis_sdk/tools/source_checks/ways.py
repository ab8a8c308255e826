"""The conditions of the cases of a `match`, of handlers, and of what `suppress` stops."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from artis_sdk.tools.source_checks.errors import caught_classes
from artis_sdk.tools.source_checks.shapes import NameTable
from artis_sdk.tools.source_checks.standing import Part, Standing, View, both
from artis_sdk.tools.source_checks.static import name_of
from artis_sdk.tools.source_checks.trees import written

_TRIED: Final = 100  # characters of the statements in a `try`


@dataclass(slots=True)
class Branch:
    """One of several blocks of which the first runs whose condition holds.

    Attributes:
        body: its statements.
        condition: its condition; None for the last one, which runs if no other does.
        names: names that stand for something in it.
        test: the expression of its condition, which is read when those before it are.
    """

    body: list[ast.stmt]
    condition: Part | None = None
    names: dict[str, ast.expr] = field(default_factory=dict)
    test: ast.expr | None = None


def failing(handler: ast.ExceptHandler, body: list[ast.stmt], names: NameTable, view: View) -> Part:
    """The condition of a handler: its exception in one of the statements that are tried."""
    kind = "an error" if handler.type is None else written(handler.type)
    classes = [one for one in caught_classes(handler, names) if one is not None]
    if isinstance(handler.type, ast.Name) and len(classes) == 1:
        kind = name_of(classes[0])
    parts = [view.part(statement) for statement in body]
    text = "; ".join(f"{part.text} ..." if part.text.endswith(":") else part.text for part in parts)
    text = text if len(text) <= _TRIED else f"{text[: _TRIED - 3]}..."
    every = frozenset[str]().union(*(part.names for part in parts))
    return Part(f"{kind} in {text}", every)


def suppressed(statement: ast.With | ast.AsyncWith) -> Iterator[ast.ExceptHandler]:
    """What `contextlib.suppress` stops, as handlers."""
    for item in statement.items:
        match item.context_expr:
            case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=errors):
                yield ast.ExceptHandler(ast.Tuple(errors, ast.Load()), None, [ast.Pass()])


def cases(statement: ast.Match, view: View) -> list[Branch]:
    """The cases of a `match`, with their conditions as comparisons where they are such."""
    found: list[Branch] = []
    for case in statement.cases:
        names: dict[str, ast.expr] = {}
        test = _compared(statement.subject, case.pattern, names, view)
        inner = View(
            view.names, Standing({**view.standing.values, **names}, view.standing.said), view.renamed
        )
        parts = [] if test is None else [test]
        if case.guard is not None:
            parts.append(inner.part(case.guard))
        whole = both(parts) if parts else None
        found.append(Branch(case.body, whole, names))
        if whole is None:
            return found
    return [*found, Branch([])]


def _compared(subject: ast.expr, pattern: ast.pattern, names: dict[str, ast.expr], view: View) -> Part | None:
    """A pattern as a condition; None if it always fits."""
    match pattern:
        case ast.MatchValue(value=value):
            return view.part(ast.Compare(subject, [ast.Eq()], [value]))
        case ast.MatchSingleton(value=value):
            return view.part(ast.Compare(subject, [ast.Is()], [ast.Constant(value)]))
        case ast.MatchOr(patterns=inner) if all(isinstance(one, ast.MatchValue) for one in inner):
            values = [one.value for one in inner if isinstance(one, ast.MatchValue)]
            return view.part(ast.Compare(subject, [ast.In()], [ast.Tuple(values, ast.Load())]))
        case ast.MatchAs(pattern=None, name=name):
            if name is not None:
                names[name] = view.substituted(subject)
            return None
        case ast.MatchAs(pattern=inner, name=str(name)) if inner is not None:
            names[name] = view.substituted(subject)
            return _compared(subject, inner, names, view)
    part = view.part(subject)
    return Part(f"{part.text} is {written(pattern)}", part.names, part.said)
