"""A tool's checks in the order in which they run, with what each answers; for prompts, not for counting.

`read.read_tool` finds the statements that fail, each once and by function. Here a helper's checks stand where
it is called, once for each call, and its parameters are the caller's expressions.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Final

from artis_sdk.records.outcome_type import HOLE, returned_type
from artis_sdk.tools.guarded import GuardedTool
from artis_sdk.tools.source_checks.calls import Callees, Live, Target
from artis_sdk.tools.source_checks.code import NoSource, SourceCode, plain_function, same_project, source_of
from artis_sdk.tools.source_checks.errors import exception_of, identifiers, names_of, stops
from artis_sdk.tools.source_checks.secrets import HIDDEN, secret_name, without_secrets
from artis_sdk.tools.source_checks.shapes import NameTable, alternatives, shape
from artis_sdk.tools.source_checks.static import is_plain, name_of

_DEEPEST: Final = 5  # calls between a tool and a check
_MOST: Final = 40  # checks of a tool
_LONGEST: Final = 240  # characters of a condition
_INLINED: Final = 120  # characters of an expression that replaces a name

Values = Mapping[str, ast.expr]
"""What a function's names stand for, in the tool's own words."""


class Expression(str):
    """Source text of a whole value, `{expression}`: it stands for a value of any type, not for a text."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One way to fail, in its place.

    Attributes:
        condition: the source text of the condition, with the tool's own arguments; empty if it always holds.
        raised: whether it raises, rather than returns its failure.
        type: exception class, or the returned failure's type.
        answer: the message, or the returned value, with `{expression}` in a text where the source fills
            something in, and an `Expression` for a whole value.
        names: names, attributes and keys in the condition.
    """

    condition: str
    raised: bool
    type: str
    answer: Any
    names: frozenset[str]


@dataclass(slots=True)
class ToolChecks:
    """What one tool's source says of its outcomes.

    Attributes:
        checks: in the order in which they run.
        returns: what it returns when none of them holds, with `{expression}` as in `Check.answer`.
        left: number of checks beyond the limit.
    """

    checks: list[Check] = field(default_factory=list)
    returns: list[Any] = field(default_factory=list)
    helpers: frozenset[str] = frozenset()
    """Names, attributes and keys in the functions that it calls."""
    left: int = 0

    @property
    def reads(self) -> frozenset[str]:
        """What the checks read, those that helpers compute included."""
        return self.helpers.union(*(check.names for check in self.checks))


def ordered_checks(tool: GuardedTool[..., Any]) -> ToolChecks | None:
    """Read a tool's checks in order; None for a tool without readable source."""
    function = plain_function(tool)
    if function is None:
        return None
    walk = _Walk(function)
    owner = tool.owner
    try:
        walk.function(Target(function, Live(owner) if owner is not None else None), {}, (), 0, returned=True)
    except NoSource:
        return None
    return walk.found


@dataclass(frozen=True, slots=True)
class _Scope:
    """One function on the way: its names, and whether what it returns is the tool's answer."""

    source: SourceCode
    names: NameTable
    callees: Callees
    values: dict[str, ast.expr]
    depth: int
    returned: bool
    kept: frozenset[str]
    """Variables that it returns."""
    guards: tuple[tuple[tuple[ast.ExceptHandler, ...], NameTable], ...]


