"""The way through the statements of a tool's functions, with the conditions of each check."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import Any, Final

from artis_sdk.records.outcome_type import returned_type
from artis_sdk.tools.source_checks.ends import Guard, ReadScope, raising, returning
from artis_sdk.tools.source_checks.entering import Entering, Over, loop_part
from artis_sdk.tools.source_checks.errors import Handlers, stops
from artis_sdk.tools.source_checks.flow import Exit, Flow, Passage, behind, beyond
from artis_sdk.tools.source_checks.messages import Expression, open_shape, plainly, sketch
from artis_sdk.tools.source_checks.shapes import alternatives
from artis_sdk.tools.source_checks.standing import Part, Standing, View, joined
from artis_sdk.tools.source_checks.trees import chain_of, decided
from artis_sdk.tools.source_checks.ways import Branch, cases, failing, suppressed

_STEPS: Final = 2000  # statements that are read for one tool, helpers' once for each call
_LEFT: Final = 100  # checks that are counted beyond those that are listed
_SHORT: Final = 6  # branches of an `if` that all have the conditions of those before


class ToolWalk(Entering):
    """Reads one tool: functions by `Entering`, statements here."""

    _steps = 0

    def _block(self, statements: list[ast.stmt], scope: ReadScope, over: Over) -> Flow:
        way = Passage(over)
        for statement in statements:
            self._steps += 1
            if self._steps > _STEPS or self.found.left >= _LEFT:
                self.found.cut = True
                return Flow(tuple(way.exits))
            flow = self._statement(statement, scope, way.over)
            way.past(flow.exits)
            if not flow.falls:
                return Flow(tuple(way.exits), falls=False)
        return Flow(tuple(way.exits))

    def _statement(self, statement: ast.stmt, scope: ReadScope, over: Over) -> Flow:
        match statement:
            case ast.If():
                return self._if(statement, scope, over)
            case ast.For() | ast.AsyncFor() | ast.While():
                return self._loop(statement, scope, over)
            case ast.Try() | ast.TryStar():
                return self._try(statement, scope, over)
            case ast.With() | ast.AsyncWith():
                return self._with(statement, scope, over)
            case ast.Match(subject=subject):
                flow = self._calls([subject], scope, over)
                return self._branches(cases(statement, self._view(scope)), scope, over, flow)
            case ast.Return(value=value):
                return self._return(value, scope, over)
            case ast.Raise(exc=expression) if expression is not None:
                return self._raise(expression, scope, over)
            case ast.Raise():
                return Flow(falls=False)
            case ast.Assert():
                return self._assert(statement, scope, over)
            case ast.Break():
                return Flow((Exit("break"),), falls=False)
            case ast.Continue():
                return Flow((Exit("continue"),), falls=False)
            case ast.Assign(targets=targets, value=value):
                return self._assign(targets, value, scope, over)
            case ast.AnnAssign(target=target, value=value) if value is not None:
                return self._assign([target], value, scope, over)
            case ast.AugAssign(value=value):
                done = self._calls([statement.target, value], scope, over)
                self._view(scope).change(statement)
                return done
            case ast.Delete(targets=targets):
                for one in targets:
                    if isinstance(one, ast.Subscript):
                        self._view(scope).touch(one.value, self._view(scope).text(statement))
                return Flow()
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                self._standing.forget(scope.renamed.get(statement.name, statement.name))
                return Flow()
            case _:
                nodes = [n for n in ast.iter_child_nodes(statement) if isinstance(n, ast.expr)]
                return self._calls(nodes, scope, over)

    # --- branches ---------------------------------------------------------------------------------

    def _if(self, statement: ast.If, scope: ReadScope, over: Over) -> Flow:
        chain, orelse = chain_of(statement)
        branches = [Branch(one.body, test=one.test) for one in chain]
        return self._branches([*branches, Branch(orelse)], scope, over, Flow())

    def _branches(self, branches: list[Branch], scope: ReadScope, over: Over, first: Flow) -> Flow:
        """Blocks of which the first runs whose condition holds; the last one if none of the others does.

        Args:
            branches: the blocks.
            scope: the function around them.
            over: conditions that lead here.
            first: what the subject does.
        """
        way = Passage(over)
        way.past(first.exits)
        before, ends, falls = self._standing, list[tuple[str, Standing]](), False
        passed: list[Part] = []
        for branch in branches:
            self._standing = before
            condition = branch.condition
            if branch.test is not None:
                way.past(self._calls([branch.test], scope, (*way.over, *passed)).exits)
                view = self._view(scope)
                certain = decided(view.substituted(branch.test))
                if certain is False:  # an argument that is a constant
                    continue
                condition = None if certain else view.part(branch.test)
            mine = [*passed, *([condition] if condition is not None else [])]
            self._standing = before.copy()
            self._standing.values |= branch.names
            flow = self._block(branch.body, scope, (*way.over, *mine))
            if flow.falls:
                falls = True
                ends.append((" and ".join(part.text for part in mine[-1:]), self._standing))
            way.exits += flow.under(*mine)
            if branch.test is not None and condition is None:
                break
            listed = not flow.falls and not flow.exits  # no check behind it is met then
            if condition is not None and not (listed and len(branches) > _SHORT):
                passed.append(condition.negated())
        self._standing = joined(before, ends)
        return Flow(tuple(way.exits), falls)

    # --- loops ------------------------------------------------------------------------------------

    def _loop(self, loop: ast.For | ast.AsyncFor | ast.While, scope: ReadScope, over: Over) -> Flow:
        way = Passage(over)
        before = self._standing.copy()
        if not isinstance(loop, ast.While):
            way.past(self._calls([loop.iter], scope, over).exits)
        view = self._view(scope)
        view.unsettle(loop.body)
        if isinstance(loop, ast.While):
            part = view.part(loop.test)
            part = Part(f"while {part.text}", part.names, part.said)
            way.past(self._calls([loop.test], scope, way.over).exits)
        else:
            part = loop_part(loop.target, loop.iter, View(scope.names, before, scope.renamed))
            for name in ast.walk(loop.target):
                if isinstance(name, ast.Name):
                    self._standing.forget(scope.renamed.get(name.id, name.id))
        unsettled = self._standing.copy()
        flow = self._block(loop.body, scope, (*way.over, part))
        self._standing = joined(before, [("", unsettled), ("", self._standing)])
        exits = flow.without("continue").under(part) if flow.falls else _each_under(flow, part)
        breaks = [one for one in exits if one.kind == "break"]
        way.past(one for one in exits if one.kind not in ("break", "continue"))
        endless = (
            isinstance(loop, ast.While) and isinstance(loop.test, ast.Constant) and bool(loop.test.value)
        )
        if endless:
            return Flow(tuple(way.exits), falls=bool(breaks))
        other = self._block(loop.orelse, scope, (*way.over, *behind(breaks)))
        way.exits += other.under(*behind(breaks))
        return Flow(tuple(way.exits), other.falls or bool(breaks))

    # --- errors -----------------------------------------------------------------------------------

    def _try(self, statement: ast.Try | ast.TryStar, scope: ReadScope, over: Over) -> Flow:
        handlers: Handlers = tuple(statement.handlers)
        guard: Guard = (handlers, scope.names)
        before = self._standing.copy()
        way = Passage(over)
        body = self._block(statement.body, replace(scope, guards=(guard, *scope.guards)), over)
        exits = beyond(body.exits, guard)
        ends: list[tuple[str, Standing]] = []
        partly = joined(before, [("", before), ("", self._standing)])
        falls = body.falls
        after = self._standing
        view = View(scope.names, before, scope.renamed)
        onward: list[Part] = []
        """Of the handlers that do not leave the function."""
        fallen = False
        for handler in handlers:
            part = failing(handler, statement.body, scope.names, view)
            self._standing = partly.copy()
            if handler.name:
                self._standing.forget(scope.renamed.get(handler.name, handler.name))
            flow = self._block(handler.body, scope, (*over, part))
            way.exits += flow.under(part)
            if flow.falls:
                fallen = True
                ends.append((part.text, self._standing))
            if flow.falls or any(one.kind != "return" for one in flow.exits):
                onward.append(part)
        if body.falls:
            self._standing = after
            other = self._block(statement.orelse, scope, (*over, *behind(exits)))
            exits, falls = (*exits, *other.exits), other.falls
            if falls:
                ends.append(("", self._standing))
        whole = [one for one in exits if not one.parts and one.kind != "caught"]
        way.exits += [one for one in exits if one.parts]
        if whole and onward:
            text = " or ".join(part.text for part in onward)
            whole = [replace(whole[0], parts=(Part(text, onward[0].names).negated(),))]
        way.exits += whole
        self._standing = joined(before, ends)
        final = self._block(statement.finalbody, scope, over)
        return Flow((*way.exits, *final.exits), (falls or fallen) and final.falls)

    def _with(self, statement: ast.With | ast.AsyncWith, scope: ReadScope, over: Over) -> Flow:
        way = Passage(over)
        for item in statement.items:
            way.past(self._calls([item.context_expr], scope, way.over).exits)
            if item.optional_vars is not None:
                for name in ast.walk(item.optional_vars):
                    if isinstance(name, ast.Name):
                        self._standing.forget(scope.renamed.get(name.id, name.id))
        stopped = tuple(suppressed(statement))
        if not stopped:
            flow = self._block(statement.body, scope, way.over)
            return Flow((*way.exits, *flow.exits), flow.falls)
        guard: Guard = (stopped, scope.names)
        flow = self._block(statement.body, replace(scope, guards=(guard, *scope.guards)), way.over)
        way.exits += [one for one in flow.without(by=guard).exits if one.parts]
        return Flow(tuple(way.exits))

    def _raise(self, expression: ast.expr, scope: ReadScope, over: Over) -> Flow:
        way = Passage(over)
        way.past(self._calls([expression], scope, over).exits)
        exits: list[Exit] = []
        for one, condition in alternatives(expression):
            made = raising(one, scope, self._view(scope), self.root)
            inner = self._condition(condition, scope)
            guard = _stopped(scope, made.error)
            if guard is None:
                self._add((*way.over, *inner), True, made.type, made.message)
            else:
                exits.append(Exit("caught", inner, by=guard))
        return Flow((*way.exits, *exits), falls=False)

    def _assert(self, statement: ast.Assert, scope: ReadScope, over: Over) -> Flow:
        way = Passage(over)
        way.past(self._calls([statement.test], scope, over).exits)
        view = self._view(scope)
        broken = view.part(statement.test).negated()
        guard = _stopped(scope, AssertionError)
        if guard is not None:
            return Flow((*way.exits, Exit("caught", (broken,), by=guard)))
        said = "" if statement.msg is None else sketch(statement.msg, view)
        self._add((*way.over, broken), True, "AssertionError", said)
        return Flow(tuple(way.exits))

    # --- values -----------------------------------------------------------------------------------

    def _assign(self, targets: list[ast.expr], value: ast.expr, scope: ReadScope, over: Over) -> Flow:
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        kept = (
            frozenset({id(value), id(getattr(value, "value", None))}) if names & scope.kept else frozenset()
        )
        flow = self._calls([value, *targets], scope, over, kept)
        view = self._view(scope)
        for target in targets:
            self._kept_failure(target, value, scope, (*over, *behind(flow.exits)), view)
            view.assign(target, value)
        return flow

    def _kept_failure(
        self, target: ast.expr, value: ast.expr, scope: ReadScope, over: Over, view: View
    ) -> None:
        """`out["error"] = "..."` and `result = {"error": "..."}`, if that variable is returned."""
        if not scope.returned:
            return
        match target:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=str(key))):
                said: Any = {key: sketch(value, view)}
            case ast.Name(id=name) if isinstance(value, ast.Dict):
                said = sketch(value, view)
            case _:
                return
        type_ = returned_type(open_shape(said)) if name in scope.kept else None
        if type_ is not None and not isinstance(said.get("error"), Expression):
            self._add(over, False, type_, said)

    def _return(self, value: ast.expr | None, scope: ReadScope, over: Over) -> Flow:
        every = list(alternatives(value))
        kept = frozenset(id(expression) for expression, _ in every)
        self._answered -= kept
        self._failed -= kept
        flow = self._calls([value], scope, over, kept)
        way = Passage(over)
        way.past(flow.exits)
        exits = list(way.exits)
        view = self._view(scope)
        for expression, condition in every if scope.returned else ():
            inner = self._condition(condition, scope)
            said = returning(expression, scope, view)
            if said.type is not None:
                self._add((*way.over, *inner), False, said.type, said.value)
                continue
            if id(expression) not in self._failed:
                exits.append(Exit("return", inner))
            if said.made or (self._is_main(scope) and id(expression) not in self._answered):
                self.found.add_return(plainly(said.value, self._own_names))
        if not scope.returned or not every:
            exits.append(Exit("return"))
        self._silent |= any(one.kind == "return" for one in exits)
        self._ends[-1].append(("", self._standing.copy()))
        return Flow(tuple(exits), falls=False)

    def _is_main(self, scope: ReadScope) -> bool:
        """Whether what the function returns is the tool's own answer: the tool, or a decorator of it."""
        return scope.depth == 0 or self._is_root(scope.source)

    def _condition(self, text: str, scope: ReadScope) -> tuple[Part, ...]:
        """The condition of one of several values, from its text."""
        return (self._view(scope).part(ast.parse(text, mode="eval").body),) if text else ()


def _each_under(flow: Flow, part: Part) -> tuple[Exit, ...]:
    return tuple(replace(one, parts=(part, *one.parts)) for one in flow.exits)


def _stopped(scope: ReadScope, error: type[BaseException] | None) -> Guard | None:
    """The `try` that stops an exception."""
    return next((guard for guard in scope.guards if stops(guard[0], error, guard[1])), None)
