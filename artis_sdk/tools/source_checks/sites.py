"""The failure sites of one function: its `raise` and `assert` statements and the failures that it returns."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

from artis_sdk.records.outcome_type import HOLE, failure_text, returned_type
from artis_sdk.tools.source_checks.code import SourceCode
from artis_sdk.tools.source_checks.errors import (
    Handlers,
    Raised,
    caught_classes,
    exception_of,
    identifiers,
)
from artis_sdk.tools.source_checks.shapes import NameTable, alternatives, shape
from artis_sdk.tools.source_checks.static import name_of
from artis_sdk.tools.source_checks.trees import chain_of, written
from artis_sdk.tools.source_checks.ways import suppressed

Kind = Literal["raise", "return", "validator", "call", "declared"]
Made = Callable[[ast.Call, NameTable], Any]
"""Value of a called function on every path, with bound parameters; `HOLE` if it is open."""

ErrorType = type[BaseException]
_LONGEST = 200  # characters of a condition


@dataclass(frozen=True, slots=True)
class Site:
    """A statement that makes a call fail."""

    kind: Kind
    file: str
    line: int
    end: int
    """Last line."""
    function: str
    type: str
    template: str | None
    """Its message, with `HOLE` for parts known only at run time; None if nothing is known."""
    condition: str
    """Source text of the conditions that lead here; empty without any in the function."""
    gate: int = 0
    """Line of the nearest test that leads here; 0 for none."""
    names: frozenset[str] = frozenset()
    """Names, attributes and keys in the condition."""
    guards: tuple[Handlers, ...] = ()
    """Handlers of `try` statements around it, innermost first."""
    error: ErrorType | None = None
    """The raised class, if it is known."""


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call in a function's body."""

    node: ast.Call
    guards: tuple[Handlers, ...]
    returned: bool
    """Whether its value may become the function's own."""


@dataclass(frozen=True, slots=True)
class AccessSite:
    """An element that a function reads, such as `d["key"]`."""

    node: ast.Subscript
    guards: tuple[Handlers, ...]


@dataclass(frozen=True, slots=True)
class AttributeSite:
    """An attribute that a function reads, which may be a property."""

    node: ast.Attribute
    guards: tuple[Handlers, ...]


class _Test(NamedTuple):
    text: str
    names: frozenset[str]
    passed: bool = False
    """Whether the test comes before, and its failure left the function."""


@dataclass(frozen=True, slots=True)
class _Path:
    """The path to the present statement."""

    tests: tuple[_Test, ...] = ()
    gate: int = 0
    guards: tuple[Handlers, ...] = ()
    handling: ast.ExceptHandler | None = None

    def under(self, text: str, nodes: Iterable[ast.AST | None], line: int) -> _Path:
        return replace(self, tests=(*self.tests, _Test(text, identifiers(nodes))), gate=line)

    def past(self, statement: ast.stmt) -> _Path:
        """The path behind a statement in which some branches leave the function."""
        match statement:
            case ast.If(test=over, body=body, orelse=[]) if body and isinstance(
                body[-1], ast.Return | ast.Raise
            ):
                text = f"not ({written(over)})"
            case ast.If(test=over) if _leaves_somewhere(statement):
                text = f"after if {written(over)}"
            case ast.For(target=target, iter=over) if _leaves_somewhere(statement):
                text = f"after for {written(target)} in {written(over)}"
            case _:
                return self
        left = _Test(text, identifiers([over]), passed=True)
        return replace(self, tests=(*(t for t in self.tests if not t.passed), left), gate=statement.lineno)

    @property
    def condition(self) -> str:
        """The nearest tests, as text."""
        tests = [t.text for t in self.tests if not t.passed] or [t.text for t in self.tests]
        text = " and ".join(tests[-2:])
        return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