class _Walk:
    def __init__(self, root: Any) -> None:
        self.root = root
        self.found = ToolChecks()
        self._entered: list[Any] = []

    def function(
        self, target: Target, values: Values, conditions: tuple[str, ...], depth: int, *, returned: bool,
        guards: tuple[Any, ...] = (), names: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        """Walk one function.

        Raises:
            NoSource: it cannot be read.
        """
        code = target.function.__code__
        if depth > _DEEPEST or code in self._entered:
            return
        source = source_of(target.function)
        table = names_of(source)
        scope = _Scope(
            source, table, Callees(source, table, target.on), dict(values), depth, returned,
            frozenset(_returned_names(source.node)), guards,
        )  # fmt: skip
        self._entered.append(code)
        if depth:
            self.found.helpers |= identifiers([source.node])
        self._block(source.node.body, scope, conditions, names)
        self._entered.pop()

    def _block(
        self, statements: list[ast.stmt], scope: _Scope, conditions: tuple[str, ...], names: frozenset[str]
    ) -> None:
        for statement in statements:
            self._statement(statement, scope, conditions, names)

    def _statement(
        self, statement: ast.stmt, scope: _Scope, over: tuple[str, ...], names: frozenset[str]
    ) -> None:
        match statement:
            case ast.If(test=test, body=body, orelse=orelse):
                self._calls([test], scope, over, names)
                text = _text(test, scope)
                self._block(body, scope, (*over, text), names | _names(test, scope))
                self._block(orelse, scope, (*over, f"not ({text})"), names | _names(test, scope))
            case (
                ast.For(target=target, iter=items, body=body)
                | ast.AsyncFor(target=target, iter=items, body=body)
            ):
                self._calls([items], scope, over, names)
                text = f"for any {ast.unparse(target)} in {_text(items, scope)}"
                self._block(body, scope, (*over, text), names | _names(items, scope))
            case ast.While(test=test, body=body):
                self._block(body, scope, (*over, f"while {_text(test, scope)}"), names)
            case ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final):
                guarded = _guarded(scope, tuple(handlers))
                self._block(body, guarded, over, names)
                first = _text(body[0], scope)
                for handler in handlers:
                    kind = "an error" if handler.type is None else ast.unparse(handler.type)
                    self._block(
                        handler.body, scope, (*over, f"{kind} in {first}"), names | _names(body[0], scope)
                    )
                self._block([*orelse, *final], scope, over, names)
            case ast.With(items=items, body=body) | ast.AsyncWith(items=items, body=body):
                self._calls([item.context_expr for item in items], scope, over, names)
                self._block(body, scope, over, names)
            case ast.Match(subject=subject, cases=cases):
                for case in cases:
                    text = f"{_text(subject, scope)} is {ast.unparse(case.pattern)}"
                    self._block(case.body, scope, (*over, text), names | _names(subject, scope))
            case ast.Return(value=value):
                self._return(value, scope, over, names)
            case ast.Raise(exc=expression) if expression is not None:
                self._calls([expression], scope, over, names)
                self._raise(expression, scope, over, names)
            case ast.Assert(test=test, msg=message):
                self._calls([test], scope, over, names)
                said = "" if message is None else _sketch(message, scope)
                text = f"not ({_text(test, scope)})"
                self._add((*over, text), True, "AssertionError", said, names | _names(test, scope))
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._calls([value], scope, over, names, kept=name in scope.kept)
                self._bind(name, value, scope)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass
            case _:
                nodes = [n for n in ast.iter_child_nodes(statement) if isinstance(n, ast.expr)]
                self._calls(nodes, scope, over, names)

    def _bind(self, name: str, value: ast.expr, scope: _Scope) -> None:
        """A short expression stands for the name from now on; a longer one leaves the name."""
        made = _substituted(value, scope)
        if len(ast.unparse(made)) <= _INLINED and not isinstance(value, ast.Constant | ast.List | ast.Dict):
            scope.values[name] = made
        else:
            scope.values.pop(name, None)

    # --- helpers ----------------------------------------------------------------------------------

    def _calls(
        self, nodes: list[ast.expr], scope: _Scope, over: tuple[str, ...], names: frozenset[str],
        *, kept: bool = False,
    ) -> None:  # fmt: skip
        """The checks of the functions that expressions call, the arguments' before the call's own."""
        for root in nodes:
            for call in _inner_first(root):
                self._enter(call, scope, over, names, returned=kept and call is root and scope.returned)

    def _enter(
        self, call: ast.Call, scope: _Scope, over: tuple[str, ...], names: frozenset[str], *, returned: bool
    ) -> None:
        targets = [t for t in scope.callees.targets(call) if same_project(t.function, self.root)]
        if len(targets) != 1 or targets[0].function.__code__.co_filename.startswith("<string>"):
            return
        target = targets[0]
        try:
            values = _bound(source_of(target.function), call, scope)
            self.function(
                target, values, over, scope.depth + 1, returned=returned, guards=scope.guards, names=names
            )
        except NoSource:
            return

    # --- answers ----------------------------------------------------------------------------------

    def _return(
        self, value: ast.expr | None, scope: _Scope, over: tuple[str, ...], names: frozenset[str]
    ) -> None:
        for expression, condition in alternatives(value):
            self._calls([expression], scope, over, names, kept=True)
            if not scope.returned:
                continue
            here = (*over, _text(ast.parse(condition, mode="eval").body, scope)) if condition else over
            said = shape(expression, scope.names)
            failing = None if said == HOLE else returned_type(said)
            made = _sketch(expression, scope)
            if failing is not None:
                self._add(here, False, failing, made, names)
            elif scope.depth == 0 and made not in self.found.returns and len(self.found.returns) < 4:
                self.found.returns.append(made)

    def _raise(
        self, expression: ast.expr, scope: _Scope, over: tuple[str, ...], names: frozenset[str]
    ) -> None:
        raised = exception_of(expression, scope.names)
        if any(stops(handlers, raised.error, table) for handlers, table in scope.guards):
            return
        called = expression if isinstance(expression, ast.Call) else None
        kind = (
            name_of(raised.error)
            if raised.error is not None
            else ast.unparse(called.func if called else expression)
        )
        said = _sketch(called.args[0], scope) if called is not None and len(called.args) == 1 else ""
        self._add(over, True, kind, said, names)

    def _add(
        self, over: tuple[str, ...], raised: bool, type_: str, answer: Any, names: frozenset[str]
    ) -> None:
        if len(self.found.checks) >= _MOST:
            self.found.left += 1
            return
        text = " and ".join(over[-3:])
        text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
        check = Check(text, raised, type_, answer, names)
        if check not in self.found.checks:
            self.found.checks.append(check)


