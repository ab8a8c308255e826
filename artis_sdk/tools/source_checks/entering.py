"""The way into a tool's functions and those that they call; `walk.ToolWalk` reads their statements."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from types import FunctionType
from typing import Any, Final

from artis_sdk.tools.source_checks.annotations import Instance
from artis_sdk.tools.source_checks.calls import Callees, Live, Target
from artis_sdk.tools.source_checks.checks import ToolChecks
from artis_sdk.tools.source_checks.code import Def, NoSource, SourceCode, same_project, source_of
from artis_sdk.tools.source_checks.ends import ReadScope, own_values
from artis_sdk.tools.source_checks.errors import identifiers, names_of, shapes_of_locals
from artis_sdk.tools.source_checks.flow import Flow, Passage
from artis_sdk.tools.source_checks.messages import bound, plainly
from artis_sdk.tools.source_checks.shapes import NameTable
from artis_sdk.tools.source_checks.standing import Part, Standing, View, joined
from artis_sdk.tools.source_checks.trees import Condition, evaluated

_DEEPEST: Final = 5  # calls between a tool and a check

Over = tuple[Part, ...]


class Entering(ABC):
    """Reads the functions of one tool.

    Args:
        root: the tool's own function.
        on: its object.
    """

    def __init__(self, root: FunctionType, on: Live | Instance | None) -> None:
        self.root = root
        self.found = ToolChecks()
        self.reached = False
        """Whether the tool's own function was read."""
        self._on = on
        self._standing = Standing()
        self._entered: list[FunctionType | Def] = []
        self._ends: list[list[tuple[str, Standing]]] = []
        """Of each function on the way: what stands where it returns."""
        self._met = 0
        """Number of checks, those that are listed already included."""
        self._silent = False
        """Whether the present function has a `return` that is not listed as a failure."""
        self._answered: set[int] = set()
        """Identities of the calls that said what the present `return` returns."""
        self._failed: set[int] = set()
        """Of those, the calls whose function says a failure in each of its answers."""
        self._quiet: set[tuple[Any, ...]] = set()
        """Functions without a check, which need not be read again."""
        self._own_names: dict[str, str] = {}
        """Names that helpers have in common with the tool, by what they are called in conditions."""
        self._read: dict[FunctionType, tuple[SourceCode, NameTable]] = {}

    @abstractmethod
    def _block(self, statements: list[ast.stmt], scope: ReadScope, over: Over) -> Flow:
        """Read statements that run under conditions."""

    # --- functions --------------------------------------------------------------------------------

    def wrapper(self, target: Target) -> None:
        """Read a decorator's function, which calls the tool's own."""
        try:
            self.function(target, {}, (), returned=True)
        except NoSource:  # that of the tool itself may be there
            self.found = ToolChecks()

    def function(
        self, target: Target, values: dict[str, ast.expr], over: Over, *, returned: bool,
        caller: ReadScope | None = None,
    ) -> Flow:  # fmt: skip
        """Read one function.

        Raises:
            NoSource: it cannot be read.
        """
        source, names = self._source(target.function)
        is_root = target.function is self.root
        self.reached |= is_root
        on = target.on if target.on is not None or not is_root else self._on
        return self._body(source, names, on, values, over, returned, caller)

    def _source(self, function: FunctionType) -> tuple[SourceCode, NameTable]:
        if function not in self._read:
            source = source_of(function)
            self._read[function] = source, names_of(source)
        return self._read[function]

    def _body(
        self, source: SourceCode, names: NameTable, on: Live | Instance | None, values: dict[str, ast.expr],
        over: Over, returned: bool, caller: ReadScope | None,
    ) -> Flow:  # fmt: skip
        depth = 0 if caller is None else caller.depth + 1
        guards = () if caller is None else caller.guards
        is_root = self._is_root(source)
        renamed = {} if is_root else self._renamed(source, names)
        scope = ReadScope(
            source, names, Callees(source, names, on), on, depth, returned,
            frozenset(_returned_names(source.node)), guards, renamed,
        )  # fmt: skip
        if depth and not is_root:
            self.found.helpers |= identifiers([source.node])
        outside = self._standing
        self._standing = outside.attributes()
        self._standing.values |= {renamed.get(key, key): value for key, value in values.items()}
        own = {renamed.get(name, name) for name in names.locals}
        self._standing.said |= {k: v for k, v in outside.said.items() if k.isidentifier() and k not in own}
        self._ends.append([])
        outer, self._silent = self._silent, False
        flow = self._block(source.node.body, scope, over)
        ends = self._ends.pop()
        if flow.falls:
            ends.append(("", self._standing))
        inside = joined(self._standing, ends)
        self._standing = outside
        if ends:
            outside.take(inside)
        caught = tuple(one for one in flow.exits if one.kind == "caught")
        silent, self._silent = self._silent or flow.falls, outer
        return Flow(caught, falls=bool(ends), silent=silent)

    def _is_root(self, source: SourceCode) -> bool:
        """Whether it is the tool's own function, and not one within it."""
        return source.function is self.root and source.node is self._read[self.root][0].node

    def _renamed(self, source: SourceCode, names: NameTable) -> dict[str, str]:
        """Names of a helper that the tool has, too."""
        taken = {*self.root.__code__.co_varnames, *self.root.__code__.co_cellvars} - {"self", "cls"}
        renamed = {name: f"{name}_in_{source.node.name}" for name in names.locals if name in taken}
        self._own_names |= {new: name for name, new in renamed.items()}
        return renamed

    def _view(self, scope: ReadScope) -> View:
        return View(scope.names, self._standing, scope.renamed)

    # --- calls ------------------------------------------------------------------------------------

    def _calls(
        self,
        nodes: Iterable[ast.expr | None],
        scope: ReadScope,
        over: Over,
        kept: frozenset[int] = frozenset(),
    ) -> Flow:
        """The checks of the functions and properties that expressions run, the arguments' before the call's.

        Args:
            nodes: the expressions.
            scope: the function around them.
            over: conditions that lead here.
            kept: identities of the expressions that may become the function's own value.
        """
        way, falls = Passage(over), True
        for root in nodes:
            for node, conditions in evaluated(root) if root is not None else ():
                if not isinstance(node, ast.Call | ast.Attribute | ast.NamedExpr):
                    continue
                if isinstance(node, ast.NamedExpr):
                    self._view(scope).assign(node.target, node.value, certain=not conditions)
                    continue
                inner = _parts(conditions, self._view(scope))
                flow = self._enter(node, scope, (*way.over, *inner), returned=id(node) in kept)
                way.past(flow.under(*inner))
                falls = falls and (flow.falls or bool(inner))
        return Flow(tuple(way.exits), falls)

    def _enter(self, node: ast.Call | ast.Attribute, scope: ReadScope, over: Over, *, returned: bool) -> Flow:
        flow = Flow()
        view = self._view(scope)
        if isinstance(node, ast.Attribute):
            for target in scope.callees.getters(node) if isinstance(node.ctx, ast.Load) else ():
                values = {"self": view.substituted(node.value)}
                flow = self._called(target, values, scope, over, returned=False)
            return flow
        for inner in scope.callees.nested(node):
            return self._nested(inner, node, scope, over, returned=returned and scope.returned)
        targets = [t for t in scope.callees.targets(node) if self._is_read(t)]
        made = scope.callees.classes(node)
        if len(targets) == 1 or made:
            kept = returned and scope.returned and not made
            told = self._told()
            for target in targets:
                own = own_values(target, node, view) if made else {}
                flow = self._called(target, own, scope, over, returned=kept, call=node)
            if kept and told != self._told():
                self._answered.add(id(node))
                if not flow.silent:
                    self._failed.add(id(node))
        self._view(scope).mutate(node)
        return flow

    def _add(self, over: Over, raised: bool, type_: str, answer: Any) -> None:
        """List a check."""
        self._met += 1
        self.found.add(over, raised, type_, plainly(answer, self._own_names))

    def _told(self) -> tuple[int, int, bool]:
        """How much is known of what the tool returns."""
        return sum(not one.raised for one in self.found.checks), len(self.found.returns), self.reached

    def _is_read(self, target: Target) -> bool:
        function = target.function
        generated = function.__code__.co_filename.startswith("<string>")  # a dataclass's
        return not generated and same_project(function, self.root)

    def _called(
        self, target: Target, own: dict[str, ast.expr], scope: ReadScope, over: Over, *, returned: bool,
        call: ast.Call | None = None,
    ) -> Flow:  # fmt: skip
        """Read a called function, unless it is being read, or has nothing to say.

        Args:
            target: the function.
            own: what its names stand for, beyond the arguments.
            scope: the caller.
            over: conditions that lead here.
            returned: whether its value may become the tool's answer.
            call: the call, which gives its arguments.
        """
        function = target.function
        if scope.depth >= _DEEPEST or any(function is one for one in self._entered):
            return Flow()
        if not self._is_read(target):
            return Flow()
        on = target.on.value if isinstance(target.on, Live) else getattr(target.on, "cls", None)
        key = (function, id(on), returned, scope.depth, tuple(id(guard) for guard in scope.guards))
        if key in self._quiet:
            return Flow()
        before = self._met, len(self.found.returns)
        attributes = self._standing.attributes()
        self._entered.append(function)
        try:
            source, _ = self._source(function)
            values = own if call is None else {**bound(source, call, self._view(scope)), **own}
            flow = self.function(target, values, over, returned=returned, caller=scope)
        except NoSource:
            return Flow()
        finally:
            self._entered.pop()
        after = self._met, len(self.found.returns)
        if before == after and not flow.exits and flow.falls and attributes == self._standing.attributes():
            self._quiet.add(key)
        return flow

    def _nested(self, node: Def, call: ast.Call, scope: ReadScope, over: Over, *, returned: bool) -> Flow:
        """A function that is defined in the one that calls it, and sees its names."""
        if scope.depth >= _DEEPEST or any(node is one for one in self._entered):
            return Flow()
        source = SourceCode(scope.source.function, node, scope.source.file)
        own = shapes_of_locals(node, dict(scope.names.globals))
        names = replace(scope.names, locals={**scope.names.locals, **own})
        view = self._view(scope)
        values = {k: v for k, v in self._standing.values.items() if k.isidentifier() and k not in own}
        self._entered.append(node)
        flow = self._body(
            source, names, scope.on, {**values, **bound(source, call, view)}, over, returned, scope
        )
        self._entered.pop()
        return flow


def _parts(conditions: Iterable[Condition], view: View) -> tuple[Part, ...]:
    """The conditions of a part of an expression."""
    made: list[Part] = []
    for one in conditions:
        if isinstance(one, ast.comprehension):
            made.append(loop_part(one.target, one.iter, view))
        else:
            part = view.part(one[0])
            made.append(part if one[1] else part.negated())
    return tuple(made)


def loop_part(target: ast.expr, items: ast.expr, view: View) -> Part:
    """The condition of a loop's body."""
    part = view.part(items)
    return Part(f"for any {view.text(target)} in {part.text}", part.names, part.said)


def _returned_names(node: ast.AST) -> Iterable[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Return) and isinstance(inner.value, ast.Name):
            yield inner.value.id
