"""What names and attributes stand for at one place of a function, in the tool's own words.

A name is replaced only while it is certain what it stands for. Where it is not, after an assignment in one
branch, in a loop or to what its expression reads, the name stays, and its assignments are said.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any, Final

from artis_sdk.tools.source_checks.errors import identifiers
from artis_sdk.tools.source_checks.secrets import HIDDEN, secret_name, without_secrets
from artis_sdk.tools.source_checks.shapes import NameTable
from artis_sdk.tools.source_checks.static import is_class, is_plain, name_of
from artis_sdk.tools.source_checks.trees import bound_in, bounded, negated, written

IN_A_LOOP: Final = " in a loop"
_INLINED: Final = 120  # characters of an expression that replaces a name
_SAID: Final = 4  # assignments of a name that are said
_ASSIGNMENT: Final = 80  # characters of one
_CHANGING: Final = frozenset(
    {"append", "add", "pop", "remove", "clear", "update", "extend", "insert", "discard", "setdefault"}
    | {"popitem", "popleft", "appendleft", "sort", "reverse"}
)
"""Methods that change their object."""


@dataclass(frozen=True, slots=True)
class Part:
    """One condition on the way to a check.

    Attributes:
        text: its source text.
        names: names, attributes and keys in it.
        said: assignments of the names in it that stand for nothing certain.
    """

    text: str
    names: frozenset[str] = frozenset()
    said: tuple[str, ...] = ()

    def negated(self) -> Part:
        """The opposite."""
        return Part(negated(self.text), self.names, self.said)


def both(parts: Iterable[Part]) -> Part:
    """Several conditions as one."""
    every = list(parts)
    names = frozenset[str]().union(*(part.names for part in every))
    said = tuple(dict.fromkeys(one for part in every for one in part.said))
    return Part(" and ".join(part.text for part in every), names, said)


@dataclass
class Standing:
    """Values of names and of attributes, by name or by their text in the tool's words.

    Attributes:
        values: what stands for a name or an attribute; without an entry it stands for itself.
        said: the assignments of those that stand for nothing certain.
    """

    values: dict[str, ast.expr] = field(default_factory=dict)
    said: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def copy(self) -> Standing:
        return Standing(dict(self.values), dict(self.said))

    def attributes(self) -> Standing:
        """That of attributes alone, which a called function shares."""
        return Standing(
            {key: value for key, value in self.values.items() if not key.isidentifier()},
            {key: value for key, value in self.said.items() if not key.isidentifier()},
        )

    def take(self, other: Standing) -> None:
        """What a called function did to attributes."""
        own = {key: value for key, value in self.values.items() if key.isidentifier()}
        told = {key: value for key, value in self.said.items() if key.isidentifier()}
        inner = other.attributes()
        changed = {_last(key) for key in {**inner.values, **inner.said} if not self._same(inner, key)}
        self.values, self.said = {**own, **inner.values}, {**told, **inner.said}
        for name in changed:
            self._drop(name, f"{name} changes", keep=set(inner.values))

    def assign(self, key: str, value: ast.expr | None, text: str) -> None:
        """An assignment: the key stands for the value, if there is one; what read it before stands no longer.

        Args:
            key: name or attribute, in the tool's words.
            value: the assigned expression in the tool's words; None if it is not certain.
            text: the assignment, to be said.
        """
        self._drop(_last(key), text, keep={key})
        before = self.said.get(key, ())
        if value is None and any(one.endswith(IN_A_LOOP) for one in before):
            return  # that is said
        if key in self.values and value is None:
            before = (f"{key} = {written(self.values[key])}", *before)
        if value is None:
            self.values.pop(key, None)
            self.said[key] = tuple(dict.fromkeys((*before, text)))
        else:
            self.said.pop(key, None)
            self.values[key] = value

    def forget(self, key: str) -> None:
        """A name that stands for itself again, such as that of a loop."""
        self._drop(key, f"{key} changes", keep={key})
        self.values.pop(key, None)
        self.said.pop(key, None)

    def _drop(self, name: str, text: str, keep: Collection[str]) -> None:
        """Values that read a name or an attribute are certain no longer."""
        for key, value in list(self.values.items()):
            if key not in keep and name in identifiers([value]):
                del self.values[key]
                self.said[key] = (_short(f"{key} = {written(value)}"), text)

    def _same(self, other: Standing, key: str) -> bool:
        mine, its = self.values.get(key), other.values.get(key)
        if mine is not None and its is not None:
            return mine is its or ast.dump(mine) == ast.dump(its)
        return key in self.said and self.said[key] == other.said.get(key)


def joined(before: Standing, ends: list[tuple[str, Standing]]) -> Standing:
    """Where several ways meet: certain is what all of them say.

    Args:
        before: where they part.
        ends: the end of each, with the condition that leads along it.
    """
    if len(ends) < 2:
        return ends[0][1] if ends else before
    made = Standing()
    first = ends[0][1]
    for key in dict.fromkeys(key for _, one in ends for key in (*one.values, *one.said)):
        if all(first._same(one, key) for _, one in ends):
            if key in first.values:
                made.values[key] = first.values[key]
            else:
                made.said[key] = first.said[key]
            continue
        told = list(before.said.get(key, ()))
        if key in before.values:
            told.append(_short(f"{key} = {written(before.values[key])}"))
        for condition, one in ends:
            here = [text for text in one.said.get(key, ()) if text not in told]
            if key in one.values and not before._same(one, key):
                here.append(_short(f"{key} = {written(one.values[key])}"))
            told += [f"{text} if {condition}" if condition else text for text in here]
        made.said[key] = tuple(dict.fromkeys(told))
    return made


@dataclass
class View:
    """Expressions of one function in the tool's own words.

    Args:
        names: the names of its module.
        standing: what its own names stand for.
        renamed: its names that the tool has, too, for something else.
    """

    names: NameTable
    standing: Standing
    renamed: Mapping[str, str] = field(default_factory=dict)

    def substituted(self, node: ast.expr) -> ast.expr:
        made: ast.expr = _Substitute(self).visit(bounded(node))
        return made

    def without(self, names: Collection[str]) -> View:
        """Where some names are others', as in a comprehension."""
        values = {key: value for key, value in self.standing.values.items() if key not in names}
        return View(self.names, Standing(values, self.standing.said), self.renamed)

    def part(self, node: ast.AST, form: str = "{}") -> Part:
        """A condition; `form` is the text around it."""
        made = _Substitute(self).visit(bounded(node))
        text = ast.unparse(made).partition("\n")[0]
        return Part(form.format(text), identifiers([made]), self.said_of(made))

    def text(self, node: ast.AST) -> str:
        return self.part(node).text

    def said_of(self, made: ast.AST) -> tuple[str, ...]:
        """The assignments of what is not certain in an expression."""
        found: dict[str, None] = {}
        if not self.standing.said:
            return ()
        for inner in ast.walk(made):
            if isinstance(inner, ast.Name | ast.Attribute | ast.Subscript):
                found |= dict.fromkeys(self.standing.said.get(_key(inner), ())[-_SAID:])
        return tuple(found)

    # --- assignments ------------------------------------------------------------------------------

    def assign(
        self, target: ast.expr, value: ast.expr | None, *, certain: bool = True, said: str = ""
    ) -> None:
        """An assignment; without a value the target stands for nothing certain, and `said` is said."""
        if isinstance(target, ast.Tuple | ast.List):
            values: list[ast.expr | None] = [None] * len(target.elts)
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts):
                values = list(value.elts)
            if value is not None and values[0] is None:
                said = f"{written(target)} = {self.text(value)}"
            apart = not identifiers([target]) & identifiers([value])  # else one is read after it is assigned
            for one, each in zip(target.elts, values, strict=True):
                self.assign(one, each, certain=apart and certain, said=said)
            return
        if isinstance(target, ast.Starred):
            self.assign(target.value, None)
            return
        made = None if value is None else self.substituted(value)
        if isinstance(target, ast.Subscript):
            self.touch(target.value, f"{self.text(target)} = {'...' if made is None else ast.unparse(made)}")
            return
        key = self._target(target)
        if key is None:
            return
        if made is not None and (secret_name(_last(key)) or isinstance(made, ast.Dict | ast.List)):
            self.standing.forget(key)
            return
        text = said or f"{key} = {'...' if made is None else ast.unparse(made)}"
        sure = certain and made is not None and len(text) <= _INLINED and not self._unsure(made)
        self.standing.assign(key, made if sure else None, _short(text))

    def change(self, statement: ast.AugAssign) -> None:
        """`left -= x`"""
        load = ast.parse(written(statement.target), mode="eval").body
        self.assign(statement.target, ast.BinOp(load, statement.op, statement.value))

    def mutate(self, call: ast.Call) -> None:
        """`self.rows.append(x)`, if the method is one that changes its object."""
        if isinstance(call.func, ast.Attribute) and call.func.attr in _CHANGING:
            self.touch(call.func.value, self.text(call))

    def touch(self, base: ast.expr, text: str) -> None:
        """A change within an object, to be said: what read it is certain no longer."""
        made = self.substituted(base)
        if isinstance(base, ast.Name) and not isinstance(made, ast.Name | ast.Attribute | ast.Subscript):
            name = self.renamed.get(base.id, base.id)  # `total = defaultdict(int)`
            text, made = text.replace(written(made), name, 1), ast.Name(name, ast.Load())
        if isinstance(made, ast.Name | ast.Attribute | ast.Subscript):
            self.standing.assign(_key(made), None, _short(text))

    def unsettle(self, statements: Iterable[ast.stmt]) -> None:
        """All that statements assign stands for nothing certain: they may run again, or not to their end."""
        for node in (inner for one in statements for inner in ast.walk(one)):
            match node:
                case ast.Assign(targets=targets, value=value):
                    for target in targets:
                        self._unsettled(target, f" = {written(value)}")
                case ast.AnnAssign(target=target, value=value) if value is not None:
                    self._unsettled(target, f" = {written(value)}")
                case ast.AugAssign(target=target, value=value):
                    self._unsettled(target, f" {_operator(node.op)}= {written(value)}")
                case ast.NamedExpr(target=target, value=value):
                    self._unsettled(target, f" = {written(value)}")
                case ast.Call():
                    self.mutate(node)

    def _unsettled(self, target: ast.expr, text: str) -> None:
        for one in target.elts if isinstance(target, ast.Tuple | ast.List) else [target]:
            if isinstance(one, ast.Subscript):
                self.touch(one.value, f"{self.text(one)}{text}{IN_A_LOOP}")
            key = self._target(one)
            if key is not None:
                self.standing.assign(key, None, _short(f"{key}{text}{IN_A_LOOP}"))

    def _target(self, target: ast.expr) -> str | None:
        """The key of a name or an attribute that is assigned."""
        if isinstance(target, ast.Name):
            return self.renamed.get(target.id, target.id)
        if isinstance(target, ast.Attribute):
            return _key(ast.Attribute(self.substituted(target.value), target.attr, ast.Load()))
        return None

    def _unsure(self, made: ast.expr) -> bool:
        """Whether an expression reads what is not certain: it may change once more."""
        return bool(self.said_of(made))