class _Substitute(ast.NodeTransformer):
    """The tool's own words for names, and the values of a module's constants; texts that may be secrets are
    left out."""

    def __init__(self, scope: _Scope) -> None:
        self._values = scope.values
        self._names = scope.names

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._values:
            return deepcopy(self._values[node.id])
        if node.id in self._names.locals or not node.id.isupper():
            return node
        value = self._names.value(node)
        if not _shown(value):
            return node
        if secret_name(node.id):
            return ast.Constant(HIDDEN)
        return self.visit(ast.parse(repr(value), mode="eval").body)  # type: ignore[no-any-return]

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(without_secrets(node.value)) if isinstance(node.value, str) else node


def _shown(value: Any) -> bool:
    """Whether a constant is short enough to stand in its name's place."""
    if any(type(value) is kind for kind in (tuple, list, set, frozenset)):
        return len(value) <= 8 and all(is_plain(one) and one is not None for one in value)
    return is_plain(value) and value is not None


def _substituted(node: ast.expr, scope: _Scope) -> ast.expr:
    made: ast.expr = _Substitute(scope).visit(deepcopy(node))
    return made


def _text(node: ast.AST, scope: _Scope) -> str:
    """Source text in the tool's own words."""
    text: str = ast.unparse(_Substitute(scope).visit(deepcopy(node)))
    return text.partition("\n")[0]


def _names(node: ast.AST, scope: _Scope) -> frozenset[str]:
    return identifiers([_Substitute(scope).visit(deepcopy(node))])


def _sketch(node: ast.expr, scope: _Scope, depth: int = 0) -> Any:
    """The value of an expression as JSON, with `{expression}` for parts that are filled in at run time."""
    if depth > 6:
        return Expression("{...}")
    match node:
        case ast.Constant(value=str(text)):
            return without_secrets(text)
        case ast.Constant(value=value) if value is None or isinstance(value, int | float | bool):
            return value
        case ast.JoinedStr(values=values):
            return "".join(str(_sketch(part, scope, depth + 1)) for part in values)
        case ast.FormattedValue(value=value):
            return _sketch(value, scope, depth + 1)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            parts = [_sketch(left, scope, depth + 1), _sketch(right, scope, depth + 1)]
            if all(isinstance(part, str) for part in parts) and not all(p.startswith("{") for p in parts):
                return "".join(parts)
        case ast.Dict(keys=keys, values=values) if all(keys):
            names = [_sketch(k, scope, depth + 1) for k in keys if k is not None]
            return {str(k): _sketch(v, scope, depth + 1) for k, v in zip(names, values, strict=True)}
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_sketch(e, scope, depth + 1) for e in elements]
        case ast.ListComp(elt=element):
            return [_sketch(element, scope, depth + 1), "..."]
    made = _substituted(node, scope)
    if isinstance(made, ast.Constant):
        return made.value
    return Expression(f"{{{ast.unparse(made)[:80]}}}")


def _bound(source: SourceCode, call: ast.Call, scope: _Scope) -> dict[str, ast.expr]:
    """What a helper's parameters stand for: the caller's expressions, and its object for `self`."""
    arguments = source.node.args
    every = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    values: dict[str, ast.expr] = {}
    if every[:1] == ["self"]:
        every = every[1:]
        if isinstance(call.func, ast.Attribute):
            values["self"] = _substituted(call.func.value, scope)
    given = dict(zip(every, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
    return values | {name: _substituted(value, scope) for name, value in given.items()}


def _inner_first(root: ast.expr) -> Iterator[ast.Call]:
    for child in ast.iter_child_nodes(root):
        if isinstance(child, ast.expr | ast.keyword):
            yield from _inner_first(child.value if isinstance(child, ast.keyword) else child)
    if isinstance(root, ast.Call):
        yield root


def _returned_names(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Name):
            yield inner.value.id


def _guarded(scope: _Scope, handlers: tuple[ast.ExceptHandler, ...]) -> _Scope:
    return _Scope(
        scope.source, scope.names, scope.callees, scope.values, scope.depth, scope.returned, scope.kept,
        ((handlers, scope.names), *scope.guards),
    )  # fmt: skip