@dataclass
class Scan:
    """Reads one function.

    Args:
        source: source of the function.
        names: its locals and globals.
        made: evaluator of calls of functions that always fail, such as `return self._error("...")`.
    """

    source: SourceCode
    names: NameTable
    made: Made = lambda call, names: HOLE
    sites: list[Site] = field(default_factory=list)
    calls: list[CallSite] = field(default_factory=list)
    accesses: list[AccessSite] = field(default_factory=list)
    attributes: list[AttributeSite] = field(default_factory=list)

    def __post_init__(self) -> None:
        node = self.source.node
        self._returned = {
            name.id
            for statement in ast.walk(node)
            if isinstance(statement, ast.Return) and statement.value is not None
            for name in _whole_values(statement.value)
            if isinstance(name, ast.Name)
        }
        self._block(node.body, _Path())

    # --- statements -------------------------------------------------------------------------------

    def _block(self, statements: list[ast.stmt], path: _Path) -> None:
        for statement in statements:
            self._statement(statement, path)
            path = path.past(statement)

    def _statement(self, statement: ast.stmt, path: _Path) -> None:
        match statement:
            case ast.If():
                self._if(statement, path)
            case ast.For(target=target, iter=over) | ast.AsyncFor(target=target, iter=over):
                self._expressions([over], path)
                text = f"for {written(target)} in {written(over)}"
                self._block(statement.body, path.under(text, [over], statement.lineno))
                self._block(statement.orelse, path)
            case ast.While(test=test):
                self._expressions([test], path)
                text = f"while {written(test)}"
                self._block(statement.body, path.under(text, [test], statement.lineno))
                self._block(statement.orelse, path)
            case ast.Try() | ast.TryStar():
                self._try(statement, path)
            case ast.With(items=items) | ast.AsyncWith(items=items):
                self._expressions([item.context_expr for item in items], path)
                stopped = tuple(suppressed(statement))
                guards = (stopped, *path.guards) if stopped else path.guards
                self._block(statement.body, replace(path, guards=guards))
            case ast.Match(subject=subject, cases=cases):
                self._expressions([subject], path)
                for case in cases:
                    text = f"{written(subject)} is {written(case.pattern)}"
                    self._block(case.body, path.under(text, [subject, case.pattern], case.pattern.lineno))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._block(statement.body, path)
            case ast.Return(value=value):
                self._return(statement, value, path)
                self._expressions([value], path, returned=True)
            case ast.Raise():
                self._raise(statement, path)
                self._expressions([statement.exc], path)
            case ast.Assert(test=test, msg=message):
                failing = path.under(f"not ({written(test)})", [test], statement.lineno)
                said = shape(message, self.names)
                template = said if isinstance(said, str) else None if message is None else HOLE
                self._site("raise", statement, failing, "AssertionError", template or "", AssertionError)
                self._expressions([test, message], path)
            case ast.Assign(targets=targets, value=value):
                kept = any(isinstance(t, ast.Name) and t.id in self._returned for t in targets)
                self._assign(statement, targets, value, path)
                self._expressions([value], path, returned=kept)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                kept = isinstance(target, ast.Name) and target.id in self._returned
                self._assign(statement, [target], value, path)
                self._expressions([value], path, returned=kept)
            case _:
                self._expressions(
                    [n for n in ast.iter_child_nodes(statement) if isinstance(n, ast.expr)], path
                )

    def _if(self, statement: ast.If, path: _Path) -> None:
        """Branch after branch, as a chain of `elif` has no end to its depth."""
        branches, orelse = chain_of(statement)
        for branch in branches:
            text = written(branch.test)
            self._expressions([branch.test], path)
            self._block(branch.body, path.under(text, [branch.test], branch.lineno))
            path = path.under(f"not ({text})", [branch.test], branch.lineno)
        self._block(orelse, path)

    def _try(self, statement: ast.Try | ast.TryStar, path: _Path) -> None:
        handlers = tuple(statement.handlers)
        self._block(statement.body, replace(path, guards=(handlers, *path.guards)))
        for handler in handlers:
            what = "" if handler.type is None else f" {written(handler.type)}"
            tried = path.under(f"except{what}", statement.body, handler.lineno)
            self._block(handler.body, replace(tried, handling=handler))
        self._block(statement.orelse, path)
        self._block(statement.finalbody, path)

    def _expressions(self, nodes: Iterable[ast.expr | None], path: _Path, *, returned: bool = False) -> None:
        for root in nodes:
            whole = set(map(id, _whole_values(root))) if root is not None and returned else set()
            for node in ast.walk(root) if root is not None else ():
                if isinstance(node, ast.Call):
                    self.calls.append(CallSite(node, path.guards, id(node) in whole))
                elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                    self.accesses.append(AccessSite(node, path.guards))
                elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                    self.attributes.append(AttributeSite(node, path.guards))

    # --- failures ---------------------------------------------------------------------------------

    def _return(self, statement: ast.stmt, value: ast.expr | None, path: _Path) -> None:
        for expression, condition in alternatives(value):
            said = self._shape(expression)
            failing = None if said == HOLE else returned_type(said)
            if failing is not None:
                inner = path.under(condition, [value], statement.lineno) if condition else path
                at = statement if value is None or not condition else expression
                self._site("return", at, inner, failing, failure_text(said))

    def _assign(self, statement: ast.stmt, targets: list[ast.expr], value: ast.expr, path: _Path) -> None:
        """`status["error"] = "..."` and `result = {"error": "..."}`, if that variable is returned."""
        for target in targets:
            said = self._shape(value)
            match target:
                case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                    said = {key: said}
                case ast.Name(id=name):
                    pass
                case _:
                    continue
            failing = None if said == HOLE or name not in self._returned else returned_type(said)
            if failing is not None:
                self._site("return", statement, path, failing, failure_text(said))

    def _shape(self, expression: ast.expr) -> Any:
        if isinstance(expression, ast.Call):
            made = self.made(expression, self.names)
            if made != HOLE:
                return made
        return shape(expression, self.names)

    def _raise(self, statement: ast.Raise, path: _Path) -> None:
        if statement.exc is None:
            caught = caught_classes(path.handling, self.names) if path.handling is not None else []
            for error in caught or [None]:
                name = name_of(error) if error is not None else "exception"
                self._site("raise", statement, path, name, None, error)
            return
        for expression, condition in alternatives(statement.exc):
            inner = path.under(condition, [expression], statement.lineno) if condition else path
            error, template = self._exception(expression)
            name = name_of(error) if error is not None else _last_name(expression)
            self._site("raise", statement, inner, name, template, error)

    def _exception(self, expression: ast.expr) -> tuple[ErrorType | None, str | None]:
        """The raised class and its message, as far as the source shows them."""
        if isinstance(expression, ast.Name) and isinstance(self.names.locals.get(expression.id), Raised):
            raised: Raised = self.names.locals[expression.id]
            return raised.error, raised.template
        made = self.made(expression, self.names) if isinstance(expression, ast.Call) else HOLE
        if isinstance(made, Raised):
            return made.error, made.template
        raised = exception_of(expression, self.names)
        return raised.error, raised.template

    def _site(
        self,
        kind: Kind,
        node: ast.stmt | ast.expr,
        path: _Path,
        type_: str,
        template: str | None,
        error: ErrorType | None = None,
    ) -> None:
        self.sites.append(
            Site(
                kind=kind,
                file=self.source.file,
                line=node.lineno,
                end=node.end_lineno or node.lineno,
                function=self.source.name,
                type=type_,
                template=template,
                condition=path.condition,
                gate=path.gate,
                names=path.tests[-1].names if path.tests else frozenset(),
                guards=path.guards,
                error=error,
            )
        )


def _whole_values(node: ast.expr | None) -> Iterator[ast.expr]:
    """The expressions for the whole value, not for a part of it."""
    for expression, _ in alternatives(node):
        if isinstance(expression, ast.Tuple | ast.List):
            for element in expression.elts:
                yield from _whole_values(element)
        else:
            yield expression


def _leaves_somewhere(statement: ast.stmt) -> bool:
    return any(isinstance(inner, ast.Return | ast.Raise) for inner in ast.walk(statement))


def _last_name(expression: ast.expr) -> str:
    function = expression.func if isinstance(expression, ast.Call) else expression
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "exception")