class _Substitute(ast.NodeTransformer):
    """The tool's own words for names, and the values of constants; texts that may be secrets are left out."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._own: set[str] = set()

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp | ast.Lambda):
            return super().visit(node)
        before, self._own = self._own, self._own | bound_in(node)
        made = super().visit(node)
        self._own = before
        return made

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self._own:
            return node
        view = self._view
        key = view.renamed.get(node.id, node.id)
        if isinstance(node.ctx, ast.Load) and key in view.standing.values:
            return bounded(view.standing.values[key])
        if key != node.id or key in view.standing.said or node.id in view.names.locals:
            return ast.Name(key, node.ctx)
        value = view.names.value(node)
        constant = node.id.isupper() or node.id in view.names.closed
        if not constant or not _shown(value):
            return node
        if secret_name(node.id):
            return ast.Constant(HIDDEN)
        return self.visit(ast.parse(repr(value), mode="eval").body)  # type: ignore[no-any-return]

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if node.attr == "__name__":
            named = self._view.names.value(node.value)
            if type(named) is FunctionType or is_class(named):
                return ast.Constant(name_of(named) if is_class(named) else named.__name__)
        made = ast.Attribute(self.visit(node.value), node.attr, node.ctx)
        found = self._view.standing.values.get(_key(made)) if isinstance(node.ctx, ast.Load) else None
        return made if found is None else bounded(found)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(without_secrets(node.value)) if isinstance(node.value, str) else node


def _shown(value: Any) -> bool:
    """Whether a constant is short enough to stand in its name's place."""
    if any(type(value) is kind for kind in (tuple, list, set, frozenset)):
        return len(value) <= 8 and all(is_plain(one) and one is not None for one in value)
    return is_plain(value) and value is not None


def _key(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else written(node)


def _last(key: str) -> str:
    """The name or the attribute that a key ends with."""
    return key.rpartition(".")[2].partition("[")[0]


def _short(text: str) -> str:
    text = text.partition("\n")[0]
    return text if len(text) <= _ASSIGNMENT else f"{text[: _ASSIGNMENT - 3]}..."


def _operator(operator: ast.operator) -> str:
    return ast.unparse(ast.BinOp(ast.Name("a"), operator, ast.Name("b")))[2:-2]
